"""The two consoles: standard error for what a command is doing, standard output for what was asked for."""

from __future__ import annotations

import io
import os
import sys

from rich.console import Console

console = Console(stderr=True, highlight=False, soft_wrap=True)


def screen_console() -> Console:
    """Standard output: as wide as the terminal or as COLUMNS says, 140 columns where there is neither."""
    console = Console(highlight=False)
    told = console.is_terminal or os.environ.get("COLUMNS", "").isdigit()
    return console if told else Console(highlight=False, width=140)


def say(text: str) -> None:
    """A line on standard output, as it is and as long as it may be."""
    screen_console().print(text, markup=False, soft_wrap=True)


def never_fail_to_print() -> None:
    """Let standard output replace what its encoding lacks, as standard error does: print `?` for it."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
