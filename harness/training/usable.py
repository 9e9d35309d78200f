"""Which pairs of a split can be used, and which are left out and why: the same rows for every arm."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from harness.core.errors import DataError
from harness.training.pairs import Cut, Pair, TokenisedPairs, cut_pair, read_pairs, together

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from harness.profiles.sections import DataSection

EMPTY = "empty answer"
NO_TOKEN = "max_length leaves no token of a response"
SAME = "identical answers"
SAME_CUT = "answers identical once cut"
IDENTICAL = (SAME, SAME_CUT)
"""A pair whose answers have the same tokens has no gradient but rounding."""
SHOWN = 10


class Usable(NamedTuple):
    """The pairs of a split that can be used, and their tokens with the counts of the others."""

    pairs: list[Pair]
    tokenised: TokenisedPairs


class Examined(NamedTuple):
    """A row of a file: its line, and the reason why it is left out, empty for a pair that can be used."""

    line: int
    pair: Pair
    cut: Cut | None
    reason: str


def usable_pairs(path: Path, limit: int, tokenizer: PreTrainedTokenizerBase, data: DataSection) -> Usable:
    """Read and tokenise the first `limit` rows of a file (0: all), without those that cannot be used.

    Raises:
        MissingInputError: the file is not there.
        DataError: as `read_pairs` and `tokenise_pairs`; more rows are unusable than the profile allows, or no
            pair is left.
    """
    rows = _examined(path, limit, tokenizer, data)
    check_share(path, rows, data)
    used = [row for row in rows if not row.reason]
    counts = {reason: len(lines) for reason, lines in lines_by_reason(rows).items()}
    return Usable([row.pair for row in used], together([row.cut for row in used if row.cut], counts))


def left_out(
    path: Path, limit: int, tokenizer: PreTrainedTokenizerBase, data: DataSection
) -> dict[str, list[int]]:
    """Lines of a whole file that are left out, by reason; nothing where every row can be used.

    Raises:
        HarnessError: as `usable_pairs` for the first `limit` rows.
    """
    rows = _examined(path, 0, tokenizer, data)
    check_share(path, rows[: limit or None], data)
    return lines_by_reason(rows)


def _examined(
    path: Path, limit: int, tokenizer: PreTrainedTokenizerBase, data: DataSection
) -> list[Examined]:
    rows = []
    for line, pair in enumerate(read_pairs(path, limit, data.system_turn), 1):
        empty = not all(answer[0].content.strip() for answer in (pair.chosen, pair.rejected))
        cut = None if empty else cut_pair(pair, tokenizer, data.max_length, data.max_prompt_length, line)
        rows.append(Examined(line, pair, cut, EMPTY if cut is None else _reason(cut)))
    return rows


def _reason(cut: Cut) -> str:
    if not cut.kept.chosen or not cut.kept.rejected:
        return NO_TOKEN
    if cut.kept.chosen != cut.kept.rejected:
        return ""
    return SAME if cut.whole.chosen == cut.whole.rejected else SAME_CUT


def lines_by_reason(rows: Sequence[Examined]) -> dict[str, list[int]]:
    """Lines of the rows that are left out, by reason, the commonest first."""
    found: dict[str, list[int]] = {}
    for row in rows:
        if row.reason:
            found.setdefault(row.reason, []).append(row.line)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))


def check_share(path: Path, rows: Sequence[Examined], data: DataSection) -> None:
    """Refuse a split of which too much cannot be used; pairs of identical answers do not count as too much.

    Raises:
        DataError: with the counts by reason and the first lines.
    """
    found = lines_by_reason(rows)
    unusable = sum(len(lines) for reason, lines in found.items() if reason not in IDENTICAL)
    allowed = max(data.unusable_share * len(rows), float(data.unusable_share > 0))
    if data.unusable == "refuse" and found:
        cause = "data.unusable = 'refuse', and rows cannot be used"
    elif all(row.reason for row in rows):
        cause = "no pair of the file can be used"
    elif unusable > allowed:
        cause = f"more than data.unusable_share = {data.unusable_share:g} of the rows cannot be used"
    else:
        return
    said = "; ".join(f"{reason}: {len(lines)} ({_shown(lines)})" for reason, lines in found.items())
    raise DataError(
        f"{cause}: {said}",
        value=f"{path}, {sum(map(len, found.values()))} of {len(rows)} rows",
        remedy="correct or remove the rows, change data.max_length or data.max_prompt_length, or allow more "
        "with data.unusable and data.unusable_share",
    )


def _shown(lines: Sequence[int]) -> str:
    """The first lines by number."""
    more = ", ..." if len(lines) > SHOWN else ""
    return f"line {', '.join(map(str, islice(lines, SHOWN)))}{more}"
