"""`python -m harness models`: the paper's claims asked of several models, a column a model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from typer import Option

from harness.core.artefact import read_artefact, write_text
from harness.core.console import say, screen_console
from harness.core.errors import MissingInputError, UsageError
from harness.core.markdown_table import markdown
from harness.core.paths import RESULTS
from harness.core.sheet import Sheet, line
from harness.findings.outcome import Outcome, read_outcome
from harness.paper.verdict import Verdict
from harness.report.screen_table import show_sheet
from harness.report.tables import commits
from harness.stages.options import Save
from harness.stages.report import judged

NAME = "models"
MINIATURES = "miniature,miniature-llama,miniature-narrow"
UNTESTED = ("not run", "untestable", "arithmetic holds")
Judged = Mapping[str, tuple[Outcome, Sequence[Verdict]]]


def run(
    profiles: Annotated[
        str, Option(metavar="NAME,NAME,...", help="profiles whose committed results are read")
    ] = MINIATURES,
    save: Save = False,
    results: Path = RESULTS,
) -> Sheet:
    """Reads the committed results of each profile (`page --save` makes them) and puts their verdicts side by
    side: one line a claim that at least one of them could test, one column a model.

    With --save it writes verdicts.{json,md} into the folder `models` of the results.

    Raises:
        UsageError: fewer than two profiles.
        MissingInputError: nothing is committed for one of them, or on several kinds of machine.
    """
    names = [name for name in profiles.split(",") if name]
    if len(set(names)) < 2:
        raise UsageError("--profiles needs two different names or more", value=profiles)
    found = {name: _judged(name, results) for name in names}
    table = verdicts_by_model(found, f"python -m harness {NAME} --profiles {','.join(names)}")
    show_sheet(table, screen_console())
    if save:
        target = results / NAME
        document = {
            name: {one.claim: {"label": one.label, "findings": one.findings} for one in verdicts}
            for name, (_, verdicts) in found.items()
        }
        write_text(target / "verdicts.json", json.dumps(document, indent=1) + "\n")
        write_text(target / "verdicts.md", markdown(table))
        say(f"accepted: {target / 'verdicts'}.{{json,md}}")
    return table


def _judged(name: str, results: Path) -> tuple[Outcome, Sequence[Verdict]]:
    again = f"python -m harness page --profile {name} --save"
    folders = sorted(path.parent for path in (results / name).glob("*/table1.json"))
    if len(folders) != 1:
        raise MissingInputError(
            f"{len(folders)} kinds of machine have committed results of this profile, one is needed",
            value=results / name,
            remedy=f"run it, then `{again}`; or leave the profile out",
        )
    outcome = read_outcome(folders[0] / "table1.json", made_by=again)
    paths = sorted((folders[0] / "studies").glob("*.json"))
    studies = {path.stem: read_artefact(path, made_by=again) for path in paths}
    return outcome, judged(outcome, studies)


def verdicts_by_model(found: Judged, again: str) -> Sheet:
    """A row a claim that some model could test, a column a model."""
    by_model = {name: {one.claim: one for one in verdicts} for name, (_, verdicts) in found.items()}
    first = next(iter(by_model.values()))
    rows = tuple(
        line(one.sentence, *(found_[claim].label for found_ in by_model.values()), group=True)
        for claim, one in first.items()
        if any(found_[claim].answer not in UNTESTED for found_ in by_model.values())
    )
    notes = (
        *(
            f"{name}: {outcome.title}; commit {commits(outcome.commits, outcome.dirty)}"
            for name, (outcome, _) in found.items()
        ),
        f"`{again}`",
    )
    return Sheet("verdicts-by-model", "The paper's claims, model by model", ("Claim", *found), rows, notes)
