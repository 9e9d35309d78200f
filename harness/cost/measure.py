"""`python -m harness measure`: memory and step time of training on the exact shapes with random weights."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from harness.arm import arm_module
from harness.core.artefact import Artefact, write_json, write_text
from harness.core.console import console
from harness.core.errors import DamagedFileError, NotComparableError, ProfileError, UsageError
from harness.core.markdown_table import markdown
from harness.core.paths import RESULTS, RunPaths
from harness.core.results import Record, TrainResult
from harness.core.sheet import Row, Sheet, line, numeric
from harness.profiles.profile import Profile, load_profile
from harness.report.tables import PEAKS
from harness.sources.synthetic.lengths import STATED
from harness.sources.synthetic.variant import NOTE, is_random, random_variant
from harness.stages.options import ProfileName, RunDir, Shrink
from harness.stages.stage import run_stage

EPOCH_PAIRS = 60_000
MINUTE = 60.0


class ArmCost(Record):
    """What training one arm cost, the steps of warming up left out of every time.

    Attributes:
        step_s, step_s_min, step_s_max: median and range of an optimiser step's seconds.
        tokens: real tokens of the measured steps; tokens_per_s over them all.
        peak_allocated_gib, peak_reserved_gib: of the CUDA allocator over the whole loop, warming up included.
        epoch_min: minutes of 60,000 pairs at this rate: a projection; None where the shapes are divided.
    """

    trainable_parameters: int
    step_s: float
    step_s_min: float
    step_s_max: float
    tokens: int
    tokens_per_s: float
    peak_allocated_gib: float | None
    peak_reserved_gib: float | None
    peak_rss_gib: float
    epoch_min: float | None


class Measured(Record):
    """A measurement on random weights; never to be compared with a run on real ones.

    Attributes:
        warmup, steps: optimiser steps left out and measured.
        pairs_per_step: 32 in the paper.
        lengths: the distribution of pairs' lengths.
    """

    random_weights: bool = True
    profile: str
    profile_digest: str
    command: str
    warmup: int
    steps: int
    pairs_per_step: int
    lengths: str
    provenance: dict[str, Any]
    arms: dict[str, ArmCost]


def measure(
    profile: ProfileName = "gemma-2-2b",
    steps: Annotated[int, Option(metavar="N", help="optimiser steps measured")] = 20,
    warmup: Annotated[int, Option(metavar="N", help="steps before them, left out")] = 5,
    shrink: Shrink = 1,
    run_dir: RunDir = None,
    results: Annotated[
        Path, Option(metavar="DIR", help="where results are written (default: results/)", show_default=False)
    ] = RESULTS,
) -> None:
    """Trains every arm that trains on random weights and synthetic pairs of the exact shapes, and writes peak
    memory and tokens/s to results/<profile>-random/<hardware>/.
    """
    run(load_profile(profile), steps=steps, warmup=warmup, shrink=shrink, run_dir=run_dir, results=results)


def run(
    profile: Profile, *, steps: int, warmup: int, shrink: int, run_dir: Path | None, results: Path = RESULTS
) -> Path:
    """Train every arm that trains for `warmup` + `steps` steps and write what it cost.

    Args:
        shrink: divides the shapes, for tests on a CPU.
        results: gets `<profile>-random/<hardware class>/measured.{json,md}`.

    Returns:
        The folder written.

    Raises:
        ProfileError: no arm of the profile trains.
        UsageError: fewer than one step to measure or to warm up.
        HarnessError: any error of the stages.
    """
    _refuse_nothing(profile, steps, warmup)
    per_step = profile.training.pairs_per_step
    variant = random_variant(profile, shrink=shrink, pairs=(steps + warmup) * per_step)
    paths = RunPaths.of(variant.name, run_dir, None)
    run_stage("prepare", variant, paths)
    trained = {
        name: run_stage("train", variant, paths, name)[0]
        for name, section in variant.arms.items()
        if arm_module(section).Arm.kind == "trained"
    }
    first = next(iter(trained.values()))
    measured = Measured(
        profile=variant.name,
        profile_digest=variant.digest(),
        command=_command(profile, steps, warmup, shrink),
        warmup=warmup,
        steps=steps,
        pairs_per_step=per_step,
        lengths=STATED,
        provenance=first.provenance,
        arms={name: _cost(artefact, warmup, per_step) for name, artefact in trained.items()},
    )
    folder: Path = results / variant.name / first.provenance["hardware"]["class"]
    write_json(folder / "measured.json", measured.model_dump(mode="json"))
    shown = markdown(sheet(measured))
    write_text(folder / "measured.md", shown)
    console.print(shown, markup=False)
    console.print(f"written: {folder}", markup=False)
    return folder


def _refuse_nothing(profile: Profile, steps: int, warmup: int) -> None:
    if steps < 1 or warmup < 1:
        raise UsageError(f"--steps and --warmup must both be at least 1 (got {steps} and {warmup})")
    if not any(arm_module(section).Arm.kind == "trained" for section in profile.arms.values()):
        raise ProfileError(
            "the profile has no arm that trains",
            value=profile.name,
            remedy="measure a profile that has one, such as gemma-2-2b",
        )


def _command(profile: Profile, steps: int, warmup: int, shrink: int) -> str:
    base = f"python -m harness measure --profile {profile.name} --steps {steps} --warmup {warmup}"
    return base + (f" --shrink {shrink}" if shrink > 1 else "")


def _cost(artefact: Artefact, warmup: int, per_step: int) -> ArmCost:
    if not is_random(artefact.profile):
        raise NotComparableError(
            "this training used real weights, which are not measured here",
            value=artefact.arm,
            remedy="give another folder with --run-dir DIR",
        )
    result = TrainResult.model_validate(artefact.result)
    seconds, tokens = result.facts["step_s_trace"][warmup:], result.facts["step_tokens_trace"][warmup:]
    if result.usage is None or not seconds or len(seconds) != len(tokens):
        raise DamagedFileError(
            "the training did not record its steps",
            value=f"{artefact.arm}: {len(seconds)} times, {len(tokens)} counts",
            remedy="delete the run folder and measure again",
        )
    rate = sum(tokens) / sum(seconds)
    epoch_s = EPOCH_PAIRS * sum(tokens) / (len(tokens) * per_step) / rate
    whole = artefact.profile["model"].get("divide", 1) == 1
    return ArmCost(
        trainable_parameters=result.usage.trainable_parameters,
        step_s=statistics.median(seconds),
        step_s_min=min(seconds),
        step_s_max=max(seconds),
        tokens=sum(tokens),
        tokens_per_s=rate,
        peak_allocated_gib=result.usage.peak_allocated_gib,
        peak_reserved_gib=result.usage.peak_reserved_gib,
        peak_rss_gib=result.usage.peak_rss_gib,
        epoch_min=epoch_s / MINUTE if whole else None,
    )


def sheet(measured: Measured) -> Sheet:
    """The measurement, marked in its title."""
    headings = (
        "Arm",
        "Trainable parameters",
        "Step (s, median)",
        "range",
        "Tokens/s",
        "Peak allocated (GiB)",
        "Peak reserved (GiB)",
        "Peak RSS (GiB)",
        "60,000 pairs (min, projected)",
    )
    hardware = measured.provenance["hardware"]
    notes = (
        NOTE,
        f"{measured.steps} steps of {measured.pairs_per_step} pairs after {measured.warmup} to warm up"
        f" · {hardware['class']} ({hardware['device']}, driver {hardware['driver'] or 'none'})"
        f" · commit {measured.provenance['commit'] or 'none'}"
        f" · profile digest {measured.profile_digest[:12]}",
        f"`{measured.command}`",
    )
    title = f"RANDOM WEIGHTS. Costs of training at the shapes of {measured.profile}"
    rows = tuple(_row(name, cost) for name, cost in measured.arms.items())
    return Sheet("measured", title, headings, rows, notes)


def _row(name: str, cost: ArmCost) -> Row:
    at = f"/arms/{name}"
    return line(
        name,
        numeric(cost.trainable_parameters, ",", f"{at}/trainable_parameters"),
        numeric(cost.step_s, ".3f", f"{at}/step_s"),
        f"{cost.step_s_min:.3f} to {cost.step_s_max:.3f}",
        numeric(cost.tokens_per_s, ",.0f", f"{at}/tokens_per_s"),
        *(numeric(getattr(cost, peak), ".2f", f"{at}/{peak}", missing="n/a (no GPU)") for peak in PEAKS),
        numeric(cost.epoch_min, ",.1f", f"{at}/epoch_min", missing="n/a (divided)"),
    )
