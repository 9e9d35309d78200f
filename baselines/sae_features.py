"""What the arms share that edit features of the SAE: the whole SAE to fit, a few features to edit."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from harness.core.errors import ProfileError
from harness.training.fitted_arm import ResidualArm

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from fsrl.sae import Sae

ENCODER = ("b_enc", "threshold", "W_dec")


class FeatureArm(ResidualArm):
    """An edit of a few features of the SAE, where the SAE reads."""

    uses_sae: ClassVar[bool] = True

    def whole_sae(self, model: PreTrainedModel) -> Sae:
        """The SAE in float32 on the model's device.

        Raises:
            ProfileError: the arm names `layers`, or the SAE does not fit the model.
        """
        layer = self.scene.sae.layer
        if self.config.layers not in ((), (layer,)):
            raise ProfileError(
                "features of the SAE are edited where it reads",
                value=f"layers = {list(self.config.layers)}",
                remedy=f"leave layers out of the arm's table; sae.layer is {layer}",
            )
        sae = self._read()
        sae.check_fits(hidden_size=model.config.get_text_config().hidden_size, layer=layer)
        return sae.to(model.device)

    def some_features(self, ids_C: Tensor) -> Sae:
        """The SAE of these features alone, on their device: the edit computes no other."""
        from fsrl.sae import Sae

        whole, at = self._read(), ids_C.cpu()
        cut = {name: getattr(whole, name)[at] for name in ENCODER}
        cut |= {"W_enc": whole.W_enc[:, at], "b_dec": whole.b_dec}  # type: ignore[index]
        return Sae(cut, apply_b_dec_to_input=whole.apply_b_dec_to_input).to(ids_C.device)

    def _read(self) -> Sae:
        import torch

        from fsrl.sae import Sae

        return Sae.from_folder(self.scene.sae_dir).to(torch.float32)
