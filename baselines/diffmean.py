"""CAA / DiffMean: the mean difference between chosen and rejected activations, added at every position.

x' = x + strength v, or x + strength v / |v|. CAA (arXiv 2312.06681) takes the last token and edits the
positions after the prompt; here, as for every arm, all positions are edited.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from harness.core.errors import FitError, TrainingError
from harness.training.fitted_arm import Change, FittedConfig, ResidualArm
from harness.training.fitted_file import Setting

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from baselines.methods.mean_difference import MeanDifference
    from harness.arm import FitRows

ROWS = ("last_token", "response_mean", "token_mean")


class Config(FittedConfig):
    """Options of the arm; those of the search are `FittedConfig`'s.

    Attributes:
        rows: `last_token` (CAA), `response_mean` (pairs weighted alike) or `token_mean` (DiffMean: tokens).
        scale: `raw` multiplies v as it is; `unit` its direction, so that a strength is a length.
        skip_shared: leave out the tokens with which both responses begin.
    """

    rows: Literal["last_token", "response_mean", "token_mean"] = "response_mean"
    scale: Literal["raw", "unit"] = "raw"
    skip_shared: bool = True


class Arm(ResidualArm):
    """One vector, from the pairs' activations."""

    config: Config

    def settings(self, model: PreTrainedModel, rows: FitRows) -> Sequence[Setting]:
        """A vector for each block.

        Raises:
            DataError: a pair without a token after the shared part.
            FitError: the two sides do not differ.
        """
        return [self._setting(model, rows, layer) for layer in self.layers]

    def _setting(self, model: PreTrainedModel, rows: FitRows, layer: int) -> Setting:
        from baselines.methods.mean_difference import MeanDifference
        from harness.training.responses import responses

        found = MeanDifference(
            model.config.get_text_config().hidden_size, skip_shared=self.config.skip_shared
        )
        for pair in responses(model, layer, rows.fit, pad_id=rows.pad_id, batch_size=rows.batch_size):
            found.add(*pair)
        vector_D = found.vector(self.config.rows)
        length = float(vector_D.norm())
        if not length:
            raise FitError(
                "the mean activations of chosen and rejected responses are the same",
                value=f"block {layer}, rows = {self.config.rows}",
                remedy="choose other rows or another block, or look at the pairs",
            )
        scaled_D = vector_D / length if self.config.scale == "unit" else vector_D
        return Setting({"layer": layer}, layer, {"vector": scaled_D.float()}, self._facts(found, length))

    def _facts(self, found: MeanDifference, length: float) -> dict[str, Any]:
        from baselines.methods.mean_difference import cosine

        own = found.vector(self.config.rows)
        cosines = {f"cosine_with_{name}": cosine(own, found.vector(name)) for name in ROWS}  # type: ignore[arg-type]
        chosen, rejected = found.mean_tokens
        return {
            "vector_norm": length,
            "resid_norm": found.resid_norm,
            "mean_chosen_tokens": chosen,
            "mean_rejected_tokens": rejected,
            **cosines,
        }

    def added_vector(self) -> tuple[int, Tensor]:
        """Block and vector of the arm as loaded, for lm-eval's `steered` model.

        Raises:
            TrainingError: it was not loaded.
        """
        if self.loaded is None:
            raise TrainingError("the arm was not loaded", remedy="load it first")
        setting, strength = self.loaded
        return setting.layer, strength * setting.tensors["vector"]

    def change(self, setting: Setting, strength: float) -> Change:
        """The vector times the strength, whatever x is."""
        shift_D = strength * setting.tensors["vector"]
        return lambda _x: shift_D
