"""Direct edit of chosen features of the SAE, without an adapter: scaled, or clamped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from baselines.sae_features import FeatureArm
from harness.core.errors import FitError, ProfileError
from harness.training.fitted_arm import Change, FittedConfig
from harness.training.fitted_file import Setting

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from fsrl.sae import Sae
    from harness.arm import FitRows

Features = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False)]


class Config(FittedConfig):
    """Options of the arm; `layers` must stay unset, for the edit is where the SAE reads.

    Attributes:
        edit: `scale` multiplies a feature by 1 + strength, `clamp` sets it to strength times its largest
            value in the pairs; a feature of `top` that rejected responses have more is moved the other way.
        features: ids, for example the first rows of Tables 3 and 4, all moved in the sense of the strength.
        top: instead of `features`: so many features whose mean differs most between the sides.
    """

    edit: Literal["scale", "clamp"] = "scale"
    features: Features = ()
    top: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _one_choice(self) -> Config:
        if bool(self.features) == bool(self.top):
            raise ValueError("name either `features` or `top`")
        return self


class Arm(FeatureArm):
    """A few features, moved together."""

    config: Config

    def settings(self, model: PreTrainedModel, rows: FitRows) -> Sequence[Setting]:
        """The one choice of features.

        Raises:
            ProfileError: a feature that the SAE does not have.
            FitError: no feature differs between the sides, or one is never active where its largest value is
                needed.
        """
        import torch

        from baselines.methods.feature_edit import most_different

        sae, config = self.whole_sae(model), self.config
        wrong = [one for one in config.features if one >= sae.d_sae]
        if wrong or len(set(config.features)) < len(config.features):
            raise ProfileError(
                f"features must be different ids of the SAE's {sae.d_sae}",
                value=wrong or list(config.features),
                remedy=f"name ids from 0 to {sae.d_sae - 1}, each once",
            )
        means, spread_F, largest_F = self._measured_features(model, rows, sae)
        if config.top:
            ids, sign_C = most_different(*means, spread_F, config.top)
        else:
            ids = torch.tensor(sorted(config.features))
            sign_C = torch.ones(len(ids))
        silent = [int(one) for one in ids if largest_F[one] == 0]
        if not len(ids) or (silent and config.edit == "clamp"):
            raise FitError(
                "a chosen feature is active in no response"
                if silent
                else "no feature differs between the sides",
                value=silent or f"top = {config.top}",
                remedy="choose other features, or give the arm more pairs",
            )
        tensors = {"features": ids, "sign": sign_C.float(), "largest": largest_F[ids].float()}
        facts = {"features": ids.tolist(), "signs": sign_C.tolist(), "silent_features": silent}
        return [Setting({}, self.scene.sae.layer, tensors, facts)]

    def _measured_features(
        self, model: PreTrainedModel, rows: FitRows, sae: Sae
    ) -> tuple[tuple[Tensor, Tensor], Tensor, Tensor]:
        """Of every feature: mean over the responses of each side, spread over all, and largest value."""
        import torch

        from harness.training.responses import responses

        sums = torch.zeros(3, sae.d_sae, dtype=torch.float64)
        largest_F = torch.zeros(sae.d_sae)
        layer = self.scene.sae.layer
        for pair in responses(model, layer, rows.fit, pad_id=rows.pad_id, batch_size=rows.batch_size):
            for side, x_NxD in enumerate((pair.chosen_WxD, pair.rejected_LxD)):
                code_NxF = sae.encode(x_NxD).cpu()
                mean_F = code_NxF.double().mean(0)
                sums[side] += mean_F
                sums[2] += mean_F**2
                largest_F = torch.maximum(largest_F, code_NxF.amax(0))
        chosen_F, rejected_F = sums[0] / len(rows.fit), sums[1] / len(rows.fit)
        variance_F = sums[2] / (2 * len(rows.fit)) - ((chosen_F + rejected_F) / 2) ** 2
        return (chosen_F, rejected_F), variance_F.clamp(min=0).sqrt(), largest_F

    def change(self, setting: Setting, strength: float) -> Change:
        """The change of the chosen features alone, decoded."""
        from baselines.methods.feature_edit import feature_change

        held, edit = setting.tensors, self.config.edit
        part = self.some_features(held["features"])

        def change(x: Tensor) -> Tensor:
            return feature_change(part.encode(x), strength, edit, held["sign"], held["largest"]) @ part.W_dec

        return change
