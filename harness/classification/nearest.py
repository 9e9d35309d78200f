"""A classifier without an endpoint: the nearest labelled explanations decide (the paper's section 8.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from harness.core.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Embedding = Literal["tfidf", "minilm"]
Vectors = Any
"""(texts, dimensions), dense or sparse."""


class Nearest:
    """Neighbours by cosine, each with a weight of one over its distance.

    A labelled explanation is never judged by its own label: those are classified fold by fold, each fold
    from the labelled ones of the others. An explanation without a label is classified from all of them.

    Args:
        embedding: `tfidf` (characters of words, learnt from the labelled explanations) or `minilm`.
        neighbours: how many decide.
        folds: of the labelled ones, with equal shares of the category; drawn with the seed.
    """

    def __init__(self, embedding: Embedding, *, neighbours: int = 5, folds: int = 5, seed: int = 0) -> None:
        self.embedding, self.neighbours, self.folds, self.seed = embedding, neighbours, folds, seed
        self._embed: Callable[[Sequence[str]], Vectors] | None = None

    @property
    def title(self) -> str:
        """How the classifier is called in tables."""
        name = {"tfidf": "TF-IDF", "minilm": "all-MiniLM-L6-v2"}[self.embedding]
        return f"{self.neighbours} nearest by {name}, {self.folds} folds"

    def classify(self, texts: Mapping[int, str], labels: Mapping[int, bool]) -> dict[int, bool]:
        """Whether each feature belongs to the category of the labels.

        Raises:
            DataError: too few labelled explanations with, or without, the category.
            UnavailableError: the embedding's package is not installed.
        """
        import numpy as np
        from sklearn.model_selection import StratifiedKFold, cross_val_predict

        known = [feature for feature in texts if feature in labels]
        unknown = [feature for feature in texts if feature not in labels]
        truth = np.array([labels[feature] for feature in known], dtype=bool)
        self._refuse_few(truth)
        split = StratifiedKFold(self.folds, shuffle=True, random_state=self.seed)
        vectors = self._vectors([texts[feature] for feature in known])
        found = dict(
            zip(known, cross_val_predict(self._model(), vectors, truth, cv=split).tolist(), strict=True)
        )
        if unknown:
            model = self._model().fit(vectors, truth)
            judged = model.predict(self._vectors([texts[feature] for feature in unknown]))
            found |= dict(zip(unknown, judged.tolist(), strict=True))
        return dict(sorted(found.items()))

    def _model(self) -> Any:
        from sklearn.neighbors import KNeighborsClassifier
        from sklearn.pipeline import make_pipeline

        votes = KNeighborsClassifier(self.neighbours, weights="distance", metric="cosine")
        if self.embedding == "minilm":
            return votes
        from sklearn.feature_extraction.text import TfidfVectorizer

        return make_pipeline(
            TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True), votes
        )

    def _vectors(self, texts: Sequence[str]) -> Any:
        """What the model is fitted on: for TF-IDF the texts, so that it learns from a fold alone."""
        if self.embedding == "tfidf":
            return list(texts)
        if self._embed is None:
            from harness.classification.minilm import load_minilm

            self._embed = load_minilm()
        return self._embed(texts)

    def _refuse_few(self, truth: NDArray[Any]) -> None:
        with_it, without = int(truth.sum()), int((~truth).sum())
        least = max(self.folds, self.neighbours)
        if min(with_it, without) < self.folds or with_it + without <= least:
            raise DataError(
                "too few labelled explanations: each fold needs one with the category and one without",
                value=f"{with_it} with, {without} without, {self.folds} folds, {self.neighbours} neighbours",
                remedy="label more explanations, or use fewer folds",
            )
