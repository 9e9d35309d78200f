"""Figure 4: one training for each penalty coefficient or layer, and its scores on the test pairs."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, model_validator

from fsrl.analysis.elbow import elbow
from fsrl.analysis.sweep_score import PointScore, PointScores
from harness.core.console import console
from harness.core.documents import read_json
from harness.core.errors import ProfileError
from harness.core.paths import RunPaths
from harness.core.results import PrepareResult, TrainResult
from harness.findings.sweep import SweepPoint, SweepResult, SweptSae
from harness.profiles.profile import Profile, parse_profile
from harness.profiles.variant import arms_alone
from harness.stages.inputs import Context
from harness.stages.stage import held, load_stage, run_one
from harness.study import Found, Options, StudyScene

SUMMARY = "Figure 4: one training for each alpha or layer: its loss with and without penalty, L0, the elbow."
LAYOUT = 1
READS = ()
ALL_ARMS = False
TRAINS = True
FOLDER = "sweep"


class Config(Options):
    """Options.

    Attributes:
        axis: `alpha` sweeps the arm's penalty coefficient at the profile's layer, `layer` the layer at the
            profile's coefficient.
        points: values of the axis.
        epochs: passes over the training pairs, whatever the profile's own; the paper's sweeps had one.
        train_pairs, test_pairs: pairs of each training and of its scoring, from the front; 0: the profile's.
        sae_ids: of each layer in the profile's SAE release; needed where the SAE is one of a release.
        activation_cache_gib: disk for the residual stream after the steered block, which all points of an
            alpha sweep share; they then train with training.share_prompt. 0: each computes its own.
        sensitivity: Kneedle's S.
    """

    axis: Literal["alpha", "layer"]
    points: Annotated[tuple[float, ...], Field(min_length=2, strict=False)]
    epochs: Annotated[int, Field(gt=0)] = 1
    train_pairs: Annotated[int, Field(ge=0)] = 0
    test_pairs: Annotated[int, Field(ge=0)] = 0
    sae_ids: dict[str, str] = Field(default_factory=dict)
    activation_cache_gib: Annotated[float, Field(ge=0)] = 0.0
    sensitivity: Annotated[float, Field(gt=0)] = 1.0

    @model_validator(mode="after")
    def _points_fit_the_axis(self) -> Config:
        if list(self.points) != sorted(set(self.points)) or self.points[0] < 0:
            raise ValueError("points must rise, none twice, none below 0")
        if self.axis == "layer" and any(point != int(point) for point in self.points):
            raise ValueError("layers are whole numbers")
        if self.axis == "layer" and self.activation_cache_gib:
            raise ValueError("points of a layer sweep share no residual stream: no activation_cache_gib")
        return self


class Training(NamedTuple):
    """What a point trains: a profile that differs in the axis, its arm, its run folder."""

    profile: Profile
    arm: str
    paths: RunPaths
    own: bool


class Made(NamedTuple):
    """A finished point."""

    value: float
    own: bool
    train_s: float
    scores: PointScores
    sae: SweptSae


def run(config: Config, scene: StudyScene) -> Found:
    """Train and score every point; finished ones are reused, an interrupted one resumes like an arm."""
    made = []
    for number, value in enumerate(config.points, start=1):
        console.print(
            f"[bold]sweep of {config.axis}, {number} of {len(config.points)}: {config.axis} {value:g}[/bold]"
        )
        made.append(_made(training(config, scene, value), value))
    return Found(_result(config, scene, made))


def training(config: Config, scene: StudyScene, value: float) -> Training:
    """What trains at a value of the axis: the run's own arm where that has just these settings.

    Raises:
        ProfileError: the arm has no penalty coefficient, or the layer's SAE is not named.
    """
    profile, name = scene.profile, f"{config.axis}-{value:g}"
    alpha_name = name if config.axis == "alpha" else scene.arm
    one = variant(config, profile, scene.arm, alpha_name, value)
    same = (
        one.training == profile.training
        and one.sae == profile.sae
        and one.data == profile.data
        and one.arm(alpha_name) == profile.arm(scene.arm)
    )
    if same:
        return Training(profile, scene.arm, scene.paths, own=True)
    root = scene.paths.root / FOLDER / (config.axis if config.axis == "alpha" else name)
    return Training(one, alpha_name, dataclasses.replace(scene.paths, root=root), own=False)


def variant(config: Config, profile: Profile, arm: str, name: str, value: float) -> Profile:
    """The profile with another coefficient or layer, the one arm under `name`, no benchmark, no study."""
    data = arms_alone(profile, [arm])
    section = data["arms"][arm]
    if "penalty_coefficient" not in section:
        raise ProfileError(
            "the swept arm has no penalty_coefficient", value=arm, remedy="name an FSRL arm in its table"
        )
    if config.axis == "alpha":
        section["penalty_coefficient"] = value
    else:
        data["sae"] |= _sae(config, profile, int(value))
    data["arms"] = {name: section}
    data["training"]["epochs"] = config.epochs
    for split in ("train_pairs", "test_pairs"):
        data["data"][split] = getattr(config, split) or data["data"][split]
    if config.activation_cache_gib:
        data["training"] |= {"share_prompt": True, "activation_cache_gib": config.activation_cache_gib}
    return parse_profile(data, where=f"{profile.name}, {config.axis} {value:g}")


def _sae(config: Config, profile: Profile, layer: int) -> dict[str, Any]:
    if profile.sae.source != "release" or layer == profile.sae.layer:
        return {"layer": layer}
    if str(layer) not in config.sae_ids:
        raise ProfileError(
            "the sweep does not name the SAE of a layer",
            value=f"layer {layer} of {profile.sae.release}",
            remedy="add it to sae_ids in the study's table",
        )
    return {"layer": layer, "sae_id": config.sae_ids[str(layer)]}


def _made(one: Training, value: float) -> Made:
    with contextlib.nullcontext() if one.own else held(one.paths.root):
        context = Context(one.profile, one.paths)
        prepared = run_one("prepare", load_stage("prepare"), context)
        trained = run_one("train", load_stage("train"), context, one.arm)
        scored = run_one("score", PointScore(), context, one.arm)
    usage = TrainResult.model_validate(trained.result).usage
    inputs = PrepareResult.model_validate(prepared.result)
    return Made(
        value=value,
        own=one.own,
        train_s=usage.wall_s if usage else 0.0,
        scores=PointScores.model_validate(scored.result),
        sae=_quality(one.profile, inputs),
    )


def _quality(profile: Profile, prepared: PrepareResult) -> SweptSae:
    facts = prepared.facts["sae"]
    measured = facts.get("held_out", facts)
    sae = profile.sae
    source = f"{sae.release} {sae.sae_id}" if sae.source == "release" else sae.source
    if "made_in_s" in facts:
        source = "trained here"
    names = ("explained_variance", "mean_l0", "dead_fraction")
    return SweptSae(source=source, **{name: measured.get(name) for name in names})


def _result(config: Config, scene: StudyScene, made: list[Made]) -> SweepResult:
    from fsrl.analysis.evaluation_loss import against

    profile = scene.profile
    with_penalty = config.axis == "layer"
    least = min(made, key=lambda one: one.scores.compared(with_penalty))
    reference = least.scores.each(with_penalty)
    points = tuple(
        SweepPoint(
            value=one.value,
            loss=one.scores.preference.loss.value,
            stderr=one.scores.preference.loss.stderr,
            penalised_loss=one.scores.preference.penalised_loss.value,
            above=against(one.scores.each(with_penalty), reference, profile.training.seed),
            mean_l0=one.scores.preference.mean_l0 or 0.0,
            train_s=one.train_s,
            own=one.own,
            sae=one.sae,
        )
        for one in made
    )
    columns = ([p.value for p in points], [p.mean_l0 for p in points], [p.loss for p in points])
    model = read_json(Path(scene.prepared.model_dir) / "config.json", made_by="prepare")
    return SweepResult(
        axis=config.axis,
        points=points,
        least=least.value,
        elbow=elbow(*columns, config.sensitivity) if config.axis == "alpha" else None,
        blocks=int(model.get("text_config", model)["num_hidden_layers"]),
        alpha=float(profile.arm(scene.arm).options["penalty_coefficient"]),
        layer=profile.sae.layer,
        pairs=least.scores.preference.loss.n,
        epochs=config.epochs,
        seed=profile.training.seed,
        cached=bool(config.activation_cache_gib),
    )
