"""The committed prompts of a profile: what each arm's first request of each task says, and its counts."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from harness.core.documents import read_model
from harness.core.errors import DamagedFileError
from harness.core.paths import COMMITTED
from harness.core.results import EvaluateResult, PromptFacts, Record
from harness.findings.outcome import Outcome

FILE = "prompts.json"


class ArmPrompts(Record):
    """One arm's requests: facts by task, and the digest of the chat template."""

    chat_template_sha256: str
    tasks: dict[str, PromptFacts]


class Snapshot(Record):
    """The prompts of a profile.

    Attributes:
        first_prompts: whole text of each first prompt, by its sha256; arms that agree share one.
        arms: by name.
    """

    schema_version: Literal[1] = 1
    first_prompts: dict[str, str]
    arms: dict[str, ArmPrompts]


def snapshot_path(profile: str, results: Path = COMMITTED) -> Path:
    """Where a profile's prompts are committed; prompts do not depend on the hardware."""
    return results / profile / FILE


def snapshot(results: Mapping[str, EvaluateResult]) -> Snapshot:
    """The prompts of a run, from its evaluations by arm."""
    texts, arms = {}, {}
    for arm, result in results.items():
        tasks = {}
        for task, facts in result.requests.items():
            texts[facts.first_prompt_sha256] = facts.first_prompt
            tasks[task] = PromptFacts.model_validate(facts.model_dump(include=set(PromptFacts.model_fields)))
        arms[arm] = ArmPrompts(chat_template_sha256=result.chat_template_sha256, tasks=tasks)
    return Snapshot(first_prompts=texts, arms=arms)


def read_snapshot(path: Path) -> Snapshot | None:
    """The committed prompts; None where a profile has none.

    Raises:
        DamagedFileError: not JSON, another layout, or a text that does not have its digest.
    """
    if not path.is_file():
        return None
    again = (
        "restore the file from the repository, or accept a run's with `python -m harness prompts --update`"
    )
    found = read_model(path, Snapshot, what="the committed prompts", remedy=again)
    for sha, text in found.first_prompts.items():
        if hashlib.sha256(text.encode()).hexdigest() != sha:
            raise DamagedFileError("a committed prompt does not match its digest", value=path, remedy=again)
    return found


def outcome_prompts(outcome: Outcome) -> dict[str, ArmPrompts]:
    """The same facts as an outcome holds them, without the texts."""
    return {
        name: ArmPrompts(chat_template_sha256=arm.chat_template_sha256, tasks=arm.prompts)
        for name, arm in outcome.arms.items()
    }


def changes(committed: Snapshot, arms: Mapping[str, ArmPrompts]) -> Iterator[str]:
    """What differs from the committed prompts, one line for each arm and task."""
    for name in sorted(committed.arms.keys() | arms.keys()):
        old, new = committed.arms.get(name), arms.get(name)
        if old is None or new is None:
            yield f"{name}: {'no such arm in the committed prompts' if old is None else 'not in this run'}"
            continue
        if old.chat_template_sha256 != new.chat_template_sha256:
            yield f"{name}: another chat template"
        for task in sorted(old.tasks.keys() | new.tasks.keys()):
            one, other = old.tasks.get(task), new.tasks.get(task)
            if one is None or other is None:
                yield f"{name}, {task}: {'not committed' if one is None else 'not in this run'}"
                continue
            parts = [key for key in PromptFacts.model_fields if getattr(one, key) != getattr(other, key)]
            if parts:
                yield f"{name}, {task}: {', '.join(parts)}"


def text_changes(committed: Snapshot, new: Snapshot) -> str:
    """The first prompts that are not committed, as a diff against those of the same arm and task."""
    lines: list[str] = []
    for name, arm in new.arms.items():
        for task, facts in arm.tasks.items():
            old = committed.arms[name].tasks.get(task) if name in committed.arms else None
            if old is not None and old.first_prompt_sha256 != facts.first_prompt_sha256:
                before = committed.first_prompts[old.first_prompt_sha256].splitlines()
                after = new.first_prompts[facts.first_prompt_sha256].splitlines()
                names = (f"committed {name}, {task}", f"here {name}, {task}")
                lines += difflib.unified_diff(before, after, *names, lineterm="", n=1)
    return "\n".join(lines)
