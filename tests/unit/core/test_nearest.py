"""A name that was probably meant."""

from __future__ import annotations

import pytest

from harness.core.errors import ProfileError
from harness.core.nearest import did_you_mean
from harness.profiles.profile import load_profile


def test_the_nearest_name_or_none() -> None:
    assert did_you_mean("fsrll", ["base", "fsrl"]) == "; did you mean fsrl?"
    assert did_you_mean("zebra", ["base", "fsrl"]) == ""


def test_a_profile_an_arm_and_a_study() -> None:
    with pytest.raises(ProfileError, match=r"no such profile; did you mean miniature\?"):
        load_profile("miniatur")
    with pytest.raises(ProfileError, match=r"no such arm; did you mean fsrl\?"):
        load_profile("miniature").arm("fsrll")
    with pytest.raises(ProfileError, match=r"no such study; did you mean figure5\?"):
        load_profile("miniature").study("figur5")
