"""The FSRL arm: frozen base, frozen SAE, a trained adapter that steers its features, a sparsity penalty."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from fsrl.config import Config
from fsrl.mask import silenced_features
from harness.arm import Penalty, Scene
from harness.core.artefact import digest_file
from harness.core.errors import MissingInputError, ProfileError, TrainingError

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from fsrl.steer import Steering
    from harness.profiles.sections import SaeSection


class Arm:
    """`harness.arm.Arm`: trains the adapter alone."""

    kind: ClassVar[Literal["trained"]] = "trained"
    uses_sae: ClassVar[bool] = True
    steers_features: ClassVar[bool] = True

    def __init__(self, config: Config, scene: Scene) -> None:
        self.config, self.scene = config, scene
        self.steering: Steering | None = None
        self.mask_sha256 = ""

    @staticmethod
    def frozen_through(config: Config, sae: SaeSection) -> int:  # noqa: ARG004 - as in the protocol
        """The block after which the SAE's features are steered."""
        return sae.layer

    def prepare(self, model: PreTrainedModel) -> None:
        """Freeze the base and attach an adapter whose output is almost zero, in the model's dtype."""
        model.requires_grad_(False)
        steering = self._attach(model, model.dtype)
        mask = self.config.feature_mask
        if mask is not None:
            path = _file_of(self.scene, mask.file)
            self.mask_sha256 = digest_file(path)
            steering.adapter.silence(silenced_features(path, steering.adapter.d_sae, keep=mask.keep))

    @property
    def movable(self) -> float:
        """Share of the trainable entries that can move: those of a masked feature have no gradient."""
        if self.steering is None:
            return 1.0
        adapter = self.steering.adapter
        return int((~adapter.silenced).sum()) / adapter.d_sae

    def parameter_groups(self, model: PreTrainedModel) -> list[dict[str, Any]]:
        """Weight, bias and soft thresholds at the learning rate; a JumpReLU's thresholds at their own."""
        adapter = _steering_of(model).adapter
        thresholds = [] if adapter.threshold is None else [adapter.threshold]
        rate = self.config.learning_rate
        if self.config.jump_relu is None:
            return [{"params": [adapter.weight, adapter.bias, *thresholds], "lr": rate}]
        alike = adapter.weight.dtype == adapter.bias.dtype  # DeepSpeed wants one dtype a group
        parts = [[adapter.weight, adapter.bias]] if alike else [[adapter.weight], [adapter.bias]]
        groups = [{"params": part, "lr": rate} for part in parts]
        return [*groups, {"params": thresholds, "lr": self.config.jump_relu.threshold_learning_rate}]

    def at_start(self, model: PreTrainedModel, ids_BxT: Tensor, attention_mask_BxT: Tensor) -> dict[str, Any]:
        """What the adapter does before training, for the record.

        Raises:
            TrainingError: no unit can ever open.
        """
        from fsrl.start import share_on

        found = share_on(model, _steering_of(model), ids_BxT, attention_mask_BxT)
        return {"share_on_at_start": found}

    def penalty(self, attention_mask_BxT: Tensor, response_mask_BxT: Tensor, progress: float) -> Penalty:
        """alpha times the mean over the counted positions of the sum over features of abs(v).

        For a JumpReLU the sum is L0, through its straight-through step. Each forward pass can be asked once.

        Raises:
            TrainingError: nothing went through the hook since the last call, or no position counts.
        """
        steering = self.steering
        if steering is None:
            raise _unattached()
        readings, steering.readings = steering.readings, None
        if readings is None or readings.l1_BxT.shape != attention_mask_BxT.shape:
            seen = None if readings is None else tuple(readings.l1_BxT.shape)
            raise TrainingError(
                "penalty() was called for a batch that did not go through the steering hook",
                value=f"batch {tuple(attention_mask_BxT.shape)}, hook {seen}",
                remedy="call it once after each forward pass of the whole batch",
            )
        counted_BxT = self._counted(attention_mask_BxT, response_mask_BxT)
        scale = self.config.penalty_coefficient if progress >= self.config.penalty_warmup else 0.0
        cost_BxT = readings.cost_BxT.masked_fill(~counted_BxT, 0)
        if self.config.penalty_positions == "non_padding":  # a prompt shared by two responses counts twice
            mean = (cost_BxT * attention_mask_BxT).sum() / attention_mask_BxT.sum()
        else:
            mean = cost_BxT.sum() / counted_BxT.sum()
        return Penalty(scale * mean, readings.l1_BxT.detach(), readings.l0_BxT.detach(), counted_BxT)

    def save(self, model: PreTrainedModel, folder: Path) -> None:
        """Write adapter.safetensors and adapter.json; of base and SAE only the digests."""
        from fsrl import adapter_file

        steering = _steering_of(model)
        adapter_file.write(
            steering.adapter,
            folder,
            adapter_file.describe(steering, self.config, self.scene, self.mask_sha256),
        )

    def load(self, model: PreTrainedModel, folder: Path) -> None:
        """Attach the adapter as saved, in its saved dtype, without gradients.

        Raises:
            MissingInputError: a file is missing.
            DamagedFileError: files, digests or shapes that contradict each other.
            ProfileError: the adapter belongs to another base model, SAE, block or way of steering.
        """
        from fsrl import adapter_file

        card = adapter_file.read_card(folder)
        adapter_file.check_belongs(card, self.config, self.scene, folder)
        tensors = adapter_file.read_weights(folder, card)
        model.requires_grad_(False)
        steering = self._attach(model, tensors["weight"].dtype)
        adapter_file.fill(steering.adapter, tensors, folder)
        steering.requires_grad_(False)

    def _attach(self, model: PreTrainedModel, dtype: Any) -> Steering:
        from fsrl.adapter import Adapter
        from fsrl.sae import Sae
        from fsrl.steer import Steering, lean_is_exact

        config, jump = self.config, self.config.jump_relu
        lean = lean_is_exact(config.activation, config.fusion_relu)
        sae = Sae.from_folder(self.scene.sae_dir, encoder=not lean)
        adapter = Adapter(
            sae.d_in,
            sae.d_sae,
            activation=config.activation,
            dtype=dtype,
            threshold=jump.threshold if jump else config.soft_threshold,
            bandwidth=jump.bandwidth if jump else 0.0,
            top_fraction=config.top_fraction,
            seed=self.scene.seed,
        )
        steering = Steering(
            adapter, sae, fusion_relu=config.fusion_relu, chunk_features=config.chunk_features
        )
        steering.attach(model, self.scene.sae.layer)
        self.steering = steering
        return steering

    def _counted(self, attention_mask_BxT: Tensor, response_mask_BxT: Tensor) -> Tensor:
        kind = self.config.penalty_positions
        mask_BxT = response_mask_BxT if kind == "response" else attention_mask_BxT
        counted_BxT = mask_BxT.new_ones(mask_BxT.shape).bool() if kind == "all" else mask_BxT.bool()
        if kind == "all" and bool((attention_mask_BxT > 1).any()):
            raise ProfileError(
                "the penalty counts padding, which a batch with shared prompts does not have",
                value="penalty_positions = all, training.share_prompt = true",
                remedy="set penalty_positions to non_padding or response, or share_prompt to false",
            )
        if not bool(counted_BxT.any()):
            raise TrainingError(
                "no position of the batch counts for the penalty",
                value=f"penalty_positions = {kind}",
                remedy="look for empty responses in the preference data",
            )
        return counted_BxT


def _file_of(scene: Scene, name: str) -> Path:
    path = None if scene.arm_files is None else scene.arm_files / name
    if path is None or not path.is_file():
        raise MissingInputError(
            "a file that the arm's options name is missing", value=path or name, remedy="run `prepare` again"
        )
    return path


def _steering_of(model: PreTrainedModel) -> Steering:
    from fsrl.steer import NAME, Steering

    steering = getattr(model, NAME, None)
    if not isinstance(steering, Steering):
        raise _unattached()
    return steering


def _unattached() -> TrainingError:
    return TrainingError("the arm is not attached to the model", remedy="call prepare or load first")
