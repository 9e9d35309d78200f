"""Several training seeds: every stage once for each, then means, spreads and tests over seeds."""

from __future__ import annotations

import dataclasses
import statistics as plain
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from typer import Option

from harness.core.artefact import take_over, write_json, write_text
from harness.core.console import console, say, screen_console
from harness.core.crossed import CrossedInterval, seed_item_interval
from harness.core.differing import refuse_unlike
from harness.core.markdown_table import markdown
from harness.core.measures import BASE, Measure, measure
from harness.core.paths import RESULTS, RunPaths
from harness.core.sheet import Cell, Sheet, bounded, line
from harness.core.statistics import LEVEL, SeedDifference, corrected, seed_difference
from harness.findings.compare import identity
from harness.findings.outcome import Outcome, outcome_path, read_outcome
from harness.findings.seeds import SeedResult, Spread
from harness.profiles.profile import Profile
from harness.report.latex_table import latex
from harness.report.screen_table import show_sheet
from harness.report.tables import commits, heading, limits, mean, origin, sizes, starred
from harness.stages.analyse import arm_items
from harness.stages.inputs import Context, command
from harness.stages.options import Save, parse_seeds
from harness.stages.stage import STAGES, refuse_stale, run_stage

SEEDS = "seeds"
Tables = dict[str, dict[str, list[list[float]]]]


def with_seed(profile: Profile, seed: int) -> Profile:
    """The same profile with another training seed; the evaluation's seed stays."""
    training = profile.training.model_copy(update={"seed": seed})
    return profile.model_copy(update={"training": training})


def seed_paths(paths: RunPaths, seed: int) -> RunPaths:
    """The run folder of one seed, below the run's own."""
    return dataclasses.replace(paths, root=paths.root / f"seed-{seed}")


def run_seeds(stage: str, profile: Profile, paths: RunPaths, seeds: Sequence[int], arm: str | None) -> None:
    """Run a stage for every seed; after `report` also write and print the table over seeds.

    Raises:
        HarnessError: any error of the stage; earlier seeds are kept.
    """
    for seed in seeds:
        one, where = with_seed(profile, seed), seed_paths(paths, seed)
        refuse_stale(stage, one, where, arm)
        run_stage(stage, one, where, arm)
    if stage == "report":
        report(profile, paths, seeds)


def run(
    profile: Profile,
    paths: RunPaths,
    seeds: Annotated[str, Option(metavar="N,N,...", help="training seeds, two or more")] = "1,2,3",
    save: Save = False,
    results: Path = RESULTS,
) -> None:
    """Runs prepare to check once for each training seed, below seed-N of the run folder, then puts the seeds
    together: mean, standard deviation, and differences to the base tested with seeds as the unit (paired t
    test, Holm). What is finished is reused. The seeds are checked once the table is there: one that fails is
    in it, and nothing is saved.

    Writes seed-N/, a run folder each, and report/seeds.{json,md,tex}.

    Raises:
        UsageError: not two or more different seeds.
        HarnessError: any error of a stage; earlier seeds are kept.
    """
    numbers = parse_seeds(seeds)
    for place, seed in enumerate(numbers, start=1):
        console.print(f"[bold]training seed {seed} ({place} of {len(numbers)})[/bold]")
        for stage in STAGES:
            if stage != "check":
                run_stage(stage, with_seed(profile, seed), seed_paths(paths, seed))
    result = report(profile, paths, numbers)
    for seed in numbers:
        run_stage("check", with_seed(profile, seed), seed_paths(paths, seed))
    if save:
        target = results / profile.name / result.hardware
        take_over(paths.report.glob(f"{SEEDS}.*"), target)
        say(f"accepted: {target / SEEDS}.{{json,md,tex}}")


def report(profile: Profile, paths: RunPaths, seeds: Sequence[int]) -> SeedResult:
    """Write `report/seeds.{json,md,tex}` and print the table."""
    again = f"{command(SEEDS, profile)} --seeds {','.join(map(str, seeds))}"
    outcomes = {seed: read_outcome(outcome_path(seed_paths(paths, seed)), made_by=again) for seed in seeds}
    result = over_seeds(outcomes, profile.digest(), item_tables(profile, paths, seeds))
    sheet = seed_table(result, next(iter(outcomes.values())), again)
    write_json(paths.report / f"{SEEDS}.json", result.model_dump(mode="json"))
    write_text(paths.report / f"{SEEDS}.md", markdown(sheet))
    write_text(paths.report / f"{SEEDS}.tex", latex(sheet))
    show_sheet(sheet, screen_console())
    return result


def item_tables(profile: Profile, paths: RunPaths, seeds: Sequence[int]) -> Tables:
    """Arm -> measure -> (arm - base) by item, one row a seed.

    Raises:
        HarnessError: a sample log is gone, or is not what the evaluation says.
    """
    tables: Tables = {}
    for seed in seeds:
        context = Context(with_seed(profile, seed), seed_paths(paths, seed))
        items = {name: arm_items(context, name) for name in profile.arms}
        for arm, by_measure in items.items():
            for column, mine in by_measure.items() if arm != BASE and BASE in items else ():
                base = items[BASE][column]
                row = [mine[key] - base[key] for key in sorted(base)]
                tables.setdefault(arm, {}).setdefault(column.name, []).append(row)
    return tables


