"""LoRA (arXiv 2106.09685) by peft on the linear layers of attention and MLP, trained as every arm is.

y = W x + b + (alpha / r) B A x; A is drawn (Kaiming), B = 0 at the start. The adapters are never merged into
W: in bfloat16 W + B A loses most of a small B A (docs/decisions/0121-lora-is-never-merged.md).
"""

# ruff: noqa: ARG002, ARG004 - the protocol's arguments, whether this arm needs them or not

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from harness.core.documents import Strict
from harness.core.errors import ProfileError
from harness.models.rank import matched

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

    from harness.arm import Scene
    from harness.profiles.sections import SaeSection

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class Config(Strict):
    """Options of the arm.

    Attributes:
        learning_rate: AdamW's rate after the warm-up.
        r: rank; `matched` is the one whose entries are nearest to those of FSRL's adapter on the run's SAE.
        alpha: the scale is alpha / r; None: 2 r.
        targets: names of the linear layers, within each block.
        first_layer: the first block with adapters.
    """

    learning_rate: float = Field(gt=0)
    r: Annotated[int, Field(ge=1)] | Literal["matched"]
    alpha: Annotated[float, Field(gt=0)] | None = None
    targets: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = TARGETS
    first_layer: int = Field(default=0, ge=0)


class Arm:
    """Trains the adapters alone; the model stays frozen."""

    kind: ClassVar[Literal["trained"]] = "trained"
    uses_sae: ClassVar[bool] = False

    def __init__(self, config: Config, scene: Scene) -> None:
        self.config, self.scene, self.rank = config, scene, 0

    @staticmethod
    def frozen_through(config: Config, sae: SaeSection) -> int | None:
        """The block below the first with adapters."""
        return config.first_layer - 1 if config.first_layer else None

    @staticmethod
    def trainable_entries(config: Config, shape: Any) -> int:
        """r times the sum of d_in + d_out; the targets' usual shapes."""
        d, mlp, kv = shape.d_model, shape.d_model + shape.d_mlp, shape.kv_heads * shape.d_head
        q = d + shape.heads * shape.d_head
        sizes = dict(zip(TARGETS, (q, d + kv, d + kv, q, mlp, mlp, mlp), strict=True))
        if not sizes.keys() >= set(config.targets):
            raise ProfileError(
                "shapes are known of seven layers only", value=config.targets, remedy=f"{TARGETS}"
            )
        a_rank = (shape.layers - config.first_layer) * sum(sizes[name] for name in config.targets)
        return int(
            a_rank * (config.r if config.r != "matched" else matched(shape.adapter_parameters, a_rank))
        )

    def prepare(self, model: PreTrainedModel) -> None:
        """Freeze the model and put adapters, in its dtype, beside the chosen layers.

        Raises:
            ProfileError: a layer that is not there or not a plain linear one, or a rank that does not fit.
        """
        import torch
        from peft import LoraConfig, inject_adapter_in_model

        from harness.models.linear_layers import linear_layers

        layers = linear_layers(model, self.config.targets, self.config.first_layer)
        self.rank = self._rank(layers.values())
        alpha: Any = self.config.alpha or 2 * self.rank
        options = LoraConfig(r=self.rank, lora_alpha=alpha, target_modules=list(layers), lora_dropout=0.0)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.scene.seed)
            inject_adapter_in_model(options, model)
        model.requires_grad_(False)
        for tensor in adapters(model).values():
            tensor.requires_grad_(True)
        model.eval()

    def _rank(self, layers: Collection[nn.Linear]) -> int:
        a_rank = sum(layer.in_features + layer.out_features for layer in layers)
        rank = self.config.r if self.config.r != "matched" else matched(self._fsrl_entries(), a_rank)
        most = min(min(layer.in_features, layer.out_features) for layer in layers)
        if rank > most:
            cause = f"the rank exceeds the smaller side of a layer, {most}"
            raise ProfileError(cause, value=f"r = {rank}", remedy="lower r, or name other targets")
        return rank

    def _fsrl_entries(self) -> int:
        """Weight and bias of FSRL's adapter on the run's SAE: d_sae (d_in + 1)."""
        from fsrl.sae import Sae

        sae = Sae.from_folder(self.scene.sae_dir, encoder=False)
        return sae.d_sae * (sae.d_in + 1)

    def at_start(self, model: PreTrainedModel, ids_BxT: Tensor, attention_mask_BxT: Tensor) -> dict[str, Any]:
        """The rank, and how many adapters there are: equal entries in more places are not equal reach."""
        held = adapters(model)
        facts = {
            "rank": self.rank,
            "adapters": len(held) // 2,
            "entries": sum(t.numel() for t in held.values()),
        }
        return facts | ({"fsrl_entries": self._fsrl_entries()} if self.config.r == "matched" else {})

    def parameter_groups(self, model: PreTrainedModel) -> list[dict[str, Any]]:
        """All adapters at one rate."""
        return [{"params": list(adapters(model).values()), "lr": self.config.learning_rate}]

    def penalty(self, attention_mask_BxT: Tensor, response_mask_BxT: Tensor, progress: float) -> None:
        return None

    def save(self, model: PreTrainedModel, folder: Path) -> None:
        """Write A and B of every adapter."""
        from harness.training import arm_file

        arm_file.write(folder, adapters(model), self._belongs_to())

    def load(self, model: PreTrainedModel, folder: Path) -> None:
        """Put trained adapters beside a fresh base model's layers, unmerged.

        Raises:
            HarnessError: as `harness.training.arm_file.read`.
        """
        from harness.training import arm_file

        self.prepare(model)
        arm_file.read(folder, adapters(model), self._belongs_to())
        model.requires_grad_(False)

    def _belongs_to(self) -> dict[str, Any]:
        options = self.config.model_dump(mode="json")
        return {"model_digest": self.scene.model_digest, "rank": self.rank, "options": options}


def adapters(model: PreTrainedModel) -> dict[str, Tensor]:
    """A and B of every adapter, by name."""
    return {name: tensor for name, tensor in model.named_parameters() if ".lora_" in name}
