"""The behavioural audit: what each training taught, from what the arms say and not from any feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from harness.audit.attributes import COUNTED
from harness.audit.gaps import AGAIN, Scored, attribute_differences, scored_pairs
from harness.core.errors import MissingInputError
from harness.core.json_lines import rows
from harness.core.measures import BASE
from harness.core.results import Interval
from harness.findings.audit import ArmAudit, AuditResult
from harness.study import Found, Options, StudyScene

if TYPE_CHECKING:
    from harness.training.pairs import Pair

SUMMARY = "The behavioural audit: which attributes of an answer each arm has come to prefer."
LAYOUT = 1
READS: tuple[str, ...] = ()
ALL_ARMS = True
TRUTHFUL = "truthfulqa_mc2"
QUESTIONS = "truthfulqa/truthful_qa/multiple_choice/validation.jsonl"


class Config(Options):
    """Options.

    Attributes:
        counted: attributes counted in the text of an answer (harness/audit/attributes.py).
        columns: attributes that the rows themselves give, as numbers NAME_chosen and NAME_rejected.
        planted: which of the columns the rows were ranked by; they are also regressed alone.
        minimal: pairs of each attribute that differ in nothing else; needs the bundled world. 0: none.
        resamples: of the bootstrap over pairs.
    """

    counted: Annotated[tuple[str, ...], Field(strict=False)] = ()
    columns: Annotated[tuple[str, ...], Field(strict=False)] = ()
    planted: Annotated[tuple[str, ...], Field(strict=False)] = ()
    minimal: Annotated[int, Field(ge=0)] = 0
    resamples: Annotated[int, Field(gt=1)] = 2_000

    @model_validator(mode="after")
    def _attributes_exist(self) -> Config:
        if not (self.counted or self.columns):
            raise ValueError("name at least one attribute in counted or columns")
        if unknown := sorted(set(self.counted) - set(COUNTED)):
            raise ValueError(f"nothing counts {unknown[0]!r}; choose of: {', '.join(COUNTED)}")
        if missing := sorted(set(self.planted) - set(self.columns)):
            raise ValueError(f"planted names {missing[0]!r}, which is not among columns")
        return self


def run(config: Config, scene: StudyScene) -> Found:
    """Regress every trained arm's gaps, and score the minimal pairs.

    Raises:
        MissingInputError: an arm was not evaluated, or on other pairs than the base.
        DataError: attributes that cannot be told apart, or rows without a column.
    """
    from harness.audit.regression import collinearity, regression

    seed, arms = scene.profile.training.seed, [name for name in scene.profile.arms if name != BASE]
    base = _scored(scene, BASE)
    test = Path(scene.prepared.data_root) / scene.profile.data.test
    differences = attribute_differences(
        test, [one.key for one in base], columns=config.columns, counted=config.counted
    )
    planted = {name: differences[name] for name in config.planted}
    minimal = _minimal(config, scene, (BASE, *arms))
    found = {}
    for arm in arms:
        gaps = _moved(_scored(scene, arm), base, arm)
        options = {"resamples": config.resamples, "seed": seed}
        found[arm] = ArmAudit(
            natural=regression(gaps, differences, **options),
            planted=regression(gaps, planted, **options) if planted else None,
            minimal={
                name: _mean([a - b for a, b in zip(minimal[arm][name], theirs, strict=True)], seed)
                for name, theirs in minimal[BASE].items()
            },
            truthful=_truthful(scene, arm),
        )
    result = AuditResult(
        pairs=len(base),
        minimal_pairs=config.minimal,
        collinearity=collinearity(differences),
        arms=found,
        resamples=config.resamples,
        seed=seed,
    )
    return Found(result)


def _scored(scene: StudyScene, arm: str) -> list[Scored]:
    path = scene.paths.samples(arm) / "preference.jsonl"
    return scored_pairs(path, scene.profile.training.beta)


def _moved(mine: Sequence[Scored], base: Sequence[Scored], arm: str) -> list[float]:
    """(arm - base) gap of each pair."""
    if [one.key for one in mine] != [one.key for one in base]:
        raise MissingInputError("the arms were scored on other pairs", value=arm, remedy=AGAIN)
    return [one.gap - other.gap for one, other in zip(mine, base, strict=True)]


def _minimal(config: Config, scene: StudyScene, arms: Sequence[str]) -> dict[str, dict[str, list[float]]]:
    """Arm -> attribute -> (with - without the attribute) mean log-probability of each minimal pair."""
    if not config.minimal:
        return {arm: {} for arm in arms}
    from harness.miniature.minimal import minimal_pairs
    from harness.miniature.world import make_world
    from harness.sources.bundle.files import read_bundle
    from harness.training.pairs import Pair

    world = make_world(int(read_bundle(scene.profile.model.id).manifest["seed"]))
    drawn = minimal_pairs(world, config.minimal)
    pairs = {name: [Pair.model_validate(row) for row in found] for name, found in drawn.items()}
    return {arm: _gaps(scene, arm, pairs) for arm in arms}


def _gaps(scene: StudyScene, arm: str, pairs: Mapping[str, Sequence[Pair]]) -> dict[str, list[float]]:
    from harness.evaluation.preference import score_pairs
    from harness.evaluation.score import load_ready
    from harness.models.base_model import pad_id
    from harness.training.pairs import tokenise_pairs

    profile = scene.profile
    ready = load_ready(profile, scene.paths, arm, scene.prepared)
    together = [pair for found in pairs.values() for pair in found]
    tokenised = tokenise_pairs(
        together, ready.tokenizer, profile.data.max_length, profile.data.max_prompt_length
    )
    outcome = score_pairs(
        ready.model,
        ready.arm,
        together,
        tokenised,
        pad_id=pad_id(ready.tokenizer),
        batch_size=profile.evaluation.loss_batch_size,
        beta=1.0,
        gamma=0.0,
    )
    scored = [row["metrics"] for row in outcome.rows]
    gaps = iter([one["chosen_reward"] - one["rejected_reward"] for one in scored])
    return {name: [next(gaps) for _ in found] for name, found in pairs.items()}


def _mean(values: Sequence[float], seed: int) -> Interval:
    """Mean with the bootstrap's 95 % interval."""
    from fsrl.analysis.evaluation_loss import against

    return against(values, [0.0] * len(values), seed)


