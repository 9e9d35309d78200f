"""Where the time of a run went, stage by stage."""

from __future__ import annotations

from harness.core.sheet import Cell, Sheet, line, numeric
from harness.findings.outcome import Outcome
from harness.report.tables import notes


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
    return Sheet(
        "times", f"Times. {outcome.title}", headings, tuple(rows), (*notes(outcome), *_making(outcome))
    )


def _seconds(value: float | None) -> Cell:
    return numeric(value, ",.1f", missing="")


def _making(outcome: Outcome) -> tuple[str, ...]:
    """What `prepare` found ready in the cache."""
    if outcome.sae is None or outcome.sae.made_in_s is None:
        return ()
    return (f"The SAE was trained once in {outcome.sae.made_in_s:,.0f} s and is kept in the cache.",)
