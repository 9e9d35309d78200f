"""The harness' scores of items against lm-eval's own, to the last digit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.core.artefact import digest_json
from harness.core.errors import EvaluationError
from harness.core.results import Record

Json = dict[str, Any]


class Agreement(Record):
    """One way of scoring, compared with lm-eval's command.

    Attributes:
        identical: items all of whose numbers and texts are the same to the last digit.
        texts_differ: items with another generated text, or another answer to whether a response is greedy.
        largest_difference: of a log-probability, in nats.
        largest_metric_difference: of an item's own score.
    """

    identical: int
    texts_differ: int
    largest_difference: float
    largest_metric_difference: float


def agreement(rows: Sequence[Json], samples: Sequence[Json]) -> Agreement:
    """The harness' rows against lm-eval's samples, matched by the hashes of document and prompt.

    Raises:
        EvaluationError: one side has an item that the other has not.
    """
    from harness.evaluation.benchmark import metric_key

    ours = {(row["doc_hash"], row["prompt_hash"], name): row for row in rows for name in row["responses"]}
    theirs = {(one["doc_hash"], one["prompt_hash"], one["filter"]): one for one in samples}
    if ours.keys() != theirs.keys():
        raise EvaluationError(
            f"lm-eval's own command scored different items ({len(theirs)}, the harness {len(ours)})",
            value=digest_json(sorted(map(str, ours.keys() ^ theirs.keys())))[:12],
            remedy="compare the first prompt of both: template, shots and rows must be the same",
        )
    differs, worded = set(), set()
    nats = points = 0.0
    for key, row in ours.items():
        other, item = theirs[key], key[:2]
        for a, b in zip(_flat(row["responses"][key[2]]), _flat(other["filtered_resps"]), strict=True):
            if a == b:
                continue
            differs.add(item)
            try:
                nats = max(nats, abs(float(a) - float(b)))
            except ValueError:
                worded.add(item)
        for metric in other["metrics"]:
            gap = abs(row["metrics"][metric_key(metric, key[2])] - float(other[metric]))
            points = max(points, gap)
            differs |= {item} if gap else set()
    items = {key[:2] for key in ours}
    return Agreement(
        identical=len(items - differs),
        texts_differ=len(worded),
        largest_difference=nats,
        largest_metric_difference=points,
    )


def _flat(value: Any) -> list[str]:
    """Numbers and texts in order, as lm-eval's command writes them into its sample files."""
    return [word for one in value for word in _flat(one)] if isinstance(value, list | tuple) else [str(value)]
