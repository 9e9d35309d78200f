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
from harness.cost.ratios import Bench, Evaluation, Ratio
from harness.stages.options import Update

MEASURED = Path("runs") / "bench" / "pytest-benchmark.json"
RESULTS = SAVED / "bench"
MAIN = "d_sae=16384,max_length=512"
PLAIN = "transcription"
FLOORS = {"lean": 2.0, "cached": 3.0}
"""Least ratio of tokens/s at the main case."""
MEMORY_CEILING = 0.4
"""Largest ratio of memory above the weights at the main case."""
SLACK = 1.35
"""By how much a ratio may be worse than the committed one: other machines of the class, some load on them."""
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
    above, plain_above = info["peak"][variant]["above_mib"], info["peak"][PLAIN]["above_mib"]
    return Ratio(
        case=info["case"],
        variant=variant,
        speed=statistics.median(rounds),
        speed_low=min(rounds),
        speed_high=max(rounds),
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


def read_committed(path: Path) -> Bench:
    """A committed result.

    Raises:
        MissingInputError, DamagedFileError: it is missing or invalid.
    """
    again = "measure again with `nox -s bench -- --update`"
    return read_model(path, Bench, what="the committed benchmark", remedy=again)


def faults(new: Bench, old: Bench | None) -> list[str]:
    """What is below the floors at the main case, or worse than committed by more than the slack."""
    found = []
    for variant, floor in FLOORS.items():
        one = new.ratio(MAIN, variant)
        if one is None:
            found.append(f"{MAIN}, {variant}: was not measured")
            continue
        if one.speed < floor:
            found.append(f"{MAIN}, {variant}: {one.speed:.2f} times the tokens/s, {floor:g} wanted")
        if one.memory > MEMORY_CEILING:
            found.append(f"{MAIN}, {variant}: {one.memory:.2f} of the memory, {MEMORY_CEILING:g} allowed")
    for before in old.ratios if old else ():
        after = new.ratio(before.case, before.variant)
        where = f"{before.case}, {before.variant}"
        if after is None:
            found.append(f"{where}: committed, and not measured here")
        elif after.speed < before.speed / SLACK:
            found.append(f"{where}: speed ratio {after.speed:.2f}, committed {before.speed:.2f}")
        elif after.memory > before.memory * SLACK:
            found.append(f"{where}: memory ratio {after.memory:.2f}, committed {before.memory:.2f}")
    return found + evaluation_faults(new, old)


def evaluation_faults(new: Bench, old: Bench | None) -> list[str]:
    """Evaluations above the ceiling, slower than committed by more than the slack, or not measured."""
    found, measured = [], {one.case: one.ratio for one in new.evaluations}
    if measured.get(EVALUATION, 0.0) > EVALUATION_CEILING:
        ratio = measured[EVALUATION]
        found.append(f"{EVALUATION}, evaluation: {ratio:.3f} of the base's, {EVALUATION_CEILING:g} allowed")
    for case, before in {one.case: one.ratio for one in old.evaluations}.items() if old else ():
        if case not in measured:
            found.append(f"{case}, evaluation: committed, and not measured here")
        elif measured[case] > before * SLACK:
            found.append(f"{case}, evaluation: ratio {measured[case]:.3f}, committed {before:.3f}")
    if not measured:
        found.append(f"{EVALUATION}, evaluation: was not measured")
    return found


def watch(results: Path = RESULTS) -> list[str]:
    """What is wrong with the ratios of the last benchmark on this machine; nothing where none was run."""
    if not MEASURED.is_file():
        console.print("the benchmark's ratios: not measured here (`nox -s bench`)", markup=False)
        return []
    bench = read_measured(MEASURED)
    path = committed_path(bench, results)
    return faults(bench, read_committed(path) if path.is_file() else None)


def run(*, update: Update = False, measured: Path = MEASURED, results: Path = RESULTS) -> None:
    """Reads runs/bench/pytest-benchmark.json, which `nox -s bench` writes; with --update its ratios become
    the committed ones.

    Raises:
        RegressionError: a ratio is below its floor or worse than the committed one.
    """
    bench = read_measured(measured)
    path = committed_path(bench, results)
    console.print(markdown(sheet(bench)), markup=False)
    old = read_committed(path) if path.is_file() and not update else None
    found = faults(bench, old)
    if update:
        write_json(path, bench.model_dump(mode="json"))
        write_text(path.with_suffix(".md"), markdown(sheet(bench)))
        from harness.cost.bench_figure import figure

        for suffix, data in figure(bench).items():
            write_bytes(path.with_name(f"cost_curve.{suffix}"), data)
        console.print(f"accepted: {path.parent}", markup=False)
    if found:
        raise RegressionError(
            f"{len(found)} ratios of the benchmark miss their bounds:\n"
            + "\n".join(f"  - {line}" for line in found),
            value=measured,
            remedy="run `nox -s bench` on an idle machine; if it stays, find the change that slowed the path",
        )


def sheet(bench: Bench) -> Sheet:
    """The ratios with their spread."""
    ratios = ("Tokens/s against transcription", "[least, largest]", "Memory above weights")
    hardware, commit = bench.provenance["hardware"], bench.provenance["commit"]
    title = f"The lean path against a plain transcription, {hardware['class']} ({hardware['device']})"
    ranks = ", ".join(f"{n} rank(s) {rate:,.0f} tokens/s" for n, rate in sorted(bench.ranks.items()))
    notes = (
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
