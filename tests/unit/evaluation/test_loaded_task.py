"""What lm-eval builds of a task's rows is looked at before any model runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from evaluation_toys import mmlu_row, problem_row, write_lines, write_rows

from harness.core.errors import DataError
from harness.evaluation import tasks
from harness.evaluation.benchmark import check_tasks, quiet
from harness.evaluation.loaded_task import load_task
from harness.profiles.profile import load_profile
from harness.profiles.sections import TaskSection

GSM8K, MMLU = "openai/gsm8k/main", "cais/mmlu/tides"
PIQA = "baber/piqa/default/validation.jsonl"
SOUP = {"goal": "Keep soup warm.", "sol1": "Put a lid on it.", "sol2": "Put it in the snow.", "label": 0}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "rows [1]")


def check(root: Path, task: str, shots: int = 0) -> None:
    section = load_profile("miniature").evaluation
    check_tasks(section.model_copy(update={"tasks": {task: TaskSection(num_fewshot=shots)}}), root)


def refusal(root: Path, task: str, shots: int = 0) -> DataError:
    with pytest.raises(DataError) as error:
        check(root, task, shots)
    assert error.value.remedy
    return error.value


@pytest.mark.parametrize(("task", "shots"), [("mmlu", 5), ("gsm8k", 8), ("truthfulqa_mc2", 0)])
def test_good_rows_pass(task: str, shots: int, root: Path) -> None:
    check(root, task, shots)


@pytest.mark.parametrize(("task", "shots", "file"), [("mmlu", 6, "dev"), ("gsm8k", 9, "train")])
def test_fewer_rows_than_shots_are_refused(task: str, shots: int, file: str, root: Path) -> None:
    error = refusal(root, task, shots)
    assert f"{shots} worked examples are asked for (num_fewshot), there are {shots - 1} rows" in error.cause
    assert str(error.value).endswith(f"{file}.jsonl")
    assert str(error.value).startswith(str(root))


@pytest.mark.parametrize(("shots", "fits"), [(2, True), (3, False)])
def test_a_scored_row_is_no_example_of_its_own(
    shots: int, fits: bool, root: Path, own_task: Callable[[str], None]
) -> None:
    """PIQA without its train split draws examples from the rows that it scores: of three, two are left."""
    own_task("training_split: null")
    write_lines(root / PIQA, [{**SOUP, "goal": f"Keep soup {i}."} for i in range(3)])
    if fits:
        check(root, "own", shots)
    else:
        assert "among them the scored one" in refusal(root, "own", shots).cause


@pytest.mark.parametrize(
    ("rows", "place", "cause"),
    [
        ([SOUP, {**SOUP, "label": 2}], "line 2", "the right answer (`label`) is 2; there are 2 choices"),
        ([SOUP, {**SOUP, "label": -1}], "line 2", "is -1"),
        ([{**SOUP, "label": "1"}], "line 1", "is '1'"),
        ([SOUP, {**SOUP, "sol2": ""}], "line 2", "a choice is not a text, or is empty"),
    ],
)
def test_a_task_without_a_schema_has_answers_too(
    rows: list[dict[str, Any]], place: str, cause: str, root: Path, own_task: Callable[[str], None]
) -> None:
    own_task("training_split: null")
    write_lines(root / PIQA, rows)
    error = refusal(root, "own")
    assert cause in error.cause
    assert error.value == f"{root / PIQA}, {place}"


@pytest.mark.parametrize("field", SOUP)
def test_rows_without_a_field_of_the_task_are_refused(
    field: str, root: Path, own_task: Callable[[str], None]
) -> None:
    own_task("training_split: null")
    write_lines(root / PIQA, [{key: SOUP[key] for key in SOUP if key != field}] * 2)
    assert refusal(root, "own").cause


def test_a_split_without_a_file_is_named(root: Path, own_task: Callable[[str], None]) -> None:
    own_task("training_split: train")
    write_lines(root / PIQA, [SOUP] * 2)
    error = refusal(root, "own")
    assert "'train'" in error.cause
    assert "CONTRIBUTING" in error.remedy


@pytest.fixture
def own_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A task file as CONTRIBUTING.md describes it, with one more line."""

    def write(line: str) -> None:
        folder = tmp_path / "tasks"
        folder.mkdir()
        files = f'dataset_kwargs:\n  data_files:\n    validation: "${{data_root}}/{PIQA}"\n'
        text = f'include: "${{lm_eval}}/piqa/piqa.yaml"\ntask: own\n{line}\n{files}'
        (folder / "own.yaml").write_text(text, encoding="utf-8")
        monkeypatch.setattr(tasks, "TASKS", folder)

    return write


@pytest.mark.parametrize("split", ["train", "test"])
def test_an_answer_that_cannot_match_itself_is_refused(split: str, root: Path) -> None:
    """lm-eval's strict filter reads the first `#### N` of a text, its metric the gold answer's last one."""
    rows = [problem_row(i) for i in range(8)]
    rows[2]["answer"] = "#### 3 is half of it.\n#### 6"
    write_lines(root / f"{GSM8K}/{split}.jsonl", rows)
    error = refusal(root, "gsm8k", 1)
    assert "no generation can match `answer`" in error.cause
    assert error.value == f"{root / GSM8K}/{split}.jsonl, line 3"


def test_a_correct_answer_counts_where_the_gold_one_ends_in_a_blank(root: Path, tmp_path: Path) -> None:
    good = problem_row(3)
    write_lines(root / f"{GSM8K}/test.jsonl", [{**good, "answer": good["answer"] + " "}] * 2)
    with quiet():
        loaded = load_task("gsm8k", TaskSection(num_fewshot=0), root, tmp_path / "out")
    (task,) = loaded.members
    for given in ("6", "6."):
        assert task.process_results(task.eval_docs[0], [given]) == {"exact_match": 1}
    assert task.process_results(task.eval_docs[0], ["7"]) == {"exact_match": 0}


def test_the_rows_of_this_root_are_read_and_not_those_of_a_neighbour(root: Path, tmp_path: Path) -> None:
    """`rows [1]` read as a pattern is the folder `rows 1`."""
    other = [{**mmlu_row("tides", i), "answer": (i + 1) % 4} for i in range(6)]
    write_lines(root.parent / "rows 1" / MMLU / "test.jsonl", other)
    section = TaskSection(num_fewshot=0, subjects=("tides",))
    with quiet():
        (task,) = load_task("mmlu", section, root, tmp_path / "out").members
    assert [row["answer"] for row in task.eval_docs] == [i % 4 for i in range(6)]
