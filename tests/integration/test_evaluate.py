"""The evaluation of an arm on a real lm-eval run: one code path, the same numbers as lm-eval's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import lm_eval
import pytest
import torch
import training_toys as toys
from evaluation_toys import (
    LIMIT,
    SUBJECTS,
    lm_eval_alone,
    pair_row,
    prepared,
    toy_profile,
    write_lines,
    write_model,
    write_rows,
)
from fsrl_toys import D_IN, D_SAE, toy_tensors, write_sae

from fsrl.adapter import Adapter
from harness.arm import load_arm, scene
from harness.core.artefact import Artefact, write_artefact
from harness.core.errors import DataError, EvaluationError, MissingInputError, ProfileError
from harness.core.paths import RunPaths
from harness.core.results import EvaluateResult, PrepareResult
from harness.evaluation.benchmark import scores
from harness.evaluation.preference import mean_score
from harness.evaluation.score import Ready, evaluate_arm, load_ready, score_preferences
from harness.models.base_model import load_model
from harness.profiles.profile import Profile
from harness.stages import evaluate
from harness.stages.inputs import Context
from harness.stages.stage import run_stage
from harness.training.pairs import collate, read_pairs, tokenise_pairs

TASKS = ("mmlu", "truthfulqa_mc2", "gsm8k")
STEERED = 0.3


class Toy(NamedTuple):
    """A run of the toy model: its inputs, and the base arm's scores and sample logs."""

    profile: Profile
    inputs: PrepareResult
    paths: RunPaths
    base: EvaluateResult

    def logs(self, arm: str = "base", root: Path | None = None) -> dict[str, str]:
        folder = RunPaths(root=root or self.paths.root).samples(arm)
        return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    root = tmp_path_factory.mktemp("evaluate")
    sae = write_sae(root / "sae", toy_tensors(D_IN, D_SAE))
    inputs = prepared(write_model(root / "model"), write_rows(root / "rows"), sae)
    profile, paths = toy_profile(), RunPaths(root=root / "run")
    return Toy(profile, inputs, paths, evaluate_arm(profile, paths, "base", inputs).result)


def save_adapter(toy: Toy, paths: RunPaths, size: float) -> None:
    """Save the fsrl arm as trained, with every weight and bias of the adapter at most `size`."""
    arm = load_arm(toy.profile, "fsrl", scene(toy.profile, toy.inputs))
    model = load_model(Path(toy.inputs.model_dir), toy.profile.model, torch.device("cpu"))
    arm.prepare(model)
    (adapter,) = (module for module in model.modules() if isinstance(module, Adapter))
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in (adapter.weight, adapter.bias):
            parameter.copy_(size * torch.rand(parameter.shape, generator=draw))
    paths.weights("fsrl").mkdir(parents=True)
    arm.save(model, paths.weights("fsrl"))


@pytest.mark.parametrize("task", TASKS)
def test_every_item_is_lm_evals_own(toy: Toy, task: str, tmp_path: Path) -> None:
    alone = lm_eval_alone(toy.profile, toy.inputs, tmp_path, task)
    rows = [json.loads(line) for line in toy.logs()[f"{task}.jsonl"].splitlines()]
    ours = {
        (row["task"], row["doc_id"], name): seen for row in rows for name, seen in row["responses"].items()
    }
    theirs = {
        (part, sample["doc_id"], sample["filter"]): json.loads(json.dumps(sample["filtered_resps"]))
        for part, samples in alone["samples"].items()
        for sample in samples
    }
    assert ours == theirs
    texts = [
        sample["resps"][0][0]
        for sample in alone["samples"].get("gsm8k", [])
        if sample["filter"] == "strict-match"
    ]
    assert [row["generated"] for row in rows if "generated" in row] == texts
    assert (len(set(texts)) > 1) == (task == "gsm8k")
    assert len(rows) == LIMIT * (len(SUBJECTS) if task == "mmlu" else 1)
    assert scores(task, alone["results"]).items() <= toy.base.scores.items()


def test_the_scores_and_their_items(toy: Toy) -> None:
    found = {name: score.n for name, score in toy.base.scores.items()}
    assert found == {
        "mmlu.acc": 2 * LIMIT,
        "mmlu.tides.acc": LIMIT,
        "mmlu.virology.acc": LIMIT,
        "truthfulqa_mc2.acc": LIMIT,
        "gsm8k.strict-match": LIMIT,
        "gsm8k.flexible-extract": LIMIT,
    }
    rows = [json.loads(line) for line in toy.logs()["truthfulqa_mc2.jsonl"].splitlines()]
    values = [row["metrics"]["acc"] for row in rows]
    assert toy.base.scores["truthfulqa_mc2.acc"].value == pytest.approx(sum(values) / LIMIT)
    assert mean_score(values, "acc") == toy.base.scores["truthfulqa_mc2.acc"].model_copy(
        update={
            "value": pytest.approx(sum(values) / LIMIT),
            "stderr": pytest.approx(mean_score(values, "").stderr),
        }
    )


