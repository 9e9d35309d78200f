"""From a profile and a GPU to predicted memory and time of each phase, disk, steps, and whether it fits."""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from harness.arm import arm_config, arm_module
from harness.core.results import Record
from harness.cost import formulae
from harness.cost.formulae import GB, Batch, Memory, Options, forward_flops
from harness.cost.gpus import Gpu, gpu
from harness.cost.items import OTHER_TASK, TASKS, TEST_PAIRS, bundle_rows, task_items
from harness.cost.power import ClaimPower, claim_powers
from harness.profiles.profile import Profile
from harness.sources.synthetic.lengths import Lengths, draw_lengths, padded_tokens, real_tokens
from harness.sources.synthetic.shapes import Shape, shape_of

GIB = float(2**30)
PAIRS = 60_000
"""One epoch of the paper's data, about; `prepare` counts the rows."""
SAMPLE = 4_096
"""Pairs drawn to estimate tokens and padding."""
SHARE = 0.4
"""Share of the peak rate that the products are assumed to reach."""
ROOM = 0.9
"""Share of the device's memory that may be planned with; the rest is fragmentation."""
DECODE_STEP_S = 0.03
"""Assumed least seconds of one generated token of a batch: what launching the blocks costs."""


class Phase(Record):
    """One phase of a run on the named GPU.

    Attributes:
        name: stage and arm.
        device_gib, host_gib: predicted peak.
        parts_gib: of the device's, by what it is for.
        pflop: arithmetic, 10^15.
        seconds: predicted.
        fits: whether the peak is within 90 % of the GPU's memory.
    """

    name: str
    device_gib: float
    host_gib: float
    parts_gib: dict[str, float]
    pflop: float
    seconds: float
    fits: bool


class Plan(Record):
    """A prediction, never a measurement.

    Attributes:
        parameters: by part; counted, not predicted.
        pairs, pairs_known: training pairs of an epoch, and whether a file says so.
        tokens_per_pair, padding: real tokens a pair, and positions computed per real token.
        steps_per_epoch, epochs: optimiser steps.
        disk_gib: by what it is for.
        phases: in order.
        fits: whether every phase does.
        power: of each comparison that the paper's directional claims ask for.
    """

    profile: str
    gpu: str
    gpu_source: str
    parameters: dict[str, int]
    pairs: int
    pairs_known: bool
    tokens_per_pair: float
    padding: float
    steps_per_epoch: int
    epochs: int
    disk_gib: dict[str, float]
    phases: tuple[Phase, ...]
    fits: bool
    power: tuple[ClaimPower, ...]


class _Scene(NamedTuple):
    """What the phases share."""

    profile: Profile
    shape: Shape
    gpu: Gpu
    lengths: list[Lengths]
    pairs: int

    @property
    def answered(self) -> float:
        """Tokens of both responses, a pair."""
        return sum(one.chosen + one.rejected for one in self.lengths) / len(self.lengths)


def plan(profile: Profile, gpu_name: str) -> Plan:
    """Predict a run.

    Raises:
        ProfileError: an unknown GPU, model or SAE, or options that an arm refuses.
    """
    device, shape = gpu(gpu_name), shape_of(profile)
    data, training = profile.data, profile.training
    pairs, known = _pairs(profile)
    lengths = draw_lengths(SAMPLE, max_length=data.max_length, max_prompt_length=data.max_prompt_length)
    scene = _Scene(profile, shape, device, lengths, pairs)
    trained = [name for name, arm in profile.arms.items() if arm_module(arm).Arm.kind == "trained"]
    phases = [_training(scene, name) for name in trained]
    phases += [_evaluation(scene, name) for name in profile.arms]
    return Plan(
        profile=profile.name,
        gpu=device.title,
        gpu_source=device.source,
        parameters={
            "base": shape.base_parameters,
            "SAE": shape.sae_parameters,
            "SAE, decoder only": shape.decoder_parameters,
            "adapter": shape.adapter_parameters,
        },
        pairs=pairs,
        pairs_known=known,
        tokens_per_pair=real_tokens(lengths) / len(lengths),
        padding=padded_tokens(lengths, training.pairs_per_device) / real_tokens(lengths),
        steps_per_epoch=ceil(pairs / training.pairs_per_step),
        epochs=training.epochs,
        disk_gib=_disk(scene),
        phases=tuple(phases),
        fits=all(phase.fits for phase in phases),
        power=claim_powers(profile),
    )


def _pairs(profile: Profile) -> tuple[int, bool]:
    if profile.data.train_pairs:
        return profile.data.train_pairs, True
    if profile.data.source == "bundle":
        return bundle_rows(profile.data.train), True
    return PAIRS, False


