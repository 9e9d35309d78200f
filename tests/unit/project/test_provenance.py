"""docs/provenance.md is what the profiles say, and the paper's profile leaves no value unexplained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import provenance
from fsrl.adapter import INIT_BOUND
from harness.core.errors import ProfileError
from harness.profiles.profile import load_profile, parse_profile
from harness.profiles.toml_file import profile_names


def test_the_page_is_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert provenance.main(["--check"]) == 0, "run `python docs/provenance.py`"
    old = tmp_path / "provenance.md"
    old.write_text(provenance.PAGE.read_text().replace("2e-07", "3e-07", 1))
    monkeypatch.setattr(provenance, "PAGE", old)
    assert provenance.main(["--check"]) == 1
    assert provenance.main([]) == 0
    assert provenance.main(["--check"]) == 0


@pytest.mark.parametrize("name", [name for name in profile_names() if name.startswith("gemma")])
def test_every_value_has_a_source_or_a_reason(name: str) -> None:
    profile = load_profile(name)
    found = {key: provenance.origin(profile, key) for key in provenance.values(profile)}
    assert len(found) > 40
    assert all(len(why) > 8 for _, why in found.values())
    assert not profile.sources.keys() & profile.assumed.keys()


def test_a_value_without_one_is_refused() -> None:
    data = load_profile("gemma-2-2b").resolved()
    del data["sources"]["training.beta"]
    with pytest.raises(ProfileError, match="neither a source nor a reason") as caught:
        provenance.origin(parse_profile(data, where="a test"), "training.beta")
    assert "training.beta" in str(caught.value)


def test_what_the_paper_lost_is_assumed_and_what_it_prints_is_used() -> None:
    paper = load_profile("gemma-2-2b")
    found = provenance.values(paper)
    for row in provenance.TABLE_5:
        for key in row.keys:
            assumed, why = provenance.origin(paper, key)
            assert assumed == ("lost" in why) == (row.printed == "lost"), key
        assert row.assumed == (not row.keys and "lost" in row.printed)
    numbers = {
        row.keys[0]: float(row.printed) for row in provenance.TABLE_5 if re.fullmatch(r"[\d.]+", row.printed)
    }
    assert {key: float(found[key]) for key in numbers} == numbers
    assert found["model.dtype"] == "bfloat16"
    assert found["sae.sae_id"] == "layer_12/width_65k/average_l0_21"


def test_the_fixed_initialisation_is_the_one_in_the_code() -> None:
    (row,) = [row for row in provenance.TABLE_5 if row.title == "Weight Initialization"]
    assert row.fixed.startswith(f"Uniform(-{INIT_BOUND:g}, {INIT_BOUND:g})".replace("1e-09", "1e-9"))
