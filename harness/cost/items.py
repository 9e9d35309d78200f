"""How many items a profile scores, before anything is read: counted in the bundle, assumed elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from harness.core.measures import PREFERENCE
from harness.miniature.manifest import read_manifest
from harness.profiles.profile import Profile
from harness.profiles.sections import TaskSection
from harness.sources.bundle.rows import data_root
from harness.sources.layout import evaluation_files

TEST_PAIRS = 1_961


class Items(NamedTuple):
    """Assumed size of a task: items in full, sequences an item, tokens a sequence."""

    items: int
    rows: int
    tokens: int


TASKS = {
    "mmlu": Items(14_042, 1, 130),
    "truthfulqa_mc2": Items(817, 7, 190),
    "gsm8k": Items(1_319, 1, 900),
}
OTHER_TASK = Items(1_000, 4, 200)
MMLU_SUBJECTS = 57
SCORED = ("test", "validation")
"""Splits whose rows are scored; the others give worked examples."""


def drawn_rows(file: str) -> int:
    """Rows of a set that the bundles' world draws, as the manifest has them."""
    return int(read_manifest()["drawn"][file]["rows"])


def task_items(name: str, task: TaskSection, size: Items) -> int:
    """Assumed items of a task, with the profile's limit."""
    if not task.limit:
        return size.items
    return task.limit * (len(task.subjects) or MMLU_SUBJECTS if name == "mmlu" else 1)


def measure_items(profile: Profile, names: Iterable[str]) -> dict[str, int]:
    """Items of each measure that the profile scores, of those named."""
    found = {}
    for name in names:
        task = name.partition(".")[0]
        if name in PREFERENCE:
            found[name] = _test_pairs(profile)
        elif task in profile.evaluation.tasks:
            found[name] = _scored(profile, task)
    return found


def _test_pairs(profile: Profile) -> int:
    counted = drawn_rows(profile.data.test) if profile.data.source == "bundle" else TEST_PAIRS
    return min(profile.data.test_pairs or counted, counted)


def _scored(profile: Profile, name: str) -> int:
    task, section = profile.evaluation.tasks[name], profile.evaluation
    if section.source != "bundle":
        return task_items(name, task, TASKS.get(name, OTHER_TASK))
    alone = profile.model_copy(update={"evaluation": section.model_copy(update={"tasks": {name: task}})})
    files = evaluation_files(alone, data_root())
    rows = [drawn_rows(file) for file in files if Path(file).stem in SCORED]
    return sum(min(task.limit or count, count) for count in rows)
