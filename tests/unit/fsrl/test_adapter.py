"""The adapter: worked by hand, its start, its gradients, its selection, its dtypes."""

from __future__ import annotations

import math

import pytest
import torch
from fsrl_toys import D_SAE, toy_adapter, toy_x

from fsrl.adapter import INIT_BOUND, Adapter, JumpRelu, Step, largest


def hand_adapter(**options: object) -> Adapter:
    """z = (x0, x1, x0 - x1) + (0, 0.5, 0)."""
    adapter = Adapter(2, 3, **options)  # type: ignore[arg-type]
    with torch.no_grad():
        adapter.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]]))
        adapter.bias.copy_(torch.tensor([0.0, 0.5, 0.0]))
    return adapter


X = torch.tensor([2.0, -1.0])  # z = (2, -0.5, 3)


def test_relu_by_hand() -> None:
    assert hand_adapter()(X).tolist() == [2.0, 0.0, 3.0]


def test_soft_threshold_by_hand() -> None:
    v = hand_adapter(activation="soft_threshold", threshold=0.25)(X)
    assert v.tolist() == [1.75, -0.25, 2.75]


def test_jump_relu_by_hand() -> None:
    adapter = hand_adapter(activation="jump_relu", threshold=2.5)
    assert adapter(X).tolist() == [0.0, 0.0, 3.0]


def test_top_fraction_keeps_the_largest_by_absolute_value() -> None:
    adapter = hand_adapter(activation="soft_threshold", top_fraction=0.67)
    assert adapter.kept == 2
    assert adapter(torch.tensor([0.5, -4.0])).tolist() == [0.0, -3.5, 4.5]


@pytest.mark.parametrize(("fraction", "kept"), [(0.001, 1), (0.05, 2), (0.99, 39), (1.0, 40)])
def test_k_is_rounded_down_and_at_least_one(fraction: float, kept: int) -> None:
    adapter = toy_adapter(activation="soft_threshold", top_fraction=fraction)
    with torch.no_grad():
        adapter.soft_threshold.zero_()
    assert (adapter(toy_x(5, 16)) != 0).sum(-1).tolist() == [kept] * 5


def test_a_masked_feature_takes_no_place_among_the_top() -> None:
    adapter = hand_adapter(top_fraction=0.34)
    assert adapter(X).tolist() == [0.0, 0.0, 3.0]
    adapter.mask([2])
    assert adapter(X).tolist() == [2.0, 0.0, 0.0]
    adapter.mask([])
    assert adapter(X).tolist() == [0.0, 0.0, 3.0]


def test_a_masked_or_dropped_feature_gets_no_gradient() -> None:
    adapter = hand_adapter(top_fraction=0.67)
    adapter.mask([0])
    adapter(torch.tensor([2.0, 1.0])).sum().backward()
    assert adapter.bias.grad is not None
    assert adapter.bias.grad.tolist() == [0.0, 1.0, 1.0]


def test_it_starts_all_but_silent_and_every_weight_can_learn() -> None:
    adapter = Adapter(16, D_SAE, seed=5)
    assert 0 < adapter.weight.abs().max() <= INIT_BOUND
    assert adapter.weight.min() < 0 < adapter.weight.max()
    assert adapter.weight.std().item() == pytest.approx(INIT_BOUND / 3**0.5, rel=0.1), "uniform in its bounds"
    assert adapter.bias.abs().max() == 0
    v = adapter(toy_x(64, 16))
    assert v.max() < 1e-6
    v.sum().backward()
    assert adapter.weight.grad is not None
    assert (adapter.weight.grad.abs().sum(-1) > 0).all()


