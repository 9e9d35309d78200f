"""K-Steering as an arm: a linear classifier is a static vector, accuracies, labels."""

from __future__ import annotations

from pathlib import Path

import fsrl_toys
import pytest
import residual_toys as toys
import torch

from baselines.methods.label_gradient import loss_direction
from harness.core.errors import ProfileError
from harness.models.residual import edit_residual


def test_a_linear_classifier_edits_as_one_static_vector_does(tmp_path: Path) -> None:
    """-alpha (1 + decay) (w_avoid - w_target), at every position; the logits equal those of that vector."""
    arm, model = toys.arm("k_steering_linear", tmp_path), fsrl_toys.toy_model()
    with torch.no_grad():
        (setting,) = arm.settings(model, toys.rows(tmp_path / "u"))
        vector_D = -2.0 * 1.5 * (loss_direction(2, [1], [0]).float() @ setting.tensors["w0"])
        handle = arm._attach(model, setting, 2.0)
        got = toys.logits(model)
        handle.remove()
        edit_residual(model, fsrl_toys.LAYER, lambda _x: vector_D)
    torch.testing.assert_close(got, toys.logits(model), atol=1e-5, rtol=1e-5)
    x = fsrl_toys.toy_x(5, 16)
    change = arm.change(setting, 2.0)(x)
    assert torch.equal(change, change[:1].expand_as(change))


def test_chosen_and_rejected_tokens_are_told_apart_on_pairs_held_back(tmp_path: Path) -> None:
    facts = toys.fitted("k_steering", tmp_path, hidden=32, epochs=200).found.facts
    assert facts["token_accuracy"] > 0.7
    assert facts["response_accuracy"] > 0.7
    assert facts["no_signal"] is False
    assert facts["classifier_rows"] == sum(len(p.chosen) + len(p.rejected) - 2 for p in toys.pairs(12))


def test_pairs_without_a_difference_are_recorded_as_no_signal(tmp_path: Path) -> None:
    turned = [pair._replace(chosen=pair.rejected, rejected=pair.chosen) for pair in toys.pairs(6)]
    mixed = [one for two in zip(toys.pairs(6), turned, strict=True) for one in two]
    given = toys.rows(tmp_path / "u", fit=mixed, held_back=mixed)
    assert toys.fitted("k_steering_linear", tmp_path, given).found.facts["no_signal"] is True


@pytest.mark.parametrize("options", [{"target": (), "avoid": ()}, {"target": (0,)}, {"target": (2,)}])
def test_labels_that_cannot_be_are_refused(options: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="target and avoid"):
        toys.fitted("k_steering", tmp_path, **options)
