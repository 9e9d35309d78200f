"""One lm-eval task on one arm: every setting pinned, the requests watched, lm-eval's own results kept."""

from __future__ import annotations

import json
import logging
import math
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import lm_eval
import transformers
from lm_eval.api import task as lm_eval_task
from lm_eval.utils import handle_non_serializable

from harness.core.errors import EvaluationError
from harness.core.results import RequestFacts, Score
from harness.evaluation.lm import GuardedLM
from harness.evaluation.loaded_task import LoadedTask, check_documents, load_task
from harness.profiles.sections import EvaluationSection, TaskSection

BOOTSTRAP_ITERS = 100_000
KEPT = (
    "results",
    "groups",
    "group_subtasks",
    "configs",
    "versions",
    "n-shot",
    "n-samples",
    "config",
    "lm_eval_version",
)
Json = dict[str, Any]


class TaskOutcome(NamedTuple):
    """What a task gave.

    Attributes:
        scores: by `<task>.<metric>`, and by `<task>.<subject>.<metric>` where there are subjects.
        requests: facts about the requests.
        samples: lm-eval's per-document records, by the name of the (sub)task.
        results: lm-eval's results and configuration, without samples, dates and paths of this machine.
    """

    scores: dict[str, Score]
    requests: RequestFacts
    samples: dict[str, list[Json]]
    results: Json


def run_task(
    name: str,
    section: TaskSection,
    evaluation: EvaluationSection,
    lm: GuardedLM,
    data_root: Path,
    folder: Path,
) -> TaskOutcome:
    """Score one task.

    Args:
        name: of its file in harness/tasks/.
        section: its limits in the profile.
        data_root: folder of rows.
        folder: empty folder for resolved task files.

    Raises:
        MissingInputError, DataError: task file or rows that cannot be used.
        EvaluationError: requests, shots or items that are not what the profile asks for.
    """
    with quiet():
        task = load_task(name, section, data_root, folder)
        with lm.watching(name) as log:
            raw = _simple_evaluate(name, section, evaluation, lm, task)
    _check_complete(name, section, raw)
    _check_finite(name, raw["samples"])
    return TaskOutcome(
        scores=scores(name, raw["results"]),
        requests=log.facts(),
        samples=raw["samples"],
        results=_portable(
            raw, {folder: "tasks", data_root.resolve(): "data_root", Path(lm.config.name_or_path): "model"}
        ),
    )


def check_tasks(evaluation: EvaluationSection, data_root: Path) -> None:
    """Load each task of a profile and look at every row that it scores or shows, before any model runs.

    Raises:
        MissingInputError, DataError: as for `load_task` and `check_documents`.
    """
    with tempfile.TemporaryDirectory(prefix="harness-tasks-") as folder, quiet():
        for name, section in evaluation.tasks.items():
            for task in load_task(name, section, data_root, Path(folder) / name).members:
                check_documents(task, section.num_fewshot)


def _simple_evaluate(
    name: str, section: TaskSection, evaluation: EvaluationSection, lm: GuardedLM, task: LoadedTask
) -> Json:
    raw = lm_eval.simple_evaluate(
        model=lm,
        tasks=[task.top],
        num_fewshot=section.num_fewshot,
        batch_size=evaluation.batch_size,
        use_cache=None,
        cache_requests=False,
        limit=section.limit or None,
        bootstrap_iters=BOOTSTRAP_ITERS,
        log_samples=True,
        system_instruction=None,
        apply_chat_template=evaluation.chat_template,
        fewshot_as_multiturn=evaluation.fewshot_as_multiturn,
        gen_kwargs={"max_gen_toks": section.max_new_tokens} if section.max_new_tokens else None,
        task_manager=task.manager,
        random_seed=evaluation.seed,
        numpy_random_seed=evaluation.seed,
        torch_random_seed=evaluation.seed,
        fewshot_random_seed=evaluation.seed,
    )
    if raw is None:
        raise EvaluationError(
            "lm-eval gave no results", value=name, remedy="run the evaluation in one process"
        )
    return dict(raw)


