"""Formulae of cost: FLOPs, bytes on the device, bytes on the host. Explained in docs/performance.md.

Counted by hand from the shapes; a product of (m, k) and (k, n) is 2 m k n FLOPs. Norms, activations and
the embedding's look-up are left out of the FLOPs.
"""

from __future__ import annotations

from typing import NamedTuple

from harness.sources.synthetic.shapes import Shape

GB = 1e9
UNEMBED_CHUNK = 1024
"""Positions unembedded at once, `harness.training.loss.CHUNK`."""
CONTEXT_BYTES = 0.6 * GB
"""CUDA context and libraries."""
BUCKET_BYTES = 2 * GB
"""DeepSpeed's flat buckets at its defaults: 5e8 entries of 2 bytes each for reducing and for gathering."""
LOGIT_BYTES = 20
"""Bytes a logit: in bf16 the product, its quotient, tanh and cap and two gradients, in fp32 a copy, its
exponentials and their gradient, of which the peak holds about 20 bytes."""
FROZEN_LOGIT_BYTES = 12
"""The same under a frozen unembedding, differentiated in place: bf16 tanh, cap and slope, fp32 logits."""
SCORE_BYTES = 14
"""Bytes an attention score in an eager block that is computed again: bf16 product, soft-cap's two, masked
sum, fp32 softmax and its bf16 copy."""
FEATURE_BYTES = 14
"""Bytes an entry of a chunk of pre-activations in its backward pass: z, v, mask, fp32 sums, gradients."""


class Batch(NamedTuple):
    """The largest micro-batch: `rows` sequences of `length` positions."""

    rows: int
    length: int

    @property
    def tokens(self) -> int:
        return self.rows * self.length


class Memory(NamedTuple):
    """Bytes by what they are for; `host` is the computer's own memory, the others the device's."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    logits: float
    overhead: float
    host: float

    @property
    def device(self) -> float:
        return sum(self[:-1])


class Options(NamedTuple):
    """What of a profile changes memory.

    Attributes:
        bytes_per_weight: 2 for bfloat16, 4 for float32.
        offload: whether masters and optimiser sit in the host's memory.
        checkpointing: whether blocks are computed again in the backward pass.
        ranks: processes among which ZeRO-1 shares the optimiser.
        chunk_features: features of the adapter computed at a time; 0: all.
    """

    bytes_per_weight: int
    offload: bool
    checkpointing: bool
    ranks: int
    chunk_features: int = 0


def block_flops(shape: Shape, length: float) -> float:
    """Forward FLOPs a token of one block: its products, and attention over `length` keys (eager: all)."""
    return 2.0 * shape.block_parameters + 4.0 * shape.heads * shape.d_head * length


def steering_flops(shape: Shape) -> float:
    """Forward FLOPs a token of the lean path: W_a x and v W_dec."""
    return 2.0 * (shape.adapter_parameters - shape.d_sae) + 2.0 * shape.d_model * shape.d_sae


def unembedding_flops(shape: Shape) -> float:
    """Forward FLOPs of one position's logits."""
    return 2.0 * shape.vocabulary * shape.d_model


def forward_flops(shape: Shape, *, tokens: float, answered: float, length: float, steered: bool) -> float:
    """A forward pass over `tokens` positions, of which `answered` are unembedded."""
    per_token = shape.layers * block_flops(shape, length) + (steering_flops(shape) if steered else 0.0)
    return tokens * per_token + answered * unembedding_flops(shape)


def full_step_flops(
    shape: Shape, *, tokens: float, answered: float, length: float, checkpointing: bool
) -> float:
    """Forward, backward (twice the forward) and what is computed again: all logits, and blocks if asked."""
    blocks = shape.layers * block_flops(shape, length)
    times = 4.0 if checkpointing else 3.0
    return tokens * times * blocks + answered * 4.0 * unembedding_flops(shape)


def steered_step_flops(
    shape: Shape, *, tokens: float, answered: float, length: float, checkpointing: bool
) -> float:
    """The FSRL arm: frozen blocks, gradients only above the steered residual stream.

    Backward: upper blocks 1 x forward (no gradients of weights), the hidden state's gradient from the logits
    (1 x), v's gradient and W_a's (together 1 x the steering).
    """
    block = block_flops(shape, length)
    upper = shape.upper_layers * block * (2.0 if checkpointing else 1.0)
    per_token = shape.layers * block + upper + 2.0 * steering_flops(shape)
    return tokens * per_token + answered * 2.0 * unembedding_flops(shape)