def over_seeds(
    outcomes: Mapping[int, Outcome], profile_digest: str, tables: Tables | None = None
) -> SeedResult:
    """Means, spreads and paired tests over the outcomes of several seeds.

    Args:
        profile_digest: of the profile whose seed they replace.
        tables: of `item_tables`; without them nothing is said of other items.

    Raises:
        NotComparableError: the runs differ in more than the seed.
    """
    kinds = {
        f"seed-{seed}": {**identity(one), "arms": " ".join(one.order), "profile digest": "of the seed"}
        for seed, one in outcomes.items()
    }
    refuse_unlike(kinds, remedy="delete the folder {name} of the run and run it again")
    first = next(iter(outcomes.values()))
    values = {
        arm: {
            name: tuple(outcome.arms[arm].scores[name].value for outcome in outcomes.values())
            for name in first.measures
        }
        for arm in first.arms
    }
    spreads = {
        arm: {
            name: Spread(mean=plain.mean(v), sd=plain.stdev(v), seeds=len(v)) for name, v in by_name.items()
        }
        for arm, by_name in values.items()
    }
    differences, family = _differences(values)
    return SeedResult(
        profile=first.profile,
        profile_digest=profile_digest,
        hardware=first.hardware,
        device=first.device,
        versions=first.versions,
        commits=tuple(sorted({commit for outcome in outcomes.values() for commit in outcome.commits})),
        dirty=any(outcome.dirty for outcome in outcomes.values()),
        seeds=tuple(outcomes),
        values=values,
        spreads=spreads,
        differences=differences,
        family=family,
        crossed={
            arm: {name: seed_item_interval(table) for name, table in by_measure.items()}
            for arm, by_measure in (tables or {}).items()
        },
    )


def _differences(
    values: Mapping[str, Mapping[str, Sequence[float]]],
) -> tuple[dict[str, dict[str, SeedDifference]], int]:
    found = {
        (arm, name): seed_difference(mine, values[BASE][name])
        for arm, by_name in values.items()
        if arm != BASE and BASE in values
        for name, mine in by_name.items()
    }
    family = corrected({place: one for place, one in found.items() if measure(place[1]).tested})
    differences: dict[str, dict[str, SeedDifference]] = {}
    for (arm, name), one in (found | family).items():
        differences.setdefault(arm, {})[name] = one
    return differences, len(family)


def seed_table(result: SeedResult, outcome: Outcome, again: str) -> Sheet:
    """Mean and standard deviation of every measure, and the difference to the base with its interval.

    Args:
        outcome: of any of the seeds.
        again: the command that makes the table.
    """
    columns = [measure(name) for name in outcome.measures]
    rows = []
    for arm in (name for name in outcome.arms if name in result.spreads):
        by_name = result.spreads[arm]
        cells = (
            mean(by_name[c.name].mean, by_name[c.name].sd, c, f"/spreads/{arm}/{c.name}/mean")
            for c in columns
        )
        rows.append(line(outcome.arms[arm].title, *cells, group=True))
        if arm in result.differences:
            to_base, at = result.differences[arm], f"/differences/{arm}"
            cells = (starred(to_base[c.name], c, f"{at}/{c.name}") for c in columns)
            rows.append(line("  vs. base, other seeds [95 % CI]", *cells))
        if arm in result.crossed:
            both = result.crossed[arm]
            cells = (_crossed(both[c.name], c, f"/crossed/{arm}/{c.name}/effect") for c in columns)
            rows.append(line("  vs. base, other seeds and items [95 % CI]", *cells))
    n = len(result.seeds)
    headings = ("Arm", *map(heading, columns))
    remarks = (
        outcome.note,
        f"{n} training seeds an arm ({', '.join(map(str, result.seeds))}): mean ± standard deviation over "
        f"seeds, n = {n}. Other seeds: paired by seed, 95 % interval of Student's t with {n - 1} degrees of "
        f"freedom, uncorrected; * p < {LEVEL:g}, Holm-corrected over {result.family} tests. The "
        "base is not trained: its scores do not depend on the seed.",
        "Other seeds and items: both as crossed random effects, one interval for new seeds on new items "
        "(docs/decisions/0113-threads-and-seeds.md).",
        f"{origin(outcome, commits(result.commits, result.dirty))} · `{again}`",
        f"n of each seed: {sizes(outcome)} · limits: {limits(outcome)}",
    )
    return Sheet(SEEDS, f"Seeds. {outcome.title}", headings, tuple(rows), remarks)


def _crossed(one: CrossedInterval, column: Measure, at: str) -> Cell:
    return bounded(one.effect, one.low, one.high, f"+.{column.decimals}f", at, column.scale)
