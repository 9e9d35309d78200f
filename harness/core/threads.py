"""With how many CPU threads a process computes: the profile's, else the environment's, else the cores."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

from harness.core.console import console
from harness.core.errors import UsageError

VARIABLE = "OMP_NUM_THREADS"
NUMBER = re.compile("0*[1-9][0-9]{0,5}")


def threads(wanted: int, ranks: int = 1) -> int:
    """CPU threads of one rank; part of a stage's key, since sums in another order round otherwise.

    Args:
        wanted: the profile's number; 0: OMP_NUM_THREADS where it is set, else this process' cores, shared
            evenly by the ranks.

    OpenMP allows a list, one number for each level of nested parallel regions; the outermost counts here.

    Raises:
        UsageError: OMP_NUM_THREADS is no list of positive whole numbers.
    """
    if wanted:
        return wanted
    said = os.environ.get(VARIABLE, "").strip()
    levels = [level.strip() for level in said.split(",")]
    if said and not all(NUMBER.fullmatch(level) for level in levels):
        raise UsageError(
            f"{VARIABLE} is not a number of threads",
            value=said,
            remedy="set it to a positive whole number, or to a list of them as in 2,1; or unset it, or set "
            "`threads` in the profile's [training] and [evaluation]",
        )
    return max(1, (int(levels[0]) if said else len(os.sched_getaffinity(0))) // ranks)


def say_overruled(key: str, wanted: int) -> None:
    """Tell the user that the profile's number stands where OMP_NUM_THREADS asks for another."""
    asked = os.environ.get(VARIABLE)
    if wanted and asked and asked != str(wanted):
        console.print(f"{key} = {wanted} in the profile stands; {VARIABLE}={asked} does not count")


@contextlib.contextmanager
def computing_with(number: int) -> Iterator[None]:
    """Set torch's threads of this process inside the block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
