"""Objectives against trl's trainers, the reference's log-probabilities, and what a batch makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import training_toys as toys
from safetensors.torch import load_file
from torch import Tensor

from baselines import full_simpo
from harness.arm import Dial
from harness.core.errors import DamagedFileError
from harness.profiles.profile import load_profile, parse_profile
from harness.training import reference as references
from harness.training.loss import response_logprobs
from harness.training.objective import known_objectives, load_objective
from harness.training.objectives import dpo, simpo
from harness.training.pair_logprobs import PairLogprobs
from harness.training.pair_loss import LENGTHS, REFERENCE, PairLoss
from harness.training.pairs import PairTokens, collate
from harness.training.reference import reference_key, reference_logprobs

SECTION = load_profile("miniature").training
ROWS = [PairTokens([2, 8, 9], [10, 11, 1], [12, 1]), PairTokens([2, 7], [9, 1], [13, 14, 15, 1])]


def test_simpo_is_trls_to_the_last_bit(tmp_path: Path) -> None:
    """Values and gradients, so that a training is what it was when trl's own function was called."""
    from harness.training.trainer import CPOTrainer

    stub: Any = type("Stub", (), {})()
    stub.alpha, stub.beta, stub.simpo_gamma, stub.label_smoothing = 0.0, 10.0, 5.0, 0.0
    stub.loss_type, stub.accelerator = "simpo", type("A", (), {"device": torch.device("cpu")})
    draw = torch.Generator().manual_seed(0)
    values = -3 * torch.rand(2, 500, generator=draw)
    sides = [[side.clone().requires_grad_() for side in values] for _ in range(2)]
    theirs = CPOTrainer.cpo_loss(stub, *sides[0])[0]
    given = PairLogprobs(*sides[1], torch.ones(500, 3))
    ours = simpo.Objective(simpo.Config(), SECTION).losses(given)
    assert torch.equal(theirs, ours)
    theirs.mean().backward()
    ours.mean().backward()
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(*sides, strict=True))  # type: ignore[arg-type]


