"""What an arm is, and how a profile's arm is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, cast

from harness.core.errors import ProfileError
from harness.profiles.plugged import plugged_config, plugged_module

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from harness.core.pair_tokens import PairTokens
    from harness.core.results import PrepareResult
    from harness.core.search import Search
    from harness.profiles.profile import Profile
    from harness.profiles.sections import ArmSection, SaeSection


KINDS = ("untrained", "trained", "fitted")


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


class FitRows(NamedTuple):
    """What a fitted arm is made of.

    Attributes:
        fit: training pairs that it may read.
        held_back: the last of the training pairs, for its search alone; none without a section [fit].
        pad_id: fills rows of a batch.
        batch_size: pairs of a batch.
        beta, gamma: of SimPO, by whose loss candidates are compared.
        seed: of every draw.
        candidates: how many the search may try.
        unfinished: folder of what an interrupted fit of the same inputs has finished.
        said: called with candidates done, candidates in all, and the last one's loss.
    """

    fit: list[PairTokens]
    held_back: list[PairTokens]
    pad_id: int
    batch_size: int
    beta: float
    gamma: float
    seed: int
    candidates: int
    unfinished: Path
    said: Callable[[int, int, float], None]


class Fitted(NamedTuple):
    """What `Arm.fit` found.

    Attributes:
        entries: numbers that were fitted.
        facts: for the record.
        search: the table of the held-back search (`harness.training.search`); None for an arm that has
            nothing to choose.
    """

    entries: int
    facts: dict[str, Any]
    search: Search | None = None


@dataclass
class Dial:
    """How an edit of the residual stream is turned for one forward pass; some objectives do.

    Attributes:
        factor: multiplies the edit.
        nulled: whether the edit's direction is taken out of the stream, in place of the edit.
        can_null: whether the edit has one direction, which can be taken out.
    """

    factor: float = 1.0
    nulled: bool = False
    can_null: bool = True


class Arm(Protocol):
    """One arm of the comparison. Everything that the arms share is not in here.

    An arm's module has a class `Config` (a frozen pydantic model of the arm's keys in the profile) and a
    class `Arm` with this shape. Importing the module must not import torch.

    Some things may be there and need not: `Config.files`, names of files below the data root that the options
    name, which `prepare` records; `Arm.movable`, the share of the trainable entries that training can move,
    where it is not 1; `Arm.at_start(model, ids_BxT, attention_mask_BxT)`, asked once before training with the
    first pairs, whose facts `train` records and which may refuse a start that cannot train;
    `Arm.over_rows(model, rows, pad_id, batch_size)`, asked once with all pairs of the training, likewise;
    `Arm.trainable_entries(config, shape)`, static, the entries that training changes, without which `plan`
    does not predict the arm's cost (`shape` is `harness.sources.synthetic.shapes.Shape`);
    `Arm.instruction(tokenizer)`, what evaluation puts into every prompt (`harness.models.instruction`);
    `Arm.added_vector()`, block and vector of an arm that adds one everywhere, for `parity --arm`;
    `Arm.steers_features`, True where the model carries a steering of SAE features that studies read; and
    `Arm.dial`, a `Dial` that the arm's edit obeys.

    Attributes:
        kind: `untrained`, `trained` (by the shared trainer, towards the profile's objective), or `fitted` (by
            itself, from the training pairs, without that).
        uses_sae: whether the SAE's files make it another arm.
    """

    kind: ClassVar[Literal["untrained", "trained", "fitted"]]
    uses_sae: ClassVar[bool]

    def __init__(self, config: Any, scene: Scene) -> None: ...

    @staticmethod
    def frozen_through(config: Any, sae: SaeSection) -> int | None:
        """The last block whose output training or fitting cannot change; None if there is none.

        Up to it the shared code runs no backward pass and may keep the blocks' output from one epoch to the
        next; it checks that nothing there trains. Not asked of an untrained arm.
        """

    def prepare(self, model: PreTrainedModel) -> None:
        """Make the base model trainable in this arm's way (freeze, modules, hooks). Only where trained."""

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
        """Turn a fresh base model into the finished arm for evaluation: weights, hooks, no gradients."""


class FittedArm(Arm, Protocol):
    """An arm of the kind `fitted`; it refuses `prepare`, `parameter_groups` and `save`."""

    def fit(
        self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: FitRows, folder: Path
    ) -> Fitted:
        """Fit the arm, write its files into an empty folder, and leave the model as the finished arm.

        Args:
            model: the untouched base in evaluation mode; no gradients, inside `torch.no_grad()`.
        """


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
    """Import the module that defines an arm, if it may be imported at all.

    Raises:
        ProfileError: it may not, or its class lacks something that every arm declares.
    """
    module = plugged_module(section.module, ("Config", "Arm"))
    kind = getattr(module.Arm, "kind", None)
    if kind not in KINDS:
        raise _undeclared("kind", f"{section.module}: {kind}")
    for needed in () if kind == "untrained" else ("uses_sae", "frozen_through"):
        if not hasattr(module.Arm, needed):
            raise _undeclared(needed, section.module)
    return module


def _undeclared(name: str, value: str) -> ProfileError:
    return ProfileError(
        f"the arm does not declare `{name}`", value=value, remedy="see `Arm` in harness/arm.py"
    )


def frozen_through(section: ArmSection, name: str, sae: SaeSection) -> int | None:
    """The last block whose output an arm's training or fitting cannot change; None if there is none."""
    layer: int | None = arm_module(section).Arm.frozen_through(arm_config(section, name), sae)
    return layer


def arm_config(section: ArmSection, name: str) -> Any:
    """Validate an arm's own keys with its `Config`."""
    return plugged_config(arm_module(section), section, "arm", f"arms.{name}")
