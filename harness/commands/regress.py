"""`python -m harness regress`: a run against the committed results of its profile and hardware class."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.core.artefact import write_bytes
from harness.core.console import say, screen_console
from harness.core.differing import refuse_unlike
from harness.core.documents import parse_model, read_json, refused
from harness.core.errors import NotComparableError, RegressionError
from harness.core.paths import RESULTS, RunPaths
from harness.core.sheet import Cell, Sheet, line
from harness.cost.bench import watch
from harness.findings.compare import (
    NOT_COMPARED,
    Delta,
    Quantity,
    Scalar,
    Tolerances,
    compare,
    read_tolerances,
    require_comparable,
    side_by_side,
)
from harness.findings.outcome import SCHEMA_VERSION, Outcome, outcome_path, read_outcome
from harness.paper.claims import Cost, read_paper
from harness.paper.verdict import NOT_RUN, Verdict
from harness.profiles.profile import Profile
from harness.report.screen_table import show_sheet
from harness.stages.inputs import command, finished
from harness.stages.options import Update
from harness.stages.report import read_verdicts

DIGEST, SHOWN_DIGITS = 64, 12


def run(profile: Profile, paths: RunPaths, update: Update = False, results: Path = RESULTS) -> None:
    """Compares the run's table1.json and verdicts with the committed ones of this profile and hardware class.
    Where none are committed for this class, losses, scores and counts are held against those of the nearest
    one (CPUs: in cores; GPUs: in name), and costs are not compared. With --update the run's report becomes
    the committed one.

    Args:
        results: folder of committed results, `<profile>/<hardware class>/`.

    Raises:
        MissingInputError: the run has no report.
        NotComparableError: nothing is committed for this kind of hardware, or the results are unlike.
        RegressionError: a value is out of tolerance or a verdict is another one; the table above the
            message names it.
        RunFolderError: `results` cannot be written.
    """
    finished("report", profile, paths)
    new = read_outcome(outcome_path(paths), made_by=command("report", profile))
    committed = results / profile.name / new.hardware
    if update:
        _accept(profile, paths, committed)
        return
    committed = _nearest(committed)
    old, there = _committed(committed, profile), committed.name
    require_comparable(new.model_copy(update={"hardware": there}), old, committed / "table1.json")
    tolerances, same = read_tolerances(), there == new.hardware
    labels = _committed_labels(committed, profile)
    deltas = [
        *compare(new, old, tolerances, same_hardware=same),
        *_verdicts(read_verdicts(paths), labels, tolerances, same_hardware=same),
    ]
    show_deltas(deltas, profile.name, new.hardware, there)
    broken = [f"{delta.name}: {delta.why}" for delta in deltas if delta.why]
    broken += [f"benchmark, {line}" for line in watch()]
    if broken:
        raise RegressionError(
            f"{len(broken)} of {len(deltas)} values are out of tolerance:\n"
            + "\n".join(f"  - {line}" for line in broken),
            value=outcome_path(paths),
            remedy="find the change that moved them; accept them with --update if they are meant",
        )


def _nearest(wanted: Path) -> Path:
    """The committed folder of a hardware class, or of the nearest class of its kind; where there is none, the
    folder that was wanted."""
    if (wanted / "table1.json").is_file():
        return wanted
    folders = [path.parent for path in wanted.parent.glob("*/table1.json")]
    alike = [one for one in folders if _is_cpu(one.name) == _is_cpu(wanted.name)]
    return min(alike, key=lambda one: (*_distance(one.name, wanted.name), one.name), default=wanted)


def _is_cpu(hardware: str) -> bool:
    return hardware.startswith("cpu-")


def _distance(one: str, other: str) -> tuple[bool, float]:
    """Whether two hardware classes differ in name, and how far in the number at their end: cores or GPUs."""
    (name, size), (other_name, other_size) = _named(one), _named(other)
    return name != other_name, abs(math.log(size / other_size))


def _named(hardware: str) -> tuple[str, int]:
    found = re.fullmatch(r"(.*)-(?:([1-9][0-9]*)c|x([1-9][0-9]*))", hardware, re.ASCII)
    return (found[1], int(found[2] or found[3])) if found else (hardware, 1)


def _committed(folder: Path, profile: Profile) -> Outcome:
    path = folder / "table1.json"
    if not path.is_file():
        known = sorted(found.parent.name for found in folder.parent.glob("*/table1.json"))
        raise NotComparableError(
            f"no results are committed for profile {profile.name} on this kind of hardware "
            f"(committed are: {', '.join(known) or 'none'})",
            value=folder.name,
            remedy="accept this run's results as the first ones with --update",
        )
    again = f"python -m harness regress --profile {profile.name} --update"
    data = read_json(path, made_by=again)
    version = data.get("schema_version") if isinstance(data, dict) else None
    refuse_unlike(
        {"committed": {"schema version": version}, "here": {"schema version": SCHEMA_VERSION}},
        where=path,
        remedy="accept the new ones with --update",
    )
    remedy = f"accept this run's results with `{again}`"
    return parse_model(data, Outcome, what="the results", where=path, remedy=remedy)


def _committed_labels(folder: Path, profile: Profile) -> dict[str, str]:
    """The committed verdict on each claim, as a reader of `verdicts.csv` sees it."""
    path = folder / "verdicts.csv"
    again = f"render them again: `python -m harness page --profile {profile.name} --committed`"
    with refused("the committed verdicts", path, again), path.open(encoding="utf-8", newline="") as handle:
        return {row["claim"]: row["verdict"] for row in csv.DictReader(handle)}


def _verdicts(
    new: Sequence[Verdict], old: Mapping[str, str], tolerances: Tolerances, *, same_hardware: bool
) -> list[Delta]:
    """The verdicts side by side. Where only one side has made a study, its claims cannot be compared, and on
    other hardware those on costs cannot."""
    labels = {one.claim: one.label for one in new}
    studied = [claim.id for claim in read_paper().claims if claim.studied]
    unmade = [
        name
        for name in studied
        if labels.get(name) != old.get(name) and NOT_RUN in (labels.get(name), old.get(name))
    ]
    left_out = [*unmade, *([] if same_hardware else _of_the_machine(new))]
    if unmade:
        say(f"verdicts not compared, because only one side has the study: {', '.join(unmade)}")
    here, committed = (
        {f"verdict on {name}": Quantity("verdict", found[name]) for name in found if name not in left_out}
        for found in (labels, old)
    )
    return side_by_side(here, committed, tolerances)


def _of_the_machine(verdicts: Sequence[Verdict]) -> list[str]:
    """The claims that time or memory decides, which are named; the paper's other costs are counts."""
    measured = {
        claim.id
        for claim in read_paper().claims
        for one in claim.predicates
        if isinstance(one, Cost) and one.quantity in ("memory", "epoch time")
    }
    found = [one.claim for one in verdicts if one.claim in measured]
    say(f"verdicts {NOT_COMPARED}: {', '.join(found)}")
    return found


