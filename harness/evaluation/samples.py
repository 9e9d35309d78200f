"""Per-sample logs: JSON lines, one file a task, the same bytes for the same results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.core.artefact import write_text
from harness.evaluation.benchmark import metric_key

Json = dict[str, Any]


def sample_rows(samples: Mapping[str, list[Json]]) -> list[Json]:
    """lm-eval's per-document records, one row a document.

    Returns:
        rows with `task` (the subtask), `doc_id`, `doc_hash`, `prompt_hash`, `target`, `responses` by filter
        (of each choice of a likelihood task: log-probability, whether greedy), `metrics` by name, and
        `generated`, the whole text, of a generation task. For people: `question`, and of a likelihood task
        `options` and `correct`, the places of the right ones.
    """
    return [row for part in sorted(samples) for row in _documents(part, samples[part])]


def _documents(part: str, samples: list[Json]) -> list[Json]:
    rows: dict[int, Json] = {}
    for sample in samples:
        row = rows.setdefault(sample["doc_id"], _document(part, sample))
        row["responses"][sample["filter"]] = sample["filtered_resps"]
        for metric in sample["metrics"]:
            row["metrics"][metric_key(metric, sample["filter"])] = float(sample[metric])
    return [rows[doc_id] for doc_id in sorted(rows)]


def _document(part: str, sample: Json) -> Json:
    first = sample["resps"][0][0]
    generated = {"generated": first} if isinstance(first, str) else {}
    return {
        **generated,
        **_texts(sample),
        **{key: sample[key] for key in ("doc_id", "doc_hash", "prompt_hash", "target")},
        "task": part,
        "responses": {},
        "metrics": {},
    }


def _texts(sample: Json) -> Json:
    """What was asked, for a person: the document's question where it has one, else the whole prompt."""
    doc, arguments = sample["doc"], sample["arguments"]
    question = doc.get("question")
    asked: Json = {"question": question if isinstance(question, str) else str(arguments[0][0])}
    if isinstance(sample["resps"][0][0], str):
        return asked
    options = [str(one[1]).strip() for one in arguments]
    written = doc.get("choices")
    if _texts_of(written, len(options)):
        options = list(written)  # the continuations are letters
    return asked | {"options": options, "correct": _correct(doc, options, sample["target"])}


def _texts_of(found: object, count: int) -> bool:
    return isinstance(found, list) and len(found) == count and all(isinstance(one, str) for one in found)


def _correct(doc: Json, options: list[str], target: object) -> list[int]:
    """From the document's table of choices and labels (TruthfulQA), else lm-eval's target, a place."""
    for table in (one for one in doc.values() if isinstance(one, dict)):
        if [str(one).strip() for one in table.get("choices", ())] == options and "labels" in table:
            return [place for place, label in enumerate(table["labels"]) if label]
    return [target] if isinstance(target, int) else []


def write_rows(path: Path, rows: Iterable[Json]) -> Path:
    """Write JSON lines atomically."""
    lines = (json.dumps(row, sort_keys=True, ensure_ascii=False, allow_nan=False) for row in rows)
    write_text(path, "".join(f"{line}\n" for line in lines))
    return path
