"""What training did, step by step: the loss as a figure, and what each arm was trained on."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from harness.core.measures import BASE, LOSS
from harness.core.picture import blank
from harness.core.results import Truncation
from harness.core.sheet import Cell, Row, Sheet, line, numeric
from harness.findings.outcome import Outcome, TrainingFacts
from harness.report.page import charts
from harness.report.page.blocks import Picture, Section
from harness.report.tables import left_out

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNRECORDED = "not recorded"
LINES = (("0.0", "-"), ("0.5", "-"), ("0.0", "--"), ("0.5", "--"))
SHARE = 10
"""Means are over a tenth of the steps."""
SPELLED = {"simpo": "SimPO", "dpo": "DPO", "reps": "RePS"}


def sections(outcome: Outcome, href: str) -> tuple[Section, ...]:
    """The section of the arms that trained; none where none did."""
    if not outcome.trained:
        return ()
    pictures = (_picture(outcome, href),) if _traces(outcome) else ()
    intro = "How the loss moved over the steps, and which pairs the arms were trained on."
    return (Section("training", "Training", intro, (*pictures, facts(outcome, href))),)


def _traces(outcome: Outcome) -> dict[str, tuple[float, ...]]:
    """The loss of each step, by arm, where it was kept."""
    facts_of = {name: arm.training for name, arm in outcome.trained.items()}
    return {name: one.loss_trace for name, one in facts_of.items() if one is not None and one.loss_trace}


def _picture(outcome: Outcome, href: str) -> Picture:
    svg, png = charts.drawn("training-loss", lambda: drawn(outcome))
    level = ", and the base model on the test pairs as a level" if _level(outcome) is not None else ""
    alt = (
        f"{_objective(outcome)} loss without penalty on the training pairs of each optimiser step (thin) and "
        f"its mean over a tenth of the steps (thick){level}. Pairs differ from step to step, and with them "
        "the loss; the means at both ends are in the table below."
    )
    return Picture("training-loss", "Training loss by step", svg, png, alt, (), href)


def _objective(outcome: Outcome) -> str:
    """What the traces are of, as the field writes it; the arms of a profile share it."""
    names = {arm.training.objective for arm in outcome.trained.values() if arm.training is not None}
    return " and ".join(SPELLED.get(name, name) for name in sorted(names))


def _level(outcome: Outcome) -> float | None:
    """The base's loss on the test pairs, which is SimPO's."""
    if _objective(outcome) != SPELLED["simpo"]:
        return None
    score = outcome.arms[BASE].scores.get(LOSS) if BASE in outcome.arms else None
    return None if score is None else score.value


def drawn(outcome: Outcome) -> Figure:
    """A thin and a thick curve an arm."""
    figure = blank(charts.WIDTH, 3.4)
    axes = figure.subplots()
    for place, (name, trace) in enumerate(_traces(outcome).items()):
        shade, style = LINES[place % len(LINES)]
        axes.plot(range(1, len(trace) + 1), trace, color=shade, linewidth=0.5, alpha=0.5)
        width = _tenth(trace)
        means = [fmean(trace[i : i + width]) for i in range(len(trace) - width + 1)]
        middles = [i + (width + 1) / 2 for i in range(len(means))]
        title = outcome.arms[name].title
        axes.plot(middles, means, color=shade, linestyle=style, linewidth=2, label=title)
    level = _level(outcome)
    if level is not None:
        axes.axhline(level, color="0.3", linestyle=":", label="base model, test pairs")
    axes.set_xlabel("optimiser step")
    axes.set_ylabel(f"{_objective(outcome)} loss (nats)")
    figure.legend(loc="outside lower center", ncols=1)
    return figure


def _tenth(trace: tuple[float, ...]) -> int:
    """A tenth of the steps, at least one."""
    return max(1, len(trace) // SHARE)


def facts(outcome: Outcome, href: str) -> Sheet:
    """Pairs, those cut to the longest length, steps and losses of each arm that trained."""
    headings = (
        "Arm",
        "Steps",
        "Epochs",
        "Pairs",
        "Truncated prompts",
        "Truncated responses",
        "Peak learning rate",
        "Weights changed (%)",
        "Loss, first tenth of the steps (nats)",
        "last tenth",
    )
    rows = tuple(
        _row(arm.title, arm.training, f"/arms/{name}/training")
        for name, arm in outcome.trained.items()
        if arm.training is not None
    )
    missing = ", ".join(arm.title for name, arm in outcome.trained.items() if name not in _traces(outcome))
    notes = [_test_pairs(outcome), *left_out(outcome)]
    if missing:
        notes.append(f"Loss by step: not recorded in these results ({missing}).")
    return Sheet("training", "What each arm was trained on", headings, rows, tuple(notes), href)


def _row(title: str, one: TrainingFacts, at: str) -> Row:
    cut, moved, trace = one.truncation, one.moved, one.loss_trace
    part = _tenth(trace)
    ends = (fmean(trace[:part]), fmean(trace[-part:])) if trace else (None, None)
    changed = None if moved is None else moved.fraction_changed
    return line(
        title,
        numeric(one.steps, "d", f"{at}/steps"),
        numeric(one.epochs, "d", f"{at}/epochs"),
        numeric(one.pairs, "d", f"{at}/pairs"),
        _cut(cut, "truncated_prompts", at),
        _cut(cut, "truncated_responses", at),
        numeric(one.peak_learning_rate, "g", f"{at}/peak_learning_rate", missing=UNRECORDED),
        numeric(changed, ".1f", f"{at}/moved/fraction_changed", 100, UNRECORDED),
        *(numeric(mean, ".3f", f"{at}/loss_trace", missing=UNRECORDED) for mean in ends),
    )


def _cut(truncation: Truncation | None, name: str, at: str) -> Cell:
    count = None if truncation is None else getattr(truncation, name)
    return numeric(count, ",", f"{at}/truncation/{name}", missing=UNRECORDED)


def _test_pairs(outcome: Outcome) -> str:
    """All arms are scored on the same test pairs, cut in the same way."""
    found = next((arm.truncation for arm in outcome.arms.values() if arm.truncation is not None), None)
    if found is None:
        return "Truncated test pairs: not recorded in these results."
    return (
        f"Of {found.pairs:,} test pairs, {found.truncated_prompts:,} have a truncated prompt and "
        f"{found.truncated_responses:,} a truncated response."
    )
