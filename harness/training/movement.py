"""Checks that training moved the weights, and that the saved weights are the trained ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from harness.core.errors import TrainingError
from harness.core.results import WeightsMoved

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ROUNDING = 30.0
"""How far above the rounding of float32 a gradient must be."""


def snapshot(model: PreTrainedModel) -> dict[str, Tensor]:
    """Copies, on the CPU, of the parameters that require a gradient, by name."""
    return {
        name: parameter.detach().to("cpu", copy=True)
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def weights_moved(start: Mapping[str, Tensor], end: Mapping[str, Tensor]) -> WeightsMoved:
    """Compare the trained weights with their start, entry by entry, in the dtype in which they are saved.

    Raises:
        TrainingError: a trained weight is missing at the end.
    """
    absent = sorted(start.keys() - end.keys())
    if absent:
        raise TrainingError(
            "a trained weight is missing from the saved arm",
            value=absent[0],
            remedy="make the arm's load() attach what its prepare() attached, under the same names",
        )
    return _summed(_change(before, end[name]) for name, before in start.items())


def masters_moved(start: Mapping[str, Tensor], model: PreTrainedModel, *, engine: bool) -> WeightsMoved:
    """Compare the float32 values that the optimiser steps, from which the weights are cast, with the start.

    Every rank must call it. Without an engine the weights themselves are what the optimiser steps.
    """
    trained = ((name, parameter) for name, parameter in model.named_parameters() if name in start)
    return _summed(_change(start[name], _master(parameter, engine)) for name, parameter in trained)


def _master(parameter: Tensor, engine: bool) -> Tensor:
    if not engine:
        return parameter
    from deepspeed.utils import safe_get_full_fp32_param

    value: Tensor | None = safe_get_full_fp32_param(parameter)
    return parameter if value is None else value


def _change(before: Tensor, after: Tensor) -> tuple[int, int, float]:
    """Entries, those that changed, and the sum of the absolute changes."""
    after = after.detach().cpu()
    total = (after.float() - before.float()).abs().sum(dtype=torch.float64)
    return before.numel(), int((after != before.to(after.dtype)).sum()), float(total)


def _summed(changes: Iterable[tuple[int, int, float]]) -> WeightsMoved:
    entries, changed, total = (sum(column) for column in zip(*changes, strict=True))
    return WeightsMoved(
        entries=int(entries), fraction_changed=changed / entries, mean_absolute_change=total / entries
    )


def check_moved(moved: WeightsMoved, minimum: float) -> None:
    """Refuse a training that left the weights where they were.

    Raises:
        TrainingError: fewer than `minimum` of the entries changed.
    """
    if moved.fraction_changed < minimum:
        raise TrainingError(
            f"only {moved.fraction_changed:.2%} of the trained weights changed, {minimum:.2%} wanted",
            value=f"{moved.entries} entries, mean change {moved.mean_absolute_change:.3g}",
            remedy="raise the arm's learning_rate, or train with float32 master weights",
        )


def least_norm(beta: float) -> float:
    """The least gradient norm that counts as more than rounding.

    A pair's gradient is beta times a factor below 1 times the difference of two gradients of mean
    log-probabilities, each of norm about 1 or more. Where the two are equal, as for identical answers, the
    rounding of float32 is left, in which gradients are summed: about beta * 2^-23 (2e-6 was measured at
    beta = 10). `ROUNDING` times that is still far below a gradient that trains.
    """
    return ROUNDING * beta * float(torch.finfo(torch.float32).eps)


def check_gradients(norms: Iterable[float | None], beta: float) -> None:
    """Refuse a training whose every gradient was rounding: Adam scales that up to full steps, and weight
    decay moves weights without any, so that the weights changed proves nothing.

    Args:
        norms: of each optimiser step, before clipping; None where it was not measured.

    Raises:
        TrainingError: the largest norm is below `least_norm`.
    """
    largest = max((norm for norm in norms if norm is not None), default=None)
    if largest is not None and largest < least_norm(beta):
        raise TrainingError(
            f"no step had a gradient above rounding, {least_norm(beta):.2g} at training.beta = {beta:g}",
            value=f"largest gradient norm {largest:.3g}",
            remedy="look at the pairs (do their answers differ?), at the loss (is it 0 already?) and at the "
            "arm (does anything that it trains reach the logits?)",
        )


@torch.no_grad()
def check_reload(trained: PreTrainedModel, reloaded: PreTrainedModel, input_ids_BxT: Tensor) -> None:
    """Refuse saved weights that do not give the trained model's logits, bit for bit, or lost their ties.

    Raises:
        TrainingError: the logits differ, or tied embeddings are no longer tied.
    """
    wanted = trained(input_ids=input_ids_BxT, use_cache=False).logits
    got = reloaded(input_ids=input_ids_BxT, use_cache=False).logits
    if not torch.equal(wanted, got):
        raise TrainingError(
            "the saved weights, loaded into a fresh model, give other logits than the trained model",
            value=f"largest difference {float((wanted.float() - got.float()).abs().max()):.3g}",
            remedy="look at the arm's save() and load()",
        )
    tied = reloaded.get_output_embeddings().weight is reloaded.get_input_embeddings().weight
    if reloaded.config.get_text_config().tie_word_embeddings and not tied:
        raise TrainingError(
            "loading untied the input and output embeddings", remedy="call tie_weights() in the arm's load()"
        )
