"""`python -m harness planted-truth`: train an adapter on each planted reward, and read the analyses."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from typer import Option

from harness.core.artefact import Artefact, write_bytes, write_json, write_text
from harness.core.console import console, say, screen_console
from harness.core.errors import ProfileError, UsageError
from harness.core.markdown_table import markdown
from harness.core.measures import BASE
from harness.core.paths import RESULTS, RunPaths
from harness.core.provenance import provenance
from harness.core.results import PreferenceScores, PrepareResult
from harness.findings.activity import CompositionResult
from harness.findings.masked import AblationResult
from harness.miniature.world import make_world
from harness.planted.figure import figure
from harness.planted.result import NAME, PlantedResult, Trial, assemble
from harness.planted.reward import REWARDS, Planted, planted, write_root
from harness.planted.rule import RULES, harms, label
from harness.planted.sheet import sheets
from harness.profiles.profile import Profile, parse_profile
from harness.report.screen_table import show_sheet
from harness.sources.bundle.files import read_bundle
from harness.stages.options import ProfileName, RunDir, RunOptions, Save, parse_seeds
from harness.stages.stage import run_stage
from harness.stages.study import run_studies

STAGES = ("prepare", "train", "evaluate")
DRAWS = 3
"""Random masks of each size in the ablation: a control beside the rule, which does not read it."""
CHECKPOINT_STEPS = 25
"""Several trainings take a while; one that is interrupted goes on from here with the same numbers."""


class Made(NamedTuple):
    """A finished trial, the inputs of its run, and the provenance of everything that it was read from."""

    trial: Trial
    prepared: PrepareResult
    planted: Planted
    provenance: list[Mapping[str, Any]]


def planted_truth(
    profile: ProfileName = "miniature",
    run_dir: RunDir = None,
    seeds: Annotated[
        str | None,
        Option(metavar="N,N,...", help="train each reward once a seed (default: the profile's own seed)"),
    ] = None,
    reward: Annotated[
        list[str] | None,
        Option(
            metavar="NAME",
            help="only make the trials of this reward; the tables wait for all (repeatable)",
            autocompletion=lambda: list(REWARDS),
        ),
    ] = None,
    save: Save = False,
) -> None:
    """Ranks the miniature's pairs by a style-heavy, a mixed and a truth-heavy reward, trains the FSRL arm on
    each, and reads Table 2 and the causal ablation by rules that were written before
    (docs/decisions/0050-planted-truth.md): a confusion table, planted x recovered.

    Reads the bundled miniature, or what extends it. Writes planted-truth/planted-truth.{json,md,svg,png} and
    planted-truth/<reward>/seed-N/, a run folder each.

    About two minutes a reward and seed on two cores; what is finished is reused.
    """
    chosen, paths = RunOptions(profile=profile, run_dir=run_dir).load()
    run(chosen, paths, seeds=parse_seeds(seeds) if seeds else (), rewards=reward or (), save=save)


def run(
    profile: Profile,
    paths: RunPaths,
    *,
    seeds: Sequence[int] = (),
    rewards: Sequence[str] = (),
    save: bool = False,
    results: Path = RESULTS,
) -> PlantedResult | None:
    """Make or reuse the trials, then write and print the tables.

    Args:
        seeds: of the training; none: the profile's own.
        rewards: make the trials of these only, without the tables; none: all of them.
        save: take the result over into `results`.

    Raises:
        ProfileError: not the bundled miniature, or a study that the profile does not have.
        UsageError: no such reward.
        HarnessError: any error of a stage or a study; finished trials are kept.
    """
    _refuse_unplanted(profile, rewards)
    seeds = tuple(seeds) or (profile.training.seed,)
    wanted = [(name, seed) for seed in seeds for name in (rewards or REWARDS)]
    made = []
    for number, (name, seed) in enumerate(wanted, start=1):
        console.print(f"[bold]{NAME} {number} of {len(wanted)}: {name}, seed {seed}[/bold]")
        made.append(make_trial(profile, paths, name, seed))
    if set(rewards or REWARDS) != set(REWARDS):
        console.print(f"the tables wait for the rewards {', '.join(sorted(set(REWARDS) - set(rewards)))}")
        return None
    result = assemble(
        command=_command(profile, seeds),
        profile=profile.name,
        profile_digest=profile.digest(),
        inputs={part: made[0].prepared.digest(part) for part in ("model", "sae")},
        rewards={one.trial.reward: one.planted for one in made},
        trials=[one.trial for one in made],
        made=[one for each in made for one in each.provenance],
        provenance=provenance(seeds[0]),
    )
    folder = home(paths)
    _write(result, folder)
    if save:
        _save(folder, results / profile.name / result.provenance["hardware"]["class"] / NAME)
    return result


def home(paths: RunPaths) -> Path:
    """Where a run keeps its trials and their tables."""
    return paths.root / NAME


def variant(profile: Profile, reward: str, seed: int) -> Profile:
    """The profile of a trial: other pairs and another seed, the base and the studied arm, no benchmark."""
    data = profile.resolved()
    arm, chosen = _arm(profile), {rule.study for rule in RULES.values()} | {"census"}
    data |= {
        "name": f"{profile.name}-{reward}",
        "title": f"{profile.title}, {reward} reward",
        "arms": {name: data["arms"][name] for name in (BASE, arm)},
        "studies": {name: data["studies"][name] for name in data["studies"] if name in chosen},
        "published": {},
        "sources": {},
        "assumed": {},
    }
    data["studies"]["ablation"] |= {"tasks": [], "limits": {}, "prompts": 0, "draws": DRAWS}
    data["data"]["source"] = data["evaluation"]["source"] = "data_root"
    data["evaluation"]["tasks"] = {}
    data["training"] |= {"seed": seed, "checkpoint_steps": CHECKPOINT_STEPS}
    return parse_profile(data, where=f"{profile.name}, {reward} reward")


def make_trial(profile: Profile, paths: RunPaths, reward: str, seed: int) -> Made:
    """Train and analyse one adapter; what is finished is reused.

    Raises:
        HarnessError: any error of a stage or a study.
    """
    world = make_world(int(read_bundle(profile.model.id).manifest["seed"]))
    root = home(paths) / reward
    rows = write_root(root / "data", world, REWARDS[reward], profile.data)["train"]
    one = variant(profile, reward, seed)
    where = dataclasses.replace(paths, root=root / f"seed-{seed}", data_root=root / "data")
    stages = {name: run_stage(name, one, where) for name in STAGES}
    made = [found for each in stages.values() for found in each]
    studies = {
        found.stage: found for found in run_studies(one, where, [rule.study for rule in RULES.values()])
    }
    prepared = PrepareResult.model_validate(stages["prepare"][0].result)
    files = {name: prepared.files[f"data/{name}"] for name in (profile.data.train, profile.data.test)}
    return Made(
        prepared=prepared,
        trial=_trial(reward, seed, {str(found.arm): found for found in stages["evaluate"]}, studies, one),
        planted=planted(world, REWARDS[reward], rows[: profile.data.train_pairs or None], files),
        provenance=[found.provenance for found in (*made, *studies.values())],
    )


def _trial(
    reward: str, seed: int, scored: Mapping[str, Artefact], studies: Mapping[str, Artefact], profile: Profile
) -> Trial:
    base, mine = (
        PreferenceScores.model_validate(scored[arm].result["preference"]) for arm in (BASE, _arm(profile))
    )
    composition = CompositionResult.model_validate(studies["studies/table2"].result)
    ablation = AblationResult.model_validate(studies["studies/ablation"].result)
    read = {"composition": composition, "ablation": ablation}
    contrasts = {name: rule.contrast(read[name]) for name, rule in RULES.items()}
    return Trial(
        reward=reward,
        seed=seed,
        loss=mine.loss,
        base_loss=base.loss.value,
        accuracy=mine.accuracy,
        base_accuracy=base.accuracy.value,
        mean_l0=mine.mean_l0 or 0.0,
        composition=composition.judged(),
        harm=harms(ablation),
        random_harm=ablation.random,
        masked={row.masked: row.features for row in ablation.rows if row.masked in ablation.random},
        contrasts=contrasts,
        recovered={name: label(contrasts[name], rule.margin) for name, rule in RULES.items()},
    )


def _arm(profile: Profile) -> str:
    return profile.study(RULES["composition"].study).arm


def _refuse_unplanted(profile: Profile, rewards: Sequence[str]) -> None:
    if profile.model.source != "bundle" or profile.data.source != "bundle":
        raise ProfileError(
            "a reward can only be planted where it is known: in the bundled miniature",
            value=profile.name,
            remedy="use --profile miniature, or a profile that extends it",
        )
    for name in rewards:
        if name not in REWARDS:
            raise UsageError("no such reward", value=name, remedy=f"choose of: {', '.join(REWARDS)}")
    for rule in RULES.values():
        profile.study(rule.study)


def _command(profile: Profile, seeds: Sequence[int]) -> str:
    own = "" if tuple(seeds) == (profile.training.seed,) else f" --seeds {','.join(map(str, seeds))}"
    return f"python -m harness {NAME} --profile {profile.name}{own}"


def _write(result: PlantedResult, folder: Path) -> None:
    """The artefact, its tables and its figure, and the tables on the screen."""
    found = sheets(result)
    write_json(folder / f"{NAME}.json", result.model_dump(mode="json"))
    write_text(folder / f"{NAME}.md", "\n".join(map(markdown, found)))
    for suffix, data in figure(result).items():
        write_bytes(folder / f"{NAME}.{suffix}", data)
    for sheet in found[:2]:
        show_sheet(sheet, screen_console())
    say(f"written: {folder / NAME}.{{json,md,svg,png}}")


def _save(folder: Path, target: Path) -> None:
    files = sorted(folder.glob(f"{NAME}.*"))
    for path in files:
        write_bytes(target / path.name, path.read_bytes())
    say(f"accepted: {len(files)} files in {target}")
