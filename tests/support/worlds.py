"""Planted worlds in which it is known what a method's form can reach: x is drawn, success is a sign of x'.

`constant`: success is w . x' > 0, which one vector wins. `gated`: sign(x_0) x'_1 > 0, the gate read before
the edit, for which every constant vector is at 1/2. `crossed`: sign(x_0 x_2) x'_1 > 0, where a linear edit is
there, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize, softplus

from baselines.methods.label_gradient import (
    Layer,
    fit_classifier,
    logits_and_gradient,
    loss_direction,
    steering,
)
from baselines.methods.mean_difference import MeanDifference
from fsrl.adapter import Adapter
from fsrl.sae import Sae
from fsrl.steer import Steering

WIDTH, ROWS, LENGTH = 16, 4000, 3.0
Success = Callable[[Tensor, Tensor], Tensor]
Edit = Callable[[Tensor], Tensor]


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


W = normalize(draw(90, WIDTH), dim=0)
WORLDS: dict[str, tuple[int, Success]] = {
    "constant": (100, lambda edited, _: edited @ W),
    "gated": (200, lambda edited, x: x[:, 0].sign() * edited[:, 1]),
    "crossed": (300, lambda edited, x: (x[:, 0] * x[:, 2]).sign() * edited[:, 1]),
}


class World(NamedTuple):
    """Rows to fit and new rows of one world, with what counts as success in it."""

    x: Tensor
    new: Tensor
    success: Success
    seed: int

    @property
    def label_N(self) -> Tensor:
        """1 where a row succeeds as it is."""
        return (self.success(self.x, self.x) > 0).long()

    def rate(self, edit: Edit) -> float:
        """Share of new rows that succeed, the edits scaled to a root mean square length of 3."""
        with torch.no_grad():
            delta = edit(self.new).double()
            size = delta.pow(2).sum(-1).mean().sqrt()
            edited = self.new + delta * (LENGTH / size if size > 0 else 0.0)
            return float((self.success(edited, self.new) > 0).double().mean())

    def trained(self, edit: Edit, parameters: Iterable[Tensor], penalty: float = 1e-3) -> Edit:
        """An edit after 400 steps of Adam on softplus(-success), with a penalty on its squared length."""
        optimiser = torch.optim.Adam(list(parameters), lr=0.02)
        for _ in range(400):
            optimiser.zero_grad()
            delta = edit(self.x)
            loss = softplus(-self.success(self.x + delta, self.x)).mean()
            (loss + penalty * delta.pow(2).sum(-1).mean()).backward()
            optimiser.step()
        return edit


def world(name: str) -> World:
    seed, success = WORLDS[name]
    return World(draw(seed, ROWS, WIDTH), draw(seed + 1, ROWS, WIDTH), success, seed)


def mean_difference(given: World) -> Edit:
    found = MeanDifference(WIDTH, skip_shared=False)
    found.add(given.x[given.label_N == 1], given.x[given.label_N == 0], 0)
    vector = found.vector("token_mean")
    return lambda x: vector.expand_as(x)


def static_vector(given: World) -> Edit:
    vector = torch.zeros(WIDTH, dtype=torch.float64, requires_grad=True)
    return given.trained(lambda x: vector.expand_as(x), [vector], penalty=0.0)


def classifier(given: World, hidden: int) -> list[Layer]:
    return fit_classifier(
        given.x, given.label_N, 2, hidden=hidden, epochs=400, seed=given.seed, rate=0.01, batch=ROWS
    )


def accuracy(given: World, layers: list[Layer]) -> float:
    logits, _ = logits_and_gradient(layers, given.new, torch.zeros(2, dtype=torch.float64))
    return float((logits.argmax(-1) == (given.success(given.new, given.new) > 0)).double().mean())


def k_steering(layers: list[Layer], alpha: float, steps: int) -> Edit:
    direction_K = loss_direction(2, target=[1], avoid=[0])
    return lambda x: steering(layers, x, direction_K, alpha=alpha, decay=1.0, steps=steps)


def fsrl_adapter(given: World, features: int = 32) -> Edit:
    """The project's own adapter and steering, over a random dictionary of unit rows."""
    rows_FxD = normalize(draw(given.seed + 2, features, WIDTH), dim=-1)
    nothing = torch.zeros(WIDTH, dtype=torch.float64)
    sae = Sae({"W_dec": rows_FxD, "b_dec": nothing}, apply_b_dec_to_input=False)
    adapter = Adapter(WIDTH, features, activation="relu", dtype=torch.float64, seed=given.seed)
    with torch.no_grad():
        adapter.weight.copy_(0.1 * draw(given.seed + 3, features, WIDTH))
        adapter.bias.zero_()
    steering = Steering(adapter, sae)
    return given.trained(lambda x: steering(x) - x, adapter.parameters())


def affine(given: World, rank: int) -> Edit:
    """x U V + c: what LoRA at this one place can do."""
    U, V = 0.1 * draw(given.seed + 4, WIDTH, rank), 0.1 * draw(given.seed + 5, rank, WIDTH)
    parts = [
        U.requires_grad_(),
        V.requires_grad_(),
        torch.zeros(WIDTH, dtype=torch.float64, requires_grad=True),
    ]
    return given.trained(lambda x: x @ parts[0] @ parts[1] + parts[2], parts)
