"""Which files of a data root a profile reads."""

from __future__ import annotations

from pathlib import Path

from harness.errors import DataError
from harness.evaluation.tasks import BY_SUBJECT, ROW_FILE, task_file
from harness.profile import Profile, TaskSection


def row_files(profile: Profile, root: Path) -> list[str]:
    """Preference pairs and evaluation rows, relative to the root.

    Raises:
        MissingInputError: a task has no file.
        DataError: a subject is not the name of a folder.
    """
    names = {profile.data.train, profile.data.test}
    if profile.evaluation.source != "hub":
        for task, section in profile.evaluation.tasks.items():
            names |= task_rows(task, section, root)
    return sorted(names)


def task_rows(task: str, section: TaskSection, root: Path) -> set[str]:
    """Row files of one task: those that its file of `harness/tasks/` names, once for each subject."""
    patterns = ROW_FILE.findall(task_file(task).read_text(encoding="utf-8"))
    return {name for pattern in patterns for name in _by_subject(pattern, section, root)}


def _by_subject(pattern: str, section: TaskSection, root: Path) -> list[str]:
    if BY_SUBJECT not in pattern:
        return [pattern]
    above = root / pattern.split(BY_SUBJECT)[0]
    subjects = section.subjects or sorted(path.name for path in above.glob("*") if path.is_dir())
    for subject in subjects:
        if Path(subject).name != subject or subject == "..":
            raise DataError(
                "a subject is not the name of a folder", value=subject, remedy="correct it in the profile"
            )
    return [pattern.replace(BY_SUBJECT, subject) for subject in subjects]
