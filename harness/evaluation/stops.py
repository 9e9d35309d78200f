"""Where a generation ends, and the check that it did."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedModel

from harness.errors import EvaluationError


def stop_ids(model: PreTrainedModel) -> tuple[int, ...]:
    """The ids that end a generation by the model's generation config, ascending."""
    found = model.generation_config.eos_token_id
    return tuple(
        sorted({int(token) for token in (found if isinstance(found, list) else [found]) if token is not None})
    )


def check_stops(rows: list[list[int]], stops: Sequence[int], pad_id: int, task: str) -> None:
    """Check that a generation ends at its first stop id: only padding may follow.

    Raises:
        EvaluationError: a row goes on after a stop id.
    """
    for row in rows:
        first = next((place for place, token in enumerate(row) if token in stops), len(row))
        after = [token for token in row[first + 1 :] if token != pad_id]
        if after:
            raise EvaluationError(
                f"{task}: a generation went on after a stop id",
                value=f"{row[first]} then {after[:5]}",
                remedy="the generation config's eos_token_id is not honoured: harness/evaluation/stops.py",
            )
