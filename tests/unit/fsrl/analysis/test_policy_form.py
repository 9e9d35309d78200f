"""The form of a policy: worlds whose shares are known, the reading, and the study on a small model."""

from __future__ import annotations

from math import pi
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import fsrl_toys
import numpy as np
import pytest
import torch
from torch import Tensor

from fsrl.analysis import policy_form, policy_tokens
from fsrl.analysis.affine_fit import Moments
from fsrl.analysis.subject import Subject
from harness.core.errors import ProfileError
from harness.training.pairs import PairTokens

N = 20_000
X = torch.randn(N, 16, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
Z, U = X[:, :1], torch.eye(16, dtype=torch.float64)[1]
WORLDS: dict[str, tuple[Tensor, list[float], tuple[float, float, float]]] = {
    "constant": (torch.ones(N, 1, dtype=torch.float64), [1.0], (1, 1, 1)),
    "two opposite gates, together linear": (
        torch.cat([Z.relu(), (-Z).relu()], 1),
        [1.0, -1.0],
        (0, 1, 2 / pi),
    ),
    "one gate": (Z.relu(), [1.0], (1 / pi, 0.5 + 1 / pi, 2 / pi)),
    "absolute value": (torch.cat([Z.relu(), (-Z).relu()], 1), [1.0, 1.0], (2 / pi, 2 / pi, 2 / pi)),
}


@pytest.mark.parametrize("name", list(WORLDS))
def test_shares_in_worlds_with_a_closed_form(name: str) -> None:
    v, signs, wanted = WORLDS[name]
    delta = v @ torch.stack([sign * U for sign in signs])
    moments = Moments(16, torch.device("cpu"))
    moments.add(X, delta)
    shares = 1 - moments.fit().errors(X, delta) / delta.square().sum()
    amplitude = v.sum(0) / (v > 0).sum(0)
    gated = ((v > 0) * amplitude) @ torch.stack([sign * U for sign in signs])
    gating = 1 - (delta - gated).square().sum() / delta.square().sum()
    assert (float(shares[0]), float(shares[1]), float(gating)) == pytest.approx(wanted, abs=0.01)


@pytest.mark.parametrize(
    ("constant", "affine", "gating", "wanted"),
    [
        (0.8, {8: 0.9}, 0.9, "static"),
        (0.79, {4: 0.95, 16: 0.99}, 0.5, "affine"),
        (0.1, {8: 0.77, 16: 0.95}, 0.6, "mixed"),
        (0.1, {8: 0.5, 16: 0.7}, 0.8, "gated"),
        (0.1, {8: 0.5, 16: 0.7}, 0.79, "mixed"),
    ],
)
def test_the_reading(constant: float, affine: dict[int, float], gating: float, wanted: str) -> None:
    shares = {("constant", 0): constant, ("gating", 0): gating}
    assert policy_form.reading(shares | {("affine", rank): one for rank, one in affine.items()}) == wanted


def test_the_ranks_have_the_matched_and_the_full_one() -> None:
    assert policy_form.ranks(16, 10) == [1, 2, 4, 8, 10, 16]
    assert policy_form.ranks(12, 40) == [1, 2, 4, 8, 12]


def test_the_interval_is_of_pairs() -> None:
    """Two kinds of pairs, of which half the sum is left in one and nothing in the other."""
    left, total = np.array([1.0, 0.0] * 50), np.array([2.0, 2.0] * 50)
    one = policy_form.explained(left, total, 4000, 1)
    assert one.value == 0.75
    assert one.stderr == pytest.approx(0.25 / 10, rel=0.05)
    assert one.low < 0.71 < 0.79 < one.high


def rows(count: int) -> list[PairTokens]:
    draw = torch.Generator().manual_seed(0)

    def text(length: int) -> list[int]:
        return torch.randint(5, 50, (length,), generator=draw).tolist()

    return [PairTokens([2, *text(4)], text(12 + i % 3), text(9 + i % 4)) for i in range(count)]


def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int = 60, **options: Any) -> Any:
    model, steering = fsrl_toys.steered()
    base = fsrl_toys.toy_model()
    sae = fsrl_toys.toy_sae()
    tokenizer = SimpleNamespace(pad_token_id=0)
    subject = Subject(None, model, tokenizer, steering.adapter, sae, [], SimpleNamespace(rows=rows(count)))  # type: ignore[arg-type]
    monkeypatch.setattr("fsrl.analysis.subject.load_subject", lambda _: subject)
    monkeypatch.setattr("harness.models.base_model.load_model", lambda *_: base)
    section = SimpleNamespace(sae=SimpleNamespace(layer=fsrl_toys.LAYER), model=None)
    section.training = SimpleNamespace(seed=42, beta=10.0, gamma=5.0)
    section.evaluation = SimpleNamespace(loss_batch_size=4)
    scene = cast(Any, SimpleNamespace(profile=section, prepared=SimpleNamespace(model_dir="none")))
    return policy_form.run(policy_form.Config(draws=200, **options), scene).result, subject


def test_the_study_on_a_small_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, subject = study(tmp_path, monkeypatch)
    again, _ = study(tmp_path, monkeypatch)
    assert found == again
    assert (found.fit_pairs, found.scored_pairs, found.matched_rank) == (30, 30, 1)
    assert found.scored_tokens == sum(len(row.chosen) + len(row.rejected) for row in subject.rows[1::2])
    shares = [found.form("affine", rank).share.value for rank in (1, 2, 4, 8, 16)]
    assert all(0 < share < 1 for share in shares)
    inside = [found.form("affine", rank).in_sample for rank in (1, 2, 4, 8, 16)]
    assert inside == sorted(inside)
    assert found.form("constant").share.value < shares[-1]
    assert (found.gain.low > 0) is (found.reading_by_loss is not None)


def test_the_delta_is_what_the_hook_adds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, subject = study(tmp_path, monkeypatch, causal=False)
    row = subject.rows[0]
    ((_, _, delta),) = policy_tokens.by_pair(subject, fsrl_toys.LAYER, [row], "non_padding")
    seen: list[Tensor] = []
    handles = [
        subject.model.fsrl.register_forward_hook(lambda _, given, result: seen.append(result - given[0])),
    ]
    for response in (row.chosen, row.rejected):
        subject.model(input_ids=torch.tensor([row.prompt + response]))
    handles[0].remove()
    wanted = torch.cat([one[0, 1:] for one in seen]).detach()
    torch.testing.assert_close(delta.float(), wanted, atol=1e-4, rtol=1e-4)


def test_an_affine_policy_replaced_by_its_own_fit_keeps_its_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With biases that open every gate the adapter is one affine map: full rank explains all."""
    real = fsrl_toys.toy_adapter

    def open_gates(*args: Any, **options: Any) -> Any:
        adapter = real(*args, **options)
        adapter.bias.data += 40.0
        return adapter

    monkeypatch.setattr(fsrl_toys, "toy_adapter", open_gates)
    found, _ = study(tmp_path, monkeypatch)
    assert found.form("affine", 16).share.value == pytest.approx(1.0, abs=1e-6)
    assert found.form("affine", 16).in_sample == pytest.approx(1.0, abs=1e-6)


def test_too_few_tokens_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProfileError, match="too few to fit a map of 16 x 16"):
        study(tmp_path, monkeypatch, count=6)