def _check_complete(name: str, section: TaskSection, raw: Json) -> None:
    """Refuse a run with other shots than asked for, or with missing items."""
    for part, shots in raw["n-shot"].items():
        if shots != section.num_fewshot:
            raise EvaluationError(
                f"{name}: lm-eval ran {part} with {shots} shots, the profile asks for {section.num_fewshot}",
                value=f"evaluation.tasks.{name}.num_fewshot",
                remedy="set it to the number that the task's own file fixes",
            )
    for part, count in raw["n-samples"].items():
        wanted = min(section.limit or count["original"], count["original"])
        logged = len({sample["doc_id"] for sample in raw["samples"][part]})
        if not wanted == count["effective"] == logged:
            raise EvaluationError(
                f"{name}: {part} has {count['effective']} scored, {logged} logged items instead of {wanted}",
                value=part,
                remedy="look at the rows of that task",
            )


def _check_finite(name: str, samples: Mapping[str, list[Json]]) -> None:
    """Refuse an item with a score or a log-probability that is not finite: lm-eval would average it."""
    for part, rows in samples.items():
        for row in rows:
            answers = [float(one[0]) for one in row["filtered_resps"] if isinstance(one, tuple | list)]
            found = [*answers, *(row[metric] for metric in row["metrics"])]
            if not all(map(math.isfinite, found)):
                raise EvaluationError(
                    f"{name}: the score of item {row['doc_id']} of {part} is not finite",
                    value=f"log-probabilities {answers}, "
                    + ", ".join(f"{m} {row[m]}" for m in row["metrics"]),
                    remedy="look at that row: its answers may be too unlikely for a probability above 0; "
                    "where no log-probability is finite, look at the arm's weights",
                )


def scores(name: str, results: Mapping[str, Json]) -> dict[str, Score]:
    """lm-eval's results as scores: value, lm-eval's own standard error, number of items.

    Raises:
        EvaluationError: a metric without a standard error.
    """
    found = {}
    for part, metrics in results.items():
        prefix = name if part == name else f"{name}.{part.removeprefix(f'{name}_')}"
        for key, value in metrics.items():
            metric, comma, filtered = key.partition(",")
            if comma and not metric.endswith("_stderr"):
                stderr = metrics.get(f"{metric}_stderr,{filtered}")
                found[f"{prefix}.{metric_key(metric, filtered)}"] = _score(
                    part, value, stderr, metrics["sample_len"]
                )
    return found


def metric_key(metric: str, filtered: str) -> str:
    """The name of a metric: lm-eval's own, or its filter's where it has one (`strict-match`)."""
    return metric if filtered == "none" else filtered


def _score(part: str, value: Any, stderr: Any, n: int) -> Score:
    if not isinstance(stderr, (int, float)):
        raise EvaluationError(
            f"{part}: lm-eval gives no standard error for {n} items",
            value=stderr,
            remedy="raise the task's limit in the profile to two or more",
        )
    return Score(value=float(value), stderr=float(stderr), n=int(n))


def _portable(raw: Json, roots: Mapping[Path, str]) -> Json:
    """What is kept of lm-eval's results: plain JSON in which folders of this machine have names instead."""
    kept = {key: raw[key] for key in KEPT if key in raw}
    text = json.dumps(kept, default=handle_non_serializable, sort_keys=True)
    for folder, short in [*roots.items(), (Path(lm_eval.__file__).parent, "lm_eval")]:
        if folder.is_absolute():
            text = text.replace(json.dumps(str(folder))[1:-1], short)
    plain: Json = json.loads(text)
    return plain


@contextmanager
def quiet() -> Iterator[None]:
    """Silence lm-eval, datasets and transformers inside; this package has bars of its own."""
    logger = logging.getLogger("lm_eval")
    level, verbosity = logger.level, transformers.logging.get_verbosity()
    bars, build_bar = datasets.utils.are_progress_bars_disabled(), lm_eval_task.tqdm
    loading_bars = transformers.utils.logging.is_progress_bar_enabled()
    logger.setLevel(logging.ERROR)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    lm_eval_task.tqdm = lambda rows, **_: rows
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        transformers.logging.set_verbosity(verbosity)
        lm_eval_task.tqdm = build_bar
        if loading_bars:
            transformers.utils.logging.enable_progress_bar()
        if not bars:
            datasets.enable_progress_bars()
