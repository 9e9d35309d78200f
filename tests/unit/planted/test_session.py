"""A session of planted truth: what each trial varies, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.__main__ import main
from harness.core.errors import ProfileError
from harness.core.paths import RunPaths
from harness.planted.session import run, variant
from harness.profiles.profile import load_profile


def test_a_trial_varies_the_profile_and_nothing_else() -> None:
    profile = load_profile("miniature")
    found = variant(profile, "mixed", 7)
    assert found.training == profile.training.model_copy(update={"seed": 7, "checkpoint_steps": 25})
    assert found.arms["fsrl"] == profile.arms["fsrl"]
    assert list(found.arms) == ["base", "fsrl"]
    assert found.data == profile.data.model_copy(update={"source": "data_root"})
    assert set(found.studies) == {"census", "table2", "ablation"}


def test_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = RunPaths(root=tmp_path)
    with pytest.raises(ProfileError, match="bundled miniature"):
        run(load_profile("gemma-2-2b"), paths)
    with pytest.raises(ProfileError, match="no such study"):
        run(load_profile("miniature-smoke"), paths)
    assert main(["planted-truth", "--reward", "fame", "--run-dir", str(tmp_path)]) == 2
    assert "choose of: style-heavy, mixed, truth-heavy" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
