"""`python -m harness COMMAND`: one command; what goes wrong becomes a message and an exit code."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence

from harness import cli
from harness.core.console import console, never_fail_to_print
from harness.core.errors import HarnessError, RunFolderError

INTERRUPTED = 130
FULL_OR_CLOSED = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a HarnessError becomes one screen of text and its exit code."""
    never_fail_to_print()
    try:
        code = cli.run(arguments)
    except HarnessError as error:
        return _refused(error)
    except OSError as error:
        if error.errno not in FULL_OR_CLOSED:
            raise
        refused = RunFolderError(
            f"a file cannot be written ({error.strerror})",
            value=error.filename,
            remedy="free disk space, also for temporary files (TMPDIR), or give a writable --run-dir DIR",
        )
        return _refused(refused)
    if code == INTERRUPTED:
        console.print("interrupted; finished stages are kept. Run the same command again to resume.")
    return code


def _refused(error: HarnessError) -> int:
    console.print(f"[bold red]{error.title}:[/bold red] ", end="")
    console.print(str(error), markup=False)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
