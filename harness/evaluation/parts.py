"""Finished parts of an unfinished evaluation, kept one by one so that a killed evaluation resumes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from harness.core.artefact import digest_json, write_json
from harness.core.documents import FAULTS
from harness.core.results import PreferenceScores, Record, RequestFacts, Score, Usage

PREFERENCE = "preference"


class Part(Record):
    """The test pairs, or one task, of one arm.

    Attributes:
        usage: of this part; no start-up, which belongs to the whole.
        rows: of its sample log.
        scores: by measure; empty for the pairs.
        preference: the pairs' scores; None for a task.
        requests: a task's; None for the pairs.
        lm_eval: a task's results as lm-eval gave them; empty for the pairs.
    """

    usage: Usage
    rows: list[dict[str, Any]]
    scores: dict[str, Score] = Field(default_factory=dict)
    preference: PreferenceScores | None = None
    requests: RequestFacts | None = None
    lm_eval: dict[str, Any] = Field(default_factory=dict)


class Parts:
    """A folder of finished parts; one that cannot be read, or is not what was written, is done again.
    Without a folder every part is done."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def once(self, name: str, do: Callable[[], Part]) -> Part:
        """The part as it was finished earlier, or done now and kept."""
        if self.folder is None:
            return do()
        path = self.folder / f"{name}.json"
        found = _read(path)
        if found is None:
            found = do()
            body = found.model_dump(mode="json")
            write_json(path, {"sha256": digest_json(body), "part": body})
        return found


def _read(path: Path) -> Part | None:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if digest_json(kept["part"]) != kept["sha256"]:
            return None
        return Part.model_validate(kept["part"])
    except FAULTS:
        return None


def whole_usage(parts: Mapping[str, Part], startup_s: float) -> Usage:
    """The cost of all parts: sums of tokens and seconds, and the highest peak."""
    all_of = [part.usage for part in parts.values()]
    allocated = [usage.peak_allocated_gib for usage in all_of if usage.peak_allocated_gib is not None]
    reserved = [usage.peak_reserved_gib for usage in all_of if usage.peak_reserved_gib is not None]
    return Usage(
        trainable_parameters=0,
        total_parameters=all_of[0].total_parameters,
        tokens=sum(usage.tokens for usage in all_of),
        wall_s=sum(usage.wall_s for usage in all_of),
        startup_s=startup_s,
        peak_allocated_gib=max(allocated, default=None),
        peak_reserved_gib=max(reserved, default=None),
        peak_rss_gib=max(usage.peak_rss_gib for usage in all_of),
    )
