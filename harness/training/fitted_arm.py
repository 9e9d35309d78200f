"""What fitted arms share: settings measured on the pairs, a search of the strength, files, the hook.

An arm of this kind is one edit of the residual stream: a subclass says which tensors it makes of the pairs
(`settings`) and what they add at a strength (`change`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from harness.arm import Fitted
from harness.core.documents import Strict
from harness.training import fitted_file
from harness.training.fitted_file import Setting
from harness.training.untrained import NothingTrained

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.hooks import RemovableHandle
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from harness.arm import FitRows, Scene
    from harness.profiles.sections import SaeSection
    from harness.training.search import Candidate

Change = Callable[["Tensor"], "Tensor"]
"""From the residual stream in float32 to what is added to it, in float32."""


class FittedConfig(Strict):
    """Options of every fitted arm.

    Attributes:
        layers: blocks whose output may be edited, of which the search takes one; none named: the SAE's.
        grid: strengths that the search tries; 0, the base, must be one of them.
    """

    layers: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False)] = ()
    grid: Annotated[tuple[float, ...], Field(strict=False)]


class ResidualArm(NothingTrained):
    """`harness.arm.FittedArm` for an edit at one block.

    Attributes:
        loaded: the setting and the strength that `load` has read.
    """

    kind: ClassVar[Literal["fitted"]] = "fitted"
    uses_sae: ClassVar[bool] = False

    def __init__(self, config: Any, scene: Scene) -> None:
        self.config, self.scene = config, scene
        self.loaded: tuple[Setting, float] | None = None

    def settings(self, model: PreTrainedModel, rows: FitRows) -> Sequence[Setting]:
        """What the arm makes of the pairs; of equal losses the earlier setting is taken."""
        raise NotImplementedError

    def change(self, setting: Setting, strength: float) -> Change:
        """What the setting adds to the residual stream; 0 at strength 0."""
        raise NotImplementedError

    @property
    def layers(self) -> tuple[int, ...]:
        """Blocks that the arm may edit."""
        return self.config.layers or (self.scene.sae.layer,)

    @staticmethod
    def frozen_through(config: FittedConfig, sae: SaeSection) -> int:
        """The first block that may be edited."""
        return min(config.layers or (sae.layer,))

    def fit(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,  # noqa: ARG002 - the pairs are tokenised already
        rows: FitRows,
        folder: Path,
    ) -> Fitted:
        """Measure, search on the pairs held back, save, and leave the model edited."""
        from harness.training.responses import edit_size
        from harness.training.search import search

        tried = _tried(self.settings(model, rows), self.config.grid)

        @contextmanager
        def edited(candidate: Candidate) -> Iterator[None]:
            handle = self._attach(model, _setting_of(candidate, tried), candidate.strength)
            try:
                yield
            finally:
                handle.remove()

        found = search(model, rows, [candidate for candidate, _ in tried], edited)
        candidate, setting = tried[found.chosen]
        size = edit_size(model, setting.layer, self._placed(model, setting, candidate.strength), rows)
        fitted_file.write(folder, self._owner(), setting, candidate.strength)
        self._attach(model, setting, candidate.strength)
        chosen = {"layer": setting.layer, "strength": candidate.strength, **setting.options}
        helped = {"helped": candidate.strength != 0}
        return Fitted(_entries(setting), {**chosen, **helped, **setting.facts, **size}, found)

    def load(self, model: PreTrainedModel, folder: Path) -> None:
        """Edit a fresh base model as the fitted one was.

        Raises:
            MissingInputError: a file is missing.
            DamagedFileError: files that contradict each other.
            ProfileError: the files are of another base model, SAE or other options.
        """
        self.loaded = setting, strength = fitted_file.read(folder, self._owner())
        model.requires_grad_(False)
        self._attach(model, setting, strength)

    def _owner(self) -> fitted_file.Owner:
        sae = self.scene.sae_digest if self.uses_sae else ""
        return fitted_file.Owner(self.scene.model_digest, sae, self.config.model_dump(mode="json"))

    def _placed(self, model: PreTrainedModel, setting: Setting, strength: float) -> Change:
        tensors = {name: tensor.to(model.device) for name, tensor in setting.tensors.items()}
        return self.change(setting._replace(tensors=tensors), strength)

    def _attach(self, model: PreTrainedModel, setting: Setting, strength: float) -> RemovableHandle:
        from harness.models.residual import edit_residual

        return edit_residual(model, setting.layer, self._placed(model, setting, strength))


def _tried(settings: Sequence[Setting], grid: Sequence[float]) -> list[tuple[Candidate, Setting]]:
    """Every strength of every setting; the base, which is the same for all settings, once."""
    from harness.training.search import Candidate

    return [
        (Candidate(strength, {} if strength == 0 else setting.options), setting)
        for number, setting in enumerate(settings)
        for strength in grid
        if strength != 0 or number == 0
    ]


def _setting_of(wanted: Candidate, tried: Sequence[tuple[Candidate, Setting]]) -> Setting:
    return next(setting for candidate, setting in tried if candidate == wanted)


def _entries(setting: Setting) -> int:
    """Numbers that were fitted; ids of features are a choice, not numbers."""
    return sum(one.numel() for one in setting.tensors.values() if one.is_floating_point())