def _options(scene: _Scene, arm: str) -> Options:
    section, training = scene.profile.arm(arm), scene.profile.training
    return Options(
        bytes_per_weight=2 if scene.profile.model.dtype == "bfloat16" else 4,
        offload=training.offload_optimizer,
        checkpointing=training.gradient_checkpointing,
        ranks=training.ranks,
        chunk_features=int(getattr(arm_config(section, arm), "chunk_features", 0)),
    )


def _training(scene: _Scene, arm: str) -> Phase:
    """All epochs of one arm's training."""
    profile, shape = scene.profile, scene.shape
    steered = arm_module(profile.arm(arm)).Arm.uses_sae
    per_device, options = profile.training.pairs_per_device, _options(scene, arm)
    shared = profile.training.share_prompt
    computed = sum(map(sum, scene.lengths)) if shared else padded_tokens(scene.lengths, per_device)
    tokens = computed / len(scene.lengths)
    step = formulae.steered_step_flops if steered else formulae.full_step_flops
    again = options.checkpointing
    flops = step(shape, tokens=tokens, answered=scene.answered, length=tokens / 2, checkpointing=again)
    batch = Batch(2 * per_device, profile.data.max_length)
    memory = (formulae.steered_memory if steered else formulae.full_memory)(shape, batch, options)
    seen = scene.pairs * profile.training.epochs / profile.training.ranks
    return _phase(scene, f"train {arm}", memory, flops * seen)


def _evaluation(scene: _Scene, arm: str) -> Phase:
    """The test pairs and every task of one arm."""
    profile, shape, section = scene.profile, scene.shape, scene.profile.evaluation
    steered = arm_module(profile.arm(arm)).Arm.uses_sae
    options = _options(scene, arm)
    per_pair = padded_tokens(scene.lengths, section.loss_batch_size) / len(scene.lengths)
    flops = (profile.data.test_pairs or TEST_PAIRS) * forward_flops(
        shape, tokens=per_pair, answered=scene.answered, length=per_pair / 2, steered=steered
    )
    waiting, longest, scored = 0.0, 1, 1
    for name, task in section.tasks.items():
        size = TASKS.get(name, OTHER_TASK)
        items = task_items(name, task, size)
        tokens = size.tokens * items * size.rows
        unembedded = items * size.rows if task.max_new_tokens else tokens
        flops += forward_flops(shape, tokens=tokens, answered=unembedded, length=size.tokens, steered=steered)
        waiting += _generation_s(scene, items, task.max_new_tokens, options.bytes_per_weight)
        longest = max(longest, size.tokens)
        scored = max(scored, 1 if task.max_new_tokens else size.tokens)
    kept = 2 * shape.layers * shape.heads * shape.d_head * options.bytes_per_weight
    batch, unembedded = Batch(section.batch_size, longest), section.batch_size * scored
    memory = formulae.scoring_memory(shape, batch, options, steered=steered, kept=kept, unembedded=unembedded)
    return _phase(scene, f"evaluate {arm}", memory, flops, waiting)


def _generation_s(scene: _Scene, items: int, new_tokens: int, width: int) -> float:
    """Each generated token of a batch reads every weight once; below that, launching the blocks counts."""
    if not new_tokens:
        return 0.0
    reading = scene.shape.base_parameters * width / (scene.gpu.bandwidth_tb_s * 1e12)
    return ceil(items / scene.profile.evaluation.batch_size) * new_tokens * max(reading, DECODE_STEP_S)


def _phase(scene: _Scene, name: str, memory: Memory, flops: float, waiting: float = 0.0) -> Phase:
    parts = {part: value / GIB for part, value in memory._asdict().items() if part != "host"}
    return Phase(
        name=name,
        device_gib=memory.device / GIB,
        host_gib=memory.host / GIB,
        parts_gib=parts,
        pflop=flops / 1e15,
        seconds=flops / (scene.gpu.bf16_tflops * 1e12 * SHARE) + waiting,
        fits=memory.device <= ROOM * scene.gpu.memory_gb * GB,
    )


def _disk(scene: _Scene) -> dict[str, float]:
    """Files of a run: downloads in their published width, what training leaves, checkpoints on the way."""
    shape, training = scene.shape, scene.profile.training
    width = 2.0 if scene.profile.model.dtype == "bfloat16" else 4.0
    state = 12.0 + width
    found = {
        "base model": shape.base_parameters * width,
        "SAE (float32)": shape.sae_parameters * 4.0,
        "pairs and rows": scene.pairs * 6_000.0,
    }
    for name, section in scene.profile.arms.items():
        arm = arm_module(section).Arm
        if arm.kind != "trained":
            continue
        own = shape.adapter_parameters if arm.uses_sae else shape.base_parameters
        found[f"weights of {name}"] = own * width
        if training.checkpoint_steps:
            # DeepSpeed also writes the frozen weights; two checkpoints are kept, a third is being written.
            held = (shape.base_parameters * width if arm.uses_sae else 0) + own * state
            found[f"checkpoints of {name}, while it trains"] = 3.0 * held
    return {part: value / GIB for part, value in found.items()}
