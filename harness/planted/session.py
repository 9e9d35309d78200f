"""`python -m harness planted-truth`: train every arm on each planted reward; what is learned, what seen?"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from typer import Option

from harness.core.artefact import Artefact, take_over, write_bytes, write_json, write_text
from harness.core.console import console, say, screen_console
from harness.core.errors import ProfileError, UsageError
from harness.core.markdown_table import markdown
from harness.core.measures import BASE
from harness.core.paths import RESULTS, RunPaths
from harness.core.provenance import provenance
from harness.core.results import PreferenceScores, PrepareResult
from harness.findings.activity import CompositionResult
from harness.findings.audit import AuditResult
from harness.findings.controls import ControlsResult
from harness.findings.masked import AblationResult
from harness.findings.reading import MIXED, label
from harness.miniature.world import make_world
from harness.planted.figure import figure
from harness.planted.result import NAME, Parts, PlantedResult, Seen, Trial, assemble
from harness.planted.reward import REWARDS, Planted, planted, write_root
from harness.planted.rule import NOTHING, RULES, harms, learned
from harness.planted.sheet import sheets
from harness.profiles.profile import Profile, parse_profile
from harness.profiles.variant import arms_alone
from harness.report.screen_table import show_sheet
from harness.sources.bundle.files import read_bundle
from harness.stages.inputs import STUDIES
from harness.stages.options import ProfileName, RunDir, RunOptions, Save, number, parse_seeds
from harness.stages.stage import run_stage
from harness.stages.study import run_studies

STAGES = ("prepare", "train", "evaluate")
PLANTED = ["style", "truth"]
DRAWS = 3
"""Random masks of each size in the ablation: a control beside the rule, which does not read it."""
CHECKPOINT_STEPS = 25
"""Several trainings take a while; one that is interrupted goes on from here with the same numbers."""


class Made(NamedTuple):
    """The trials of one reward and seed, the controls, the inputs of the run, and the provenance of all."""

    trials: list[Trial]
    controls: ControlsResult | None
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
    train_pairs: Annotated[
        int, number("train on the first N pairs only (default: as many as the profile; 0 means that)", 0)
    ] = 0,
    save: Save = False,
) -> None:
    """Ranks the miniature's pairs by a style-heavy, a mixed and a truth-heavy reward, and by one that nobody
    can learn; trains every arm on each; audits what it learned, and reads Table 2 and the causal ablation, by
    rules that were written before (docs/decisions/0050-planted-truth.md, 0115-three-truths.md). Two tables:
    planted x learned, learned x seen; and what the analyses say of adapters that steer known features.

    Reads the bundled miniature, or what extends it. Writes planted-truth/planted-truth.{json,md,svg,png} and
    planted-truth/<reward>/seed-N/, a run folder each.

    About five minutes a reward and seed on two cores; what is finished is reused.
    """
    chosen, paths = RunOptions(profile=profile, run_dir=run_dir).load()
    many = parse_seeds(seeds) if seeds else ()
    run(chosen, paths, seeds=many, rewards=reward or (), train_pairs=train_pairs, save=save)


def run(
    profile: Profile,
    paths: RunPaths,
    *,
    seeds: Sequence[int] = (),
    rewards: Sequence[str] = (),
    train_pairs: int = 0,
    save: bool = False,
    results: Path = RESULTS,
) -> PlantedResult | None:
    """Make or reuse the trials, then write and print the tables.

    Args:
        seeds: of the training; none: the profile's own.
        rewards: make the trials of these only, without the tables; none: all of them.
        train_pairs: of each training, from the front; 0: as many as the profile's.
        save: take the result over into `results`.

    Raises:
        ProfileError: not the bundled miniature, or a study that the profile does not have.
        UsageError: no such reward.
        HarnessError: any error of a stage or a study; finished trials are kept.
    """
    _refuse_unplanted(profile, rewards)
    again = _command(profile, seeds, train_pairs)
    data = profile.data.model_copy(update={"train_pairs": train_pairs or profile.data.train_pairs})
    profile = profile.model_copy(update={"data": data})
    seeds = tuple(seeds) or (profile.training.seed,)
    wanted = [(name, seed) for seed in seeds for name in (rewards or REWARDS)]
    wanted = [(name, seed) for name, seed in wanted if name != NOTHING or seed == seeds[0]]
    made = []
    for place, (name, seed) in enumerate(wanted, start=1):
        console.print(f"[bold]{NAME} {place} of {len(wanted)}: {name}, seed {seed}[/bold]")
        made.append(make_trials(profile, paths, name, seed))
    if set(rewards or REWARDS) != set(REWARDS):
        console.print(f"the tables wait for the rewards {', '.join(sorted(set(REWARDS) - set(rewards)))}")
        return None
    controls = [one.controls for one in made if one.controls is not None]
    parts = Parts(
        trials=[trial for one in made for trial in one.trials],
        controls=_together(controls),
        rewards={one.trials[0].reward: one.planted for one in made},
        made=[one for each in made for one in each.provenance],
    )
    result = assemble(
        parts,
        command=again,
        profile=profile.name,
        profile_digest=profile.digest(),
        inputs={part: made[0].prepared.digest(part) for part in ("model", "sae")},
        train_pairs=parts.rewards[NOTHING].pairs,
        provenance=provenance(seeds[0]),
    )
    folder = home(paths)
    _write(result, folder)
    if save:
        _save(folder, results / profile.name / result.provenance["hardware"]["class"] / NAME)
    return result


def _together(found: Sequence[ControlsResult]) -> ControlsResult:
    """The controls of every seed as one result, each seed a draw."""
    every = [
        one.model_copy(update={"draw": draw}) for draw, result in enumerate(found) for one in result.controls
    ]
    return found[0].model_copy(update={"controls": tuple(every)})


def home(paths: RunPaths) -> Path:
    """Where a run keeps its trials and their tables."""
    return paths.root / NAME


def variant(profile: Profile, reward: str, seed: int) -> Profile:
    """The profile of a trial: other pairs, another seed, every arm, the studies read, no benchmark."""
    wanted = dict.fromkeys((*(rule.study for rule in RULES.values()), "census", "audit", "controls"))
    data = arms_alone(profile, profile.arms)
    data |= {
        "name": f"{profile.name}-{reward}",
        "title": f"{profile.title}, {reward} reward",
        "studies": {name: profile.resolved()["studies"][name] for name in wanted},
    }
    data["studies"]["ablation"] |= {"tasks": [], "limits": {}, "prompts": 0, "draws": DRAWS}
    data["studies"]["audit"] |= {"counted": [], "columns": PLANTED, "planted": PLANTED, "minimal": 0}
    data["studies"]["controls"] |= {"draws": 1}
    data["data"]["source"] = data["evaluation"]["source"] = "data_root"
    data["training"] |= {"seed": seed, "checkpoint_steps": CHECKPOINT_STEPS}
    return parse_profile(data, where=f"{profile.name}, {reward} reward")


def make_trials(profile: Profile, paths: RunPaths, reward: str, seed: int) -> Made:
    """Train every arm on a reward, and analyse it; what is finished is reused.

    Raises:
        HarnessError: any error of a stage or a study.
    """
    world = make_world(int(read_bundle(profile.model.id).manifest["seed"]))
    root = home(paths) / reward
    rows = write_root(root / "data", world, REWARDS[reward], profile.data)["train"]
    one = variant(profile, reward, seed)
    where = dataclasses.replace(paths, root=root / f"seed-{seed}", data_root=root / "data")
    stages = {name: run_stage(name, one, where) for name in STAGES}
    names = ["audit"] if reward == NOTHING else ["audit", *(rule.study for rule in RULES.values())]
    names += ["controls"] if reward == MIXED else []
    studies = {found.stage.removeprefix(STUDIES): found for found in run_studies(one, where, names)}
    prepared = PrepareResult.model_validate(stages["prepare"][0].result)
    files = {name: prepared.files[f"data/{name}"] for name in (profile.data.train, profile.data.test)}
    scored = {str(found.arm): found for found in stages["evaluate"]}
    audit = AuditResult.model_validate(studies["audit"].result)
    controls = studies.get("controls")
    return Made(
        trials=[_trial(reward, seed, arm, scored, audit, studies, one) for arm in audit.arms],
        controls=ControlsResult.model_validate(controls.result) if controls else None,
        prepared=prepared,
        planted=planted(world, REWARDS[reward], rows[: profile.data.train_pairs or None], files),
        provenance=[
            found.provenance
            for found in (*(one for each in stages.values() for one in each), *studies.values())
        ],
    )


def _trial(
    reward: str,
    seed: int,
    arm: str,
    scored: Mapping[str, Artefact],
    audit: AuditResult,
    studies: Mapping[str, Artefact],
    profile: Profile,
) -> Trial:
    base, mine = (PreferenceScores.model_validate(scored[one].result["preference"]) for one in (BASE, arm))
    found = audit.arms[arm].planted
    assert found is not None
    return Trial(
        reward=reward,
        seed=seed,
        arm=arm,
        loss=mine.loss,
        base_loss=base.loss.value,
        accuracy=mine.accuracy,
        base_accuracy=base.accuracy.value,
        mean_l0=mine.mean_l0,
        audit=found,
        learned=learned(found),
        seen=_seen(studies) if arm == _arm(profile) and reward != NOTHING else None,
    )


def _seen(studies: Mapping[str, Artefact]) -> Seen:
    composition = CompositionResult.model_validate(studies["table2"].result)
    ablation = AblationResult.model_validate(studies["ablation"].result)
    read = {"composition": composition, "ablation": ablation}
    contrasts = {name: rule.contrast(read[name]) for name, rule in RULES.items()}
    return Seen(
        composition=composition.judged(),
        harm=harms(ablation),
        random_harm=ablation.random,
        masked={row.masked: row.features for row in ablation.rows if row.masked in ablation.random},
        contrasts=contrasts,
        readings={name: label(contrasts[name], rule.margin) for name, rule in RULES.items()},
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
    for name in (*(rule.study for rule in RULES.values()), "audit", "controls"):
        profile.study(name)


def _command(profile: Profile, seeds: Sequence[int], train_pairs: int) -> str:
    many = f" --seeds {','.join(map(str, seeds))}" if seeds else ""
    fewer = f" --train-pairs {train_pairs}" if train_pairs else ""
    return f"python -m harness {NAME} --profile {profile.name}{many}{fewer}"


def _write(result: PlantedResult, folder: Path) -> None:
    """The artefact, its tables and its figure, and the tables on the screen."""
    found = sheets(result)
    write_json(folder / f"{NAME}.json", result.model_dump(mode="json"))
    write_text(folder / f"{NAME}.md", "\n".join(map(markdown, found)))
    for suffix, data in figure(result).items():
        write_bytes(folder / f"{NAME}.{suffix}", data)
    for sheet in found[:3]:
        show_sheet(sheet, screen_console())
    say(f"written: {folder / NAME}.{{json,md,svg,png}}")


def _save(folder: Path, target: Path) -> None:
    count = take_over(folder.glob(f"{NAME}.*"), target)
    say(f"accepted: {count} files in {target}")
