"""The trainer of every trained arm: trl's CPOTrainer with the profile's objective, on tokenised rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback
from trl.experimental.cpo import CPOConfig, CPOTrainer

from harness.core.errors import TrainingError
from harness.models.base_model import pad_id
from harness.training.activation_cache import ActivationCache, replayed
from harness.training.checkpoint import Step, last_checkpoint, write_record
from harness.training.dataset import Rows, pairs_of_step, real
from harness.training.loss import response_logprobs
from harness.training.objective import Objective, load_objective
from harness.training.optimizer import Groups, declared_groups, log_scheduler, make_optimizer
from harness.training.pair_loss import LENGTHS, REFERENCE, PairLoss
from harness.training.pairs import PairBatch, PairTokens, collate
from harness.training.schedule import begun
from harness.training.shared_prompt import SharedBatch, collate_shared, shared_logprobs

if TYPE_CHECKING:
    from harness.arm import Arm
    from harness.profiles.training_section import TrainingSection


class ResponseModel(nn.Module):
    """The language model with a forward pass that ends in the responses' log-probabilities.

    DeepSpeed wraps this module, so that the lean forward pass goes through its engine.
    """

    def __init__(self, language_model: PreTrainedModel, cached_layer: int | None = None) -> None:
        super().__init__()
        self.cached_layer = cached_layer
        self.language_model = language_model

    @property
    def config(self) -> Any:
        return self.language_model.config

    @property
    def generation_config(self) -> Any:
        return self.language_model.generation_config

    def forward(self, **batch: Tensor) -> Tensor:
        """(2B,) float32, see `response_logprobs`, and `shared_logprobs` for the fields of a `SharedBatch`."""
        if "residual_BxTxD" in batch and self.cached_layer is not None:
            residual = batch.pop("residual_BxTxD")
            with replayed(self.language_model, self.cached_layer, residual):
                return shared_logprobs(self.language_model, SharedBatch(**batch))
        if "position_ids_BxT" in batch:
            return shared_logprobs(self.language_model, SharedBatch(**batch))
        return response_logprobs(self.language_model, PairBatch(**batch))


class PairTrainer(CPOTrainer):  # type: ignore[misc]
    """CPOTrainer with the profile's objective, the arm's parameter groups and penalty, the lean forward pass
    and a record of steps.

    Attributes:
        objective: of the profile.
        steps: what each optimiser step did.
        on_step: called after each step with steps done, steps in all, and the step.
        asked_to_stop: asked after each step on every rank; one yes, and all write a checkpoint and end.
        stopped: whether they did so before the last step.
        elapsed_s: seconds of the training loop so far, without those before the checkpoint.
        wall_s_before: seconds that the steps before the checkpoint took.
    """

    loss_is_scaled_for_ga = True  # by `_share`, so that every pair of a step weighs the same

    def __init__(
        self,
        model: ResponseModel,
        *,
        arm: Arm,
        args: CPOConfig,
        rows: Sequence[PairTokens],
        order: Sequence[int],
        tokenizer: PreTrainedTokenizerBase,
        section: TrainingSection,
        cache: ActivationCache | None = None,
        reference_Px2: Tensor | None = None,
    ) -> None:
        self.arm = arm
        self.objective: Objective = load_objective(section)
        self._pair_loss = PairLoss(self.objective, getattr(arm, "dial", None), section.seed)
        self._reference_Px2 = reference_Px2
        self.section = section
        self.on_step: Callable[[int, int, Step], None] | None = None
        self.asked_to_stop: Callable[[], bool] = lambda: False
        self.stopped = False
        self.elapsed_s: Callable[[], float] = lambda: 0.0
        self.wall_s_before = 0.0
        self.steps: list[Step] = []
        self._sums = torch.zeros(5, dtype=torch.float64)
        self._rates: tuple[float, ...] = ()
        self._cache, self._filler = cache, pad_id(tokenizer)
        super().__init__(
            model=model,
            args=args,
            data_collator=self._collate,
            train_dataset=Rows(rows, order, together=section.pairs_per_device * section.ranks),
            processing_class=tokenizer,
        )
        self.remove_callback(PrinterCallback)

    def _collate(self, items: Sequence[tuple[int, PairTokens]]) -> dict[str, Any]:
        """The fields of a `PairBatch` or a `SharedBatch`, lengths, what was kept of the base; `pairs`: how
        many of them are trained on."""
        (indices, rows), pairs = real(items)
        found: dict[str, Any] = {"pairs": pairs}
        found[LENGTHS] = torch.tensor([[len(part) for part in row] for row in rows])
        if self._reference_Px2 is not None:
            found[REFERENCE] = self._reference_Px2[indices]
        if not self.section.share_prompt:
            return collate(rows, self._filler)._asdict() | found
        batch = collate_shared(rows, self._filler)
        if self._cache is not None:
            found["residual_BxTxD"] = self._cache.residual(batch, indices)
        return batch._asdict() | found

    def create_optimizer(self, model: nn.Module | None = None) -> Any:  # noqa: ARG002 - as in transformers
        """The profile's optimiser over the arm's parameter groups."""
        if self.optimizer is None:
            self.optimizer: Any = make_optimizer(self.section, self.groups())
        return self.optimizer

    def groups(self) -> Groups:
        """The parameter groups of the optimiser, with the declared rates."""
        language_model = self.model.language_model
        return declared_groups(self.section, self.arm.parameter_groups(language_model), language_model)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The profile's schedule: transformers' own; DeepSpeed's class for a logarithmic warm-up."""
        if self.section.warmup == "linear":
            return super().create_scheduler(num_training_steps, optimizer)
        if self.lr_scheduler is None:
            self.lr_scheduler: Any = log_scheduler(
                self.section, optimizer or self.optimizer, self.args.warmup_steps, num_training_steps
            )
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def get_batch_loss_metrics(
        self,
        model: nn.Module,
        batch: dict[str, Tensor],
        train_eval: str = "train",  # noqa: ARG002 - as in trl
    ) -> tuple[Tensor, dict[str, float]]:
        """The objective's loss plus the arm's penalty, as a share of the step's.

        Raises:
            TrainingError: the loss is not finite.
        """
        pairs = int(batch.pop("pairs"))
        losses_B = self._pair_loss(model, batch, self.state.global_step)
        progress = begun(self.state.global_step, self.state.max_steps)
        penalty = self.arm.penalty(batch["attention_mask_BxT"], batch["response_mask_BxT"], progress)
        added = losses_B.new_zeros(()) if penalty is None else penalty.loss.to(losses_B.dtype)
        loss = losses_B.mean() + added
        if not torch.isfinite(loss):
            raise _not_finite("loss", self.state.global_step + 1)
        if not pairs:
            return loss * 0, {}
        plain = float(losses_B.detach().sum())
        tokens = int(batch["attention_mask_BxT"].sum())
        self._sums += torch.tensor([plain, plain + pairs * float(added.detach()), pairs, tokens, 0])
        return loss / self._parts(pairs), {}

    def _parts(self, pairs: int) -> float:
        """What a mean over a forward pass' pairs is divided by: the accumulation, in a full step. The engine
        adds up the forward passes of a rank and takes the mean over the ranks."""
        dataset: Rows = self.train_dataset
        in_step = pairs_of_step(len(dataset.order), self.section.pairs_per_step, self.state.global_step)
        return in_step / (pairs * int(self.accelerator.num_processes))

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        """One micro-batch; notes the rates that stand in the optimiser before it can step."""
        self._rates = tuple(float(group["lr"]) for group in self.optimizer.param_groups)
        loss: Tensor = super().training_step(*args, **kwargs)
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Called once after each optimiser step: close the step's record.

        Raises:
            TrainingError: the gradient's norm is not finite.
        """
        super().log(logs, start_time)
        if "loss" not in logs:
            return
        norm = logs.get("grad_norm")
        if norm is not None and not torch.isfinite(torch.tensor(float(norm))):
            raise _not_finite("norm of the gradient", self.state.global_step)
        self._sums[4] = float(self.asked_to_stop())
        sums = self.accelerator.reduce(self._sums.to(self.args.device), "sum").tolist()
        self._sums.zero_()
        plain, penalised, pairs, tokens, stop = sums
        step = Step(plain / pairs, penalised / pairs, self._rates, norm and float(norm), int(tokens))
        self.steps.append(step)
        if self.on_step is not None:
            self.on_step(self.state.global_step, self.state.max_steps, step)
        if stop and self.state.global_step < self.state.max_steps:
            self.stopped = self.control.should_save = self.control.should_training_stop = True

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Nothing: DeepSpeed's checkpoint holds the weights, and the arm saves its own at the end."""

    def create_model_card(self, *_args: object, **_kwargs: object) -> None:
        """Nothing: a checkpoint is no published model."""

    def _save_checkpoint(self, model: nn.Module, trial: object) -> None:
        """The record goes last, once every rank has written: a checkpoint with it is complete."""
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.is_world_process_zero():
            folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
            write_record(folder, self.steps, self.wall_s_before + self.elapsed_s())

    def resume_or_start(self) -> int:
        """Train, from the last complete checkpoint where there is one; the number of steps it had done."""
        folder, kept = last_checkpoint(Path(self.args.output_dir)) or (None, None)
        if kept is not None:
            self.steps, self.wall_s_before = kept.steps, kept.wall_s
        done = len(self.steps)
        self.train(resume_from_checkpoint=folder and str(folder))
        return done


def _not_finite(what: str, step: int) -> TrainingError:
    return TrainingError(
        f"the {what} is not a finite number",
        value=f"step {step}",
        remedy="lower the arm's learning_rate, or look at the data of that step",
    )
