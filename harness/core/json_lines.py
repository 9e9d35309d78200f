"""JSON lines: one reader for every file that holds a row a line. A broken row is refused by its number."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from harness.core.documents import refused
from harness.core.errors import DamagedFileError, HarnessError, MissingInputError

Row = TypeVar("Row")


def rows(
    path: Path,
    parse: Callable[[Any], Row],
    *,
    what: str,
    remedy: str,
    refusal: type[HarnessError] = DamagedFileError,
) -> Iterator[Row]:
    r"""Each line of a file as JSON, turned into a row by `parse`; lines are read lazily.

    A line ends at `\n` and nowhere else: U+2028 or U+0085 inside of a text do not end it. A blank line is not
    JSON.

    Args:
        parse: makes a row of a line's data; whatever it raises of `documents.FAULTS` refuses the line.
        what: what the file holds, for the messages: `the feature descriptions`.
        refusal: the error of a line that is refused.

    Raises:
        MissingInputError: there is no file.
        HarnessError: of the kind `refusal`, with file and line: not UTF-8, not JSON, nested too deeply, half
            of a character, or refused by `parse`.
    """
    if not path.is_file():
        raise MissingInputError(f"a file is missing: {what}", value=path, remedy=remedy)
    with path.open("rb") as lines:
        yield from parsed(enumerate(lines, 1), parse, path, what=what, remedy=remedy, refusal=refusal)


def parsed(
    lines: Iterable[tuple[int, Any]],
    parse: Callable[[Any], Row],
    path: Path,
    *,
    what: str,
    remedy: str,
    refusal: type[HarnessError] = DamagedFileError,
    unit: str = "line",
) -> Iterator[Row]:
    """The same for numbered lines that were read already from `path`; one that is not bytes is data already.

    Raises:
        HarnessError: as for `rows`.
    """
    for number, line in lines:
        place = f"{unit} {number}"
        with refused(f"{place} of {what}", f"{path}, {place}", remedy, refusal):
            row = parse(data_of(line) if isinstance(line, bytes) else line)
        yield row


def data_of(line: bytes) -> Any:
    """A line's data.

    Raises:
        ValueError: it is not UTF-8 or not JSON, is nested too deeply, or holds half of a character, which
            JSON can spell and UTF-8 cannot.
    """
    try:
        data = json.loads(line.decode())
        if b"\\u" in line:
            json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError("a text holds half of a character (a lone surrogate)") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON ({error})") from error
    return data
