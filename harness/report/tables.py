"""From a run's outcome to tables: Table 1, costs, times and verdicts. Pure: no files, no clock.

A number that was not measured is never printed: its cell says `n/a` and why.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from harness.core.measures import BASE, PENALISED_LOSS, PERCENT, Measure
from harness.core.sheet import Cell, Row, Sheet, bounded, line, numeric, plus_minus
from harness.core.statistics import LEVEL, Difference, SeedDifference
from harness.findings.outcome import ArmOutcome, Outcome, SaeFacts
from harness.paper.claims import Paper
from harness.paper.verdict import Verdict

MINUTE = 60.0
PEAKS = ("peak_allocated_gib", "peak_reserved_gib", "peak_rss_gib")
COMMIT_DIGITS = 12


def table1(outcome: Outcome, paper: Paper) -> Sheet:
    """Table 1: scores, differences to the base with their 95 % intervals, the paper's values.

    Args:
        paper: for the values that it prints.
    """
    headings = ("Arm", *(heading(column, _common_n(outcome, column)) for column in outcome.columns))
    rows: list[Row] = []
    for name, arm in outcome.arms.items():
        scores = (_score(outcome, name, column) for column in outcome.columns)
        rows.append(line(arm.title, *scores, group=True))
        if name != BASE:
            rows.append(line("  vs. base [95 % CI]", *(_to_base(outcome, name, c) for c in outcome.columns)))
        rows.append(line("  paper", *(_printed(paper, f"{name}/{c.name}") for c in outcome.columns)))
    title = f"Table 1. {outcome.title}"
    return Sheet("table1", title, headings, tuple(rows), (*notes(outcome), *_table1_notes(outcome, paper)))


def cost_table(outcome: Outcome, paper: Paper) -> Sheet:
    """What each arm cost, and what the paper reports."""
    headings = (
        "Arm",
        "Trainable parameters",
        "Tokens/s",
        "Epoch (min)",
        "Training (min)",
        "Evaluation (min)",
        "Peak allocated (GiB)",
        "Peak reserved (GiB)",
        "Peak RSS (GiB)",
        "Paper: memory",
        "Paper: epoch",
    )
    rows = tuple(_cost_row(name, arm, paper) for name, arm in outcome.arms.items())
    reason = next((c.reason for c in paper.claims if "full-simpo/memory" in c.cells), "")
    remarks = (
        *notes(outcome),
        "Tokens/s and memory: of training. Tokens without padding; loading and compiling are inside the "
        "training total only. Memory of GPUs: the CUDA allocator's peaks; RSS: of the process.",
        f"The paper's numbers: {reason}",
    )
    return Sheet("cost", f"Costs. {outcome.title}", headings, rows, remarks)


def times_table(outcome: Outcome) -> Sheet:
    """Seconds of every stage, an arm a column; the parts of the evaluation below it."""
    arms = list(outcome.arms.values())
    parts = list(dict.fromkeys(name for arm in arms for name in arm.task_s))
    rows = [
        line("prepare", _seconds(outcome.prepare_s), *("" for _ in arms), group=True),
        line("train", "", *(_seconds(arm.train_s) for arm in arms), group=True),
        line("evaluate", "", *(_seconds(arm.evaluate_s) for arm in arms), group=True),
    ]
    for name in parts:
        cells = (_seconds(arm.task_s.get(name)) for arm in arms)
        rows.append(line(f"evaluate: {name}", "", *cells, group=True))
    shared = outcome.prepare_s
    per_arm = [arm.train_s + arm.evaluate_s for arm in arms]
    rows.append(line("total", _seconds(shared + sum(per_arm)), *map(_seconds, per_arm), group=True))
    headings = ("Stage (s)", "All arms", *(arm.title for arm in arms))
    remarks = notes(outcome)
    if outcome.sae is not None and outcome.sae.made_in_s is not None:
        made_in = f"{outcome.sae.made_in_s:,.0f} s"
        remarks += (f"The SAE was trained once in {made_in} and is kept in the cache.",)
    return Sheet("times", f"Times. {outcome.title}", headings, tuple(rows), remarks)


def verdict_table(outcome: Outcome, verdicts: Sequence[Verdict]) -> Sheet:
    """What this run says about each claim of the paper."""
    headings = ("Claim", "Status in the paper", "Verdict", "n to decide", "Evidence")
    rows = tuple(
        line(
            one.sentence, f"{one.status} ({one.source})", one.label, _deciding(one), one.evidence, group=True
        )
        for one in verdicts
    )
    scope = (
        "This run has the paper's profile: its verdicts are about the paper."
        if any(one.about_paper and one.status == "direction only" for one in verdicts)
        else "Verdicts about this run, not about the paper: `this model` is the one that this run trained."
    )
    remarks = (
        *notes(outcome),
        f"{scope} `arithmetic holds`: the paper's own printed numbers agree with one another; nothing ran.",
        f"p values: two-sided, Holm-corrected over {outcome.comparisons.family} tests; `n to decide`: items "
        "for 80 % power at the corrected level if the observed effect is the true one.",
    )
    return Sheet("verdicts", f"The paper's claims. {outcome.title}", headings, rows, remarks)


def verdict_summary(outcome: Outcome, verdicts: Sequence[Verdict]) -> Sheet:
    """The verdicts on one screen: only claims that this run could test, and how many it could not."""
    full = verdict_table(outcome, verdicts)
    tested = [one for one in verdicts if one.answer not in ("not run", "untestable")]
    rows = tuple(
        line(one.sentence, one.label, _deciding(one), "\n".join(one.findings), group=True) for one in tested
    )
    counts = Counter(f"{one.status}: {one.answer}" for one in verdicts if one not in tested)
    others = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    untested = len(verdicts) - len(tested)
    rest = f"{untested} more claims have no verdict here ({others}); the report's verdicts.md has them all."
    headings = ("Claim", "Verdict", "n to decide", "Evidence")
    return full._replace(headings=headings, rows=rows, notes=(*full.notes, rest))


def heading(column: Measure, n: int | None = None) -> str:
    """A measure with its better direction and unit; `n` items where all arms have as many."""
    arrow = "↓" if column.lower_is_better else "↑"
    size = f", n = {n}" if n is not None else ""
    return f"{column.title} {arrow} ({column.unit}{size})"


def _common_n(outcome: Outcome, column: Measure) -> int | None:
    """The number of items if all arms have the same."""
    sizes = {arm.scores[column.name].n for arm in outcome.arms.values() if column.name in arm.scores}
    return sizes.pop() if len(sizes) == 1 else None


def mean(value: float, error: float, column: Measure, pointer: str) -> Cell:
    """A mean with its standard error or deviation, in the measure's unit."""
    return plus_minus(value, error, f".{column.decimals}f", pointer, column.scale)


