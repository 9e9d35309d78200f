"""Numbers of the paper's Tables 2 to 4 and 6 and of its sweeps (`results/paper-tables.json`), in its unit."""

from __future__ import annotations

from pathlib import Path

from harness.core.documents import RESTORE, read_model
from harness.core.paths import COMMITTED
from harness.core.results import Record

PRINTED = COMMITTED / "paper-tables.json"


class PrintedShare(Record):
    """A row of Table 2: percent, and relative change in percent, with what stands after the plus-minus."""

    category: str
    context: str
    sae: float
    sae_error: float
    change: float
    change_error: float


class PrintedFeature(Record):
    """A row of Table 3 (value: usage in percent, as printed) or 4 (value: mean steering)."""

    feature: int
    description: str
    value: float


class PrintedValidation(Record):
    """A row of Table 6: a language model against 300 labels by hand."""

    category: str
    accuracy: float
    tp: int
    tn: int
    fp: int
    fn: int
    mcc: float


class PrintedPoint(Record):
    """A point of the authors' sweeps: the loss contains the penalty; the mean L0 was kept for alpha only."""

    value: float
    penalised_loss: float
    mean_l0: float | None = None


class PrintedSweep(Record):
    """The authors' sweep files: of the numbers of Figure 4 the text has only 2.94."""

    source: str
    alpha: tuple[PrintedPoint, ...]
    layer: tuple[PrintedPoint, ...]


class Printed(Record):
    """The file."""

    reference: str
    table2: tuple[PrintedShare, ...]
    table3: tuple[PrintedFeature, ...]
    table4: tuple[PrintedFeature, ...]
    table6: tuple[PrintedValidation, ...]
    sweep: PrintedSweep

    def share(self, category: str, context: str) -> PrintedShare | None:
        """The paper's row of Table 2, where it has one."""
        rows = (row for row in self.table2 if (row.category, row.context) == (category, context))
        return next(rows, None)


def read_printed(path: Path = PRINTED) -> Printed:
    """The paper's tables.

    Raises:
        MissingInputError, DamagedFileError: the file is missing or invalid.
    """
    return read_model(path, Printed, what="the paper's tables", remedy=RESTORE)
