"""The result as tables: what was learned, what was seen, what the controls say, what every trial found."""

from __future__ import annotations

from harness.core.sheet import Cell, Row, Sheet, bounded, line, numeric
from harness.findings.activity import CONTEXTS, Composition
from harness.findings.reading import LABELS
from harness.planted.result import NAME, PlantedResult, Seen, Trial
from harness.planted.rule import LEARNED, RULES
from harness.report.page.blocks import interval
from harness.report.page.controlled import controls_sheet
from harness.report.tables import commits


def sheets(result: PlantedResult) -> list[Sheet]:
    """Planted x learned, learned x seen, the controls, the trials and the shares."""
    found = [learned_sheet(result), seen_sheet(result), controls_sheet(result.controls, f"{NAME}-controls")]
    return [*found, trial_sheet(result), share_sheet(result)]


def learned_sheet(result: PlantedResult) -> Sheet:
    """Planted against learned, counts of trials, by arm."""
    rows = []
    for arm, table in result.learned.items():
        for i, (planted, found) in enumerate(table.items()):
            at = f"/learned/{arm}/{planted}"
            counts = (numeric(found[name], "d", f"{at}/{name}") for name in LEARNED)
            rows.append(line(arm if not i else "", planted, *counts, group=not i))
    headings = ("Arm", "Planted", *(f"Learned: {name}" for name in LEARNED))
    title = "Planted truth: what was planted and what the arms learned"
    return Sheet(f"{NAME}-learned", title, headings, tuple(rows), _notes(result))


def seen_sheet(result: PlantedResult) -> Sheet:
    """Learned against seen, counts of trials of the arm that steers, by analysis."""
    rows = []
    for name, rule in RULES.items():
        for i, known in enumerate(LEARNED):
            found, at = result.seen[name][known], f"/seen/{name}/{known}"
            counts = (numeric(found[one], "d", f"{at}/{one}") for one in LABELS)
            rows.append(line(rule.title if not i else "", known, *counts, group=not i))
    headings = ("Analysis", "Learned", *(f"Seen: {name}" for name in LABELS))
    order = "; ".join(
        f"{RULES[name].title}: {sum(found.values())} of {len(found)} seeds"
        for name, found in result.order.items()
    )
    notes = (
        "Right where both labels are the same. What was planted is not asked here: an analysis can only see "
        "what was learned.",
        f"Contrasts in the planted order, style-heavy > mixed > truth-heavy: {order}.",
    )
    return Sheet(
        f"{NAME}-seen", "What the arms learned and what the analyses see", headings, tuple(rows), notes
    )


def trial_sheet(result: PlantedResult) -> Sheet:
    """One line a trial."""
    headings = (
        "Planted", "w_style, w_truth", "Arm", "Seed", "Pair accuracy (base)", "Mean L0",
        "Style's share: planted", "learned", "R²", "Learned",
        *(f"{rule.title}: contrast" for rule in RULES.values()),
        "Loss added without style", "without alignment",
    )  # fmt: skip
    rows = tuple(_trial_row(result, i) for i in range(len(result.trials)))
    notes = tuple(f"{RULES[name].title}: {text}." for name, text in result.rules.items())
    return Sheet(f"{NAME}-trials", "Each training", headings, rows, notes)


def _trial_row(result: PlantedResult, place: int) -> Row:
    trial, at = result.trials[place], f"/trials/{place}"
    reward, accuracy = result.rewards[trial.reward], trial.accuracy.value
    share = trial.audit.shares["style"]
    planted = f"{reward.style_share:.2f}" if reward.style_share is not None else "-"
    return line(
        trial.reward,
        f"{reward.w_style:g}, {reward.w_truth:g}",
        trial.arm,
        numeric(trial.seed, "d", f"{at}/seed"),
        Cell(f"{accuracy:.3f} ({trial.base_accuracy:.3f})", f"{at}/accuracy/value", accuracy),
        numeric(trial.mean_l0, ".1f", f"{at}/mean_l0") if trial.mean_l0 is not None else "-",
        planted,
        bounded(share.value, share.low, share.high, ".2f", f"{at}/audit/shares/style/value"),
        numeric(trial.audit.r2, ".2f", f"{at}/audit/r2"),
        trial.learned,
        *_seen_cells(trial.seen, f"{at}/seen"),
    )


def _seen_cells(seen: Seen | None, at: str) -> tuple[Cell | str, ...]:
    if seen is None:
        return ("-",) * (len(RULES) + 2)
    contrasts = (
        Cell(
            f"{seen.contrasts[name]:+.3f}: {seen.readings[name]}",
            f"{at}/contrasts/{name}",
            seen.contrasts[name],
        )
        for name in RULES
    )
    harms = (_harm(seen, name, f"{at}/harm/{name}/value") for name in ("style", "alignment"))
    return *contrasts, *harms


def _harm(seen: Seen, category: str, pointer: str) -> Cell:
    one = seen.harm[category]
    harm = bounded(one.value, one.low, one.high, "+.4f", pointer)
    beside = f"{seen.masked[category]} features (random: {seen.random_harm[category].value:+.4f})"
    return harm._replace(text=f"{harm.text}, {beside}")


def share_sheet(result: PlantedResult) -> Sheet:
    """The composition of every trial of the arm that steers, as in Table 2."""
    rows = tuple(
        line(trial.reward, str(trial.seed), *_shares(row, f"/trials/{i}/seen/composition/{j}"))
        for i, trial in enumerate(result.trials)
        if trial.seen is not None
        for j, row in enumerate(trial.seen.composition)
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
    seeds = ", ".join(map(str, result.seeds))
    hardware = result.provenance["hardware"]["class"]
    matched, asked = _matched([trial for trial in result.trials if trial.reward in LABELS])
    return (
        f"Learned is what was planted in {matched} of {asked} trainings on a reward that can be learned.",
        f"{len(result.trials)} trainings of {result.train_pairs:,} pairs, {len(result.seeds)} training "
        f"seed(s) ({seeds}); `nothing` cannot be learned, and was tried with the first. The rules were "
        "written before.",
        f"profile {result.profile} · hardware {hardware} · commit "
        f"{commits(result.commits, result.dirty)} · `{result.command}`",
    )


def _matched(trials: list[Trial]) -> tuple[int, int]:
    return sum(trial.learned == trial.reward for trial in trials), len(trials)