def test_a_second_run_writes_the_same_bytes(toy: Toy, tmp_path: Path) -> None:
    again = evaluate_arm(toy.profile, RunPaths(root=tmp_path), "base", toy.inputs).result
    assert toy.logs(root=tmp_path) == toy.logs()
    costs = {"wall_s", "usage"}
    assert again.model_dump(exclude=costs) == toy.base.model_dump(exclude=costs)


def test_nothing_of_this_machine_is_recorded(toy: Toy) -> None:
    text = toy.base.model_dump_json() + "".join(toy.logs().values())
    for folder in (
        toy.inputs.model_dir,
        toy.inputs.data_root,
        str(Path(lm_eval.__file__).parent),
        "harness-tasks-",
    ):
        assert folder not in text


def test_an_adapter_forced_to_zero_is_the_base_item_for_item(toy: Toy, tmp_path: Path) -> None:
    paths = RunPaths(root=tmp_path)
    save_adapter(toy, paths, 0.0)
    zero = evaluate_arm(toy.profile, paths, "fsrl", toy.inputs).result
    assert toy.logs("fsrl", tmp_path) == toy.logs()
    assert zero.scores == toy.base.scores
    assert zero.requests == toy.base.requests
    assert (zero.preference.mean_l0, zero.preference.mean_l1) == (0.0, 0.0)
    assert zero.preference.penalised_loss == toy.base.preference.loss


def test_zero_is_the_base_with_a_shared_prefix_too(toy: Toy, tmp_path: Path) -> None:
    profile, paths = toy_profile(share_prefix=True), RunPaths(root=tmp_path)
    save_adapter(toy, paths, 0.0)
    for arm in ("base", "fsrl"):
        evaluate_arm(profile, paths, arm, toy.inputs)
    assert toy.logs("fsrl", tmp_path) == toy.logs("base", tmp_path)


def test_an_adapter_that_steers_changes_the_items_and_not_the_requests(toy: Toy, tmp_path: Path) -> None:
    paths = RunPaths(root=tmp_path)
    save_adapter(toy, paths, STEERED)
    steered = evaluate_arm(toy.profile, paths, "fsrl", toy.inputs).result
    assert steered.requests == toy.base.requests
    for name, text in toy.logs().items():
        assert toy.logs("fsrl", tmp_path)[name] != text
    scores = steered.preference
    assert scores.mean_l0 is not None
    assert scores.mean_l1 is not None
    assert scores.penalised_loss.value - scores.loss.value == pytest.approx(2e-3 * scores.mean_l1, rel=1e-5)


def test_the_penalty_is_a_mean_over_positions_not_over_batches(toy: Toy, tmp_path: Path) -> None:
    """Batches of unlike numbers of positions: the batch size must not show."""
    paths = RunPaths(root=tmp_path)
    save_adapter(toy, paths, STEERED)
    found = []
    for size in (1, 3, 7):
        profile = toy_profile(loss_batch_size=size)
        found.append(
            score_preferences(profile, toy.inputs, load_ready(profile, paths, "fsrl", toy.inputs)).scores
        )
    for other in found[1:]:
        assert other.mean_l0 == found[0].mean_l0
        assert other.mean_l1 == pytest.approx(found[0].mean_l1, rel=1e-5)
        assert other.penalised_loss.value == pytest.approx(found[0].penalised_loss.value, rel=1e-5)


def test_the_loss_is_simpos_pair_by_pair_in_file_order(toy: Toy) -> None:
    """Against whole logits, one pair at a time, and equation 4 written out."""
    ready = load_ready(toy.profile, toy.paths, "base", toy.inputs)
    pairs = read_pairs(Path(toy.inputs.data_root) / toy.profile.data.test, 0)
    tokens = tokenise_pairs(pairs, ready.tokenizer, 512, 384)
    lines = [json.loads(line) for line in toy.logs()["preference.jsonl"].splitlines()]
    assert [line["doc_id"] for line in lines] == list(range(7))
    for row, line in zip(tokens.rows, lines, strict=True):
        batch = collate([row], 0)
        with torch.no_grad():
            logits = ready.model(batch.input_ids_BxT, attention_mask=batch.attention_mask_BxT).logits
        chosen, rejected = toys.mean_response_logprobs(logits, batch).double().tolist()
        margin = torch.tensor(10.0 * chosen - 10.0 * rejected - 5.0, dtype=torch.float64)
        assert line["metrics"]["loss"] == pytest.approx(float(torch.log1p(torch.exp(-margin))), rel=1e-4)
        assert line["metrics"]["chosen_reward"] == pytest.approx(10 * chosen, rel=1e-4)
        assert line["metrics"]["accuracy"] == float(chosen > rejected)
        assert line["tokens"] == {key: len(getattr(row, key)) for key in ("prompt", "chosen", "rejected")}
    mean = sum(line["metrics"]["loss"] for line in lines) / 7
    assert toy.base.preference.loss.value == pytest.approx(mean)


