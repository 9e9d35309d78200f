"""What keeps full SimPO small, counted while it trains: blocks computed again, logits in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import training_toys as toys
from transformers.models.gemma2.modeling_gemma2 import Gemma2MLP

from harness.profiles.profile import Profile
from harness.training import loss, worker
from harness.training.exchange import Exchange
from harness.training.pairs import read_pairs, tokenise_pairs

CHUNK, BLOCKS, PAIRS, BATCH = 5, 2, 8, 2


@pytest.fixture(autouse=True)
def _global_state_back() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


class Counts:
    """Calls under gradients: of blocks, and rows of logits of each call of the unembedding."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.blocks, self.rows = 0, list[int]()
        block, logprobs = Gemma2MLP.forward, loss.token_logprobs

        def counted_block(module: Any, x: torch.Tensor) -> Any:
            self.blocks += torch.is_grad_enabled()
            return block(module, x)

        def counted_logprobs(model: Any, hidden: torch.Tensor, labels: torch.Tensor) -> Any:
            self.rows += [len(hidden)] if torch.is_grad_enabled() else []
            return logprobs(model, hidden, labels)

        monkeypatch.setattr(Gemma2MLP, "forward", counted_block)
        monkeypatch.setattr(loss, "token_logprobs", counted_logprobs)
        monkeypatch.setattr(loss, "chunk_rows", lambda _model: CHUNK)


def response_tokens(root: Path, used: Profile) -> int:
    pairs = read_pairs(root / "inputs" / "data" / used.data.train, 0)
    rows, _ = tokenise_pairs(pairs, toys.tokenizer(), used.data.max_length, used.data.max_prompt_length)
    return sum(len(row.chosen) + len(row.rejected) for row in rows)


@pytest.mark.parametrize("again", [True, False])
def test_blocks_and_logits_are_computed_again_and_logits_in_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    used = toys.profile(gradient_checkpointing=again)
    spec = toys.order(toys.prepared_run(tmp_path, used), used, engine=None)
    counts = Counts(monkeypatch)
    worker.train(spec, Exchange(Path(spec.folder)))
    assert counts.blocks == BLOCKS * (PAIRS // BATCH) * (2 if again else 1)
    assert max(counts.rows) == CHUNK
    assert sum(counts.rows) == 2 * response_tokens(tmp_path, used)
