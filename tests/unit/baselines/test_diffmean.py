"""CAA / DiffMean as an arm: its vector by hand, its scales, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import fsrl_toys
import pytest
import residual_toys as toys
import torch
from safetensors.torch import load_file

from harness.core.errors import DataError, FitError
from harness.training.fitted_file import WEIGHTS
from harness.training.pairs import PairTokens


def vector(folder: Path) -> torch.Tensor:
    return load_file(folder / WEIGHTS)["vector"]


def last_difference(pairs: list[PairTokens]) -> torch.Tensor:
    """Mean over pairs of the stream at the last chosen less the last rejected token, by whole passes."""
    model, differences = fsrl_toys.toy_model(), []
    for pair in pairs:
        with torch.no_grad():
            sides = [
                model(input_ids=torch.tensor([pair.prompt + answer]), output_hidden_states=True).hidden_states
                for answer in (pair.chosen, pair.rejected)
            ]
        layer = fsrl_toys.LAYER + 1
        differences.append(sides[0][layer][0, -1] - sides[1][layer][0, -1])
    return torch.stack(differences).double().mean(0)


def test_the_vector_of_the_last_tokens(tmp_path: Path) -> None:
    made = toys.fitted("diffmean", tmp_path, rows="last_token")
    wanted = last_difference(toys.pairs(12))
    torch.testing.assert_close(vector(made.folder), wanted.float(), atol=1e-5, rtol=1e-5)
    facts = made.found.facts
    assert facts["vector_norm"] == pytest.approx(float(wanted.norm()), rel=1e-5)
    assert facts["cosine_with_last_token"] == pytest.approx(1.0)
    assert facts["constant_share"] == pytest.approx(1.0 if facts["helped"] else 0.0)
    assert made.found.entries == 16


def test_a_unit_vector_has_length_1(tmp_path: Path) -> None:
    raw, unit = (toys.fitted("diffmean", tmp_path / scale, scale=scale) for scale in ("raw", "unit"))
    assert float(vector(unit.folder).norm()) == pytest.approx(1.0, abs=1e-6)
    cosine = torch.nn.functional.cosine_similarity(vector(unit.folder), vector(raw.folder), dim=0)
    assert float(cosine) == pytest.approx(1.0, abs=1e-6)


def test_the_edit_is_the_vector_at_every_position(tmp_path: Path) -> None:
    arm, model = toys.arm("diffmean", tmp_path), fsrl_toys.toy_model()
    with torch.no_grad():
        (setting,) = arm.settings(model, toys.rows(tmp_path / "u"))
    x = fsrl_toys.toy_x(2, 3, 16)
    wanted = (1.5 * setting.tensors["vector"]).expand_as(x)
    assert torch.equal(arm.change(setting, 1.5)(x).expand_as(x), wanted)


def test_bad_pairs_are_refused(tmp_path: Path) -> None:
    shared = [PairTokens([2, 5], [7, 8], [7, 8, 9])]
    with pytest.raises(DataError, match="no token after the part"):
        toys.fitted("diffmean", tmp_path / "a", toys.rows(tmp_path / "u", fit=shared * 2))
    turned = [PairTokens([2, 5], [7], [8]), PairTokens([2, 5], [8], [7])]
    with pytest.raises(FitError, match="are the same"):
        toys.fitted("diffmean", tmp_path / "b", toys.rows(tmp_path / "u", fit=turned))
