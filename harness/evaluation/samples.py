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
        `generated`, the whole text, of a generation task.
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
        **{key: sample[key] for key in ("doc_id", "doc_hash", "prompt_hash", "target")},
        "task": part,
        "responses": {},
        "metrics": {},
    }


def write_rows(path: Path, rows: Iterable[Json]) -> Path:
    """Write JSON lines atomically."""
    lines = (json.dumps(row, sort_keys=True, ensure_ascii=False, allow_nan=False) for row in rows)
    write_text(path, "".join(f"{line}\n" for line in lines))
    return path