def edited_step_flops(
    shape: Shape,
    *,
    tokens: float,
    answered: float,
    length: float,
    checkpointing: bool,
    entries: int,
    upper_layers: int,
) -> float:
    """A frozen model with few trained entries, and gradients in the upper blocks only.

    Each entry costs a product forward and two backward, 6 FLOPs a token.
    """
    block = block_flops(shape, length)
    upper = upper_layers * block * (2.0 if checkpointing else 1.0)
    per_token = shape.layers * block + upper + 6.0 * entries
    return tokens * per_token + answered * 2.0 * unembedding_flops(shape)


def _block_activations(shape: Shape, batch: Batch, layers: int, options: Options) -> float:
    """What `layers` differentiated blocks keep; with checkpointing their inputs and one block's inside."""
    width = options.bytes_per_weight
    inside = batch.tokens * (6.0 * shape.d_model + 4.0 * shape.d_mlp + 4.0 * shape.heads * shape.d_head)
    one = inside * width + SCORE_BYTES * batch.rows * shape.heads * float(batch.length) ** 2
    if not options.checkpointing:
        return layers * one
    return layers * batch.tokens * shape.d_model * float(width) + (2.0 * one if layers else 0.0)


def _logits(shape: Shape, batch: Batch, bytes_each: int = LOGIT_BYTES) -> float:
    return bytes_each * float(min(UNEMBED_CHUNK, batch.tokens)) * shape.vocabulary


def _training_memory(
    trained: int, frozen: int, activations: float, logits: float, options: Options
) -> Memory:
    """Weights and gradients on the device; 12 bytes a trained weight of masters and AdamW, 8 in float32."""
    width = options.bytes_per_weight
    state = trained * (12.0 if width == 2 else 8.0) / options.ranks
    return Memory(
        weights=float(frozen + trained) * width,
        gradients=float(trained) * width,
        optimizer=0.0 if options.offload else state,
        activations=activations,
        logits=logits,
        overhead=CONTEXT_BYTES + BUCKET_BYTES,
        host=(state + 4.0 * trained) if options.offload else 0.0,
    )


def full_memory(shape: Shape, batch: Batch, options: Options) -> Memory:
    """Training every weight."""
    activations = _block_activations(shape, batch, shape.layers, options)
    return _training_memory(shape.base_parameters, 0, activations, _logits(shape, batch), options)


def steered_memory(shape: Shape, batch: Batch, options: Options) -> Memory:
    """Training the adapter: a frozen base, W_dec, the adapter with its gradients and state."""
    chunk = float(options.chunk_features or shape.d_sae)
    steering = batch.tokens * (FEATURE_BYTES * chunk + shape.d_sae / 8.0 + 4.0 * 4.0 * shape.d_model)
    activations = _block_activations(shape, batch, shape.upper_layers, options) + steering
    frozen, logits = (
        shape.base_parameters + shape.decoder_parameters,
        _logits(shape, batch, FROZEN_LOGIT_BYTES),
    )
    return _training_memory(shape.adapter_parameters, frozen, activations, logits, options)


def edited_memory(shape: Shape, batch: Batch, options: Options, *, entries: int, upper_layers: int) -> Memory:
    """Training few entries beside a frozen model, with activations of the upper blocks."""
    activations = _block_activations(shape, batch, upper_layers, options)
    logits = _logits(shape, batch, FROZEN_LOGIT_BYTES)
    return _training_memory(entries, shape.base_parameters, activations, logits, options)


def scoring_memory(
    shape: Shape, batch: Batch, options: Options, *, steered: bool, kept: int, unembedded: int
) -> Memory:
    """Evaluation: weights, one block's inside, whole logits of a likelihood batch and the cache of keys.

    Args:
        kept: bytes of keys and values a position over all blocks.
        unembedded: positions of one batch whose logits exist at once.
    """
    width = options.bytes_per_weight
    weights = float(shape.base_parameters)
    chunk = 0.0
    if steered:
        weights += shape.decoder_parameters + shape.adapter_parameters
        chunk = batch.tokens * FEATURE_BYTES / 2 * float(options.chunk_features or shape.d_sae)
    return Memory(
        weights=weights * width,
        gradients=0.0,
        optimizer=0.0,
        activations=_block_activations(shape, batch, 1, options._replace(checkpointing=False)) + chunk,
        logits=float(unembedded) * shape.vocabulary * (width + 4.0 + 4.0),
        overhead=CONTEXT_BYTES + batch.tokens * float(kept),
        host=0.0,
    )