def test_the_start_depends_on_the_seed_alone() -> None:
    first, again, other = (Adapter(16, D_SAE, seed=seed).weight for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_jump_relu_starts_with_bias_and_threshold_alike() -> None:
    adapter = Adapter(16, D_SAE, activation="jump_relu", threshold=0.01)
    torch.testing.assert_close(adapter.bias, adapter.log_threshold.exp())
    assert adapter.log_threshold[0].item() == pytest.approx(math.log(0.01), rel=2**-8)


def test_a_cast_of_every_parameter_to_bfloat16_does_not_move_a_fresh_jump_relu() -> None:
    """What DeepSpeed does before the first step, past `Module.to`."""
    adapter = Adapter(16, D_SAE, activation="jump_relu", threshold=0.0123)
    before = adapter.log_threshold.detach().clone()
    adapter.log_threshold.data = adapter.log_threshold.data.bfloat16()
    adapter.to("cpu")
    assert adapter.log_threshold.dtype == torch.float32
    assert torch.equal(adapter.log_threshold, before)


def test_straight_through_gradients_by_hand() -> None:
    """Threshold 1, bandwidth 0.5: the rectangle covers 0.75 < z < 1.25."""
    z = torch.tensor([[0.7, 0.9, 1.1, 1.3]], requires_grad=True)
    theta = torch.ones(4, requires_grad=True)
    JumpRelu.apply(z, theta, 0.5).sum().backward()
    assert z.grad is not None
    assert theta.grad is not None
    assert z.grad.tolist() == [[0, 0, 1, 1]]
    assert theta.grad.tolist() == [0, -2, -2, 0]  # -(theta / bandwidth)

    z.grad = theta.grad = None
    step = Step.apply(z, theta, 0.5)
    assert step.tolist() == [[0, 0, 1, 1]]
    step.sum().backward()
    assert z.grad is None
    assert theta.grad.tolist() == [0, -2, -2, 0]  # -(1 / bandwidth)


def test_the_log_thresholds_gradient_has_the_chain_rule_factor() -> None:
    """d theta / d log theta = theta: -(theta / bandwidth) * theta = -(2 / 8) * 2 at theta 2, bandwidth 8."""
    adapter = hand_adapter(activation="jump_relu", threshold=2.0, bandwidth=8.0)
    with torch.no_grad():
        adapter.log_threshold.fill_(math.log(2.0))
    v, step = adapter.activate(torch.tensor([[1.0, 3.0, 100.0]]), adapter.threshold)
    assert step is not None
    v.sum().backward()
    assert adapter.log_threshold.grad is not None
    torch.testing.assert_close(adapter.log_threshold.grad, torch.tensor([-0.5, -0.5, 0.0]))


def test_a_jump_relus_thresholds_stay_float32_through_every_cast() -> None:
    adapter = toy_adapter(activation="jump_relu", threshold=0.1003)
    before = adapter.log_threshold.detach().clone()
    for cast in (lambda m: m.bfloat16(), lambda m: m.to(torch.float16), lambda m: m.half()):
        cast(adapter)
        assert adapter.weight.dtype != torch.float32
        assert adapter.log_threshold.dtype == torch.float32
        assert torch.equal(adapter.log_threshold, before)
    assert adapter.log_threshold in set(adapter.parameters())


def test_the_parameters_are_those_of_the_activation() -> None:
    names = {
        kind: [n for n, _ in toy_adapter(activation=kind).named_parameters()]
        for kind in ("relu", "jump_relu", "soft_threshold")
    }
    assert names == {
        "relu": ["weight", "bias"],
        "jump_relu": ["weight", "bias", "log_threshold"],
        "soft_threshold": ["weight", "bias", "soft_threshold"],
    }


def test_a_soft_threshold_starts_with_units_open_at_the_authors_threshold() -> None:
    adapter = Adapter(16, D_SAE, activation="soft_threshold", threshold=1e-6, seed=5)
    assert 1e-7 < adapter.weight.abs().max() <= 1e-6
    v = adapter(toy_x(64, 16))
    assert 0.5 < (v != 0).float().mean() < 1
    v.abs().sum().backward()
    assert adapter.weight.grad is not None
    assert (adapter.weight.grad.abs().sum(-1) > 0).all()


def test_a_soft_threshold_of_0_starts_as_the_others_do() -> None:
    weight = Adapter(16, D_SAE, activation="soft_threshold", seed=5).weight
    assert torch.equal(weight, Adapter(16, D_SAE, seed=5).weight)


@pytest.mark.parametrize("threshold", [1e-3, 0.05, 0.3])
def test_a_jump_relu_starts_with_half_its_units_on_in_every_dtype(threshold: float) -> None:
    shares = []
    for dtype in (torch.float32, torch.bfloat16):
        adapter = Adapter(16, 1024, activation="jump_relu", threshold=threshold, dtype=dtype, seed=5)
        assert adapter.weight.dtype == dtype
        assert adapter.bias.dtype == adapter.log_threshold.dtype == torch.float32
        v = adapter((100 * toy_x(64, 16)).to(dtype))
        assert v.dtype == dtype
        shares.append((v != 0).float().mean().item())
    assert shares[0] == pytest.approx(0.5, abs=0.05)
    assert shares[1] == pytest.approx(shares[0], abs=0.01)


def test_bias_and_threshold_come_back_after_an_engine_has_cast_each_of_them() -> None:
    """DeepSpeed under bfloat16: `p.data = p.data.bfloat16()` of every parameter, then `module.to(device)`."""
    adapter = Adapter(16, D_SAE, activation="jump_relu", threshold=0.0123)
    before = {name: parameter.detach().clone() for name, parameter in adapter.named_parameters()}
    for parameter in adapter.parameters():
        parameter.data = parameter.data.bfloat16()
    adapter.to("cpu")
    assert adapter.weight.dtype == torch.bfloat16
    assert torch.equal(adapter.bias, before["bias"])
    assert torch.equal(adapter.log_threshold, before["log_threshold"])
    with torch.no_grad():
        adapter.bias.add_(1)
    adapter.bfloat16()
    assert torch.equal(adapter.bias, before["bias"] + 1), "trained values are kept"


def test_of_equal_values_the_lower_features_are_kept() -> None:
    size = torch.tensor([[3.0, 1.0, 2.0, 2.0, 2.0], [0.0, 0.0, 0.0, 0.0, 0.0], [1.0, 5.0, 5.0, 5.0, 9.0]])
    assert largest(size, 3).int().tolist() == [[1, 0, 1, 1, 0], [1, 1, 1, 0, 0], [0, 1, 1, 0, 1]]
    size[1, 4] = torch.nan
    assert largest(size, 2).int()[1].tolist() == [1, 0, 0, 0, 1]
