"""The result as tables: confusion, and what every trial found."""

from __future__ import annotations

from harness.core.sheet import Cell, Row, Sheet, bounded, line, numeric
from harness.findings.activity import CONTEXTS, Composition
from harness.planted.result import NAME, PlantedResult, Trial
from harness.planted.rule import LABELS, RULES
from harness.report.page.blocks import interval
from harness.report.tables import commits


def sheets(result: PlantedResult) -> list[Sheet]:
    """A confusion table of both analyses, the contrasts, and the shares."""
    return [confusion_sheet(result), trial_sheet(result), share_sheet(result)]


def confusion_sheet(result: PlantedResult) -> Sheet:
    """Planted against recovered, counts of trials."""
    rows = []
    for name, rule in RULES.items():
        for i, planted in enumerate(LABELS):
            found, at = result.confusion[name][planted], f"/confusion/{name}/{planted}"
            counts = (numeric(found[recovered], "d", f"{at}/{recovered}") for recovered in LABELS)
            rows.append(line(rule.title if not i else "", planted, *counts, group=not i))
    headings = ("Analysis", "Planted", *(f"Recovered: {name}" for name in LABELS))
    title = "Planted truth: what was planted and what the rules recover"
    return Sheet(NAME, title, headings, tuple(rows), _notes(result))


def trial_sheet(result: PlantedResult) -> Sheet:
    """One line a trial."""
    headings = (
        "Planted", "w_style, w_truth", "Seed", "Pair accuracy (base)", "Mean L0",
        *(f"{rule.title}: contrast" for rule in RULES.values()),
        "Loss added without style", "without alignment",
    )  # fmt: skip
    rows = tuple(_trial_row(result, i) for i in range(len(result.trials)))
    notes = tuple(f"{RULES[name].title}: {text}." for name, text in result.rules.items())
    return Sheet(f"{NAME}-trials", "Each adapter", headings, rows, notes)


def _trial_row(result: PlantedResult, place: int) -> Row:
    trial, at = result.trials[place], f"/trials/{place}"
    reward, accuracy = result.rewards[trial.reward], trial.accuracy.value
    found = trial.contrasts
    return line(
        trial.reward,
        f"{reward.w_style:g}, {reward.w_truth:g}",
        numeric(trial.seed, "d", f"{at}/seed"),
        Cell(f"{accuracy:.3f} ({trial.base_accuracy:.3f})", f"{at}/accuracy/value", accuracy),
        numeric(trial.mean_l0, ".1f", f"{at}/mean_l0"),
        *(
            Cell(f"{found[name]:+.3f}: {trial.recovered[name]}", f"{at}/contrasts/{name}", found[name])
            for name in RULES
        ),
        *(_harm(trial, name, f"{at}/harm/{name}/value") for name in ("style", "alignment")),
    )


def _harm(trial: Trial, category: str, pointer: str) -> Cell:
    one = trial.harm[category]
    harm = bounded(one.value, one.low, one.high, "+.4f", pointer)
    beside = f"{trial.masked[category]} features (random: {trial.random_harm[category].value:+.4f})"
    return harm._replace(text=f"{harm.text}, {beside}")


def share_sheet(result: PlantedResult) -> Sheet:
    """The composition of every trial, as in Table 2."""
    rows = tuple(
        line(trial.reward, str(trial.seed), *_shares(row, f"/trials/{i}/composition/{j}"))
        for i, trial in enumerate(result.trials)
        for j, row in enumerate(trial.composition)
    )
    headings = ("Planted", "Seed", "Context", "Category", "SAE (%)", "Steering (%)", "Change (%)")
    notes = ("Mean share of the active features; 95 % intervals of a bootstrap over examples.",)
    return Sheet(f"{NAME}-shares", "Composition of the steered features", headings, rows, notes)


def _shares(row: Composition, at: str) -> tuple[Cell | str, ...]:
    cells = (
        interval(row.sae, f"{at}/sae"),
        interval(row.steering, f"{at}/steering"),
        interval(row.change, f"{at}/change", "+"),
    )
    return CONTEXTS[row.context], row.category, *cells


def _notes(result: PlantedResult) -> tuple[str, ...]:
    """What a reader must know before believing the counts."""
    order = "; ".join(
        f"{RULES[name].title}: {sum(found.values())} of {len(found)} seeds"
        for name, found in result.order.items()
    )
    seeds = ", ".join(map(str, result.seeds))
    hardware = result.provenance["hardware"]["class"]
    return (
        f"{len(result.trials)} trainings: one for each reward and each of {len(result.seeds)} training "
        f"seed(s) ({seeds}). The rules were written before the first of them.",
        f"Contrasts in the planted order, style-heavy > mixed > truth-heavy: {order}.",
        f"profile {result.profile} · hardware {hardware} · commit "
        f"{commits(result.commits, result.dirty)} · `{result.command}`",
    )
