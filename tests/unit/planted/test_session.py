"""A session of planted truth: what each trial varies, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.__main__ import main
from harness.core.errors import ProfileError
from harness.core.paths import RunPaths
from harness.planted import session
from harness.planted.session import _command, run, variant
from harness.profiles.profile import Profile, load_profile
from harness.study import study_config


def test_a_trial_varies_the_profile_and_nothing_else() -> None:
    profile = load_profile("miniature")
    found = variant(profile, "mixed", 7)
    assert found.training == profile.training.model_copy(update={"seed": 7, "checkpoint_steps": 25})
    assert found.arms["fsrl"] == profile.arms["fsrl"]
    assert found.arms == profile.arms
    assert found.data == profile.data.model_copy(update={"source": "data_root"})
    assert set(found.studies) == {"census", "table2", "ablation", "audit", "controls"}
    assert (found.evaluation.tasks, found.search) == ({}, None)


def test_the_studies_of_a_trial_read_the_planted_terms_alone() -> None:
    found = variant(load_profile("miniature"), "mixed", 7)
    audit = study_config(found.study("audit"), "audit")
    assert (audit.columns, audit.planted, audit.counted, audit.minimal) == (
        ("style", "truth"), ("style", "truth"), (), 0,
    )  # fmt: skip
    assert study_config(found.study("controls"), "controls").draws == 1
    ablation = study_config(found.study("ablation"), "ablation")
    assert (ablation.draws, ablation.tasks, ablation.prompts) == (3, (), 0)


@pytest.mark.parametrize(
    ("seeds", "pairs", "wanted"),
    [((), 0, ""), ((1, 2), 0, " --seeds 1,2"), ((1, 2), 900, " --seeds 1,2 --train-pairs 900")],
)
def test_the_command_can_be_given_again(seeds: tuple[int, ...], pairs: int, wanted: str) -> None:
    said = _command(load_profile("miniature"), seeds, pairs)
    assert said == f"python -m harness planted-truth --profile miniature{wanted}"


def test_the_control_is_tried_with_the_first_seed_and_every_training_has_the_pairs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Three rewards by two seeds, and `nothing` once; the caller's profile is not changed."""
    asked: list[tuple[str, int, int]] = []

    class Enough(Exception):
        pass

    def told(profile: Profile, _paths: RunPaths, reward: str, seed: int) -> None:
        asked.append((reward, seed, profile.data.train_pairs))
        if len(asked) == 7:
            raise Enough

    monkeypatch.setattr(session, "make_trials", told)
    with pytest.raises(Enough):
        run(load_profile("miniature"), RunPaths(root=tmp_path), seeds=(1, 2), train_pairs=900)
    assert [(reward, seed) for reward, seed, _ in asked] == [
        ("style-heavy", 1), ("mixed", 1), ("truth-heavy", 1), ("nothing", 1),
        ("style-heavy", 2), ("mixed", 2), ("truth-heavy", 2),
    ]  # fmt: skip
    assert {pairs for _, _, pairs in asked} == {900}


def test_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = RunPaths(root=tmp_path)
    with pytest.raises(ProfileError, match="bundled miniature"):
        run(load_profile("gemma-2-2b"), paths)
    with pytest.raises(ProfileError, match="no such study"):
        run(load_profile("miniature-smoke"), paths)
    assert main(["planted-truth", "--reward", "fame", "--run-dir", str(tmp_path)]) == 2
    assert "choose of: style-heavy, mixed, truth-heavy, nothing" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
