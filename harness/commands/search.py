"""`python -m harness search`: the learning rate of each trained arm, chosen on development pairs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

from typer import Option

from harness.audit.gaps import attribute_differences, scored_pairs
from harness.audit.regression import regression
from harness.core.artefact import Artefact, take_over, write_json, write_text
from harness.core.console import console, say, screen_console
from harness.core.errors import ProfileError
from harness.core.markdown_table import markdown
from harness.core.measures import BASE
from harness.core.paths import RESULTS, RunPaths
from harness.core.provenance import provenance
from harness.core.results import Interval, PreferenceScores, PrepareResult, TrainResult
from harness.core.sheet import Cell, Sheet, bounded, line, numeric
from harness.findings.search import SearchResult, Tried, least
from harness.profiles.profile import Profile, parse_profile
from harness.profiles.search_section import SearchSection
from harness.profiles.variant import arms_alone
from harness.report.screen_table import show_sheet
from harness.report.tables import commits
from harness.stages.inputs import command
from harness.stages.options import Save
from harness.stages.stage import run_stage

NAME = "search"
STAGES = ("prepare", "train", "evaluate")
RESAMPLES = 2_000


def run(
    profile: Profile,
    paths: RunPaths,
    arm: Annotated[
        list[str] | None,
        Option(metavar="NAME", help="only make the trainings of this arm; the table waits (repeatable)"),
    ] = None,
    save: Save = False,
    results: Path = RESULTS,
) -> SearchResult | None:
    """Trains each arm of the profile's table [search] once a learning rate, the same number of trainings for
    each arm, and scores them on the development pairs alone: no test row is read. The table says which rate
    has the least loss; the profile keeps its own until you write it there.

    Reads what `prepare` makes. Writes search/search.{json,md} and search/<arm>-<rate>/, a run folder each;
    what is finished is reused.

    Raises:
        ProfileError: the profile has no table [search], or no such arm in it.
        HarnessError: any error of a stage; finished trainings are kept.
    """
    section = _section(profile, arm or ())
    wanted = [(name, rate) for name in arm or section.learning_rates for rate in section.learning_rates[name]]
    made: dict[tuple[str, float], list[Artefact]] = {}
    for number, (name, rate) in enumerate(wanted, start=1):
        console.print(f"[bold]search {number} of {len(wanted)}: {name} at {rate:g}[/bold]")
        made[name, rate] = _train(profile, paths, section, name, rate)
    if set(arm or section.learning_rates) != set(section.learning_rates):
        console.print("the table waits for the other arms")
        return None
    base = _train(profile, paths, section, BASE, 0.0)
    found = _result(profile, paths, section, made, base)
    folder = paths.root / NAME
    write_json(folder / f"{NAME}.json", found.model_dump(mode="json"))
    write_text(folder / f"{NAME}.md", markdown(sheet(found, profile)))
    show_sheet(sheet(found, profile), screen_console())
    if save:
        target = results / profile.name / found.provenance["hardware"]["class"] / NAME
        take_over(folder.glob(f"{NAME}.*"), target)
        say(f"accepted: {target / NAME}.{{json,md}}")
    return found


def _section(profile: Profile, arms: Sequence[str]) -> SearchSection:
    if profile.search is None:
        raise ProfileError(
            "the profile declares no search",
            value=profile.name,
            remedy="add a table [search] with `pairs` and `learning_rates` to it",
        )
    for name in profile.search.learning_rates:
        if "learning_rate" not in profile.arm(name).options:
            raise ProfileError(
                "the search names an arm without a learning_rate", value=name, remedy="correct [search]"
            )
    for name in arms:
        if name not in profile.search.learning_rates:
            raise ProfileError(
                "the search has no such arm",
                value=name,
                remedy=f"choose of: {', '.join(profile.search.learning_rates)}",
            )
    return profile.search


def variant(profile: Profile, section: SearchSection, arm: str, rate: float) -> Profile:
    """The profile of one training: one arm at one rate, scored on the development pairs, no benchmark."""
    data = arms_alone(profile, [arm])
    data["data"] |= {"test": section.pairs, "test_pairs": 0}
    if arm != BASE:
        data["arms"][arm]["learning_rate"] = rate
    return parse_profile(data, where=f"{profile.name}, {arm} at {rate:g}")


def _train(
    profile: Profile, paths: RunPaths, section: SearchSection, arm: str, rate: float
) -> list[Artefact]:
    """Train and score, or reuse: the artefacts of `prepare`, `train` and `evaluate`."""
    folder = _folder(paths, arm, rate)
    one, where = variant(profile, section, arm, rate), dataclasses.replace(paths, root=folder)
    return [made for stage in STAGES for made in run_stage(stage, one, where)]


def _folder(paths: RunPaths, arm: str, rate: float) -> Path:
    return paths.root / NAME / (arm if arm == BASE else f"{arm}-{rate:g}")


def _shares(profile: Profile, paths: RunPaths, arm: str, rate: float) -> dict[str, Interval] | None:
    """What the arm learned of the planted attributes, judged on the development pairs."""
    planted = [name for one in profile.studies.values() for name in one.options.get("planted", ())]
    if not planted or profile.search is None:
        return None
    where = [dataclasses.replace(paths, root=_folder(paths, *one)) for one in ((arm, rate), (BASE, 0.0))]
    logs = [one.samples(name) / "preference.jsonl" for one, name in zip(where, (arm, BASE), strict=True)]
    mine, base = (scored_pairs(log, profile.training.beta) for log in logs)
    differences = attribute_differences(
        where[0].assets / "data" / profile.search.pairs,
        [one.key for one in base],
        columns=planted,
        counted=(),
    )
    gaps = [a.gap - b.gap for a, b in zip(mine, base, strict=True)]
    return regression(gaps, differences, resamples=RESAMPLES, seed=profile.training.seed).shares


def _choices(profile: Profile, paths: RunPaths, arm: str, rate: float, prepared: Artefact) -> float | None:
    """Share of fresh questions of the world that the arm answers right."""
    if profile.search is None or not profile.search.choices:
        return None
    from harness.evaluation.score import load_ready
    from harness.miniature.watch import fresh_choices, share_exact
    from harness.miniature.world import make_world
    from harness.sources.bundle.files import read_bundle

    world = make_world(int(read_bundle(profile.model.id).manifest["seed"]))
    where = dataclasses.replace(paths, root=_folder(paths, arm, rate))
    inputs = PrepareResult.model_validate(prepared.result)
    ready = load_ready(variant(profile, profile.search, arm, rate), where, arm, inputs)
    asked = fresh_choices(world, profile.search.choices)
    return share_exact(ready.model, ready.tokenizer, asked, reduced=False)


def _scores(made: Sequence[Artefact]) -> PreferenceScores:
    return PreferenceScores.model_validate(made[-1].result["preference"])


def _tried(profile: Profile, paths: RunPaths, arm: str, rate: float, made: Sequence[Artefact]) -> Tried:
    trained, scores = TrainResult.model_validate(made[1].result), _scores(made)
    trace = trained.loss_trace
    tenth = max(1, len(trace) // 10)
    return Tried(
        arm=arm,
        learning_rate=rate,
        loss=scores.loss,
        accuracy=scores.accuracy,
        penalised_loss=scores.penalised_loss,
        mean_l0=scores.mean_l0,
        choices=_choices(profile, paths, arm, rate, made[0]),
        shares=_shares(profile, paths, arm, rate),
        early=fmean(trace[-2 * tenth : -tenth] or trace),
        late=fmean(trace[-tenth:]),
        train_s=trained.usage.wall_s if trained.usage else 0.0,
    )


def _result(
    profile: Profile,
    paths: RunPaths,
    section: SearchSection,
    made: Mapping[tuple[str, float], Sequence[Artefact]],
    base: Sequence[Artefact],
) -> SearchResult:
    tried = tuple(_tried(profile, paths, arm, rate, found) for (arm, rate), found in made.items())
    base_choices = _choices(profile, paths, BASE, 0.0, base[0])
    origins: list[Mapping[str, Any]] = [one.provenance for found in (*made.values(), base) for one in found]
    dirt = [one["dirty"] for one in origins]
    return SearchResult(
        command=command(NAME, profile),
        profile=profile.name,
        pairs=section.pairs,
        n=_scores(base).loss.n,
        base_loss=_scores(base).loss,
        tried=tried,
        base_choices=base_choices,
        may_lose=section.may_lose,
        chosen=least(tried, (base_choices or 0.0) - section.may_lose),
        commits=tuple(sorted({str(one["commit"]) for one in origins})),
        dirty=None if None in dirt else any(dirt),
        provenance=provenance(profile.training.seed),
    )


def sheet(found: SearchResult, profile: Profile) -> Sheet:
    """One line a training; the chosen rate of each arm is marked."""
    rows, planted = [], list(found.tried[0].shares or ())
    for place, one in enumerate(found.tried):
        at, chosen = f"/tried/{place}", found.chosen[one.arm] == one.learning_rate
        first = not place or found.tried[place - 1].arm != one.arm
        l0 = numeric(one.mean_l0, ".1f", f"{at}/mean_l0") if one.mean_l0 is not None else "-"
        rows.append(
            line(
                profile.arm(one.arm).title if first else "",
                Cell(
                    f"{one.learning_rate:g}{' *' if chosen else ''}", f"{at}/learning_rate", one.learning_rate
                ),
                numeric(one.loss.value, ".3f", f"{at}/loss/value"),
                numeric(one.accuracy.value, ".3f", f"{at}/accuracy/value"),
                numeric(one.choices, ".1f", f"{at}/choices", 100),
                l0,
                *(_share(one.shares, name, f"{at}/shares/{name}") for name in planted),
                numeric(one.early, ".3f", f"{at}/early"),
                numeric(one.late, ".3f", f"{at}/late"),
                numeric(one.train_s, ".0f", f"{at}/train_s"),
                group=first,
            )
        )
    headings = (
        "Arm", "Rate", "Loss", "Accuracy", "Questions right (%)", "Mean L0",
        *(f"Share of {name}, learned" for name in planted),
        "Train, 9th tenth", "Train, last tenth", "Seconds",
    )  # fmt: skip
    return Sheet(NAME, f"Search. {profile.title}", headings, tuple(rows), _notes(found, profile))


def _share(shares: Mapping[str, Interval] | None, name: str, at: str) -> Cell | str:
    if not shares:
        return "-"
    one = shares[name]
    return bounded(one.value, one.low, one.high, ".2f", f"{at}/value")


def _notes(found: SearchResult, profile: Profile) -> tuple[str, ...]:
    edges = [profile.arm(arm).title for arm in found.chosen if found.at_an_edge(arm)]
    beyond = f" At the edge of the grid, a better rate may lie beyond: {', '.join(edges)}." if edges else ""
    kept = (
        (
            f"Questions: multiple choice about the world, in none of its sets. The untrained model answers "
            f"{100 * found.base_choices:.1f} %; a rate that loses more than {100 * found.may_lose:g} points "
            "is not chosen.",
        )
        if found.base_choices is not None
        else ()
    )
    return (
        f"SimPO loss on {found.n:,} development pairs ({found.pairs}), which no training and no table of "
        f"results reads; the untrained model's is {found.base_loss.value:.3f}. "
        f"* chosen: the least loss of its arm.{beyond}",
        *kept,
        "Train, 9th tenth and last tenth: mean training loss of these steps; alike where the curve is flat.",
        f"profile {found.profile} · commit {commits(found.commits, found.dirty)} · `{found.command}`",
    )
