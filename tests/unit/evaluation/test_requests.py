"""Tokenised requests: the second arm reads what the first one tokenised, and scores the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from evaluation_toys import prepared, toy_profile, write_model, write_rows
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import DamagedFileError
from harness.evaluation.benchmark import TaskOutcome, quiet
from harness.evaluation.lm import GuardedLM
from harness.evaluation.requests import RequestStore
from harness.evaluation.samples import sample_rows
from harness.evaluation.score import score_task
from harness.models.base_model import load_model, load_tokenizer

IDS = st.lists(st.integers(0, 255_999), max_size=6)
PARTS = st.tuples(IDS, IDS)


class World:
    """A toy model with its rows."""

    def __init__(self, root: Path) -> None:
        self.folder, self.profile = root / "requests", toy_profile()
        self.model_dir, self.data_root = write_model(root / "model"), write_rows(root / "rows")

    def score(self, task: str, *, share_prefix: bool = False, tokenising: str = "one") -> TaskOutcome:
        """As a fresh process would, with the requests of `folder`."""
        model = load_model(self.model_dir, self.profile.model, torch.device("cpu"))
        with quiet():
            lm = GuardedLM(
                model,
                load_tokenizer(self.model_dir),
                batch_size=4,
                chat_template=True,
                share_prefix=share_prefix,
                store=RequestStore(self.folder, tokenising),
            )
        return score_task(self.profile, prepared(self.model_dir, self.data_root), lm, task)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("share_prefix", [False, True])
@pytest.mark.parametrize("task", ["mmlu", "truthfulqa_mc2"])
def test_the_second_arm_tokenises_nothing(
    world: World, task: str, share_prefix: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = world.score(task, share_prefix=share_prefix)
    (file,) = world.folder.iterdir()
    written = file.stat().st_mtime_ns

    def refused(*_: Any, **__: Any) -> list[int]:
        raise AssertionError("a request was tokenised a second time")

    monkeypatch.setattr(GuardedLM, "tok_encode", refused)
    second = world.score(task, share_prefix=share_prefix)
    assert second.scores == first.scores
    assert second.requests == first.requests
    assert second.requests.ids_sha256
    assert sample_rows(second.samples) == sample_rows(first.samples)
    assert (list(world.folder.iterdir()), file.stat().st_mtime_ns) == ([file], written)


def test_prompts_of_generations_are_not_kept(world: World) -> None:
    world.score("gsm8k")
    assert not world.folder.exists()


def test_another_tokenizer_has_another_file(world: World) -> None:
    for tokenising in ("one", "two"):
        world.score("mmlu", tokenising=tokenising)
    assert len(list(world.folder.iterdir())) == 2


def test_a_changed_id_is_refused(world: World) -> None:
    world.score("mmlu")
    (file,) = world.folder.iterdir()
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(DamagedFileError, match="tokenised requests cannot be read") as error:
        world.score("mmlu")
    assert str(error.value.value).endswith("its checksum differs")
    file.write_bytes(data[:40])
    with pytest.raises(DamagedFileError, match="tokenised requests cannot be read"):
        world.score("mmlu")


@given(requests=st.lists(PARTS, max_size=8))
def test_what_is_written_is_read(requests: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    store = RequestStore(tmp_path_factory.mktemp("store"), "one")
    assert store.read("mmlu", "a") is None
    store.write("mmlu", "a", requests)
    assert store.read("mmlu", "a") == requests
    assert store.read("mmlu", "b") is None
    assert store.read("arc", "a") is None
