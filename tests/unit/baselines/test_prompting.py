"""Prompting as an arm: the instruction is chosen on pairs held back, saved, resumed, refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import training_toys as toys

from baselines import prompting
from harness.arm import FitRows, Fitted, Scene
from harness.core.errors import DamagedFileError, MissingInputError, ProfileError
from harness.models.instruction import make_instruction
from harness.profiles.profile import load_profile
from harness.training import search
from harness.training.pairs import Pair, PairTokens, tokenise_pairs

TEXTS = ("Say yes.", "Be short.")


def arm(*texts: str, digest: str = "m") -> prompting.Arm:
    scene = Scene(Path("none"), load_profile("miniature").sae, digest, "s", 1)
    return prompting.Arm(prompting.Config(instructions=texts or TEXTS), scene)


def pairs() -> list[PairTokens]:
    read = [Pair.model_validate(row) for row in toys.rows(6)]
    return tokenise_pairs(read, toys.tokenizer(), 96, 64).rows


def rows(folder: Path, said: Any = lambda *_: None) -> FitRows:
    folder.mkdir(parents=True, exist_ok=True)
    return FitRows(
        fit=pairs(),
        held_back=pairs(),
        pad_id=0,
        batch_size=4,
        beta=2.0,
        gamma=1.0,
        seed=1,
        candidates=4,
        unfinished=folder,
        said=said,
    )


def fitted(made: prompting.Arm, given: FitRows, folder: Path) -> Fitted:
    folder.mkdir(parents=True, exist_ok=True)
    return made.fit(toys.model().requires_grad_(False), toys.tokenizer(), given, folder)


def loss(words: str) -> float:
    """The held-back loss with an instruction, asked directly."""
    made = make_instruction(words, toys.tokenizer()) if words else None
    asked = [one._replace(prompt=made.into_ids(one.prompt)) if made else one for one in pairs()]
    held: Any = type(
        "Rows", (), {"held_back": asked, "batch_size": 3, "pad_id": 0, "beta": 2.0, "gamma": 1.0}
    )
    return search.held_back_loss(toys.model(), held)


def test_the_best_of_the_list_or_none_is_taken(tmp_path: Path) -> None:
    made, given = arm(), rows(tmp_path / "u")
    found = fitted(made, given, tmp_path / "w")
    assert found.search is not None
    wanted = {words: loss(words) for words in ("", *TEXTS)}
    tried = {one.options.get("instruction", ""): one.loss for one in found.search.tried}
    assert tried == pytest.approx(wanted, abs=1e-5)
    assert made.words == min(wanted, key=lambda words: wanted[words])
    assert given.held_back == pairs()
    assert found.facts["helped"] == bool(made.words)
    fresh, model = arm(), toys.model()
    fresh.load(model, tmp_path / "w")
    assert fresh.words == made.words
    got = fresh.instruction(toys.tokenizer())
    assert (got.text if got else "") == (f"{made.words}\n\n" if made.words else "")
    ids = torch.tensor([[2, 9, 10]])
    with torch.no_grad():
        assert torch.equal(model(input_ids=ids).logits, toys.model()(input_ids=ids).logits)


def test_where_none_helps_nothing_is_put_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "held_back_loss", lambda *_: 1.0)
    made = arm()
    found = fitted(made, rows(tmp_path / "u"), tmp_path / "w")
    assert made.words == ""
    assert made.instruction(toys.tokenizer()) is None
    assert found.facts["helped"] is False


class Killed(Exception):
    """The fit was interrupted."""


def test_an_interrupted_search_goes_on_and_gives_the_same(tmp_path: Path) -> None:
    whole = fitted(arm(), rows(tmp_path / "a"), tmp_path / "w")

    def killed(done: int, *_: Any) -> None:
        if done == 2:
            raise Killed

    given = rows(tmp_path / "b", killed)
    with pytest.raises(Killed):
        fitted(arm(), given, tmp_path / "v")
    assert fitted(arm(), rows(tmp_path / "b"), tmp_path / "v") == whole
    files = [(tmp_path / part / prompting.CARD).read_bytes() for part in "wv"]
    assert files[0] == files[1]


def test_bad_lists_and_foreign_cards_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="stands there twice"):
        fitted(arm("a", "a"), rows(tmp_path / "u"), tmp_path / "a")
    with pytest.raises(ProfileError, match="needs words"):
        fitted(arm(" "), rows(tmp_path / "u"), tmp_path / "b")
    with pytest.raises(ValueError, match="instructions"):
        prompting.Config(instructions=())
    fitted(arm(), rows(tmp_path / "u"), tmp_path / "w")
    for other in (arm(digest="x"), arm("Say no.")):
        with pytest.raises(ProfileError, match="another base model"):
            other.load(toys.model(), tmp_path / "w")
    (tmp_path / "w" / prompting.CARD).write_text("[]")
    with pytest.raises(DamagedFileError, match="instruction"):
        arm().load(toys.model(), tmp_path / "w")
    with pytest.raises(MissingInputError, match="instruction"):
        arm().load(toys.model(), tmp_path / "none")
