"""What an arm is, and how a profile's arm is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, cast

from harness.profiles.plugged import plugged_config, plugged_module

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from harness.core.results import PrepareResult
    from harness.profiles.profile import Profile
    from harness.profiles.sections import ArmSection, SaeSection


class Scene(NamedTuple):
    """What an arm may know of the run.

    Attributes:
        sae_dir: folder of the SAE.
        sae: the profile's section on it.
        model_digest, sae_digest: sha256 over the files of the base model and of the SAE.
        seed: of the run.
        arm_files: folder of the files that arms' options name; None where there are none, and in evaluation,
            where an arm has what it was trained with.
    """

    sae_dir: Path
    sae: SaeSection
    model_digest: str
    sae_digest: str
    seed: int
    arm_files: Path | None = None


class Penalty(NamedTuple):
    """What an arm adds to the SimPO loss of the batch that just went forward.

    Attributes:
        loss: scalar tensor, already multiplied by its coefficient, differentiable.
        l1_BxT: sum of abs(v) at each position, detached.
        l0_BxT: features with abs(v) > 1e-6 at each position, detached.
        counted_BxT: bool, the positions over which the loss averages.
    """

    loss: Tensor
    l1_BxT: Tensor
    l0_BxT: Tensor
    counted_BxT: Tensor


class Arm(Protocol):
    """One arm of the comparison. Everything that the arms share is not in here.

    An arm's module has a class `Config` (a frozen pydantic model of the arm's keys in the profile) and a
    class `Arm` with this shape. Importing the module must not import torch.

    Three things may be there and need not: `Config.files`, names of files below the data root that the
    options name, which `prepare` records; `Arm.movable`, the share of the trainable entries that training can
    move, where it is not 1; and `Arm.at_start(model, ids_BxT, attention_mask_BxT)`, asked once before
    training with the first pairs, whose facts `train` records and which may refuse a start that cannot train.
    """

    trains: ClassVar[bool]
    uses_sae: ClassVar[bool]

    def __init__(self, config: Any, scene: Scene) -> None: ...

    def prepare(self, model: PreTrainedModel) -> None:
        """Make the base model trainable in this arm's way (freeze, modules, hooks). Only where `trains`."""

    def parameter_groups(self, model: PreTrainedModel) -> list[dict[str, Any]]:
        """Groups for AdamW: each a `params` list and an `lr`; only parameters that require a gradient."""

    def penalty(
        self, attention_mask_BxT: Tensor, response_mask_BxT: Tensor, progress: float
    ) -> Penalty | None:
        """The arm's addition to the loss for the last forward pass; None if it has none.

        Args:
            progress: share of the training that has begun, in [0, 1] (`harness.training.schedule.begun`); 1
                in evaluation.
        """

    def save(self, model: PreTrainedModel, folder: Path) -> None:
        """Write the trained weights (safetensors) and their configuration into an empty folder."""

    def load(self, model: PreTrainedModel, folder: Path) -> None:
        """Turn a fresh base model into the trained arm for evaluation: weights in, hooks on, no gradients."""


def load_arm(profile: Profile, name: str, scene: Scene) -> Arm:
    """The arm, configured and not yet attached to a model.

    Raises:
        ProfileError: unknown arm, a module outside the two packages and the installed plug-ins, or options
            that the arm's `Config` refuses.
    """
    section = profile.arm(name)
    module = arm_module(section)
    return cast("Arm", module.Arm(arm_config(section, name), scene))


def arm_files(section: ArmSection, name: str) -> tuple[str, ...]:
    """Names, below the data root, of the files that an arm's options name."""
    return tuple(getattr(arm_config(section, name), "files", ()))


def scene(profile: Profile, prepared: PrepareResult) -> Scene:
    """What every arm of a run may know, from what `prepare` found."""
    return Scene(
        sae_dir=Path(prepared.sae_dir),
        sae=profile.sae,
        model_digest=prepared.digest("model"),
        sae_digest=prepared.digest("sae"),
        seed=profile.training.seed,
    )


def arm_module(section: ArmSection) -> Any:
    """Import the module that defines an arm, if it may be imported at all."""
    return plugged_module(section.module, ("Config", "Arm"))


def arm_config(section: ArmSection, name: str) -> Any:
    """Validate an arm's own keys with its `Config`."""
    return plugged_config(arm_module(section), section, "arm", f"arms.{name}")