def effect(one: Difference | SeedDifference, column: Measure, pointer: str) -> Cell:
    """A difference with its interval, in the measure's unit."""
    spec, at = f"+.{column.decimals}f", f"{pointer}/effect"
    return bounded(one.effect, one.low, one.high, spec, at, column.scale)


def starred(one: Difference | SeedDifference, column: Measure, pointer: str) -> Cell:
    """The same with a star where the corrected p value is below 0.05."""
    cell = effect(one, column, pointer)
    return cell._replace(text=f"{cell.text} *") if one.p_holm is not None and one.p_holm < LEVEL else cell


def _score(outcome: Outcome, arm: str, column: Measure) -> Cell:
    score = outcome.arms[arm].scores.get(column.name)
    if score is None:
        return Cell("n/a (not scored)")
    cell = mean(score.value, score.stderr, column, f"/arms/{arm}/scores/{column.name}/value")
    same = _common_n(outcome, column) is not None
    return cell if same else cell._replace(text=f"{cell.text} (n = {score.n})")


def _to_base(outcome: Outcome, arm: str, column: Measure) -> Cell:
    one = outcome.difference(arm, BASE, column.name)
    if one is None:
        return Cell("n/a (not compared)")
    return starred(one, column, f"/comparisons/differences/{arm}/{BASE}/{column.name}")


def _printed(paper: Paper, cell: str) -> Cell:
    """The paper's value, which is in no artefact."""
    text = paper.printed(cell) or "not printed"
    found = re.match(r"[\d.]+", text)
    return Cell(text, number=float(found[0]) if found else None)


