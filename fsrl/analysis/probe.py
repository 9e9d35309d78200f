"""Can truth be read here at all? Linear probes of an answer's attributes on the residual stream."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field

from harness.core.errors import DataError
from harness.core.json_lines import rows
from harness.core.results import Interval
from harness.core.statistics import normal_interval
from harness.findings.probes import Probe, ProbesResult
from harness.study import Found, Options, StudyScene

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.floating[Any]]

SUMMARY = "Linear probes of truth and of each attribute of style, on the base and on every arm."
LAYOUT = 1
READS: tuple[str, ...] = ()
ALL_ARMS = True
SIDES = ("chosen", "rejected")


class Config(Options):
    """Options.

    Attributes:
        columns: attributes of a row's answers, NAME_chosen and NAME_rejected; each value is a class.
        group: the column that names a pair's subject: no subject is on both sides of a fold.
        pairs: test pairs, from the front; each gives two answers.
        folds: of the cross-validation.
        regularisation: C of the logistic regression.
    """

    columns: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    group: str
    pairs: Annotated[int, Field(gt=1)] = 500
    folds: Annotated[int, Field(gt=1)] = 5
    regularisation: Annotated[float, Field(gt=0)] = 0.1


class Answers(NamedTuple):
    """The attributes of 2N answers, the chosen ones first, and the subject of each."""

    attributes: dict[str, list[str]]
    subjects: list[str]


def run(config: Config, scene: StudyScene) -> Found:
    """Probe the mean residual stream of each answer, after the SAE's block and after the last one.

    After the SAE's block a steered arm has the base's stream, since the reader comes before the steering.

    Raises:
        DataError: a row without a column, or fewer subjects than folds.
    """
    from tqdm import tqdm

    answers = _answers(config, scene)
    found: list[Probe] = []
    for arm in tqdm(list(scene.profile.arms), desc="  probes", leave=False, disable=None):
        for layer, means_MxD in _means(config, scene, arm).items():
            for name, values in answers.attributes.items():
                accuracy = cross_validated(
                    means_MxD, values, answers.subjects, config.folds, config.regularisation
                )
                found.append(Probe(arm=arm, layer=layer, attribute=name, accuracy=accuracy,
                                   chance=_commonest(values), classes=len(set(values))))  # fmt: skip
    result = ProbesResult(
        probes=tuple(found), layer=scene.profile.sae.layer, answers=len(answers.subjects), folds=config.folds
    )
    return Found(result)


def _answers(config: Config, scene: StudyScene) -> Answers:
    path = Path(scene.prepared.data_root) / scene.profile.data.test

    def of_row(row: Any) -> tuple[str, dict[str, tuple[str, str]]]:
        both = {name: (str(row[f"{name}_chosen"]), str(row[f"{name}_rejected"])) for name in config.columns}
        return str(row[config.group]), both

    remedy = "name columns that the rows have in the study's table"
    every = list(rows(path, of_row, what="the preference pairs", remedy=remedy, refusal=DataError))
    kept = every[: config.pairs]
    if len({subject for subject, _ in kept}) < config.folds:
        raise DataError(
            "fewer subjects than folds", value=config.folds, remedy="raise `pairs` or lower `folds`"
        )
    return Answers(
        {name: [both[name][side] for side in (0, 1) for _, both in kept] for name in config.columns},
        [subject for _ in SIDES for subject, _ in kept],
    )


def _means(config: Config, scene: StudyScene, arm: str) -> dict[int, Numbers]:
    """Layer -> mean residual stream over each answer's tokens, (2N, d_model), the chosen answers first."""
    import numpy as np
    import torch

    from harness.evaluation.score import load_ready
    from harness.models.base_model import pad_id
    from harness.models.residual import residual_reader
    from harness.training.pairs import collate
    from harness.training.usable import usable_pairs

    profile = scene.profile
    ready = load_ready(profile, scene.paths, arm, scene.prepared)
    path = Path(scene.prepared.data_root) / profile.data.test
    tokenised = usable_pairs(path, config.pairs, ready.tokenizer, profile.data).tokenised.rows
    if len(tokenised) != config.pairs:
        raise DataError(
            "the probes need as many usable pairs as they name", value=len(tokenised), remedy="lower `pairs`"
        )
    size, last = profile.evaluation.loss_batch_size, len(ready.model.get_decoder().layers) - 1
    found: dict[int, Numbers] = {}
    for layer in dict.fromkeys((profile.sae.layer, last)):
        sides: tuple[list[Numbers], list[Numbers]] = ([], [])
        with residual_reader(ready.model, layer) as read, torch.no_grad():
            for start in range(0, len(tokenised), size):
                batch = collate(tokenised[start : start + size], pad_id(ready.tokenizer))
                batch = batch.to(ready.model.device)
                x_BxTxD = read(input_ids=batch.input_ids_BxT, attention_mask=batch.attention_mask_BxT).float()
                weight_BxT = batch.response_mask_BxT.to(x_BxTxD.dtype)
                mean_BxD = torch.einsum("btd,bt->bd", x_BxTxD, weight_BxT) / weight_BxT.sum(-1, keepdim=True)
                for side, part in zip(sides, mean_BxD.chunk(2), strict=True):
                    side.append(part.cpu().numpy())
        found[layer] = np.concatenate([part for side in sides for part in side])
    return found


def cross_validated(
    x_MxD: Numbers, values: Sequence[str], subjects: Sequence[str], folds: int, regularisation: float
) -> Interval:
    """Share of answers whose class a logistic regression gets right, trained on other subjects.

    The interval is over folds, which hold whole subjects.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=regularisation, max_iter=300))
    scores = cross_val_score(model, x_MxD, list(values), groups=list(subjects), cv=GroupKFold(folds))
    stderr = float(scores.std(ddof=1)) / folds**0.5
    low, high = normal_interval(float(scores.mean()), stderr)
    return Interval(value=float(scores.mean()), stderr=stderr, low=low, high=high)


def _commonest(values: Sequence[str]) -> float:
    return max(values.count(one) for one in set(values)) / len(values)
