"""What an arm's class must declare before anything of it runs."""

from __future__ import annotations

from typing import Any

import pytest

from baselines import base_lm, full_simpo, lora
from harness.arm import arm_module, frozen_through
from harness.core.errors import ProfileError
from harness.profiles.profile import load_profile
from harness.profiles.sections import ArmSection


@pytest.mark.parametrize("name", ["kind", "uses_sae", "frozen_through"])
def test_an_arm_that_does_not_declare_itself_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delattr(full_simpo.Arm, name)
    with pytest.raises(ProfileError, match=f"does not declare `{name}`") as caught:
        arm_module(ArmSection(module="baselines.full_simpo", title="x"))
    assert "harness/arm.py" in caught.value.remedy


def test_a_kind_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_lm.Arm, "kind", "trains")
    with pytest.raises(ProfileError, match="`kind`"):
        arm_module(ArmSection(module="baselines.base_lm", title="x"))


def test_what_is_frozen_depends_on_the_options() -> None:
    sae = load_profile("miniature").sae

    def of(**options: Any) -> int | None:
        section = ArmSection(module=lora.__name__, title="x", learning_rate=1.0, r=1, **options)
        return frozen_through(section, "one", sae)

    assert (of(), of(first_layer=4)) == (None, 3)
    fsrl = load_profile("miniature").arm("fsrl")
    assert frozen_through(fsrl, "fsrl", sae) == sae.layer == 3
