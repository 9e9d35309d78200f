"""Which files of a data root a profile reads: ORG/NAME/CONFIG/SPLIT.jsonl, as on the hub."""

from __future__ import annotations

from pathlib import Path

from harness.core.errors import DataError
from harness.evaluation.tasks import BY_SUBJECT, ROW_FILE, lm_eval_tasks, task_file
from harness.profiles.profile import Profile
from harness.profiles.sections import TaskSection


def row_files(profile: Profile, root: Path | None) -> list[str]:
    """Preference pairs and evaluation rows, relative to the root.

    Args:
        root: folder whose subjects count where a task names none; None: the subjects that lm-eval has.

    Raises:
        MissingInputError: a task has no file.
        DataError: a subject is not the name of a folder.
    """
    return sorted({profile.data.train, profile.data.test, *evaluation_files(profile, root)})


def evaluation_files(profile: Profile, root: Path | None) -> set[str]:
    """The evaluation rows alone: those that each task's file of `harness/tasks/` names, by subject."""
    return {
        name
        for task, section in profile.evaluation.tasks.items()
        for pattern in ROW_FILE.findall(task_file(task).read_text(encoding="utf-8"))
        for name in _by_subject(task, pattern, section, root)
    }


def evaluation_repositories(profile: Profile) -> list[str]:
    """The hub's repositories, ORG/NAME, of the evaluation rows."""
    return sorted({"/".join(name.split("/")[:2]) for name in evaluation_files(profile, None)})


def _by_subject(task: str, pattern: str, section: TaskSection, root: Path | None) -> list[str]:
    if BY_SUBJECT not in pattern:
        return [pattern]
    subjects = section.subjects or (_of_lm_eval(task) if root is None else _of_folder(root, pattern))
    for subject in subjects:
        if Path(subject).name != subject or subject == "..":
            raise DataError(
                "a subject is not the name of a folder", value=subject, remedy="correct it in the profile"
            )
    return [pattern.replace(BY_SUBJECT, subject) for subject in subjects]


def _of_folder(root: Path, pattern: str) -> list[str]:
    above = root / pattern.split(BY_SUBJECT)[0]
    return sorted(path.name for path in above.glob("*") if path.is_dir())


def _of_lm_eval(task: str) -> list[str]:
    files = (lm_eval_tasks() / task / "default").glob(f"{task}_*.yaml")
    return sorted(path.stem.removeprefix(f"{task}_") for path in files)
