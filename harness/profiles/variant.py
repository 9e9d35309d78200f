"""A profile with some of its arms and nothing beside them: what a search, a sweep or a trial runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.profiles.profile import Profile

BESIDE = ("studies", "published", "sources", "assumed")
"""Tables about the whole run, which name arms and keys that a part of it may not have."""


def arms_alone(profile: Profile, arms: Iterable[str]) -> dict[str, Any]:
    """The profile as plain data with these arms, no task, study or search; to be changed and parsed."""
    data = profile.resolved()
    data["arms"] = {name: data["arms"][name] for name in arms}
    data["evaluation"]["tasks"] = {}
    return data | {"search": None} | {key: {} for key in BESIDE}
