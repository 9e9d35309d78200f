"""K-Steering's classifier: what it learns, its determinism, and what is refused."""

from __future__ import annotations

import pytest
import torch

from baselines.methods.label_gradient import fit_classifier, logits_and_gradient, loss_direction, steering
from harness.core.errors import ProfileError


def rows() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(600, 4, generator=torch.Generator().manual_seed(0))
    return x, (x[:, 0] * x[:, 1] > 0).long()


@pytest.mark.parametrize(("hidden", "least", "most"), [(32, 0.9, 1.0), (0, 0.0, 0.65)])
def test_only_the_hidden_layers_learn_a_product(hidden: int, least: float, most: float) -> None:
    x, label = rows()
    layers = fit_classifier(x, label, 2, hidden=hidden, epochs=60, seed=1, rate=0.01, batch=100)
    right = (logits_and_gradient(layers, x, torch.zeros(2))[0].argmax(-1) == label).float().mean()
    assert least <= float(right) <= most


def test_the_same_seed_gives_the_same_classifier_and_leaves_the_global_draw_alone() -> None:
    x, label = rows()
    torch.manual_seed(5)
    one = fit_classifier(x, label, 2, hidden=8, epochs=2, seed=1)
    after = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(1), after)
    other = fit_classifier(x, label, 2, hidden=8, epochs=2, seed=1)
    assert all(torch.equal(a, b) for p, q in zip(one, other, strict=True) for a, b in zip(p, q, strict=True))
    another = fit_classifier(x, label, 2, hidden=8, epochs=2, seed=2)
    assert not torch.equal(one[0].weight_OxI, another[0].weight_OxI)


def test_it_is_trained_where_gradients_are_off() -> None:
    x, label = rows()
    with torch.no_grad():
        one = fit_classifier(x, label, 2, hidden=8, epochs=1, seed=1)
    other = fit_classifier(x, label, 2, hidden=8, epochs=1, seed=1)
    assert torch.equal(one[0].weight_OxI, other[0].weight_OxI)


def test_an_edit_depends_on_its_own_position_alone() -> None:
    x, label = rows()
    layers = fit_classifier(x, label, 2, hidden=8, epochs=1, seed=1)
    direction = loss_direction(2, [1], [0]).float()
    batch = x[:12].view(3, 4, 4)
    whole = steering(layers, batch, direction, alpha=1.0, decay=0.5, steps=2)
    alone = steering(layers, batch[1:2, 2:3], direction, alpha=1.0, decay=0.5, steps=2)
    torch.testing.assert_close(whole[1:2, 2:3], alone, atol=1e-6, rtol=0)


def test_directions_by_hand() -> None:
    assert loss_direction(3, [0, 1], [2]).tolist() == [-0.5, -0.5, 1.0]
    assert loss_direction(2, [1], []).tolist() == [0.0, -1.0]


@pytest.mark.parametrize(
    ("labels", "target", "avoid"), [(2, [], []), (2, [0], [0]), (2, [2], []), (1, [0], []), (2, [-1], [])]
)
def test_labels_that_cannot_be_are_refused(labels: int, target: list[int], avoid: list[int]) -> None:
    with pytest.raises(ProfileError, match="target and avoid"):
        loss_direction(labels, target, avoid)


def test_one_class_alone_is_refused() -> None:
    with pytest.raises(ProfileError, match="two labels"):
        fit_classifier(torch.ones(4, 2), torch.zeros(4, dtype=torch.int64), 2, hidden=0, epochs=1, seed=0)