def _accept(profile: Profile, paths: RunPaths, committed: Path) -> None:
    """Copy the files that the stage `report` wrote; each appears whole."""
    files = sorted(paths.root / name for name in finished("report", profile, paths).outputs)
    for path in files:
        write_bytes(committed / path.name, path.read_bytes())
    say(f"accepted: {len(files)} files in {committed}")


def show_deltas(deltas: Sequence[Delta], profile: str, hardware: str, committed: str) -> None:
    """Print the quantities that moved or left their tolerance, how many did not, and what was left out."""
    moved = [delta for delta in deltas if delta.why or delta.old != delta.new]
    rows = tuple(
        line(
            *(one.name, _shown(one.old), _shown(one.new), _change(one), one.allowed),
            Cell(one.why or ("" if one.allowed == NOT_COMPARED else "ok"), strong=bool(one.why)),
        )
        for one in moved
    )
    headings = ("Quantity", "Committed", "Here", "Change", "Allowed", "")
    console, where = screen_console(), "" if hardware == committed else f" of {committed}"
    left_out = [delta for delta in deltas if delta.allowed == NOT_COMPARED]
    if moved:
        title = f"{profile} on {hardware} against the committed results{where}"
        show_sheet(Sheet("deltas", title, headings, rows), console)
    compared = len(deltas) - len(left_out)
    changed = sum(delta not in left_out for delta in moved)
    console.print(f"{compared - changed} of {compared} values are equal to the committed ones")
    if hardware != committed:
        nearest = f"this is {hardware}, the nearest committed class is {committed}"
        say(f"{len(left_out)} costs {NOT_COMPARED}; {nearest}")


def _shown(value: Scalar) -> str:
    if value is None:
        return "n/a"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return text[:SHOWN_DIGITS] if len(text) == DIGEST else text


def _change(delta: Delta) -> str:
    if isinstance(delta.old, float) and isinstance(delta.new, float):
        ratio = f" ({delta.new / delta.old - 1:+.1%})" if delta.old else ""
        return f"{delta.new - delta.old:+.4g}{ratio}"
    return "" if delta.old == delta.new else "differs"
