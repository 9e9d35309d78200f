"""`python -m harness bench`: the lean path against a plain reference step, as ratios with bounds."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from harness.core.artefact import write_bytes, write_json, write_text
from harness.core.console import console
from harness.core.documents import read_document, read_model, refused
from harness.core.errors import RegressionError
from harness.core.markdown_table import markdown
from harness.core.paths import RESULTS as SAVED
from harness.core.provenance import provenance
from harness.core.sheet import Cell, Row, Sheet, line, numeric
from harness.cost.ratios import Bench, Evaluation, Ratio, Runs
from harness.stages.options import Update

MEASURED = Path("runs") / "bench" / "pytest-benchmark.json"
RESULTS = SAVED / "bench"
MAIN = "d_sae=16384,max_length=512"
PLAIN, REPEAT = "transcription", "transcription again"
FLOORS = {"lean": 2.0, "cached": 3.0}
"""Least ratio of tokens/s at the main case."""
MEMORY_CEILING = 0.4
"""Largest ratio of memory above the weights at the main case."""
NOISE = 1.25
"""Largest ratio of the reference to itself, as a median of rounds, at which a run can be judged."""
EVALUATION = "d_sae=5376,max_length=256"
"""The case in which steering has the share of the model's FLOPs that it has in the paper."""
EVALUATION_CEILING = 1.10
"""Largest ratio of the steered model's seconds to the base's there."""
COLUMNS = {
    "Tokens/s": ("tokens_per_s", ",.0f"),
    "Step (s)": ("step_s", ".2f"),
    "Above weights (MiB)": ("above_mib", ",.0f"),
    "Transcription: tokens/s": ("plain_tokens_per_s", ",.0f"),
    "MiB": ("plain_above_mib", ",.0f"),
}
"""What is measured behind the ratios: heading, name in `Ratio` and format."""


def read_measured(path: Path = MEASURED) -> Bench:
    """From pytest-benchmark's file to ratios.

    Raises:
        MissingInputError: the benchmark has not run.
        DamagedFileError: the file has another layout.
    """
    what, remedy = "what the benchmark measured", "delete it and run `nox -s bench`"
    data = read_document(path, what=what, remedy=remedy, first="run `nox -s bench`")
    with refused(what, path, remedy):
        infos = [one["extra_info"] for one in data["benchmarks"]]
        ranks = {str(info["ranks"]): info["tokens_per_s"] for info in infos if "ranks" in info}
        ratios = tuple(_ratio(info, variant) for info in infos if "case" in info for variant in FLOORS)
        evaluations = tuple(_evaluation(info) for info in infos if "evaluation" in info)
        if not ratios:
            raise KeyError("case")
        return Bench(provenance=provenance(0), ratios=ratios, evaluations=evaluations, ranks=ranks)


def _ratio(info: dict[str, Any], variant: str) -> Ratio:
    plain, mine = info["seconds"][PLAIN], info["seconds"][variant]
    rounds = [one / other for one, other in zip(plain, mine, strict=True)]
    repeats = [one / other for one, other in zip(plain, info["seconds"][REPEAT], strict=True)]
    above, plain_above = info["peak"][variant]["above_mib"], info["peak"][PLAIN]["above_mib"]
    return Ratio(
        case=info["case"],
        variant=variant,
        speed=statistics.median(rounds),
        speed_low=min(rounds),
        speed_high=max(rounds),
        repeat=statistics.median(repeats),
        repeat_low=min(repeats),
        repeat_high=max(repeats),
        memory=above / plain_above,
        tokens_per_s=info["tokens"] / min(mine),
        step_s=min(mine),
        above_mib=above,
        plain_tokens_per_s=info["tokens"] / min(plain),
        plain_step_s=min(plain),
        plain_above_mib=plain_above,
    )


def _evaluation(info: dict[str, Any]) -> Evaluation:
    base, steered = info["seconds"]["base"], info["seconds"]["steered"]
    rounds = [one / other for one, other in zip(steered, base, strict=True)]
    return Evaluation(
        case=info["evaluation"],
        ratio=statistics.median(rounds),
        low=min(rounds),
        high=max(rounds),
        base_s=min(base),
        steered_s=min(steered),
    )


def committed_path(bench: Bench, results: Path = RESULTS) -> Path:
    """Where the results of a hardware class are committed."""
    return results / str(bench.provenance["hardware"]["class"]) / "bench.json"


def read_committed(path: Path) -> Runs:
    """The committed runs; a file from before runs were collected holds one.

    Raises:
        MissingInputError, DamagedFileError: it is missing or invalid.
    """
    what, again = "the committed benchmark", "measure again with `nox -s bench -- --update`"
    if "runs" in read_document(path, what=what, remedy=again):
        return read_model(path, Runs, what=what, remedy=again)
    return Runs(runs=(read_model(path, Bench, what=what, remedy=again),))


def faults(bench: Bench) -> list[str]:
    """What misses the floors at the main case, or is no better than the reference is against itself.

    A committed run is no bound: on machines of one class, idle, the same code has given ratios a third apart.
    """
    return [*floor_faults(bench), *baseline_faults(bench), *evaluation_faults(bench)]


def floor_faults(bench: Bench) -> list[str]:
    """What misses the stated floors."""
    found = []
    for variant, floor in FLOORS.items():
        one = bench.ratio(MAIN, variant)
        if one is None:
            found.append(f"{MAIN}, {variant}: was not measured")
            continue
        if one.speed < floor:
            found.append(f"{MAIN}, {variant}: {one.speed:.2f} times the tokens/s, {floor:g} wanted")
        if one.memory > MEMORY_CEILING:
            found.append(f"{MAIN}, {variant}: {one.memory:.2f} of the memory, {MEMORY_CEILING:g} allowed")
    return found


