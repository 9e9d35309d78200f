"""A task that lm-eval has built of its rows: enough shots, prompts that render, answers that can be right."""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import TemplateError
from lm_eval.api.instance import Instance
from lm_eval.tasks import TaskManager

from harness.core.documents import FAULTS, reason
from harness.core.errors import DataError
from harness.evaluation.row_schemas import SCHEMAS
from harness.evaluation.rows import REMEDY
from harness.evaluation.tasks import resolve_task
from harness.profiles.sections import TaskSection

FILE_REMEDY = (
    "correct the task's file in harness/tasks/ (CONTRIBUTING.md, Add a task) or the rows that it names"
)


class LoadedTask(NamedTuple):
    """What lm-eval's `simple_evaluate` takes.

    Attributes:
        manager: of the folder with the resolved task files.
        top: the task, or the group of its subjects.
        members: the tasks that have rows: the one, or one for each subject.
    """

    manager: TaskManager
    top: Any
    members: list[Any]


def load_task(name: str, section: TaskSection, data_root: Path, folder: Path) -> LoadedTask:
    """Read a task's rows and have lm-eval build the task of them.

    Args:
        folder: empty; for the resolved task files.

    Raises:
        MissingInputError: task file or rows are not there.
        DataError: a row breaks the task's schema, lm-eval cannot use the rows, or they are fewer than shots.
    """
    resolve_task(name, section, data_root, folder)
    with _refused(f"lm-eval cannot make the task {name} of its rows", data_root, FILE_REMEDY):
        manager = TaskManager(include_path=str(folder), include_defaults=False)
        found = manager.load([name])
    members = list(found["tasks"].values())
    for task in members:
        _check_shots(task, section.num_fewshot)
    return LoadedTask(manager, found["groups"].get(name) or found["tasks"][name], members)


@contextmanager
def _refused(cause: str, value: object, remedy: str) -> Iterator[None]:
    try:
        yield
    except (*FAULTS, TemplateError, AssertionError, ImportError) as error:
        raise DataError(f"{cause}: {reason(error)}", value=value, remedy=remedy) from error


def _check_shots(task: Any, shots: int) -> None:
    """Refuse fewer rows than lm-eval draws worked examples from."""
    if not shots:
        return
    rows = task.sampler.fewshot_docs()
    split = _shots_split(task)
    # lm-eval leaves the scored row and its copies out where both come from one split
    own = task.fewshot_cfg.split == task.config.test_split
    left_out = max(Counter(repr(row) for row in rows).values(), default=0) if own else 0
    if len(rows) - left_out < shots:
        raise DataError(
            f"{task.config.task}: {shots} worked examples are asked for (num_fewshot), there are "
            f"{len(rows)} rows{', among them the scored one' if own else ''}",
            value=_place(task, split),
            remedy="add rows to that file, or lower num_fewshot in the profile",
        )


def check_documents(task: Any, shots: int) -> None:
    """Look at every row that a task scores or shows.

    Raises:
        DataError: a row gives no prompt, or no answer to it can be right; names file, line and value.
    """
    scored = task.config.test_split or task.config.validation_split
    shown = {_shots_split(task): task.sampler.fewshot_docs()} if shots else {}
    for split, rows in {**shown, scored: task.eval_docs}.items():
        for number, row in enumerate(rows, 1):
            with _refused(f"{task.config.task}: no prompt can be made", _place(task, split, number), REMEDY):
                fault = _fault(task, row)
            if fault:
                raise DataError(
                    f"{task.config.task}: {fault}", value=_place(task, split, number), remedy=REMEDY
                )


def _shots_split(task: Any) -> str:
    config = task.config
    return str(
        task.fewshot_cfg.split or config.training_split or config.validation_split or config.test_split
    )


def _place(task: Any, split: str, number: int = 0) -> str:
    """File and line of a row; its number among lm-eval's rows where the task changes or drops some."""
    file = (task.config.dataset_kwargs or {}).get("data_files", {}).get(split, split)
    unit = "row" if task.config.process_docs else "line"
    return f"{file}, {unit} {number}" if number else str(file)


def _fault(task: Any, row: dict[str, Any]) -> str:
    """Why no answer to a row can be right; nothing where one can."""
    text, target = task.doc_to_text(row), task.doc_to_target(row)
    schema = SCHEMAS.get((task.config.dataset_kwargs or {}).get("schema", ""))
    if schema is not None and schema.generated and not _matches_itself(task, row, target):
        return (
            "no generation can match `answer`, which the task's own filters do not find in itself: "
            f"{reprlib.repr(target[-30:])}; it must hold one `#### N`, at its end"
        )
    if task.OUTPUT_TYPE == "multiple_choice" and not callable(task.config.process_results):
        gold = text if task.multiple_input else target
        return _choice_fault(task.config.doc_to_target, gold, task.doc_to_choice(row))
    return ""


def _choice_fault(field: object, gold: Any, choices: list[Any]) -> str:
    if not choices or not all(isinstance(choice, str) and choice for choice in choices):
        return f"a choice is not a text, or is empty: {reprlib.repr(choices)}"
    right = gold if isinstance(gold, Iterable) and not isinstance(gold, str) else [gold]
    if all(one in choices if isinstance(one, str) else 0 <= one < len(choices) for one in right):
        return ""
    return f"the right answer (`{field}`) is {gold!r}; there are {len(choices)} choices, counted from 0"


def _matches_itself(task: Any, row: dict[str, Any], answer: str) -> bool:
    """Whether each filter of a task, and its metric, take the row's own answer for right."""
    given = Instance("generate_until", row, ("", {}), 0, resps=[answer])
    task._instances = [given]  # as build_all_requests does
    task.apply_filters()
    found = (task.process_results(row, [one]) for one in given.filtered_resps.values())
    return all(score == 1 for scores in found for score in scores.values())
