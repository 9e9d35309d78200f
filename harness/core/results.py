"""What the stages find: one frozen type each."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from harness.core.artefact import digest_json
from harness.core.record import Record as Record
from harness.core.search import Search


class Score(Record):
    """A mean over items: value, its standard error and the number of items."""

    value: float
    stderr: float
    n: int


class Interval(Record):
    """An estimate with its standard error and its 95 % interval."""

    value: float
    stderr: float
    low: float
    high: float


class Usage(Record):
    """What a stretch of work cost.

    Attributes:
        trainable_parameters, total_parameters: counts of entries.
        tokens: real (non-padding) tokens that went through the model; 0 if they were not counted.
        wall_s: seconds, model loading and compilation left out.
        startup_s: seconds of loading and compiling before.
        peak_allocated_gib, peak_reserved_gib: the CUDA allocator's peaks; None without a GPU.
        peak_rss_gib: peak resident set of the process.
    """

    trainable_parameters: int
    total_parameters: int
    tokens: int
    wall_s: float
    startup_s: float
    peak_allocated_gib: float | None
    peak_reserved_gib: float | None
    peak_rss_gib: float

    @property
    def tokens_per_s(self) -> float:
        return self.tokens / self.wall_s if self.wall_s > 0 else 0.0


class WeightsMoved(Record):
    """How far training moved the trainable weights.

    Attributes:
        entries: trainable entries compared.
        fraction_changed: share whose value differs from its start.
        mean_absolute_change: mean of abs(after - before) in float32.
    """

    entries: int
    fraction_changed: float
    mean_absolute_change: float


class Truncation(Record):
    """Counts over the tokenised pairs of a split.

    Attributes:
        pairs: that are used.
        left_out: rows that are not, by reason; absent where there are none.
    """

    pairs: int
    truncated_prompts: int
    truncated_responses: int
    left_out: dict[str, int] = Field(default_factory=dict, exclude_if=lambda value: not value)

    @property
    def rows(self) -> int:
        """Rows that were read."""
        return self.pairs + sum(self.left_out.values())


class TrainResult(Record):
    """What training or fitting an arm found. For an arm that does neither, `trained` is False and the rest is
    None or empty; a fitted one has no steps, traces or moved weights.

    Attributes:
        steps, epochs, pairs: optimiser steps, passes, training pairs.
        loss_trace: the objective's loss without the penalty at each step, mean over the step's pairs.
        penalised_loss_trace: the same with the penalty.
        learning_rate_trace: the rate that each step really used.
        max_grad_norm: the clipping that really was set (0: none).
        moved: of the float32 values that the optimiser steps (ZeRO's master weights under bfloat16).
        saved_moved: of the weights as saved, in their own dtype, which rounds small changes away.
        fitted: whether the arm was fitted, on `pairs` pairs; absent where it was not.
        search: how a fitted arm was tuned; None and absent for the others.
    """

    trained: bool
    fitted: Annotated[bool, Field(exclude_if=lambda value: not value)] = False
    steps: int = 0
    epochs: int = 0
    pairs: int = 0
    loss_trace: tuple[float, ...] = ()
    penalised_loss_trace: tuple[float, ...] = ()
    learning_rate_trace: tuple[float, ...] = ()
    max_grad_norm: float | None = None
    truncation: Truncation | None = None
    moved: WeightsMoved | None = None
    saved_moved: WeightsMoved | None = None
    usage: Usage | None = None
    facts: dict[str, Any] = Field(default_factory=dict)
    search: Annotated[Search | None, Field(exclude_if=lambda value: value is None)] = None


class PreferenceScores(Record):
    """SimPO on the test pairs.

    Attributes:
        loss: without the penalty, mean over pairs.
        penalised_loss: with alpha * L1 added; equal to `loss` for an arm without a penalty.
        accuracy: share of pairs whose chosen reward is the larger.
        mean_l0: steering features above 1e-6 per counted position; None for an arm that does not steer.
        mean_l1: sum of abs(v) per counted position; likewise.
        chosen_reward, rejected_reward: beta * mean log-probability of the response.
    """

    loss: Score
    penalised_loss: Score
    accuracy: Score
    chosen_reward: Score
    rejected_reward: Score
    mean_l0: float | None
    mean_l1: float | None
    truncation: Truncation


class GenerationFacts(Record):
    """How answers were generated; from the task, the profile and the ids that end a turn alone.

    Attributes:
        loop: whose loop chose the tokens: the harness's or lm-eval's, which choose the same ones, or, outside
            lm-eval, that of transformers.
        reason: why it was lm-eval's; empty for the others.
        eos_ids: ids that end an answer.
        max_new_tokens: bound on an answer.
        until: strings at which an answer is cut.
        settings: all others in force, as transformers names them.
        ignored: what the model's generation_config.json sets besides; it has no effect.
        near_ties: answers of the harness's loop with a step at which the two best logits were closer than
            `near_tie`; lm-eval's loop generated these again, one at a time.
        near_tie: that distance.
    """

    loop: Literal["harness", "lm-eval", "transformers"]
    reason: str = ""
    eos_ids: tuple[int, ...]
    max_new_tokens: int
    until: tuple[str, ...]
    settings: dict[str, Any]
    ignored: dict[str, Any]
    near_ties: int = 0
    near_tie: float | None = None


class PromptFacts(Record):
    """What a task's requests were, without their text: digests and counts.

    Attributes:
        requests: number of requests.
        bos_min, bos_max: fewest and most BOS tokens in one request; both must be 1.
        bos_rule: `exactly_one` BOS anywhere in the request, or, for tokenizers whose BOS is also a turn
            marker or that add none, `leading_run`: BOS tokens counted at the front only.
        first_prompt_sha256: digest of the first rendered prompt.
        prompts_sha256: digest over all rendered prompts in order.
        truncated: requests that did not fit the model's window; must be 0.
        stop_ids: token ids that end a generation; empty for a likelihood task.
    """

    requests: int
    bos_min: int
    bos_max: int
    bos_rule: str
    first_prompt_sha256: str
    prompts_sha256: str
    truncated: int
    stop_ids: tuple[int, ...]


class RequestFacts(PromptFacts):
    """What a task's requests looked like when they reached the model.

    Attributes:
        first_prompt: the first rendered prompt.
        longest_tokens: tokens of the longest request.
        dropped_system: prompts whose system part lm-eval dropped because the chat template refuses system
            turns.
        ids_sha256: digest over the ids of all requests in order, prompt and continuation apart; empty in
            artefacts from before it was recorded.
        generation: of a generation task: how its answers were made; None in artefacts from before that.
        instruction: what the arm put into each prompt after it was rendered: the texts above are without it,
            the ids with it. Absent where it put nothing.
    """

    first_prompt: str
    longest_tokens: int
    bos_rule: Literal["exactly_one", "leading_run"] = "exactly_one"
    dropped_system: int = 0
    ids_sha256: str = ""
    generation: GenerationFacts | None = None
    instruction: Annotated[str, Field(exclude_if=lambda value: not value)] = ""


class EvaluateResult(Record):
    """What evaluating an arm found.

    Attributes:
        preference: SimPO on the test pairs.
        scores: `mmlu.acc`, `mmlu.<subject>.acc`, `truthfulqa_mc2.acc`, `gsm8k.strict-match`,
            `gsm8k.flexible-extract`.
        requests: by task.
        wall_s: seconds by part (`preference`, each task).
        usage: of the whole evaluation.
        chat_template_sha256: of the tokenizer's template.
        lm_eval: lm-eval's own results and configuration, as it gave them.
        attention: the implementation that ran; empty in artefacts from before it was recorded.
        threads: CPU threads; None in artefacts from before they were recorded.
    """

    preference: PreferenceScores
    scores: dict[str, Score]
    requests: dict[str, RequestFacts]
    wall_s: dict[str, float]
    usage: Usage
    chat_template_sha256: str
    lm_eval: dict[str, Any]
    attention: str = ""
    threads: int | None = None


class PrepareResult(Record):
    """Where the inputs of a run are and what they are.

    Attributes:
        model_dir: folder with the base model as safetensors and its tokenizer.
        sae_dir: folder with the SAE in sae-lens' format.
        data_root: folder of preference and evaluation rows.
        files: sha256 of every file used, by `model/...`, `sae/...`, `data/...`, and `text/...` for an
            SAE's training text.
        facts: counts and quality (parameters, SAE explained variance and L0, rows).
    """

    model_dir: str
    sae_dir: str
    data_root: str
    files: dict[str, str]
    facts: dict[str, Any]

    def digest(self, part: str) -> str:
        """sha256 over the files of one part: `model`, `sae`, `data`, or a folder below one (`data/cais`)."""
        return digest_json({name: sha for name, sha in self.files.items() if name.startswith(f"{part}/")})