def _cost_row(name: str, arm: ArmOutcome, paper: Paper) -> Row:
    usage, at = arm.training_usage, f"/arms/{name}/training_usage"
    evaluation = _minutes(arm.evaluation_usage.wall_s, f"/arms/{name}/evaluation_usage/wall_s")
    printed = (_printed(paper, f"{name}/{cell}") for cell in ("memory", "epoch"))
    if usage is None:
        untrained = ("n/a (not trained)",) * 3
        return line(arm.title, numeric(0, "d"), *untrained, evaluation, *untrained, *printed, group=True)
    rate = usage.tokens_per_s if usage.tokens and usage.wall_s else None
    return line(
        arm.title,
        numeric(usage.trainable_parameters, ",", f"{at}/trainable_parameters"),
        numeric(rate, ",.0f", at, missing="n/a (not counted)"),
        _minutes(arm.epoch_s, at),
        _minutes(usage.wall_s + usage.startup_s, at),
        evaluation,
        *(numeric(getattr(usage, peak), ".2f", f"{at}/{peak}", missing="n/a (no GPU)") for peak in PEAKS),
        *printed,
        group=True,
    )


def _minutes(seconds: float | None, at: str) -> Cell:
    return numeric(None if seconds is None else seconds / MINUTE, ".2f", at)


def _seconds(value: float | None) -> Cell:
    return numeric(value, ",.1f", missing="")


def _deciding(one: Verdict) -> Cell:
    return Cell("") if one.answer != "inconclusive" else numeric(one.deciding_n, ",")


def commits(shas: Iterable[str], dirty: bool | None) -> str:
    """Commits, shortened, and whether there were uncommitted changes."""
    shown = ", ".join(sha[:COMMIT_DIGITS] for sha in shas)
    return f"{shown} with uncommitted changes" if dirty else shown


def origin(outcome: Outcome, made: str) -> str:
    """What the numbers were made with; `made` is the commits."""
    return (
        f"profile {outcome.profile} · protocol {outcome.protocol} · hardware {outcome.hardware} "
        f"({outcome.device}) · {outcome.dtype} · commit {made}"
    )


def limits(outcome: Outcome) -> str:
    """How many items were used where not all were."""
    return ", ".join(
        f"{name.removeprefix('tasks.')} {size or 'all'}" for name, size in sorted(outcome.limits.items())
    )


def sizes(outcome: Outcome) -> str:
    """The number of items of each measure."""
    known = ((one.title, _common_n(outcome, one)) for one in outcome.columns if one.name != PENALISED_LOSS)
    return ", ".join(f"{title} {'differs between arms' if n is None else n}" for title, n in known)


def notes(outcome: Outcome) -> tuple[str, ...]:
    """What every table names."""
    return (
        outcome.note,
        f"{origin(outcome, commits(outcome.commits, outcome.dirty))} · training seed {outcome.seed} "
        "(one run an arm)",
        f"n: {sizes(outcome)} · limits: {limits(outcome)}",
    )


def _table1_notes(outcome: Outcome, paper: Paper) -> tuple[str, ...]:
    percent = any(column.scale == PERCENT for column in outcome.columns)
    return (
        f"±: standard error{' (percentage points)' if percent else ''}. Difference to base: same items, 95 % "
        f"interval of a paired bootstrap; * p < {LEVEL:g} (exact McNemar for 0/1 scores, else bootstrap), "
        f"Holm-corrected over {outcome.comparisons.family} tests.",
        f"paper: {paper.reference}; `lost`: the paper prints a number here, but it is missing from the text "
        "that we worked from; `not printed`: the paper has none. The paper does not say whether its FSRL "
        "loss includes the penalty.",
        _sae_note(outcome.sae),
        *left_out(outcome),
    )


def left_out(outcome: Outcome) -> tuple[str, ...]:
    """The rows of pairs that no arm used, by reason; nothing where all were used."""
    arms = outcome.arms.values()
    splits = {
        "training": [arm.training.truncation for arm in arms if arm.training is not None],
        "test": [arm.truncation for arm in arms],
    }
    return tuple(
        f"{one.rows - one.pairs:,} of {one.rows:,} rows of {split} pairs left out, the same in every arm: "
        + ", ".join(f"{reason} {count:,}" for reason, count in one.left_out.items())
        for split, found in splits.items()
        for one in found[:1]
        if one is not None and one.left_out
    )


def _sae_note(sae: SaeFacts | None) -> str:
    if sae is None:
        return "SAE: its quality was not measured here."
    return (
        f"SAE: explained variance {sae.explained_variance:.3f}, mean L0 {sae.mean_l0:.1f}, "
        f"{sae.dead_fraction * PERCENT:.1f} % dead features, on {sae.tokens:,} held-out activations."
    )
