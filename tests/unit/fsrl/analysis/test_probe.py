"""A probe reads what is there on subjects that it has not seen, and no more."""

from __future__ import annotations

import numpy as np
import pytest

from fsrl.analysis.probe import cross_validated


def test_a_class_along_one_direction_is_read_and_noise_is_not() -> None:
    """200 answers about 40 subjects: the class moves the first coordinate by 6 deviations; a class drawn at
    random is read no better than by chance, within four standard errors of 200 answers.
    """
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 200)
    x_MxD = generator.normal(size=(200, 5))
    x_MxD[:, 0] += 6.0 * labels
    subjects = [f"subject {i % 40}" for i in range(200)]
    read = cross_validated(x_MxD, list(map(str, labels)), subjects, 5, 1.0)
    assert read.value > 0.98
    noise = cross_validated(x_MxD, list(map(str, generator.permutation(labels))), subjects, 5, 1.0)
    assert noise.value == pytest.approx(0.5, abs=4 * 0.5 / 200**0.5)
    assert read.low <= read.value <= read.high


def test_what_belongs_to_a_subject_alone_is_not_read() -> None:
    """Each subject has a direction of its own and one class; folds that split a subject would read it."""
    generator = np.random.default_rng(1)
    subjects = [f"subject {i % 20}" for i in range(200)]
    x_MxD = np.eye(20)[[i % 20 for i in range(200)]] + 0.01 * generator.normal(size=(200, 20))
    classes = generator.permutation([0, 1] * 10)
    labels = [str(classes[i % 20]) for i in range(200)]
    assert cross_validated(x_MxD, labels, subjects, 5, 1.0).value < 0.75
