"""A classifier without an endpoint: the nearest labelled explanations decide (the paper's section 8.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.core.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

EMBEDDING = "tfidf"
"""How explanations become vectors; part of a result's digest."""


class Nearest:
    """Neighbours by the cosine of their TF-IDF over the characters of words, each weighed by 1 / distance.

    A labelled explanation is never judged by its own label: those are classified fold by fold, each fold
    from the labelled ones of the others. An explanation without a label is classified from all of them.

    Args:
        neighbours: how many decide.
        folds: of the labelled ones, with equal shares of the category; drawn with the seed.
    """

    def __init__(self, *, neighbours: int = 5, folds: int = 5, seed: int = 0) -> None:
        self.neighbours, self.folds, self.seed = neighbours, folds, seed

    @property
    def title(self) -> str:
        """How the classifier is called in tables."""
        return f"{self.neighbours} nearest by TF-IDF, {self.folds} folds"

    def classify(self, texts: Mapping[int, str], labels: Mapping[int, bool]) -> dict[int, bool]:
        """Whether each feature belongs to the category of the labels.

        Raises:
            DataError: too few labelled explanations with, or without, the category.
        """
        import numpy as np
        from sklearn.model_selection import StratifiedKFold, cross_val_predict

        known = [feature for feature in texts if feature in labels]
        unknown = [feature for feature in texts if feature not in labels]
        truth = np.array([labels[feature] for feature in known], dtype=bool)
        self._refuse_few(truth)
        split = StratifiedKFold(self.folds, shuffle=True, random_state=self.seed)
        told = [texts[feature] for feature in known]
        found = dict(
            zip(known, cross_val_predict(self._model(), told, truth, cv=split).tolist(), strict=True)
        )
        if unknown:
            judged = self._model().fit(told, truth).predict([texts[feature] for feature in unknown])
            found |= dict(zip(unknown, judged.tolist(), strict=True))
        return dict(sorted(found.items()))

    def _model(self) -> Any:
        """Texts in, categories out; the words' weights are learnt from the fold that it is fitted on."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.neighbors import KNeighborsClassifier
        from sklearn.pipeline import make_pipeline

        votes = KNeighborsClassifier(self.neighbours, weights="distance", metric="cosine")
        return make_pipeline(
            TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True), votes
        )

    def _refuse_few(self, truth: NDArray[Any]) -> None:
        with_it, without = int(truth.sum()), int((~truth).sum())
        least = max(self.folds, self.neighbours)
        if min(with_it, without) < self.folds or with_it + without <= least:
            raise DataError(
                "too few labelled explanations: each fold needs one with the category and one without",
                value=f"{with_it} with, {without} without, {self.folds} folds, {self.neighbours} neighbours",
                remedy="label more explanations, or use fewer folds",
            )
