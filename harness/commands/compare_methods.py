"""`python -m harness compare-methods`: every arm against the base, in one table and two figures."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from harness.arm import arm_module
from harness.core.artefact import digest_json, take_over, write_bytes, write_json, write_text
from harness.core.console import console, say, screen_console
from harness.core.errors import ProfileError
from harness.core.markdown_table import markdown
from harness.core.measures import BASE, LOSS, PREFERENCE
from harness.core.paths import RESULTS, RunPaths
from harness.core.provenance import provenance
from harness.core.results import EvaluateResult, Interval, TrainResult
from harness.core.statistics import Difference, paired_difference
from harness.core.threads import computing_with, threads
from harness.findings.methods import NAME, MethodRow, MethodsResult
from harness.profiles.profile import Profile
from harness.report.methods_figure import figures
from harness.report.methods_sheet import sheet
from harness.report.screen_table import show_sheet
from harness.stages.analyse import arm_items, refuse_other_requests
from harness.stages.inputs import Context, command
from harness.stages.options import ProfileName, RunDir, RunOptions, Save, number

Columns = dict[str, list[float]]
TEXTS = 200
"""Neutral texts of each likelihood task."""


def run(
    profile: ProfileName = "miniature-methods",
    run_dir: RunDir = None,
    data_root: Annotated[
        Path | None,
        Option(metavar="DIR", envvar="HARNESS_DATA_ROOT", help="rows laid out ORG/NAME/CONFIG/SPLIT.jsonl"),
    ] = None,
    texts: Annotated[int, number("neutral texts of each likelihood task", 2)] = TEXTS,
    save: Save = False,
) -> None:
    """Compares every arm of a profile with its base: the gain in SimPO loss on the test pairs, what it costs
    in accuracy, in KL to the base and in perplexity on neutral text, and what making it took.

    Reads <arm>/train.json, <arm>/evaluate.json, <arm>/weights/ and the tokenised requests of the run.

    Writes methods/methods.{json,md} and methods/methods-{damage,cost}.{svg,png}; with --save also below
    results/.
    """
    options = RunOptions(profile=profile, run_dir=run_dir, data_root=data_root)
    compare(*options.load(), texts=texts, save=save)


def compare(
    profile: Profile, paths: RunPaths, *, texts: int = TEXTS, save: bool = False, results: Path = RESULTS
) -> MethodsResult:
    """Make the comparison, write it and print it.

    Raises:
        ProfileError: the profile has no base arm, or no other.
        MissingInputError: an arm was not trained or evaluated.
        NotComparableError: the arms were not asked the same prompts.
        EvaluationError: the run has no neutral text.
    """
    if BASE not in profile.arms or len(profile.arms) < 2:
        raise ProfileError(
            "methods are compared with the base arm",
            value=", ".join(profile.arms),
            remedy=f"give the profile an arm `{BASE}` and another",
        )
    context = Context(profile, paths)
    refuse_other_requests(context)
    with computing_with(threads(profile.evaluation.threads)):
        ids = _neutral(context, texts)
        rows = _rows(context, ids)
    result = MethodsResult(
        command=command("compare-methods", profile),
        profile=profile.name,
        profile_digest=profile.digest(),
        title=profile.title,
        note=profile.note,
        texts=len(ids),
        texts_sha256=digest_json(ids),
        rows=rows,
        provenance=provenance(profile.training.seed),
    )
    folder = paths.root / NAME
    _write(result, folder)
    if save:
        _save(folder, results / profile.name / result.provenance["hardware"]["class"] / NAME)
    return result


def _rows(context: Context, ids: Sequence[list[int]]) -> tuple[MethodRow, ...]:
    profile = context.profile
    others = [name for name in profile.arms if name != BASE]
    items = {name: _items(context, name) for name in (BASE, *others)}
    rows = [_row(context, BASE, items, None)]
    for place, name in enumerate(others, 1):
        console.print(f"{place} of {len(others)}: {name}", markup=False)
        rows.append(_row(context, name, items, _damage(context, name, ids)))
    nll = _mean(_damage(context, others[0], ids)["base_nll"])
    return (rows[0].model_copy(update={"perplexity": math.exp(nll)}), *rows[1:])


def _row(
    context: Context, name: str, items: dict[str, dict[str, dict[str, float]]], damage: Columns | None
) -> MethodRow:
    section, seed = context.profile.arm(name), context.profile.training.seed
    trained = TrainResult.model_validate(context.trained(name).result)
    scored = EvaluateResult.model_validate(context.evaluated(name).result).preference
    mine, base = items[name], items[BASE]
    usage, search = trained.usage, trained.search
    return MethodRow(
        arm=name,
        title=section.title,
        kind=arm_module(section).Arm.kind,
        entries=entries(trained),
        setting=setting(trained),
        at_edge=bool(search and search.at_edge),
        loss=scored.loss,
        gain=None if damage is None else _paired(base[LOSS], mine[LOSS], seed),
        accuracy=scored.accuracy,
        kl=None if damage is None else _interval(damage["kl"], seed),
        perplexity=1.0 if damage is None else math.exp(_mean(damage["arm_nll"])),
        nll=None
        if damage is None
        else paired_difference(damage["arm_nll"], damage["base_nll"], seed=seed, tested=False),
        scores={}
        if damage is None
        else {one: _paired(mine[one], base[one], seed) for one in mine if one not in PREFERENCE},
        train_s=usage.wall_s if usage else 0.0,
        train_tokens=usage.tokens if usage else 0,
        peak_gib=(usage.peak_allocated_gib or usage.peak_rss_gib) if usage else 0.0,
    )


def entries(trained: TrainResult) -> int:
    """Numbers that were trained or fitted."""
    if trained.search or not trained.trained:
        return int(trained.facts.get("fitted_entries", 0))
    return trained.usage.trainable_parameters if trained.usage else 0


def setting(trained: TrainResult) -> str:
    """What the held-back search chose, in words."""
    if trained.search is None:
        return ""
    best = trained.search.best
    if best.strength == 0:
        return "no setting helped"
    options = {"strength": f"{best.strength:g}", **best.options}
    return ", ".join(f"{name} {value}" for name, value in options.items())


def _items(context: Context, name: str) -> dict[str, dict[str, float]]:
    return {column.name: found for column, found in arm_items(context, name).items()}


def _paired(first: dict[str, float], second: dict[str, float], seed: int) -> Difference:
    """The first less the second, item by item; both have the same items, or the base is evaluated again."""
    if first.keys() != second.keys():
        raise ProfileError(
            "the arms were not scored on the same items",
            value=f"{len(first)} and {len(second)} items",
            remedy="evaluate both again with the same profile",
        )
    keys = sorted(first)
    return paired_difference([first[k] for k in keys], [second[k] for k in keys], seed=seed, tested=False)


def _interval(values: Sequence[float], seed: int) -> Interval:
    one = paired_difference(values, [0.0] * len(values), seed=seed, tested=False)
    return Interval(value=one.effect, stderr=one.sd / math.sqrt(one.n), low=one.low, high=one.high)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _neutral(context: Context, texts: int) -> list[list[int]]:
    from harness.evaluation.damage import neutral_texts
    from harness.evaluation.score import request_store

    evaluated = EvaluateResult.model_validate(context.evaluated(BASE).result)
    return neutral_texts(request_store(context.paths, context.prepared), evaluated, texts)


def _damage(context: Context, name: str, ids: Sequence[list[int]]) -> Columns:
    """The columns of an arm's damage; kept beside its artefacts while its inputs are the same."""
    from harness.evaluation.damage import as_rows, damage
    from harness.evaluation.score import instruction_of, load_ready
    from harness.models.base_model import pad_id

    file = context.paths.folder(name) / "damage.json"
    key = digest_json([ids, context.evaluated(name).inputs, context.trained(name).outputs])
    kept = _kept(file, key)
    if kept is not None:
        return kept
    profile, paths, prepared = context.profile, context.paths, context.prepared
    base, arm = (load_ready(profile, paths, one, prepared) for one in (BASE, name))
    found = as_rows(
        damage(
            base.model,
            arm.model,
            ids,
            pad_id=pad_id(base.tokenizer),
            batch_size=profile.evaluation.loss_batch_size,
            instruction=instruction_of(arm),
        )
    )
    write_json(file, {"key": key, "columns": found})
    return dict(found)


def _kept(file: Path, key: str) -> Columns | None:
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return (
            {n: [float(x) for x in c] for n, c in found["columns"].items()} if found["key"] == key else None
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _write(result: MethodsResult, folder: Path) -> None:
    found = sheet(result)
    write_json(folder / f"{NAME}.json", result.model_dump(mode="json"))
    write_text(folder / f"{NAME}.md", markdown(found))
    for name, data in figures(result).items():
        write_bytes(folder / name, data)
    show_sheet(found, screen_console())
    say(f"written: {folder / NAME}.{{json,md}}, {NAME}-{{damage,cost}}.{{svg,png}}")


def _save(folder: Path, target: Path) -> None:
    count = take_over(folder.glob(f"{NAME}*.*"), target)
    say(f"accepted: {count} files in {target}")
