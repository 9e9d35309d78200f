"""Figure 4 on the page: a sweep as a picture and in numbers, the authors' own beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.core.picture import blank
from harness.core.sheet import Cell, Sheet, bounded, line, numeric, plus_minus
from harness.findings.sweep import SweepPoint, SweepResult
from harness.paper.printed import Printed
from harness.profiles.profile import Profile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = {"alpha": "penalty coefficient alpha", "layer": "steered layer (block)"}
UNMEASURED = "not measured"


def drawn(result: SweepResult) -> Figure:
    """Losses above, mean L0 below, over the same axis; an alpha sweep with its elbow."""
    figure = blank(5.0, 5.4)
    losses, steered = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    values = [point.value for point in result.points]
    losses.errorbar(
        values,
        [point.loss for point in result.points],
        yerr=[point.stderr for point in result.points],
        color="black",
        marker="o",
        capsize=3,
        label="without penalty (± standard error)",
    )
    penalised = [point.penalised_loss for point in result.points]
    losses.plot(values, penalised, color="0.45", marker="s", markerfacecolor="white", linestyle="--",
                label="with penalty")  # fmt: skip
    losses.set_ylabel("SimPO loss (nats)")
    steered.plot(values, [point.mean_l0 for point in result.points], color="black", marker="o")
    steered.set_ylabel("mean L0 (features)")
    steered.set_ylim(bottom=0)
    steered.set_xlabel(NAMES[result.axis] + (", log scale" if _logarithmic(result) else ""))
    _ticks(steered, result, values)
    _elbow((losses, steered), result)
    losses.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=1)
    return figure


def _logarithmic(result: SweepResult) -> bool:
    return result.axis == "alpha" and result.points[0].value > 0


def _ticks(axes: Axes, result: SweepResult, values: list[float]) -> None:
    if _logarithmic(result):
        axes.set_xscale("log")
        axes.minorticks_off()
    axes.set_xticks(values, [f"{value:g}" for value in values])


def _elbow(panels: tuple[Axes, Axes], result: SweepResult) -> None:
    if result.elbow is None or result.elbow.alpha is None:
        return
    at = result.elbow.alpha
    for axes in panels:
        axes.axvline(at, color="0.0", linestyle=":", linewidth=1)
    panels[1].annotate(f"elbow: {at:g}", (at, 0.92), xycoords=("data", "axes fraction"), xytext=(5, 0),
                       textcoords="offset points", va="top")  # fmt: skip


def alt(result: SweepResult) -> str:
    """The figure in words."""
    mark = " The dotted line is the elbow." if result.elbow and result.elbow.alpha is not None else ""
    return (
        f"SimPO loss with and without penalty (above) and mean L0 of the steering (below) against the "
        f"{NAMES[result.axis]}.{mark} The numbers are in the table below."
    )


def standing(result: SweepResult, profile: Profile | None) -> str:
    """Why the run's own arm stands where it does, whatever point of the sweep did best."""
    own = next((point for point in result.points if point.own), None)
    if own is None:
        return ""
    where, best = f"{result.axis} {own.value:g}", f"{result.least:g}"
    reasons = {**profile.sources, **profile.assumed} if profile else {}
    keys = [key for key in reasons if key.rpartition(".")[2] == result.axis]
    why = f" ({keys[0]}: {reasons[keys[0]]})" if keys else ""
    if own.value == result.least:
        return f"The run's own arm stands at {where}{why}, which here has the least loss."
    return (
        f"The run's own arm stands at {where}, which the profile sets before any sweep{why}; {best} has the "
        "least loss here. The arm is not moved there: a setting that is chosen on the test pairs cannot be "
        "tested on them."
    )


def numbers(result: SweepResult, name: str, href: str, printed: Printed) -> Sheet:
    """A row a point; the autoencoder's quality where the layer is swept."""
    layers = result.axis == "layer"
    rows = tuple(
        line(
            *_measured(i, point, result),
            *(_sae(i, point) if layers else ()),
            _authors(point, result, printed),
        )
        for i, point in enumerate(result.points)
    )
    headings = (
        "Layer" if layers else "alpha",
        "SimPO loss (nats)",
        "SimPO loss + penalty (nats)",
        "vs. least loss" + (" + penalty" if layers else "") + " [95 % CI]",
        "Mean L0",
        "Training (s)",
        *(("SAE", "SAE: explained variance", "SAE: mean L0", "SAE: dead (%)") if layers else ()),
        "Authors' file, same value: loss + penalty",
    )
    title = f"Figure 4 in numbers: {'layers' if layers else 'alpha'}"
    return Sheet(f"{name}-numbers", title, headings, rows, _notes(result, printed), href)


def _measured(i: int, point: SweepPoint, result: SweepResult) -> tuple[Cell, ...]:
    at, gap = f"/result/points/{i}", point.above
    mark = " (this run's own arm)" if point.own else ""
    above = bounded(gap.value, gap.low, gap.high, "+.3f", f"{at}/above/value")
    return (
        Cell(f"{point.value:g}{mark}", f"{at}/value", point.value),
        plus_minus(point.loss, point.stderr, ".3f", f"{at}/loss"),
        numeric(point.penalised_loss, ".3f", f"{at}/penalised_loss"),
        above._replace(text="the least") if point.value == result.least else above,
        numeric(point.mean_l0, ".1f", f"{at}/mean_l0"),
        numeric(point.train_s, ".1f", f"{at}/train_s"),
    )


def _sae(i: int, point: SweepPoint) -> tuple[Cell, ...]:
    at, sae = f"/result/points/{i}/sae", point.sae
    return (
        Cell(sae.source, f"{at}/source"),
        numeric(sae.explained_variance, ".3f", f"{at}/explained_variance", missing=UNMEASURED),
        numeric(sae.mean_l0, ".1f", f"{at}/mean_l0", missing=UNMEASURED),
        numeric(sae.dead_fraction, ".1f", f"{at}/dead_fraction", 100, UNMEASURED),
    )


def _authors(point: SweepPoint, result: SweepResult, printed: Printed) -> Cell:
    rows = getattr(printed.sweep, result.axis)
    same = next((row for row in rows if row.value == point.value), None)
    return numeric(same.penalised_loss if same else None, ".4f", missing="no such point")


def _notes(result: SweepResult, printed: Printed) -> tuple[str, ...]:
    held = f"alpha {result.alpha:g}" if result.axis == "layer" else f"layer {result.layer}"
    authors = "; ".join(
        f"{row.value:g}: {row.penalised_loss:.4f}" + (f", L0 {row.mean_l0:.0f}" if row.mean_l0 else "")
        for row in getattr(printed.sweep, result.axis)
    )
    notes = [
        f"Each point is a training of its own, {result.epochs} epoch(s), seed {result.seed}, at {held} and "
        f"the profile's other settings; {result.pairs} test pairs; intervals: paired bootstrap over pairs."
    ]
    if result.cached:
        notes.append("The points read one residual stream below the adapter from disk.")
    if result.elbow is not None:
        rule = result.elbow
        where = f"at alpha {rule.alpha:g}" if rule.alpha is not None else f"none ({rule.reason})"
        notes.append(
            f"Elbow of loss without penalty against mean L0: {where}, by {rule.rule} ({rule.curve}, "
            f"{rule.direction}, S = {rule.sensitivity:g})."
        )
    notes.append(
        "Paper: layer 12 best of 6, 12, 18 and 24, loss 2.94; its other numbers are lost. Authors' files: "
        f"{authors} (Gemma-2-2B, loss with penalty; {printed.sweep.source}). So 2.94 is with penalty, at "
        "alpha 0.01."
    )
    return tuple(notes)
