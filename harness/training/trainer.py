"""The trainer of every trained arm: trl's CPOTrainer as SimPO, on rows that are tokenised already."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback
from trl.experimental.cpo import CPOConfig, CPOTrainer

from harness.core.errors import TrainingError
from harness.models.base_model import pad_id
from harness.training.activation_cache import ActivationCache, replayed
from harness.training.checkpoint import Step, last_checkpoint, write_record
from harness.training.loss import response_logprobs
from harness.training.optimizer import log_scheduler, optimizer_class
from harness.training.pairs import PairBatch, PairTokens, collate
from harness.training.schedule import begun, step_count, warmup_count
from harness.training.shared_prompt import SharedBatch, collate_shared, shared_logprobs

if TYPE_CHECKING:
    from harness.arm import Arm
    from harness.profiles.sections import TrainingSection


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


class Rows(Dataset[tuple[int, PairTokens]]):
    """Tokenised pairs in the order in which they are trained on; each row is (index, pair).

    Args:
        rows: of one pass in the data's order.
        order: their indices in the order of training.
    """

    def __init__(self, rows: Sequence[PairTokens], order: Sequence[int]) -> None:
        self.rows, self.order = rows, order

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int) -> tuple[int, PairTokens]:
        return self.order[index], self.rows[self.order[index]]

    def map(self, *_args: object, **_kwargs: object) -> Rows:
        """trl prepares its datasets by mapping functions over them; these rows are ready."""
        return self


def trainer_arguments(
    section: TrainingSection,
    *,
    rows: int,
    peak: float,
    dtype: str,
    folder: Path,
    engine: dict[str, Any] | None,
) -> CPOConfig:
    """trl's arguments for a profile.

    Args:
        rows: pairs over all epochs; each row is seen once.
        peak: learning rate after the warm-up.
        dtype: of the model's parameters.
        folder: where checkpoints go.
        engine: DeepSpeed's settings; None trains without DeepSpeed.
    """
    on_cuda = torch.cuda.is_available()
    return CPOConfig(
        output_dir=str(folder),
        loss_type="simpo",
        cpo_alpha=0.0,
        beta=section.beta,
        simpo_gamma=section.gamma,
        learning_rate=peak,
        lr_scheduler_type=section.schedule,
        warmup_steps=warmup_count(step_count(rows, section.pairs_per_step), section.warmup_ratio),
        num_train_epochs=1,
        per_device_train_batch_size=section.pairs_per_device,
        gradient_accumulation_steps=section.accumulation,
        max_grad_norm=section.max_grad_norm,
        seed=section.seed,
        bf16=dtype == "bfloat16",
        activation_checkpointing=False,  # `make_trainer` switches it on in the language model
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        dataloader_pin_memory=on_cuda,
        use_cpu=not on_cuda,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps" if section.checkpoint_steps else "no",
        save_steps=section.checkpoint_steps or 500,
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
        deepspeed=engine,
    )


class SimpoTrainer(CPOTrainer):  # type: ignore[misc]
    """CPOTrainer with the arm's parameter groups and penalty, the lean forward pass and a record of steps.

    Attributes:
        steps: what each optimiser step did.
        on_step: called after each step with steps done, steps in all, and the step.
        asked_to_stop: asked after each step on every rank; one yes, and all write a checkpoint and end.
        stopped: whether they did so before the last step.
        elapsed_s: seconds of the training loop so far, without those before the checkpoint.
        wall_s_before: seconds that the steps before the checkpoint took.
    """

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
    ) -> None:
        self.arm = arm
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
            train_dataset=Rows(rows, order),
            processing_class=tokenizer,
        )
        self.remove_callback(PrinterCallback)

    def _collate(self, items: Sequence[tuple[int, PairTokens]]) -> dict[str, Tensor]:
        """The fields of a `PairBatch` or a `SharedBatch`; with a cache the residual stream too."""
        indices, rows = [index for index, _ in items], [row for _, row in items]
        if not self.section.share_prompt:
            return collate(rows, self._filler)._asdict()
        batch = collate_shared(rows, self._filler)
        cached = {} if self._cache is None else {"residual_BxTxD": self._cache.residual(batch, indices)}
        return batch._asdict() | cached

    def create_optimizer(self, model: nn.Module | None = None) -> Any:  # noqa: ARG002 - as in transformers
        """AdamW over the arm's parameter groups."""
        section = self.section
        if self.optimizer is None:
            groups = self.arm.parameter_groups(self.model.language_model)
            self.optimizer: Any = optimizer_class(section)(
                groups,
                betas=(section.adam_beta1, section.adam_beta2),
                eps=section.adam_epsilon,
                weight_decay=section.weight_decay,
            )
        return self.optimizer

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

    def concatenated_forward(self, model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """(B,) mean log-probability of the chosen and of the rejected responses, from one forward pass."""
        chosen_B, rejected_B = model(**batch).chunk(2)
        return chosen_B, rejected_B

    def get_batch_loss_metrics(
        self,
        model: nn.Module,
        batch: dict[str, Tensor],
        train_eval: str = "train",  # noqa: ARG002 - as in trl
    ) -> tuple[Tensor, dict[str, float]]:
        """trl's SimPO loss plus the arm's penalty.

        Raises:
            TrainingError: the loss is not finite.
        """
        losses_B, _, _ = self.cpo_loss(*self.concatenated_forward(model, batch))
        progress = begun(self.state.global_step, self.state.max_steps)
        penalty = self.arm.penalty(batch["attention_mask_BxT"], batch["response_mask_BxT"], progress)
        added = losses_B.new_zeros(()) if penalty is None else penalty.loss.to(losses_B.dtype)
        loss = losses_B.mean() + added
        if not torch.isfinite(loss):
            raise _not_finite("loss", self.state.global_step + 1)
        pairs = len(losses_B)
        plain = float(losses_B.detach().sum())
        tokens = int(batch["attention_mask_BxT"].sum())
        self._sums += torch.tensor([plain, plain + pairs * float(added.detach()), pairs, tokens, 0])
        return loss, {}

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
