"""Requests of one question as one row: the shared prefix once, then each choice, masked from the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

Ids = tuple[int, ...]
SHARED, PADDING = -1, -2
SHORTEST_LEAD = 16
"""Fewer tokens that all questions of a batch begin with are not worth a forward pass of their own."""


class Request(NamedTuple):
    """One of lm-eval's likelihood requests.

    Attributes:
        number: its place among the requests.
        context: its text, which all choices of a question have in common.
        ids: of context and continuation, without the last token, which predicts nothing.
        first: the position that predicts the continuation's first token.
        labels: the continuation.
    """

    number: int
    context: str
    ids: Ids
    first: int
    labels: Ids


class Question(NamedTuple):
    """Requests with one context.

    Attributes:
        rows: their ids, each once: requests that differ in their last token alone share a row.
        shared: how many tokens all rows begin with.
        requests: in lm-eval's order.
    """

    rows: tuple[Ids, ...]
    shared: int
    requests: tuple[Request, ...]


class Place(NamedTuple):
    """Where a row of a question is.

    Attributes:
        shared: positions below it are the question's, the rest its own.
        start: column of the first token of its own.
        lead: positions that come before column 0.
    """

    shared: int
    start: int
    lead: int

    def column(self, position: int) -> int:
        """The column of a position that is not in the lead."""
        return position - self.lead if position < self.shared else self.start + position - self.shared


class Packed(NamedTuple):
    """A batch of questions, one a row, padded on the right.

    Attributes:
        lead: tokens that every row of every question begins with; they are computed once.
        ids_BxT: int64, what comes after them.
        position_BxT: int64, places in the request.
        choice_BxT: int64, the choice that a column belongs to; `SHARED` or `PADDING`.
        places: by line and row.
    """

    lead: Ids
    ids_BxT: Tensor
    position_BxT: Tensor
    choice_BxT: Tensor
    places: dict[tuple[int, Ids], Place]


def requests_of(raw: Sequence[tuple[tuple[str, str], list[int], list[int]]]) -> list[Request]:
    """From lm-eval's tuples of texts, context ids and continuation ids."""
    return [
        Request(number, texts[0], tuple(context + continuation)[:-1], len(context) - 1, tuple(continuation))
        for number, (texts, context, continuation) in enumerate(raw)
    ]


def questions_of(requests: Sequence[Request], most_rows: int) -> list[Question]:
    """Questions, the longest first; one of more rows than `most_rows` is divided."""
    by_context: dict[str, dict[Ids, list[Request]]] = {}
    for request in requests:
        by_context.setdefault(request.context, {}).setdefault(request.ids, []).append(request)
    found = []
    for by_row in by_context.values():
        rows = list(by_row)
        for start in range(0, len(rows), most_rows):
            part = tuple(rows[start : start + most_rows])
            asked = tuple(request for row in part for request in by_row[row])
            found.append(Question(part, common(part), asked))
    return sorted(found, key=lambda one: (-max(map(len, one.rows)), one.rows))


def common(rows: Sequence[Ids]) -> int:
    """How many tokens all rows begin with."""
    first, last = min(rows), max(rows)
    return next((place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))


def pack(questions: Sequence[Question], shortest_lead: int = SHORTEST_LEAD) -> Packed:
    """Lay questions out, one a row. The lead ends before any token whose prediction counts."""
    rows = [row for question in questions for row in question.rows]
    first = min(request.first for question in questions for request in question.requests)
    lead = min(common(rows), first, *(question.shared for question in questions))
    lead = lead if len(rows) > 1 and lead >= shortest_lead else 0
    lines, places = [], {}
    for line, question in enumerate(questions):
        columns = [
            (token, lead + n, SHARED) for n, token in enumerate(question.rows[0][lead : question.shared])
        ]
        for choice, row in enumerate(question.rows):
            places[line, row] = Place(question.shared, len(columns), lead)
            own = enumerate(row[question.shared :], start=question.shared)
            columns += [(token, position, choice) for position, token in own]
        lines.append(columns)
    width = max(map(len, lines))
    padded = torch.tensor([columns + [(0, 0, PADDING)] * (width - len(columns)) for columns in lines])
    return Packed(rows[0][:lead], padded[..., 0], padded[..., 1], padded[..., 2], places)


def seen(packed: Packed, window: int | None = None) -> Tensor:
    """Who sees whom: (B, 1, T, lead + T) bool; a choice sees what it shares and itself, up to its own place.

    Args:
        window: of sliding attention: only positions less than so many places back.
    """
    lines, lead = len(packed.ids_BxT), len(packed.lead)
    before = torch.arange(lead, device=packed.position_BxT.device).expand(lines, -1)
    position = torch.cat([before, packed.position_BxT], dim=1).unsqueeze(-2)
    choice = torch.cat([torch.full_like(before, SHARED), packed.choice_BxT], dim=1).unsqueeze(-2)
    back = packed.position_BxT.unsqueeze(-1) - position
    visible = (choice == packed.choice_BxT.unsqueeze(-1)) | (choice == SHARED)
    visible &= back >= 0
    if window is not None:
        visible &= back < window
    return visible.unsqueeze(1)


def lead_alone(packed: Packed) -> Packed:
    """The lead as a batch of one row."""
    ids = torch.tensor([packed.lead], device=packed.ids_BxT.device)
    position = torch.arange(len(packed.lead), device=ids.device).unsqueeze(0)
    return Packed((), ids, position, torch.full_like(ids, SHARED), {})


def on_device(packed: Packed, device: torch.device) -> Packed:
    """The same batch on a device."""
    ids, position, choice = packed.ids_BxT, packed.position_BxT, packed.choice_BxT
    return Packed(packed.lead, ids.to(device), position.to(device), choice.to(device), packed.places)


def row_as_laid(packed: Packed, ids_BxT: Sequence[Sequence[int]], row: Ids, line: int) -> list[int]:
    """The ids that stand in a batch where `row` should: what the model got, put together again."""
    place = packed.places[line, row]
    columns = [place.column(position) for position in range(place.lead, len(row))]
    return [*packed.lead, *(ids_BxT[line][column] for column in columns)]
