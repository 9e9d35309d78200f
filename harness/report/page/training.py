"""What training did, step by step: the loss as a figure, and what each arm was trained on."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from harness.core.measures import BASE, LOSS
from harness.core.picture import blank
from harness.core.results import Score, Truncation
from harness.core.sheet import Cell, Row, Sheet, line, numeric
from harness.findings.outcome import Outcome, TrainingFacts
from harness.report.page import charts
from harness.report.page.blocks import Picture, Section
from harness.report.palette import INK, Style, styles
from harness.report.tables import left_out

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

UNRECORDED = "not recorded"
SHARE = 10
"""Means are over a tenth of the steps."""
SPELLED = {"simpo": "SimPO", "dpo": "DPO", "reps": "RePS"}
FEW = 4
"""Of more arms than these the single steps are not drawn."""
TWO_SIDED = 1.96
"""Standard errors of a 95 % interval."""


def section(outcome: Outcome, href: str) -> tuple[Section, ...]:
    """What the arms that trained were trained on; none where none did. The curve is on the first screen."""
    if not outcome.trained:
        return ()
    intro = "Which pairs the arms were trained on, and where the loss began and ended."
    return (Section("training", "Training", intro, (facts(outcome, href),)),)


def _traces(outcome: Outcome) -> dict[str, tuple[float, ...]]:
    """The loss of each step, by arm, where it was kept."""
    facts_of = {name: arm.training for name, arm in outcome.trained.items()}
    return {name: one.loss_trace for name, one in facts_of.items() if one is not None and one.loss_trace}


def curve(outcome: Outcome, href: str) -> tuple[Picture, ...]:
    """The loss of every step as a figure; none where it was not kept."""
    if not _traces(outcome):
        return ()
    svg, png = charts.drawn("training-loss", lambda: drawn(outcome))
    level = ", dotted: the base model on the test pairs" if _loss(outcome, BASE) is not None else ""
    alt = (
        f"{_objective(outcome)} loss without penalty on the training pairs; thick: mean over a tenth of the "
        f"steps; marks: each arm on the test pairs, 95 %{level}. Pairs differ from step to step, and the "
        "loss with them."
    )
    return (Picture("training-loss", "Training and test loss", svg, png, alt, (), href),)


def _objective(outcome: Outcome) -> str:
    """What the traces are of, as the field writes it; the arms of a profile share it."""
    names = {arm.training.objective for arm in outcome.trained.values() if arm.training is not None}
    return " and ".join(SPELLED.get(name, name) for name in sorted(names))


def _loss(outcome: Outcome, arm: str) -> Score | None:
    """The loss on the test pairs, which is SimPO's; None beside traces of another objective."""
    if _objective(outcome) != SPELLED["simpo"]:
        return None
    return outcome.arms[arm].scores.get(LOSS) if arm in outcome.arms else None


def drawn(outcome: Outcome) -> Figure:
    """A thin and a thick curve an arm (thick ones alone where there are many), and the test pairs' loss."""
    figure = blank(charts.OPENING, 3.5)
    axes, traces, looks = figure.subplots(), _traces(outcome), styles(outcome.arms)
    steps = max(map(len, traces.values()))
    for place, (name, trace) in enumerate(traces.items()):
        look, width = looks[name], _tenth(trace)
        if len(traces) <= FEW:
            axes.plot(range(1, len(trace) + 1), trace, color=look.colour, linewidth=0.5, alpha=0.4)
        means = [fmean(trace[i : i + width]) for i in range(len(trace) - width + 1)]
        middles = [i + (width + 1) / 2 for i in range(len(means))]
        title = outcome.arms[name].title
        axes.plot(middles, means, color=look.colour, linestyle=look.line, linewidth=2, label=title)
        _tested(axes, _loss(outcome, name), steps * (1.03 + 0.03 * place), look)
    level = _loss(outcome, BASE)
    if level is not None:
        axes.axhline(level.value, color=INK, linewidth=0.9, linestyle=":", label="base model, test pairs")
    axes.set_xlabel("optimiser step")
    axes.set_ylabel(f"{_objective(outcome)} loss (nats)")
    figure.legend(loc="outside upper left", ncols=2)
    return figure


def _tested(axes: Axes, score: Score | None, x: float, look: Style) -> None:
    """The loss on the test pairs with its 95 % interval, beside the last step."""
    if score is not None:
        axes.errorbar([x], [score.value], yerr=[TWO_SIDED * score.stderr], fmt=look.marker, color=look.colour,
                      markersize=5, capsize=2, linewidth=1)  # fmt: skip


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
