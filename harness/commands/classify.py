"""`python -m harness classify`: which features are about alignment or style, from their explanations."""

from __future__ import annotations

import time
from pathlib import Path

from harness.classification.endpoint import endpoint_from
from harness.classification.explanations import Explanations, Labels, read_explanations, read_labels
from harness.classification.judging import Judge, Judged, judge_all
from harness.classification.local import Local
from harness.classification.nearest import Nearest
from harness.classification.remote import Remote
from harness.classification.result import Material, result_of, shown, write_result
from harness.commands.classify_options import Options
from harness.core.artefact import Artefact, digest_file, digest_json
from harness.core.console import console, screen_console
from harness.core.errors import MissingInputError
from harness.core.paths import RunPaths
from harness.profiles.profile import Profile
from harness.sources.feature_file import features_file
from harness.stages.stage import held

SUMMARY = "Classify the SAE's features as alignment and style from their explanations (appendix E)."
READS = "explanations (Neuronpedia's export, or the profile's own file), labels by hand"
WRITES = (
    "classification/: answers.jsonl, <by>.json, <by>.features.jsonl (which [features] of a profile can name)"
)
HELP = f"""\
{SUMMARY}

With --by endpoint a language model is asked, with the system prompts that the paper prints, temperature 0 and
structured output. The environment says which: OPENAI_BASE_URL, OPENAI_MODEL, OPENAI_API_KEY. With --by local
a model on this machine gets the same prompts, and the likelier of the two allowed labels is its answer; it
needs no network. Questions, tokens and cost are told before the first one; --estimate stops there. Answers
are kept by the content of the question, so that an interrupted run goes on and nothing is paid for twice.
With --by nearest the nearest explanations of the labelled ones decide; it needs --labels and no network.
Where there are labels, all are validated: accuracy, confusion, Matthews correlation with its interval; the
page (`python -m harness page`) has them beside the paper's.

reads:  {READS}
writes: {WRITES}
"""


def run(profile: Profile, paths: RunPaths, options: Options) -> Artefact | None:
    """Classify and validate; None where only an estimate was asked for.

    Raises:
        MissingInputError: no explanations, no labels where they are needed, or no endpoint or model.
        EvaluationError: more questions without an allowed answer than `may_miss`.
        HarnessError: whatever an input, the endpoint or the model is refused for.
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
        result = result_of(
            judged,
            Material(explanations, labels, labels_file.name if labels_file else ""),
            seed=profile.training.seed,
            resamples=options.resamples,
        )
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
        endpoint = endpoint_from(timeout_s=options.timeout_s, retries=options.retries)
        judge = Remote(endpoint, options.prices, options.concurrency)
    else:
        judge = _local(profile, paths, options)
    return judge_all(
        explanations,
        judge,
        paths.classification / "answers.jsonl",
        only_estimate=options.estimate,
        may_miss=options.may_miss,
        say=_say,
    )


def _local(profile: Profile, paths: RunPaths, options: Options) -> Local:
    from harness.models.base_model import load_model, load_tokenizer, pick_device
    from harness.sources.local_model import local_model
    from harness.sources.progress import quiet

    with quiet():
        found = local_model(profile, paths, options.model)
        model = load_model(found.folder, found.section, pick_device())
        tokenizer = load_tokenizer(found.folder)
    return Local(model, tokenizer, name=found.name, digest=found.digest, batch=options.batch)


def _nearest(explanations: Explanations, labels: Labels, options: Options, seed: int) -> Judged:
    if not labels:
        raise MissingInputError(
            "the nearest labelled explanations decide, and there are no labels",
            value="--by nearest",
            remedy="give labels by hand with --labels FILE; the paper has 300 for each category",
        )
    judge = Nearest(options.embedding, neighbours=options.neighbours, folds=options.folds, seed=seed)
    predicted = {name: judge.classify(explanations.texts, truth) for name, truth in labels.items() if truth}
    digest = digest_json([options.embedding, options.neighbours, options.folds])
    return Judged(predicted, judge.title, {}, digest)


def _say(line: str) -> None:
    console.print(line, markup=False)