def trls_dpo(policy: Any, base: Any, root: Path) -> Tensor:
    """Loss of trl's own trainer on the two pairs, with its own log-probabilities of both models."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    tokenizer = toys.tokenizer()
    data = Dataset.from_list([toys.row("a", "b", "c")])
    options = DPOConfig(
        str(root), beta=0.1, report_to="none", use_cpu=True, bf16=False, activation_checkpointing=False
    )
    options.per_device_train_batch_size = 2
    trainer = DPOTrainer(policy, ref_model=base, args=options, train_dataset=data, processing_class=tokenizer)
    batch = collate(ROWS, 0)
    inputs = {
        "input_ids": batch.input_ids_BxT,
        "attention_mask": batch.attention_mask_BxT,
        "completion_mask": batch.response_mask_BxT.long(),
    }
    return trainer._compute_loss(policy, inputs, return_outputs=False)


@pytest.mark.filterwarnings(
    "ignore:.*gradient_checkpointing.*:FutureWarning"
)  # trl calls transformers' old name
def test_dpo_is_trls(tmp_path: Path) -> None:
    policy, base = toys.model(seed=1), toys.model(seed=0)
    folder = tmp_path / "reference"
    sums = reference_logprobs(
        base, ROWS, folder, reference_key("m", ROWS, "float32", shared=False), 0, shared=False
    )
    chosen, rejected = response_logprobs(policy, collate(ROWS, 0)).chunk(2)
    lengths = torch.tensor([[len(part) for part in row] for row in ROWS])
    given = PairLogprobs(chosen, rejected, lengths, sums)
    ours = dpo.Objective(dpo.Config(), SECTION).losses(given).mean()
    theirs = trls_dpo(policy, base, tmp_path)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    assert abs(float(ours.detach()) - 0.693147) > 0.01


def test_every_objective_is_a_file() -> None:
    assert known_objectives() == ["dpo", "reps", "simpo"]
    data = load_profile("miniature").resolved()
    assert "objective" not in data["training"], "SimPO leaves the digests of all profiles as they were"
    for name in known_objectives():
        data["training"]["objective"] = {"name": name}
        used = parse_profile(data, where="the tests")
        assert load_objective(used.training).beta > 0
        assert parse_profile(used.resolved(), where="again") == used


@pytest.mark.parametrize("shared", [False, True])
def test_the_reference_is_computed_once_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    base = toys.model()
    key = reference_key("m", ROWS, "float32", shared=shared)
    made = reference_logprobs(base, ROWS, tmp_path, key, 0, shared=shared)
    with torch.no_grad():
        means = response_logprobs(base, collate(ROWS, 0)).view(2, 2).T
    torch.testing.assert_close(made, means * torch.tensor([[3, 2], [2, 4]]), atol=1e-5, rtol=0)
    monkeypatch.setattr(references, "_computed", None)
    assert torch.equal(reference_logprobs(base, ROWS, tmp_path, key, 0, shared=shared), made)
    (file,) = tmp_path.glob("*.safetensors")
    assert load_file(file)["sums"].dtype == torch.float32
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(DamagedFileError, match="not what was written") as caught:
        reference_logprobs(base, ROWS, tmp_path, key, 0, shared=shared)
    assert "delete the file" in caught.value.remedy


def test_another_model_rows_dtype_or_layout_is_another_reference() -> None:
    keys = {
        reference_key("m", ROWS, "float32", shared=False),
        reference_key("n", ROWS, "float32", shared=False),
        reference_key("m", ROWS[:1], "float32", shared=False),
        reference_key("m", ROWS, "bfloat16", shared=False),
        reference_key("m", ROWS, "float32", shared=True),
    }
    assert len(keys) == 5


class Recorder:
    """An objective that keeps what it is given."""

    needs_reference, needs_null, beta = True, True, 1.0
    factors = (2.0, 3.0)

    def __init__(self) -> None:
        self.given: list[PairLogprobs] = []

    def losses(self, pairs: PairLogprobs) -> Tensor:
        self.given.append(pairs)
        return pairs.chosen_B


def test_a_batch_goes_through_nulled_and_with_the_drawn_factor() -> None:
    dial, asked, recorder = Dial(), [], Recorder()

    def model(**fields: Any) -> Tensor:
        asked.append((dial.factor, dial.nulled, sorted(fields)))
        return torch.arange(4.0) + 10 * len(asked)

    batch = {"input_ids_BxT": torch.ones(4, 3), LENGTHS: torch.ones(2, 3), REFERENCE: torch.zeros(2, 2)}
    loss = PairLoss(recorder, dial, 42)
    for step in range(20):
        loss(model, batch, step)  # type: ignore[arg-type]
    assert asked[0::2] == [(1.0, True, ["input_ids_BxT"])] * 20
    assert {factor for factor, nulled, _ in asked[1::2] if not nulled} == {2.0, 3.0}
    assert [one.factor for one in recorder.given] == [factor for factor, _, _ in asked[1::2]]
    first = recorder.given[0]
    assert first.nulled_Bx2 is not None
    assert first.nulled_Bx2.tolist() == [[10.0, 12.0], [11.0, 13.0]]
    assert (first.chosen_B.tolist(), first.rejected_B.tolist()) == ([20.0, 21.0], [22.0, 23.0])
    assert dial == Dial(), "evaluation finds the edit as it was trained"
    again = Recorder()
    repeat = PairLoss(again, dial, 42)
    repeat(model, batch, 7)  # type: ignore[arg-type]
    assert again.given[0].factor == recorder.given[7].factor, "a resumed training draws the same"


def test_full_tuning_takes_dpo_too(tmp_path: Path) -> None:
    from harness.training import worker
    from harness.training.exchange import Exchange

    data = toys.profile(warmup_ratio=0.5, epochs=2).resolved()
    data["training"]["objective"] = {"name": "dpo", "beta": 0.2}
    used = parse_profile(data, where="the tests")
    assert used.arm("full-simpo").module == full_simpo.__name__
    spec = toys.order(toys.prepared_run(tmp_path, used), used, engine=None)
    result = worker.train(spec, Exchange(Path(spec.folder)))
    assert result.loss_trace[0] == pytest.approx(0.693147, abs=1e-6)
    assert result.loss_trace[-1] < 0.693
