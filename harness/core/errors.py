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

    def __init_subclass__(cls, exit_code: int, title: str) -> None:
        cls.exit_code, cls.title = exit_code, title

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


class UsageError(HarnessError, exit_code=2, title="invalid option"):
    """A command line that names no command, no option, or a value that an option does not take."""

    def __init__(
        self, cause: str, *, value: object = None, remedy: str = "the command's --help says what it takes"
    ) -> None:
        super().__init__(cause, value=value, remedy=remedy)


class ProfileError(HarnessError, exit_code=2, title="profile refused"):
    """A profile that cannot be used: unknown key, wrong type, bad value, unknown name."""


class MissingInputError(HarnessError, exit_code=3, title="input missing"):
    """A file or an earlier stage's artefact that is needed and is not there."""


class DamagedFileError(HarnessError, exit_code=4, title="file damaged"):
    """A file that is there and is not what its digest, schema or format says."""


class UnavailableError(HarnessError, exit_code=5, title="not available here"):
    """A device, a package or a remote file that this machine does not have."""


class DataError(HarnessError, exit_code=6, title="data refused"):
    """A row of preference or evaluation data that cannot be used."""


class TrainingError(HarnessError, exit_code=7, title="training refused"):
    """Training that ran and cannot be believed: weights that did not move, a wrong schedule, a NaN."""


class EvaluationError(HarnessError, exit_code=8, title="evaluation refused"):
    """An evaluation that ran and cannot be believed: two BOS tokens, a truncated prompt, missing items."""


class RunFolderError(HarnessError, exit_code=9, title="run folder unusable"):
    """A run folder that cannot be used: unwritable, full, or in use by another run."""


class NotComparableError(HarnessError, exit_code=10, title="not comparable"):
    """Two results whose provenance does not allow a comparison."""


class RegressionError(HarnessError, exit_code=11, title="regression"):
    """A result that left the tolerance around the committed one."""


class CheckFailedError(HarnessError, exit_code=12, title="check failed"):
    """A property that every run must have and this one has not."""


class StaleError(HarnessError, exit_code=13, title="result out of date"):
    """An earlier stage's result whose inputs have changed since."""


class FitError(HarnessError, exit_code=14, title="fit refused"):
    """An arm that is fitted to the pairs and finds nothing to steer with, such as an empty vector."""


def first_line(error: Exception) -> str:
    """The first line of another library's message; its type where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