def _truthful(scene: StudyScene, arm: str) -> Interval | None:
    """TruthfulQA's questions as pairs: how much more the arm moved true choices than false ones, in nats."""
    if TRUTHFUL not in scene.profile.evaluation.tasks:
        return None
    labels = list(
        rows(
            Path(scene.prepared.data_root) / QUESTIONS,
            lambda row: [int(one) for one in row["mc2_targets"]["labels"]],
            what="the questions",
            remedy="run `prepare` again",
        )
    )
    mine, base = (_choices(scene, one) for one in (arm, BASE))
    if mine.keys() != base.keys():
        raise MissingInputError("the arms were scored on other questions", value=arm, remedy=AGAIN)
    gaps = []
    for item, scores in mine.items():
        moved = [a - b for a, b in zip(scores, base[item], strict=True)]
        sides = [[m for m, true in zip(moved, labels[item], strict=True) if true == side] for side in (1, 0)]
        gaps.append(fmean(sides[0]) - fmean(sides[1]))
    return _mean(gaps, scene.profile.training.seed)


def _choices(scene: StudyScene, arm: str) -> dict[int, list[float]]:
    """Question -> log-probability of each choice."""

    def scored(row: Any) -> tuple[int, list[float]]:
        answers = next(iter(row["responses"].values()))
        return int(row["doc_id"]), [float(one[0]) for one in answers]

    path = scene.paths.samples(arm) / f"{TRUTHFUL}.jsonl"
    return dict(rows(path, scored, what="the questions' scores", remedy=AGAIN))
