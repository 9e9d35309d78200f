"""The fitted methods against golden numbers: values in float64 to 1e-9, in float32 to 1e-5."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from baselines.methods.label_gradient import Layer, logits_and_gradient, loss_direction, steering
from baselines.methods.mean_difference import MeanDifference
from baselines.methods.sparse_steering import Side, relu_parts, sparse_change, sparse_vector
from fsrl.sae import Sae
from harness.core.errors import FitError
from harness.training.search import Candidate, pick

PRECISE = {"atol": 1e-9, "rtol": 0.0}
DTYPES = [(torch.float64, PRECISE), (torch.float32, {"atol": 1e-5, "rtol": 1e-5})]
KINDS = {"none": "none", "relu": "relu", "jumprelu": "sae"}


def golden(folder: Path, name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    path = folder / "methods" / f"{name}.safetensors"
    if not path.is_file():
        pytest.skip(f"needs {name}.safetensors among the golden numbers")
    with safe_open(path, "pt") as handle:
        facts = {key: json.loads(value) for key, value in (handle.metadata() or {}).items()}
        return {key: handle.get_tensor(key) for key in handle.keys()}, facts  # noqa: SIM118


def difference(tensors: dict[str, Tensor], *, skip_shared: bool) -> MeanDifference:
    found = MeanDifference(16, skip_shared=skip_shared)
    for pair, shared in enumerate(tensors["shared_prefix"].tolist()):
        sides = (tensors[side][tensors[f"{side}_pair"] == pair] for side in ("chosen", "rejected"))
        found.add(*sides, shared)
    return found


def test_mean_differences(golden_dir: Path) -> None:
    tensors, _ = golden(golden_dir, "diffmean")
    plain, skipping = (difference(tensors, skip_shared=skip) for skip in (False, True))
    for found, rows, name in (
        (plain, "response_mean", "v_response_mean"),
        (skipping, "response_mean", "v_response_mean_skip_shared"),
        (plain, "last_token", "v_last_token"),
        (skipping, "last_token", "v_last_token"),
        (plain, "token_mean", "v_token_mean"),
    ):
        torch.testing.assert_close(found.vector(rows), tensors[name], **PRECISE)  # type: ignore[arg-type]
    assert plain.resid_norm == pytest.approx(float(tensors["resid_norm"]), abs=1e-9)
    assert skipping.resid_norm == plain.resid_norm


def test_swapping_the_sides_negates_the_vector_exactly(golden_dir: Path) -> None:
    tensors, _ = golden(golden_dir, "diffmean")
    swapped = dict(tensors)
    for end in ("", "_pair"):
        swapped[f"chosen{end}"], swapped[f"rejected{end}"] = (
            tensors[f"rejected{end}"],
            tensors[f"chosen{end}"],
        )
    for rows in ("last_token", "response_mean", "token_mean"):
        one, other = (difference(given, skip_shared=True).vector(rows) for given in (tensors, swapped))  # type: ignore[arg-type]
        assert torch.equal(one, -other)


def test_the_least_loss_ties_to_the_smaller_strength_then_to_the_positive(golden_dir: Path) -> None:
    tensors, _ = golden(golden_dir, "diffmean")
    grid = tensors["tune_grid"].tolist()
    candidates = [Candidate(strength, {}) for strength in grid]
    picked = [grid[pick(candidates, row)] for row in tensors["tune_losses"].tolist()]
    assert picked == tensors["tune_picked"].tolist()


def sae(folder: Path) -> Sae:
    return Sae(golden(folder, "sae")[0], apply_b_dec_to_input=True)


def sides(folder: Path) -> tuple[dict[str, Tensor], Side, Side]:
    tensors, _ = golden(folder, "sas")
    encoder, plus, minus = sae(folder), Side(64), Side(64)
    for side, rows in ((plus, tensors["h_plus"]), (minus, tensors["h_minus"])):
        for code_F in encoder.encode(rows):
            side.add(code_F)
    return tensors, plus, minus


def test_sparse_vectors(golden_dir: Path) -> None:
    tensors, plus, minus = sides(golden_dir)
    facts = golden(golden_dir, "sas")[1]
    for side, name in ((plus, "plus"), (minus, "minus")):
        torch.testing.assert_close(
            side.active_F / side.rows, tensors[f"freq_{name}"].float(), atol=1e-6, rtol=0
        )
    for tau in (0.25, 0.5, 0.75):
        for mean, name in (("active", "nonzero"), ("all", "all")):
            got = sparse_vector(plus, minus, tau, mean=mean)  # type: ignore[arg-type]
            torch.testing.assert_close(got.values_F, tensors[f"v_{name}_tau_{tau}"], **PRECISE)
        kept = sparse_vector(plus, minus, tau, remove_common=False)
        torch.testing.assert_close(kept.values_F, tensors[f"v_nonzero_keep_common_tau_{tau}"], **PRECISE)
        counts = facts["counts"][str(tau)]
        assert sparse_vector(plus, minus, tau).features == counts["features"]
        assert kept.features == counts["with_common"]


def test_a_tau_above_every_frequency_is_named(golden_dir: Path) -> None:
    _, plus, minus = sides(golden_dir)
    tau = golden(golden_dir, "sas")[1]["tau_empty"]
    if tau > 1:
        pytest.skip("a feature is active in every row")
    with pytest.raises(FitError, match="tau is above the largest share"):
        sparse_vector(plus, minus, tau)


@pytest.mark.parametrize(("dtype", "close"), DTYPES)
def test_sparse_edits(golden_dir: Path, dtype: torch.dtype, close: dict[str, float]) -> None:
    tensors, _ = golden(golden_dir, "sas")
    one = sae(golden_dir).to(dtype)
    x, v_F = tensors["x"].to(dtype), tensors["v_nonzero_tau_0.5"].to(dtype)
    f, threshold_F = one.encode(x), one.threshold
    assert threshold_F is not None
    for strength in (-1.0, 1.0, 2.0):
        for name, kind in KINDS.items():
            got = x + sparse_change(f, strength * v_F, threshold_F, kind) @ one.W_dec  # type: ignore[arg-type]
            torch.testing.assert_close(got, tensors[f"edit_{name}_lambda_{strength}"].to(dtype), **close)
    constant_D, suppression = relu_parts(f, 2.0 * v_F, one.W_dec)
    torch.testing.assert_close(constant_D, tensors["relu_constant_part_lambda_2.0"].to(dtype), **close)
    torch.testing.assert_close(suppression, tensors["relu_suppression_part_lambda_2.0"].to(dtype), **close)


def test_without_a_nonlinearity_the_sparse_edit_is_one_vector(golden_dir: Path) -> None:
    tensors, _ = golden(golden_dir, "sas")
    one, v_F = sae(golden_dir), tensors["v_nonzero_tau_0.5"]
    f = one.encode(tensors["x"])
    assert one.threshold is not None
    change = sparse_change(f, 2.0 * v_F, one.threshold, "none") @ one.W_dec
    torch.testing.assert_close(change, (2.0 * v_F @ one.W_dec).expand_as(change), **PRECISE)
    zero = sparse_change(f, 0.0 * v_F, one.threshold, "sae") @ one.W_dec
    assert not zero.any()


def layers(tensors: dict[str, Tensor], dtype: torch.dtype) -> list[Layer]:
    return [Layer(tensors[f"W{i}"].to(dtype), tensors[f"b{i}"].to(dtype)) for i in (1, 2, 3)]


@pytest.mark.parametrize(("dtype", "close"), DTYPES)
def test_gradients_of_the_classifier(golden_dir: Path, dtype: torch.dtype, close: dict[str, float]) -> None:
    tensors, facts = golden(golden_dir, "k_steering")
    net, x = layers(tensors, dtype), tensors["x"].to(dtype)
    direction_K = loss_direction(3, facts["target"], facts["avoid"]).to(dtype)
    torch.testing.assert_close(direction_K, tensors["loss_direction"].to(dtype), **close)
    logits, gradient = logits_and_gradient(net, x, direction_K)
    torch.testing.assert_close(logits, tensors["logits"].to(dtype), **close)
    at = x.clone().requires_grad_()
    wanted = torch.autograd.grad((logits_and_gradient(net, at, direction_K)[0] @ direction_K).sum(), at)[0]
    torch.testing.assert_close(gradient, wanted, atol=1e-6, rtol=1e-4)
    linear = [Layer(tensors["linear_weight"].to(dtype), tensors["linear_bias"].to(dtype))]
    settings = {"alpha": facts["alpha"], "decay": facts["step_size_decay"]}
    for steps in (1, 2, 3):
        for average, name in (("token", "token"), ("sequence", "sequence_mean"), ("rows", "row_mean")):
            got = x + steering(net, x, direction_K, steps=steps, average=average, **settings)  # type: ignore[arg-type]
            torch.testing.assert_close(got, tensors[f"edit_{name}_step_{steps}"].to(dtype), **close)
        if steps != 2:
            got = x + steering(linear, x, direction_K, steps=steps, **settings)
            torch.testing.assert_close(got, tensors[f"linear_edit_token_step_{steps}"].to(dtype), **close)
    vector = -facts["alpha"] * direction_K @ linear[0].weight_OxI
    torch.testing.assert_close(vector, tensors["linear_vector"].to(dtype), **close)


def test_the_three_readings_differ_in_the_step_alone(golden_dir: Path) -> None:
    tensors, facts = golden(golden_dir, "k_steering")
    net, x = layers(tensors, torch.float64), tensors["x"]
    direction_K = loss_direction(3, facts["target"], facts["avoid"])
    for average, share in (("sequence", 5), ("rows", 10)):
        got = x + steering(net, x, direction_K, alpha=4.0, decay=0.5, steps=3, average=average)  # type: ignore[arg-type]
        wanted = x + steering(net, x, direction_K, alpha=4.0 / share, decay=0.5, steps=3)
        torch.testing.assert_close(got, wanted, atol=1e-14, rtol=0)
