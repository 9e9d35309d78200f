"""What an objective is, and how the profile's is loaded: SimPO, DPO or RePS, one file each in objectives/."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any, Protocol, cast

from pydantic import ValidationError

from harness.core.errors import ProfileError
from harness.training import objectives

if TYPE_CHECKING:
    from torch import Tensor

    from harness.arm import Dial
    from harness.profiles.sections import TrainingSection
    from harness.training.pair_logprobs import PairLogprobs


class Objective(Protocol):
    """What training lowers.

    A file of objectives/ has a class `Config` (a frozen pydantic model of the objective's options) and a
    class `Objective` with this shape. Importing it must not import torch.

    Attributes:
        needs_reference, needs_null: which fields of `PairLogprobs` it reads.
        factors: those that the arm's edit is multiplied by, one drawn for each batch; empty for always 1.
        beta: scale of its rewards, by which gradients are judged (`harness.training.movement.least_norm`).
    """

    needs_reference: bool
    needs_null: bool
    factors: tuple[float, ...]
    beta: float

    def __init__(self, config: Any, section: TrainingSection) -> None: ...

    def losses(self, pairs: PairLogprobs) -> Tensor:
        """(B,) losses in nats."""


def known_objectives() -> list[str]:
    """Names of the files in objectives/."""
    return sorted(found.name for found in pkgutil.iter_modules(objectives.__path__))


def load_objective(section: TrainingSection) -> Objective:
    """The profile's objective with its options.

    Raises:
        ProfileError: there is no such objective, or it refuses its options.
    """
    name = section.objective.name
    if name not in known_objectives():
        raise ProfileError(
            "there is no such objective",
            value=f"training.objective.name = {name}",
            remedy=f"choose one of: {', '.join(known_objectives())}",
        )
    module: Any = importlib.import_module(f"{objectives.__name__}.{name}")
    try:
        config = module.Config.model_validate(section.objective.options)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ProfileError(
            f"the objective refuses its options: {faults}",
            value=section.objective.options,
            remedy=f"see Config in {module.__name__}",
        ) from error
    return cast("Objective", module.Objective(config, section))


def check_suits(objective: Objective, section: TrainingSection, dial: Dial | None, arm: str) -> None:
    """Refuse an objective that turns the arm's edit, where that cannot be.

    Raises:
        ProfileError: the arm has no `Dial`; or blocks are computed again in the backward pass, when the dial
            stands otherwise.
    """
    if not (objective.needs_null or objective.factors):
        return
    if dial is None:
        raise ProfileError(
            "the objective multiplies or nulls the arm's edit, which this arm does not offer",
            value=f"arm {arm}, training.objective.name = {section.objective.name}",
            remedy="train an arm that adds one direction (a static vector, ReFT-r1) with it, or choose "
            "simpo, or dpo without bidirectional",
        )
    if section.gradient_checkpointing:
        raise ProfileError(
            "the objective turns the arm's edit between forward passes, which gradient checkpointing repeats",
            value="training.gradient_checkpointing = true",
            remedy="set it to false, or choose simpo, or dpo without bidirectional",
        )