def test_a_mean_and_its_standard_error_by_hand() -> None:
    """Of 1, 2, 6: mean 3, squares 4 + 1 + 9 = 14, variance 7, standard error sqrt(7 / 3)."""
    score = mean_score([1.0, 2.0, 6.0], "x")
    assert (score.value, score.stderr, score.n) == (3.0, pytest.approx((7 / 3) ** 0.5), 3)
    for values in ([1.0], [1.0, float("nan")]):
        with pytest.raises(EvaluationError):
            mean_score(values, "x")


def test_a_model_whose_weights_are_not_finite_is_refused(toy: Toy) -> None:
    ready = load_ready(toy.profile, toy.paths, "base", toy.inputs)
    with torch.no_grad():
        next(ready.model.parameters()).fill_(float("nan"))
    with pytest.raises(EvaluationError, match="SimPO loss"):
        score_preferences(toy.profile, toy.inputs, Ready(ready.arm, ready.model, ready.tokenizer))


def test_one_item_has_no_standard_error(toy: Toy, tmp_path: Path) -> None:
    profile = toy_profile(tasks={"truthfulqa_mc2": {"num_fewshot": 0, "limit": 1}})
    with pytest.raises(EvaluationError, match="no standard error for 1 items"):
        evaluate_arm(profile, RunPaths(root=tmp_path), "base", toy.inputs)


def write_finished(toy: Toy, paths: RunPaths, stage: str, arm: str | None, result: dict[str, Any]) -> None:
    rest: dict[str, Any] = {"profile": {}, "inputs": {}, "outputs": {}, "provenance": {}, "wall_s": 0.0}
    artefact = Artefact(stage=stage, arm=arm, key="k", result=result, **rest)
    write_artefact(paths.stage(stage, arm), artefact)


def test_the_stage_names_what_is_missing_and_what_has_changed(toy: Toy, tmp_path: Path) -> None:
    paths = RunPaths(root=tmp_path)
    with pytest.raises(MissingInputError, match="harness prepare"):
        evaluate.needs(Context(toy.profile, paths), "base")
    write_finished(toy, paths, "prepare", None, toy.inputs.model_dump(mode="json"))
    with pytest.raises(MissingInputError, match="harness train"):
        evaluate.needs(Context(toy.profile, paths), "base")
    write_finished(toy, paths, "train", "base", {})
    first = evaluate.needs(Context(toy.profile, paths), "base")

    def changed(profile: Profile) -> set[str]:
        second = evaluate.needs(Context(profile, paths), "base")
        return {name for name in first if first[name] != second[name]}

    assert changed(toy.profile) == set()
    assert changed(toy_profile(batch_size=5)) == {"evaluation"}
    training = toy.profile.training.model_copy(update={"epochs": 3})
    assert changed(toy.profile.model_copy(update={"training": training})) == set()
    files = {**toy.inputs.files, f"data/{toy.profile.data.train}": "0" * 64}
    write_finished(toy, paths, "prepare", None, {**toy.inputs.model_dump(mode="json"), "files": files})
    assert changed(toy.profile) == set()
    files[f"data/{toy.profile.data.test}"] = "0" * 64
    write_finished(toy, paths, "prepare", None, {**toy.inputs.model_dump(mode="json"), "files": files})
    assert changed(toy.profile) == {"test pairs"}
    with pytest.raises(ProfileError, match=r"evaluation\.source"):
        evaluate.needs(Context(toy_profile(source="data_root"), paths), "base")


def test_the_stage_writes_an_artefact_and_reuses_it(toy: Toy, tmp_path: Path) -> None:
    paths = RunPaths(root=tmp_path)
    write_finished(toy, paths, "prepare", None, toy.inputs.model_dump(mode="json"))
    write_finished(toy, paths, "train", "base", {})
    profile = toy_profile(tasks={"truthfulqa_mc2": {"num_fewshot": 0, "limit": 2}})
    (artefact,) = run_stage("evaluate", profile, paths, "base")
    assert sorted(artefact.outputs) == ["base/samples/preference.jsonl", "base/samples/truthfulqa_mc2.jsonl"]
    assert EvaluateResult.model_validate(artefact.result).scores["truthfulqa_mc2.acc"].n == 2
    assert run_stage("evaluate", profile, paths, "base") == [artefact]


def test_a_failed_evaluation_leaves_no_artefact(toy: Toy, tmp_path: Path) -> None:
    root = write_rows(tmp_path / "rows")
    write_lines(root / toy.profile.data.test, [pair_row(0), {**pair_row(1), "rejected": []}])
    paths = RunPaths(root=tmp_path / "run")
    inputs = toy.inputs.model_copy(update={"data_root": str(root)})
    write_finished(toy, paths, "prepare", None, inputs.model_dump(mode="json"))
    write_finished(toy, paths, "train", "base", {})
    with pytest.raises(DataError, match="line 2"):
        run_stage("evaluate", toy.profile, paths, "base")
    assert not paths.stage("evaluate", "base").exists()
    assert not paths.samples("base").exists()
