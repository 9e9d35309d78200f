"""Tables as CSV, for machines: one record a line, full precision, shares not percent, seconds not minutes.

A cell is empty where nothing was measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.core.measures import BASE
from harness.findings.outcome import ArmOutcome, Outcome
from harness.paper.claims import Paper
from harness.paper.verdict import Verdict
from harness.report.tables import PEAKS, limits

Cell = str | int | float | None
EQUIVALENCE = ("smallest", "p_equivalent", "p_equivalent_holm")
"""Columns of runs that tested equivalence."""
DIFFERENCE = {"difference_to_base": "effect", "low_95": "low", "high_95": "high"}


def table1_csv(outcome: Outcome, paper: Paper) -> str:
    """One line for each arm and measure: score, paired difference to the base, the paper's value."""
    records: list[Mapping[str, Cell]] = []
    equivalence = EQUIVALENCE if outcome.comparisons.equivalence_family else ()
    for name, arm in outcome.arms.items():
        for column in outcome.columns:
            score = arm.scores.get(column.name)
            one = outcome.difference(name, BASE, column.name) if name != BASE else None
            records.append(
                {
                    **_run(outcome),
                    "arm": name,
                    "measure": column.name,
                    "value": score.value if score else None,
                    "stderr": score.stderr or None if score else None,
                    "n": score.n if score else None,
                    **{heading: getattr(one, name, None) for heading, name in DIFFERENCE.items()},
                    **{name: getattr(one, name, None) for name in ("test", "p", "p_holm", *equivalence)},
                    "paper": paper.printed(f"{name}/{column.name}") if outcome.paper_values else None,
                }
            )
    return _csv(records)


def cost_csv(outcome: Outcome, paper: Paper) -> str:
    """One line for each arm: parameters, times, memory."""
    beside = paper if outcome.paper_values else None
    return _csv([{**_run(outcome), **_cost(name, arm, beside)} for name, arm in outcome.arms.items()])


def times_csv(outcome: Outcome) -> str:
    """One line for each stage and arm, and for each part of an evaluation, in seconds."""
    records: list[Mapping[str, Cell]] = [
        {**_run(outcome), "stage": "prepare", "arm": None, "wall_s": outcome.prepare_s}
    ]
    for name, arm in outcome.arms.items():
        parts = {f"evaluate {task}": seconds for task, seconds in arm.task_s.items()}
        times = {"train": arm.train_s, "evaluate": arm.evaluate_s, **parts}
        records += [
            {**_run(outcome), "stage": stage, "arm": name, "wall_s": seconds}
            for stage, seconds in times.items()
        ]
    return _csv(records)


def verdicts_csv(outcome: Outcome, verdicts: Sequence[Verdict]) -> str:
    """One line for each claim."""
    return _csv([{**_run(outcome), **_verdict(one)} for one in verdicts])


def _verdict(one: Verdict) -> dict[str, Cell]:
    return {
        **{name: getattr(one, name) for name in ("claim", "sentence", "source", "status")},
        "verdict": one.label,
        "evidence": one.evidence,
        "deciding_n": one.deciding_n,
        "about_paper": str(one.about_paper).lower(),
    }


def _cost(name: str, arm: ArmOutcome, paper: Paper | None) -> dict[str, Cell]:
    usage, facts = arm.training_usage, arm.training
    return {
        "arm": name,
        "trained": str(facts is not None).lower(),
        "trainable_parameters": usage.trainable_parameters if usage else 0,
        "total_parameters": (usage or arm.evaluation_usage).total_parameters,
        "steps": facts.steps if facts else None,
        "epochs": facts.epochs if facts else None,
        "training_tokens": usage.tokens if usage else None,
        "tokens_per_s": usage.tokens_per_s if usage and usage.tokens and usage.wall_s else None,
        "epoch_s": arm.epoch_s,
        "training_s": usage.wall_s if usage else None,
        "training_startup_s": usage.startup_s if usage else None,
        **{f"training_{peak}": getattr(usage, peak, None) for peak in PEAKS},
        "evaluation_s": arm.evaluation_usage.wall_s,
        **{f"evaluation_{peak}": getattr(arm.evaluation_usage, peak) for peak in PEAKS},
        **{f"paper_{cell}": paper and paper.printed(f"{name}/{cell}") for cell in ("memory", "epoch")},
    }


def _run(outcome: Outcome) -> dict[str, Cell]:
    """What every line names of its run."""
    return {
        "profile": outcome.profile,
        "protocol": outcome.protocol,
        "hardware": outcome.hardware,
        "commit": " ".join(outcome.commits),
        "uncommitted_changes": str(outcome.dirty).lower(),
        "seed": outcome.seed,
        "limits": limits(outcome),
        "note": outcome.note,
    }


def _csv(records: Sequence[Mapping[str, Cell]]) -> str:
    import pandas as pd

    # object columns: a count beside an empty cell stays a whole number
    return str(pd.DataFrame(records, dtype=object).to_csv(index=False, lineterminator="\n"))
