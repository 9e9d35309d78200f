"""K-Steering (arXiv 2505.24535): a classifier of labels on the residual stream, whose gradient edits it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, linear, one_hot

from harness.core.errors import ProfileError

Average = Literal["token", "sequence", "rows"]


class Layer(NamedTuple):
    """One affine map of the classifier."""

    weight_OxI: Tensor
    bias_O: Tensor


Layers = Sequence[Layer]
"""The classifier from d to K logits; a ReLU stands between one map and the next."""


def loss_direction(labels: int, target: Sequence[int], avoid: Sequence[int]) -> Tensor:
    """(K,) float64 with which the logits are multiplied: mean of the avoided less mean of the wanted labels.

    Raises:
        ProfileError: both empty, overlapping, a label that there is not, or fewer than two labels.
    """
    wrong = [label for label in (*target, *avoid) if not 0 <= label < labels]
    if labels < 2 or wrong or set(target) & set(avoid) or not (target or avoid):
        raise ProfileError(
            "target and avoid must name different labels of two or more, and not both be empty",
            value=f"target = {list(target)}, avoid = {list(avoid)}, {labels} labels",
            remedy=f"name labels from 0 to {labels - 1}, each at most once",
        )
    direction_K = torch.zeros(labels, dtype=torch.float64)
    for names, share in ((avoid, 1.0), (target, -1.0)):
        for label in names:
            direction_K[label] += share / len(names)
    return direction_K


def logits_and_gradient(layers: Layers, x: Tensor, direction_K: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (..., K), and the gradient by x of logits @ direction, at each position; in closed form.

    The gradient needs no autograd: it is the product of the weights with the masks of the open units.
    """
    hidden, masks = x, []
    for layer in layers[:-1]:
        z = linear(hidden, *layer)
        masks.append(z > 0)
        hidden = torch.relu(z)
    logits = linear(hidden, *layers[-1])
    gradient = (direction_K @ layers[-1].weight_OxI).expand(hidden.shape)
    for layer, mask in zip(reversed(layers[:-1]), reversed(masks), strict=True):
        gradient = (gradient * mask) @ layer.weight_OxI
    return logits, gradient


def steering(
    layers: Layers,
    x: Tensor,
    direction_K: Tensor,
    *,
    alpha: float,
    decay: float,
    steps: int,
    average: Average = "token",
) -> Tensor:
    """What `steps` of x <- x - alpha decay^k gradient, k = 0, 1, ..., add to x.

    Args:
        x: (..., T, d).
        average: over what the loss of a step is a mean; the authors' code has all three. The loss is linear
            in the logits, so that `sequence` (their generation hook: logits averaged over the T positions) is
            `token` with alpha / T, and `rows` (their `steer_activations`: over all rows and positions) with
            alpha / (B T). Both let one position's edit depend on how long the batch is.
    """
    share = {"token": 1, "sequence": x.shape[-2], "rows": x[..., 0].numel()}[average]
    change = torch.zeros_like(x)
    for step in range(steps):
        gradient = logits_and_gradient(layers, x + change, direction_K)[1]
        change = change - alpha / share * decay**step * gradient
    return change


def fit_classifier(
    x_NxD: Tensor,
    label_N: Tensor,
    labels: int,
    *,
    hidden: int,
    epochs: int,
    seed: int,
    rate: float = 1e-3,
    batch: int = 1024,
) -> list[Layer]:
    """Train d -> H -> H -> K (or d -> K where `hidden` is 0) with the cross-entropy of each label and Adam.

    Args:
        x_NxD: float tensor, in whose dtype the classifier is trained.
        label_N: int64, each from 0 to labels - 1.
        epochs: passes over the rows, in an order drawn from the seed.
        batch: rows of one step.

    Raises:
        ProfileError: all rows have one label.
    """
    if not len(label_N) or int(label_N.min()) == int(label_N.max()):
        raise ProfileError(
            "a classifier needs rows of two labels or more",
            value=f"{len(label_N)} rows",
            remedy="give it chosen and rejected responses, or a label file with more than one label",
        )
    net = _network(x_NxD.shape[1], hidden, labels, seed).to(x_NxD.dtype)
    optimiser = torch.optim.Adam(net.parameters(), lr=rate)
    wanted_NxK = one_hot(label_N, labels).to(x_NxD.dtype)
    draw = torch.Generator().manual_seed(seed)
    with torch.enable_grad():
        for _ in range(epochs):
            for part in torch.split(torch.randperm(len(x_NxD), generator=draw), batch):
                optimiser.zero_grad()
                loss = binary_cross_entropy_with_logits(net(x_NxD[part]), wanted_NxK[part])
                torch.autograd.backward(loss)
                optimiser.step()
    maps = [module for module in net if isinstance(module, nn.Linear)]
    return [Layer(one.weight.detach(), one.bias.detach()) for one in maps]


def _network(width: int, hidden: int, labels: int, seed: int) -> nn.Sequential:
    sizes = [width, hidden, hidden, labels] if hidden else [width, labels]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        maps = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    parts = [part for one in maps for part in (one, nn.ReLU())]
    return nn.Sequential(*parts[:-1])
