"""Keys set on the command line: a profile that extends the named one, with a folder and title of its own."""

from __future__ import annotations

import pytest

from harness.core.errors import ProfileError
from harness.profiles.profile import load_profile
from harness.stages.options import RunOptions


def test_a_key_is_set_and_the_run_has_a_name_of_its_own() -> None:
    plain = load_profile("miniature")
    one = load_profile("miniature", ["training.epochs=2", "arms.fsrl.alpha=0.05"])
    assert (one.training.epochs, one.arms["fsrl"].options["alpha"]) == (2, 0.05)
    assert one.name.startswith("miniature-")
    assert one.title == f"{plain.title} (changed: training.epochs=2; arms.fsrl.alpha=0.05)"
    assert one.digest() != plain.digest()
    assert one.training.model_copy(update={"epochs": 1}) == plain.training
    other_order = load_profile("miniature", ["arms.fsrl.alpha=0.05", "training.epochs=2"])
    assert other_order.name == one.name, "each stage of a session names the same folder"


def test_a_value_is_toml_or_a_text() -> None:
    assert load_profile("miniature", ["training.share_prompt=false"]).training.share_prompt is False
    assert load_profile("miniature", ["model.attention=eager"]).model.attention == "eager"


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ("training.epoch=2", "training.epoch: unknown key"),
        ("training.epochs=two", "training.epochs"),
        ("training.epochs", "is not KEY=VALUE"),
        ("model.id=other/model", "has no title and no note of its own"),
    ],
)
def test_what_cannot_be_set_is_refused(change: str, cause: str) -> None:
    with pytest.raises(ProfileError, match=cause):
        load_profile("miniature", [change])


def test_messages_name_the_command_with_its_changes() -> None:
    from harness.stages.inputs import command

    profile, paths = RunOptions(profile="miniature", changes=["training.epochs=2"]).load()
    assert paths.root.name == profile.name
    assert command("train", profile) == "python -m harness train --profile miniature --set training.epochs=2"
