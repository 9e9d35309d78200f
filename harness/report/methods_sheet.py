"""The table of the methods: preference, damage and cost of every arm, with intervals."""

from __future__ import annotations

from harness.core.measures import measure
from harness.core.sheet import Cell, Row, Sheet, bounded, line, numeric, plus_minus
from harness.core.statistics import Difference
from harness.findings.methods import NAME, MethodRow, MethodsResult

HEADINGS = (
    "Arm",
    "Entries",
    "Chosen on pairs held back",
    "SimPO loss ↓ (nats)",
    "Gain on base ↑ (nats) [95 % CI]",
    "Preferred ↑ (%)",
    "KL to base ↓ (nats a token) [95 % CI]",
    "Perplexity ↓",
)
COST = ("Time (s)", "Tokens", "Memory (GiB)")


def sheet(result: MethodsResult) -> Sheet:
    """The table; its cells point into methods.json."""
    tasks = list(dict.fromkeys(name for row in result.rows for name in row.scores))
    titles = [f"{measure(name).title} − base (points) [95 % CI]" for name in tasks]
    return Sheet(
        name=NAME,
        title=f"Methods. {result.title}",
        headings=(*HEADINGS, *titles, *COST),
        rows=tuple(_row(row, place, tasks) for place, row in enumerate(result.rows)),
        notes=(result.note, *_notes(result)),
    )


def _row(row: MethodRow, place: int, tasks: list[str]) -> Row:
    at = f"/rows/{place}"
    setting = row.setting + (" (end of the grid)" if row.at_edge else "")
    return line(
        row.title,
        numeric(row.entries, ",", f"{at}/entries"),
        setting,
        plus_minus(row.loss.value, row.loss.stderr, ".3f", f"{at}/loss/value"),
        _difference(row.gain, "+.3f", f"{at}/gain/effect"),
        plus_minus(row.accuracy.value, row.accuracy.stderr, ".1f", f"{at}/accuracy/value", 100),
        Cell("")
        if row.kl is None
        else bounded(row.kl.value, row.kl.low, row.kl.high, ".4f", f"{at}/kl/value"),
        numeric(row.perplexity, ".3f", f"{at}/perplexity"),
        *(_difference(row.scores.get(name), "+.1f", f"{at}/scores/{name}/effect", 100) for name in tasks),
        numeric(row.train_s, ".1f", f"{at}/train_s"),
        numeric(row.train_tokens, ",", f"{at}/train_tokens"),
        numeric(row.peak_gib, ".2f", f"{at}/peak_gib"),
    )


def _difference(one: Difference | None, spec: str, pointer: str, scale: float = 1) -> Cell:
    return Cell("") if one is None else bounded(one.effect, one.low, one.high, spec, pointer, scale)


def _notes(result: MethodsResult) -> tuple[str, ...]:
    pairs = result.rows[0].loss.n
    hardware = result.provenance["hardware"]
    return (
        f"profile {result.profile} · {hardware['class']} · seed {result.provenance['seed']}, one run an arm "
        f"· {pairs} test pairs, {result.texts} neutral texts",
        "Gain: the base's SimPO loss less the arm's, same pairs. Neutral text: prompts of the likelihood "
        "tasks. Intervals: paired bootstrap, uncorrected for the number of arms.",
        "Fitted arms chose their setting on pairs held back from the training file, with the same number of "
        "candidates each; no test pair was used. A strength of 0 is the base: no setting helped there.",
        "Time and tokens: training, or fitting with its search; without loading.",
    )
