"""What is not the same in two descriptions, and the one refusal of results that are unlike."""

from __future__ import annotations

from collections.abc import Mapping

from harness.core.errors import NotComparableError


def differing(one: Mapping[str, object], other: Mapping[str, object]) -> list[str]:
    """Keys whose values are not equal in both, in order; a missing one counts as None."""
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))


def refuse_unlike(kinds: Mapping[str, Mapping[str, object]], *, remedy: str, where: object = None) -> None:
    """Refuse to compare results that were not made alike; each is held against the first.

    Args:
        kinds: by the name of a result, what must be equal in all of them.
        remedy: of the error; `{name}` in it stands for the result that is unlike the first.
        where: the error's value.

    Raises:
        NotComparableError: names each difference, with both values.
    """
    first, expected = next(iter(kinds.items()))
    for name, found in kinds.items():
        lines = [
            f"  - {key}: {first} {expected.get(key)}, {name} {found.get(key)}"
            for key in differing(expected, found)
        ]
        if lines:
            raise NotComparableError(
                "these results must not be compared, because they differ in:\n" + "\n".join(lines),
                value=where,
                remedy=remedy.format(name=name),
            )
