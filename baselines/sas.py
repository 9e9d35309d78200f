"""Sparse activation steering (SAS, arXiv 2503.00177): a vector in the SAE's features.

x' = x + (sigma(f + strength v) - f) W_dec. With `nonlinearity = "none"` that is one dense vector; with a ReLU
only the suppression of features depends on x.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from baselines.sae_features import FeatureArm
from harness.core.errors import FitError
from harness.training.fitted_arm import Change, FittedConfig
from harness.training.fitted_file import Setting

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from baselines.methods.sparse_steering import Side
    from fsrl.sae import Sae
    from harness.arm import FitRows

Tau = Annotated[float, Field(gt=0, le=1)]


class Config(FittedConfig):
    """Options of the arm; `layers` must stay unset, for the edit is where the SAE reads.

    Attributes:
        tau: shares of the rows in which a feature must be active, of which the search takes one; of equal
            losses the larger.
        rows: `last_token` (the paper's one position) or `response_mean` (mean code over the response after
            the tokens that both responses share; active there is active anywhere).
        mean: over the rows in which a feature is active (the paper's), or over all.
        nonlinearity: the SAE's own, a plain ReLU, or none.
        remove_common: whether features that both sides keep are removed.
    """

    tau: Annotated[tuple[Tau, ...], Field(strict=False, min_length=1)]
    rows: Literal["last_token", "response_mean"] = "last_token"
    mean: Literal["active", "all"] = "active"
    nonlinearity: Literal["sae", "relu", "none"] = "sae"
    remove_common: bool = True


class Arm(FeatureArm):
    """Features that chosen responses have often, less those that rejected ones have."""

    config: Config

    def settings(self, model: PreTrainedModel, rows: FitRows) -> Sequence[Setting]:
        """A vector for each tau that leaves one, the largest first; the record names the others.

        Raises:
            FitError: no tau leaves a feature; the message says which threshold emptied the vector.
            ProfileError: `layers` is set, or the SAE does not fit the model.
        """
        sae = self.whole_sae(model)
        sides = self._sides(model, rows, sae)
        found: list[Setting] = []
        empty: dict[str, str] = {}
        refused: FitError | None = None
        for tau in sorted(self.config.tau, reverse=True):
            try:
                found.append(self._setting(sides, tau))
            except FitError as error:
                empty[f"{tau:g}"], refused = error.cause, refused or error
        if refused is not None and not found:
            raise refused
        return [one._replace(facts=one.facts | {"empty_tau": empty}) for one in found]

    def _setting(self, sides: tuple[Side, Side], tau: float) -> Setting:
        from baselines.methods.sparse_steering import sparse_vector

        config = self.config
        vector = sparse_vector(*sides, tau, mean=config.mean, remove_common=config.remove_common)
        ids = vector.values_F.nonzero().flatten()
        facts = {
            "features": vector.features,
            "features_chosen": vector.chosen,
            "features_rejected": vector.rejected,
            "features_common": vector.common,
            "vector_norm": float(vector.values_F.norm()),
        }
        tensors = {"features": ids, "vector": vector.values_F[ids].float()}
        return Setting({"tau": tau}, self.scene.sae.layer, tensors, facts)

    def _sides(self, model: PreTrainedModel, rows: FitRows, sae: Sae) -> tuple[Side, Side]:
        from baselines.methods.sparse_steering import Side
        from harness.training.responses import responses

        sides, layer = (Side(sae.d_sae), Side(sae.d_sae)), self.scene.sae.layer
        for pair in responses(model, layer, rows.fit, pad_id=rows.pad_id, batch_size=rows.batch_size):
            for side, x_NxD in zip(sides, (pair.chosen_WxD, pair.rejected_LxD), strict=True):
                last = self.config.rows == "last_token"
                kept_NxD = x_NxD[-1:] if last or len(x_NxD) <= pair.shared else x_NxD[pair.shared :]
                side.add(sae.encode(kept_NxD).mean(0))
        return sides

    def change(self, setting: Setting, strength: float) -> Change:
        """The change of the code of the kept features alone, decoded."""
        from baselines.methods.sparse_steering import sparse_change

        features, shift_C = setting.tensors["features"], strength * setting.tensors["vector"]
        part = self.some_features(features)

        def change(x: Tensor) -> Tensor:
            changed = sparse_change(part.encode(x), shift_C, part.threshold, self.config.nonlinearity)  # type: ignore[arg-type]
            return changed @ part.W_dec

        return change
