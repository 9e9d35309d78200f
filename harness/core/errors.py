"""Every failure that a user can meet: its cause, the offending value, the remedy and the exit code."""

from __future__ import annotations


class HarnessError(Exception):
    """A failure that the harness understands.

    Args:
        cause: what went wrong, one sentence.
        value: the offending value (a path, a number, a name); left out of the message when None.
        remedy: what the user can do about it.
    """

    exit_code = 1
    title = "error"

    def __init__(self, cause: str, *, value: object = None, remedy: str) -> None:
        super().__init__(cause)
        self.cause = cause
        self.value = value
        self.remedy = remedy

    def __str__(self) -> str:
        lines = [self.cause]
        if self.value is not None:
            lines.append(f"  value:  {self.value}")
        lines.append(f"  remedy: {self.remedy}")
        return "\n".join(lines)


class UsageError(HarnessError):
    """A command line that names no command, no option, or a value that an option does not take."""

    exit_code = 2
    title = "invalid option"

    def __init__(
        self, cause: str, *, value: object = None, remedy: str = "the command's --help says what it takes"
    ) -> None:
        super().__init__(cause, value=value, remedy=remedy)


class ProfileError(HarnessError):
    """A profile that cannot be used: unknown key, wrong type, bad value, unknown name."""

    exit_code = 2
    title = "profile refused"


class MissingInputError(HarnessError):
    """A file or an earlier stage's artefact that is needed and is not there."""

    exit_code = 3
    title = "input missing"


class DamagedFileError(HarnessError):
    """A file that is there and is not what its digest, schema or format says."""

    exit_code = 4
    title = "file damaged"


class UnavailableError(HarnessError):
    """A device, a package or a remote file that this machine does not have."""

    exit_code = 5
    title = "not available here"


class DataError(HarnessError):
    """A row of preference or evaluation data that cannot be used."""

    exit_code = 6
    title = "data refused"


class TrainingError(HarnessError):
    """Training that ran and cannot be believed: weights that did not move, a wrong schedule, a NaN."""

    exit_code = 7
    title = "training refused"


class EvaluationError(HarnessError):
    """An evaluation that ran and cannot be believed: two BOS tokens, a truncated prompt, missing items."""

    exit_code = 8
    title = "evaluation refused"


class RunFolderError(HarnessError):
    """A run folder that cannot be used: unwritable, full, or in use by another run."""

    exit_code = 9
    title = "run folder unusable"


class NotComparableError(HarnessError):
    """Two results whose provenance does not allow a comparison."""

    exit_code = 10
    title = "not comparable"


class RegressionError(HarnessError):
    """A result that left the tolerance around the committed one."""

    exit_code = 11
    title = "regression"


class CheckFailedError(HarnessError):
    """A property that every run must have and this one has not."""

    exit_code = 12
    title = "check failed"


class StaleError(HarnessError):
    """An earlier stage's result whose inputs have changed since."""

    exit_code = 13
    title = "result out of date"


def first_line(error: Exception) -> str:
    """The first line of another library's message; its type where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
