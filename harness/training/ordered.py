"""From an order to what it names: the process set up, the training rows, the arm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from transformers import set_seed

from harness.arm import Scene, load_arm
from harness.core.results import Truncation
from harness.training.checkpoint import without_code
from harness.training.order import batch_order, check_even
from harness.training.pairs import PairTokens
from harness.training.usable import usable_pairs

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from harness.arm import Arm
    from harness.profiles.profile import Profile
    from harness.training.exchange import TrainSpec


class Rows(NamedTuple):
    """The training pairs: tokenised, what was cut, and the order in which they are trained on."""

    tokens: list[PairTokens]
    truncation: Truncation
    order: list[int]


def configure(threads: int, seed: int) -> None:
    """Threads, seeds and deterministic algorithms, before any module is built."""
    torch.set_num_threads(threads)
    set_seed(seed)
    torch.use_deterministic_algorithms(True)
    # Filling what nobody reads would touch all of DeepSpeed's 2 GB gradient bucket in every backward pass.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    without_code()
    if not torch.cuda.is_available():
        import deepspeed.ops

        # Keep to gloo: DeepSpeed would compile a shared-memory all-reduce, taking 40 s and a compiler.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


def training_rows(spec: TrainSpec, profile: Profile, tokenizer: PreTrainedTokenizerBase) -> Rows:
    """Read, tokenise and order the training pairs; their order does not depend on the arm."""
    data, training = profile.data, profile.training
    _, (tokens, truncation) = usable_pairs(Path(spec.train_file), data.train_pairs, tokenizer, data)
    order = batch_order(
        len(tokens),
        training.epochs,
        training.seed,
        lengths=[len(row.prompt) + max(len(row.chosen), len(row.rejected)) for row in tokens],
        window=training.length_window,
        batch=training.pairs_per_device * training.ranks,
    )
    check_even(len(tokens), training)
    return Rows(tokens, truncation, order)


def ordered_arm(spec: TrainSpec, profile: Profile) -> Arm:
    """The arm that the order names, not yet attached to a model."""
    known = Scene(
        sae_dir=Path(spec.sae_dir),
        sae=profile.sae,
        model_digest=spec.model_digest,
        sae_digest=spec.sae_digest,
        seed=profile.training.seed,
        arm_files=Path(spec.arm_files) if spec.arm_files else None,
    )
    return load_arm(profile, spec.arm, known)
