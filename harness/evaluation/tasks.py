"""Task files: lm-eval's own tasks, with only the source of their rows changed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib import util
from pathlib import Path
from string import Template

from harness.core.artefact import digest_file, digest_json, write_text
from harness.core.errors import DataError, MissingInputError, UnavailableError
from harness.profiles.sections import EvaluationSection, TaskSection

TASKS = Path(__file__).parent.parent / "tasks"
ROW_FILE = re.compile(r'"\$\{data_root\}/([^"]+)"')
BY_SUBJECT = "${subject}"
READER = "custom_dataset: !function harness.evaluation.rows.task_dataset\n"
"""Has lm-eval ask this harness for rows instead of `datasets`, which expands paths and guesses types."""
ROOT_REMEDY = "give the folder that holds them with --data-root DIR; its layout is in the task's file"


def task_names() -> list[str]:
    """Names of the task files that come with the harness."""
    return sorted(path.stem for path in TASKS.glob("*.yaml"))


def task_file(name: str) -> Path:
    """The file of a task.

    Raises:
        MissingInputError: there is none; the message lists those that there are.
    """
    path = TASKS / f"{name}.yaml"
    if not path.is_file():
        raise MissingInputError(
            f"there is no task file for evaluation.tasks.{name}",
            value=path,
            remedy=f"choose one of: {', '.join(task_names())}; or write that file (see CONTRIBUTING.md)",
        )
    return path


def digest_tasks(section: EvaluationSection) -> str:
    """sha256 over the task files that an evaluation uses.

    Raises:
        MissingInputError: the profile names a task that has no file.
    """
    families = ([task_file(name), *TASKS.glob(f"{name}.*_yaml")] for name in section.tasks)
    return digest_json({path.name: digest_file(path) for family in families for path in family})


def lm_eval_tasks() -> Path:
    """The folder of the installed lm-eval's own task files.

    Raises:
        UnavailableError: lm-eval is not installed.
    """
    spec = util.find_spec("lm_eval")
    if spec is None or spec.origin is None:
        raise UnavailableError(
            "lm-eval is not installed", value="lm_eval", remedy="use the environment that Nox builds"
        )
    return Path(spec.origin).parent / "tasks"


def resolve_task(name: str, section: TaskSection, data_root: Path, folder: Path) -> list[Path]:
    """Fill in a task's file for one data root.

    Args:
        section: the profile's section; its `subjects` choose among those of the data root.
        data_root: folder of rows laid out ORG/NAME/CONFIG/SPLIT.jsonl.
        folder: empty folder for the resolved files.

    Returns:
        every file of rows that the task reads.

    Raises:
        MissingInputError: no such task file, or a file of rows is not there.
        DataError: a subject has a name that cannot be a task's.
    """
    text = task_file(name).read_text(encoding="utf-8")
    values = {
        "lm_eval": str(lm_eval_tasks()),
        "data_root": str(data_root.resolve()),
        "cache": str(folder / "cache"),  # of no use any more; task files of others name it
    }
    subjects = _subjects(text, section, data_root) if BY_SUBJECT in text else []
    for subject in subjects:
        _resolve_subject(name, subject, values, folder)
    if subjects:
        members = json.dumps([f"{name}_{subject}" for subject in subjects])
        _fill(TASKS / f"{name}.group_yaml", {**values, "members": members}, folder / f"_{name}.yaml")
    else:
        _fill(task_file(name), values, folder / f"{name}.yaml", READER)
    patterns = ROW_FILE.findall(text)
    rows = [data_root / one.replace(BY_SUBJECT, subject) for subject in subjects or [""] for one in patterns]
    for path in rows:
        if not path.is_file():
            raise MissingInputError(f"rows of the task {name} are missing", value=path, remedy=ROOT_REMEDY)
    return rows


def _resolve_subject(name: str, subject: str, values: Mapping[str, str], folder: Path) -> None:
    own = lm_eval_tasks() / name / "default" / f"{name}_{subject}.yaml"
    known = {**values, "subject": subject, "subject_words": subject.replace("_", " ")}
    if not own.is_file():
        own = folder / f"{name}_{subject}.subject_yaml"
        _fill(TASKS / f"{name}.subject_yaml", known, own)
    filled = {**known, "subject_file": str(own)}
    _fill(task_file(name), filled, folder / f"{name}_{subject}.yaml", READER)


def _fill(template: Path, values: Mapping[str, str], target: Path, more: str = "") -> None:
    """Fill a template; values that stand inside double quotes are escaped as YAML (and JSON) need it."""
    escaped = {k: v if k == "members" else json.dumps(v, ensure_ascii=False)[1:-1] for k, v in values.items()}
    body = "".join(
        line for line in template.read_text(encoding="utf-8").splitlines(True) if not line.startswith("#")
    )
    write_text(target, Template(body).substitute(escaped) + more)


def _subjects(text: str, section: TaskSection, data_root: Path) -> list[str]:
    """The subjects asked for, or all for which the data root has a folder."""
    above = data_root / ROW_FILE.findall(text)[0].split(BY_SUBJECT)[0]
    subjects = list(section.subjects) or sorted(path.name for path in above.glob("*") if path.is_dir())
    for subject in subjects:
        if not re.fullmatch(r"\w+", subject):
            raise DataError(
                "a subject's name must be letters, digits and _", value=subject, remedy="rename its folder"
            )
    if not subjects:
        raise MissingInputError("the data root has no rows of this task", value=above, remedy=ROOT_REMEDY)
    return subjects
