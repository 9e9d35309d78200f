"""The task files: lm-eval's own tasks in everything but where the rows come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from evaluation_toys import SUBJECTS, write_rows
from lm_eval.tasks import TaskManager
from lm_eval.tasks._yaml_loader import load_yaml

from harness.core.errors import DataError, MissingInputError
from harness.evaluation.rows import read_rows
from harness.evaluation.tasks import digest_tasks, lm_eval_tasks, resolve_task, task_names
from harness.profiles.profile import load_profile
from harness.profiles.sections import TaskSection

SOURCE_FIELDS = {"dataset_path", "dataset_name", "dataset_kwargs", "custom_dataset"}
OWN = {
    "mmlu_virology": "mmlu/default/mmlu_virology.yaml",
    "truthfulqa_mc2": "truthfulqa/truthfulqa_mc2.yaml",
    "gsm8k": "gsm8k/gsm8k.yaml",
}
ZERO = TaskSection(num_fewshot=0)


def other_fields(path: Path) -> dict[str, Any]:
    loaded = load_yaml(path, resolve_func=False)
    return {key: value for key, value in loaded.items() if key not in SOURCE_FIELDS}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "rows")


@pytest.mark.parametrize("task", OWN)
def test_everything_but_the_source_is_lm_evals(task: str, root: Path, tmp_path: Path) -> None:
    resolve_task(task.partition("_virology")[0], ZERO, root, tmp_path / "out")
    own = other_fields(lm_eval_tasks() / OWN[task])
    assert other_fields(tmp_path / "out" / f"{task}.yaml") == own
    assert {"doc_to_text", "doc_to_target", "metric_list", "output_type", "metadata"} <= own.keys()


def test_an_unknown_subject_has_the_words_of_a_known_one(root: Path, tmp_path: Path) -> None:
    resolve_task("mmlu", ZERO, root, tmp_path / "out")
    known = other_fields(lm_eval_tasks() / "mmlu/default/mmlu_high_school_biology.yaml")
    stood_in = other_fields(tmp_path / "out/mmlu_tides.yaml")
    assert known["description"].replace("high school biology", "tides") == stood_in["description"]
    assert (stood_in["task"], stood_in["task_alias"]) == ("mmlu_tides", "tides")
    named = {"description", "task", "task_alias", "tag"}
    assert {k: v for k, v in stood_in.items() if k not in named} == {
        k: v for k, v in known.items() if k not in named
    }


def test_the_group_aggregates_as_lm_evals(root: Path, tmp_path: Path) -> None:
    resolve_task("mmlu", ZERO, root, tmp_path / "out")
    group = load_yaml(tmp_path / "out/_mmlu.yaml")
    own = load_yaml(lm_eval_tasks() / "mmlu/default/_mmlu.yaml")
    assert group.pop("task") == [f"mmlu_{subject}" for subject in SUBJECTS]
    del own["task"]
    assert group == own
    assert own["aggregate_metric_list"] == [{"metric": "acc", "weight_by_size": True}]


def test_lm_eval_builds_the_tasks_and_reads_the_rows(root: Path, tmp_path: Path) -> None:
    resolve_task("mmlu", TaskSection(num_fewshot=0, subjects=("tides",)), root, tmp_path / "out")
    manager = TaskManager(include_path=str(tmp_path / "out"), include_defaults=False)
    (task,) = manager.load(["mmlu"])["tasks"].values()
    row = task.eval_docs[1]
    assert task.doc_to_text(row) == (
        "How high is tides 1?\nA. 1 feet\nB. 2 feet\nC. 3 feet\nD. 4 feet\nAnswer:"
    )
    assert (task.doc_to_choice(row), task.doc_to_target(row)) == (["A", "B", "C", "D"], 1)


def test_real_rows_resolve_and_pass(real_data_root: Path, tmp_path: Path) -> None:
    counted = {}
    for name in task_names():
        rows = resolve_task(name, ZERO, real_data_root, tmp_path / name)
        counted[name] = sum(len(read_rows(path, name)[0]) for path in rows)
    assert counted == {"gsm8k": 800, "mmlu": 2910, "truthfulqa_mc2": 250}


def test_a_path_with_quotes_and_blanks_reaches_the_rows(tmp_path: Path) -> None:
    root = write_rows(tmp_path / 'a "b" c: #d')
    resolve_task("gsm8k", ZERO, root, tmp_path / "out")
    files = load_yaml(tmp_path / "out/gsm8k.yaml")["dataset_kwargs"]["data_files"]
    assert Path(files["test"]) == root.resolve() / "openai/gsm8k/main/test.jsonl"


def test_a_missing_task_file_lists_those_that_there_are(root: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="arc_easy") as error:
        resolve_task("arc_easy", ZERO, root, tmp_path / "out")
    assert "gsm8k, mmlu, truthfulqa_mc2" in error.value.remedy
    profile = load_profile("miniature")
    section = profile.evaluation.model_copy(update={"tasks": {"arc_easy": ZERO}})
    with pytest.raises(MissingInputError):
        digest_tasks(section)


def test_missing_rows_are_named(root: Path, tmp_path: Path) -> None:
    gone = root / "openai/gsm8k/main/train.jsonl"
    gone.unlink()
    with pytest.raises(MissingInputError) as error:
        resolve_task("gsm8k", ZERO, root, tmp_path / "out")
    assert error.value.value == gone
    with pytest.raises(MissingInputError, match="geology"):
        resolve_task("mmlu", TaskSection(num_fewshot=0, subjects=("geology",)), root, tmp_path / "mmlu")
    with pytest.raises(MissingInputError):
        resolve_task("mmlu", ZERO, tmp_path / "nowhere", tmp_path / "none")
    with pytest.raises(DataError):
        resolve_task("mmlu", TaskSection(num_fewshot=0, subjects=("../x",)), root, tmp_path / "bad")
