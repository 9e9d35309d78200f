"""A comparison of methods made by hand."""

from __future__ import annotations

from typing import Any

from harness.core.results import Interval, Score
from harness.core.statistics import Difference
from harness.findings.methods import MethodRow, MethodsResult


def difference(effect: float) -> Difference:
    return Difference(effect=effect, low=effect - 0.1, high=effect + 0.1, sd=1.0, n=100, test="none", p=None)


def row(arm: str, kind: str = "fitted", **changes: Any) -> MethodRow:
    score = Score(value=4.5, stderr=0.1, n=300)
    given: dict[str, Any] = {
        "arm": arm,
        "title": arm.title(),
        "kind": kind,
        "entries": 192,
        "setting": "strength 4, layer 3",
        "at_edge": False,
        "loss": score,
        "gain": difference(0.25),
        "accuracy": score.model_copy(update={"value": 0.5, "stderr": 0.03}),
        "kl": Interval(value=0.02, stderr=0.005, low=0.01, high=0.03),
        "perplexity": 12.5,
        "nll": difference(0.01),
        "scores": {"mmlu.acc": difference(-0.02)},
        "train_s": 30.5,
        "train_tokens": 123456,
        "peak_gib": 1.25,
    }
    return MethodRow.model_validate(given | changes)


def result() -> MethodsResult:
    base = row("base", "untrained", gain=None, kl=None, nll=None, scores={}, setting="", entries=0)
    return MethodsResult(
        command="python -m harness compare-methods",
        profile="toy",
        profile_digest="0",
        title="A toy",
        note="Toy numbers.",
        texts=8,
        texts_sha256="0",
        rows=(base, row("caa", at_edge=True), row("lora", "trained", setting="")),
        provenance={"hardware": {"class": "cpu"}, "seed": 42},
    )