def baseline_faults(bench: Bench) -> list[str]:
    """Paths that are no faster than the reference's second run was, and rounds too uneven to tell."""
    found = []
    for one in bench.ratios:
        where = f"{one.case}, {one.variant}"
        if not 1 / NOISE <= one.repeat <= NOISE:
            found.append(
                f"{where}: the reference against itself is {one.repeat:.2f}, so that no ratio can be trusted"
            )
        elif one.speed <= one.repeat_high:
            found.append(
                f"{where}: {one.speed:.2f} times the tokens/s, and the reference against itself "
                f"{one.repeat_high:.2f}"
            )
    return found


def evaluation_faults(bench: Bench) -> list[str]:
    """An evaluation above the ceiling, or not measured."""
    measured = {one.case: one.ratio for one in bench.evaluations}
    if EVALUATION not in measured:
        return [f"{EVALUATION}, evaluation: was not measured"]
    ratio = measured[EVALUATION]
    if ratio <= EVALUATION_CEILING:
        return []
    return [f"{EVALUATION}, evaluation: {ratio:.3f} of the base's, {EVALUATION_CEILING:g} allowed"]


def watch() -> list[str]:
    """What is wrong with the ratios of the last benchmark on this machine; nothing where none was run."""
    if not MEASURED.is_file():
        console.print("the benchmark's ratios: not measured here (`nox -s bench`)", markup=False)
        return []
    return faults(read_measured(MEASURED))


def run(*, update: Update = False, measured: Path = MEASURED, results: Path = RESULTS) -> None:
    """Reads runs/bench/pytest-benchmark.json, which `nox -s bench` writes; with --update the run joins the
    committed ones, and their table shows what every run showed.

    Raises:
        RegressionError: a ratio misses its floor, or is no better than the reference against itself.
    """
    bench = read_measured(measured)
    console.print(markdown(sheet(Runs(runs=(bench,)))), markup=False)
    if update:
        accept(bench, committed_path(bench, results))
    found = faults(bench)
    if found:
        raise RegressionError(
            f"{len(found)} ratios of the benchmark miss their bounds:\n"
            + "\n".join(f"  - {line}" for line in found),
            value=measured,
            remedy="run `nox -s bench` on an idle machine; if it stays, find the change that slowed the path",
        )


def accept(bench: Bench, path: Path) -> None:
    """Add a run to the committed ones of its hardware class."""
    from harness.cost.bench_figure import figure

    before = read_committed(path).runs if path.is_file() else ()
    runs = Runs(runs=(*before, bench))
    write_json(path, runs.model_dump(mode="json"))
    write_text(path.with_suffix(".md"), markdown(sheet(runs)))
    for suffix, data in figure(bench).items():
        write_bytes(path.with_name(f"cost_curve.{suffix}"), data)
    console.print(f"accepted: {path.parent}, run {len(runs.runs)}", markup=False)


def sheet(runs: Runs) -> Sheet:
    """The ratios that every run showed, with the spread over all rounds of all runs."""
    bench, count = runs.worst(), len(runs.runs)
    ratios = ("Tokens/s against transcription", "[least, largest]", "Memory above weights")
    hardware, commit = bench.provenance["hardware"], bench.provenance["commit"]
    title = f"The lean path against a plain transcription, {hardware['class']} ({hardware['device']})"
    ranks = ", ".join(f"{n} rank(s) {rate:,.0f} tokens/s" for n, rate in sorted(bench.ranks.items()))
    spans = [(one.repeat_low, one.repeat_high) for run in runs.runs for one in run.ratios]
    notes = (
        f"{count} {'run' if count == 1 else 'runs, each in processes of its own'}; of each ratio the worst "
        "run's median, and the spread over all rounds; seconds, rates and MiB are the last run's. The "
        f"reference against itself: {min(low for low, _ in spans):.2f} to "
        f"{max(high for _, high in spans):.2f}.",
        "Medians of paired rounds; rates of the fastest; real tokens, each row of a pair whole; "
        "forward and backward, no optimiser; float32; memory: peak resident set of a fresh process "
        "above what it held before.",
        *(
            f"Evaluation of the steered model, {one.case}: {one.ratio:.3f} of the base's seconds "
            f"[{one.low:.3f}, {one.high:.3f}] ({one.steered_s:.2f} s, {one.base_s:.2f} s)."
            for one in bench.evaluations
        ),
        f"The real train stage, Gemma-2-2B's shapes divided by 8, cores shared: {ranks or 'not run'}.",
        f"commit {commit or 'none'} · `{bench.command}`",
    )
    rows = tuple(_row(one, f"/ratios/{i}") for i, one in enumerate(bench.ratios))
    return Sheet("bench", title, ("Case", "Path", *ratios, *COLUMNS), rows, notes)


def _row(one: Ratio, at: str) -> Row:
    return line(
        one.case,
        one.variant,
        Cell(f"{one.speed:.2f}x", f"{at}/speed", one.speed),
        f"[{one.speed_low:.2f}, {one.speed_high:.2f}]",
        Cell(f"{one.memory:.2f}x", f"{at}/memory", one.memory),
        *(numeric(getattr(one, name), spec, f"{at}/{name}") for name, spec in COLUMNS.values()),
    )
