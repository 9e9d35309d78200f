"""Stage `report`: Table 1, costs, times, verdicts and the picture, from the other stages' artefacts."""

from __future__ import annotations

from harness.core.artefact import Artefact, digest_json, write_bytes, write_json, write_text
from harness.core.console import screen_console
from harness.core.markdown_table import markdown
from harness.core.measures import BASE
from harness.core.paths import RunPaths
from harness.core.results import Record
from harness.core.sheet import Sheet
from harness.findings.outcome import Outcome, outcome_path, read_outcome
from harness.paper.claims import Paper, paper_digest, read_paper
from harness.paper.verdict import Verdict, judge
from harness.profiles.profile import Profile
from harness.report.csv_tables import cost_csv, table1_csv, times_csv, verdicts_csv
from harness.report.differences_figure import figure
from harness.report.latex_table import latex
from harness.report.screen_table import show_sheet
from harness.report.tables import cost_table, table1, verdict_table
from harness.report.times_table import times_table
from harness.stages.gather import gather, gathered_digests
from harness.stages.stage import Work

PER_ARM = False

LAYOUT = 3


class ReportResult(Record):
    """What was rendered.

    Attributes:
        outcome_digest: of `table1.json`'s content.
        verdicts: on every claim of the paper.
    """

    outcome_digest: str
    verdicts: tuple[Verdict, ...]


def needs(profile: Profile, paths: RunPaths, arm: str | None) -> dict[str, str]:  # noqa: ARG001
    """Everything that the outcome is gathered from, the paper's claims, and the layout of the tables."""
    return {**gathered_digests(profile, paths), "paper": paper_digest(), "layout": digest_json(LAYOUT)}


def work(profile: Profile, paths: RunPaths, arm: str | None) -> Work:  # noqa: ARG001
    """Render everything.

    Raises:
        MissingInputError: an arm was not trained, evaluated or analysed.
        NotComparableError: the arms were run on unlike machines or with unlike packages.
    """
    outcome, paper = gather(profile, paths), read_paper()
    verdicts = judge(paper, outcome)
    texts = {
        "table1.csv": table1_csv(outcome, paper),
        "cost.csv": cost_csv(outcome, paper),
        "times.csv": times_csv(outcome),
        "verdicts.csv": verdicts_csv(outcome, verdicts),
    }
    for sheet in sheets(outcome, paper, verdicts):
        texts[f"{sheet.name}.md"] = markdown(sheet)
        texts[f"{sheet.name}.tex"] = latex(sheet)
    for name, text in texts.items():
        write_text(paths.report / name, text)
    drawn = figure(outcome) if list(outcome.arms) != [BASE] else {}  # the base alone differs from nothing
    pictures = {f"differences.{suffix}": data for suffix, data in drawn.items()}
    for name, data in pictures.items():
        write_bytes(paths.report / name, data)
    document = outcome.model_dump(mode="json")
    write_json(outcome_path(paths), document)
    files = sorted([*(paths.report / name for name in [*texts, *pictures]), outcome_path(paths)])
    return Work(ReportResult(outcome_digest=digest_json(document), verdicts=tuple(verdicts)), files)


def sheets(outcome: Outcome, paper: Paper, verdicts: list[Verdict]) -> list[Sheet]:
    """The four tables."""
    return [
        table1(outcome, paper),
        cost_table(outcome, paper),
        times_table(outcome),
        verdict_table(outcome, verdicts),
    ]


def show(artefact: Artefact, paths: RunPaths) -> None:  # noqa: ARG001
    """Print Table 1 and the cost table; `check` prints the verdicts."""
    outcome, paper = read_outcome(outcome_path(paths), made_by="python -m harness report"), read_paper()
    console = screen_console()
    for sheet in (table1(outcome, paper), cost_table(outcome, paper)):
        show_sheet(sheet, console)
    console.print(f"Markdown, CSV, LaTeX and pictures: {paths.report}", markup=False, soft_wrap=True)
