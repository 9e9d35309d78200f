"""Stage `report`: the verdicts, Table 1, costs, times and the picture, from the other stages' artefacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.core.artefact import Artefact, digest_file, digest_json, write_bytes, write_json
from harness.core.console import say, screen_console
from harness.core.markdown_table import markdown
from harness.core.measures import BASE
from harness.core.paths import RunPaths
from harness.core.results import Record
from harness.findings import parse_finding
from harness.findings.outcome import Outcome, outcome_path, read_outcome
from harness.paper.claims import PAPER, read_paper
from harness.paper.verdict import Verdict, judge
from harness.report.csv_tables import cost_csv, table1_csv, times_csv, verdicts_csv
from harness.report.differences_figure import figure
from harness.report.items import items_of
from harness.report.latex_table import latex
from harness.report.screen_table import show_sheet
from harness.report.tables import cost_table, table1, times_table
from harness.report.verdict_tables import verdict_table
from harness.stages.gather import gather, gathered_digests
from harness.stages.inputs import STUDIES, Context, command, read_once
from harness.stages.stage import Work
from harness.stages.study import current

PER_ARM = False

LAYOUT = 5
ITEMS = "items.json"
"""In the report's folder: the items that changed, with their texts."""


class ReportResult(Record):
    """What was rendered.

    Attributes:
        outcome_digest: of `table1.json`'s content.
        verdicts: on every claim of the paper.
    """

    outcome_digest: str
    verdicts: tuple[Verdict, ...]


def needs(context: Context, arm: str = "") -> dict[str, str]:  # noqa: ARG001
    """Everything that the outcome is gathered from, the studies, the claims, and the layout of the tables."""
    studies = {f"{STUDIES}{name}": digest_json(one.result) for name, one in current(context).items()}
    said = context.profile.model_dump(mode="json", include={"title", "note", "paper_values"})
    own = {"paper": digest_file(PAPER), "layout": digest_json(LAYOUT), "words": digest_json(said)}
    logs = {f"samples {arm}": digest_json(context.evaluated(arm).outputs) for arm in context.profile.arms}
    return {**gathered_digests(context), **studies, **own, **logs}


def work(context: Context, arm: str = "") -> Work:  # noqa: ARG001
    """Judge every claim, and render everything.

    Raises:
        MissingInputError: an arm was not trained, evaluated or analysed.
        NotComparableError: the arms were run on unlike machines or with unlike packages.
    """
    outcome, paths = gather(context), context.paths
    verdicts = judged(outcome, current(context))
    files = rendered(outcome, verdicts)
    for name, data in files.items():
        write_bytes(paths.report / name, data)
    document = outcome.model_dump(mode="json")
    write_json(outcome_path(paths), document)
    logs = {arm: paths.samples(arm) for arm in outcome.arms}
    items = items_of(logs, outcome.columns, f"run `{command('evaluate', context.profile)}` again")
    write_json(paths.report / ITEMS, items.model_dump(mode="json"))
    result = ReportResult(outcome_digest=digest_json(document), verdicts=verdicts)
    written = [*(paths.report / name for name in files), outcome_path(paths), paths.report / ITEMS]
    return Work(result, sorted(written))


def read_verdicts(paths: RunPaths) -> tuple[Verdict, ...]:
    """The verdicts of a run, as its report has them.

    Raises:
        MissingInputError, DamagedFileError: the run has no report, or it cannot be read.
    """
    artefact = read_once(paths.stage("report"), "python -m harness report")
    return ReportResult.model_validate(artefact.result).verdicts


def judged(outcome: Outcome, studies: Mapping[str, Artefact]) -> tuple[Verdict, ...]:
    """The verdict on every claim of the paper, from an outcome and the studies that belong to it.

    Raises:
        DamagedFileError: a study's result has not its layout.
    """
    found = [parse_finding(one.result, where=f"{STUDIES}{name}.json") for name, one in studies.items()]
    return tuple(judge(read_paper(), outcome, found))


def rendered(outcome: Outcome, verdicts: Sequence[Verdict]) -> dict[str, bytes]:
    """The four tables as Markdown, CSV and LaTeX, and the picture, by file name."""
    paper = read_paper()
    texts = {
        "table1.csv": table1_csv(outcome, paper),
        "cost.csv": cost_csv(outcome, paper),
        "times.csv": times_csv(outcome),
        "verdicts.csv": verdicts_csv(outcome, verdicts),
    }
    for sheet in (
        table1(outcome, paper),
        cost_table(outcome, paper),
        times_table(outcome),
        verdict_table(outcome, verdicts),
    ):
        texts[f"{sheet.name}.md"] = markdown(sheet)
        texts[f"{sheet.name}.tex"] = latex(sheet)
    drawn = figure(outcome) if list(outcome.arms) != [BASE] else {}  # the base alone differs from nothing
    pictures = {f"differences.{suffix}": data for suffix, data in drawn.items()}
    return {name: text.encode() for name, text in texts.items()} | pictures


def show(artefact: Artefact, paths: RunPaths) -> None:  # noqa: ARG001
    """Print Table 1 and the cost table; `check` prints the verdicts."""
    outcome, paper = read_outcome(outcome_path(paths), made_by="python -m harness report"), read_paper()
    for sheet in (table1(outcome, paper), cost_table(outcome, paper)):
        show_sheet(sheet, screen_console())
    say(f"Markdown, CSV, LaTeX and pictures: {paths.report}")
