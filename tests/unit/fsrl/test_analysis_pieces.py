"""Parts of the ablation and of the answers: masks, spread, Markdown, the text that each token adds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fsrl_toys import LAYER, toy_adapter, toy_model, toy_sae

from fsrl.analysis.ablation import choose_masks, fewer, spread
from fsrl.analysis.contrasts import contrasts, further_draw, like
from fsrl.analysis.generations import markdown_share, pieces, steered_most
from fsrl.analysis.residual import residual_reader
from fsrl.steer import Steering
from harness.core.errors import DataError
from harness.findings import Ablated
from harness.findings.features import Feature

ALIGNMENT, STYLE, NEITHER = Feature("", ("alignment",)), Feature("", ("style",)), Feature("", ())
FEATURES = {0: ALIGNMENT, 1: ALIGNMENT, 2: STYLE, **dict.fromkeys(range(3, 9), NEITHER)}


def scene_of(features: dict[int, Feature]) -> Any:
    return SimpleNamespace(features=features, profile=SimpleNamespace(training=SimpleNamespace(seed=5)))


def test_masks_are_of_steered_features_and_random_ones_of_neither() -> None:
    masks = choose_masks(scene_of(FEATURES), {0, 2, 3, 4, 5, 9}, 3)
    assert [(mask.name, mask.features) for mask in masks[:3]] == [
        ("nothing", []),
        ("alignment", [0]),
        ("style", [2]),
    ]
    drawn = masks[3:]
    assert len(drawn) == 6
    assert all(len(mask.features) == 1 and set(mask.features) <= {3, 4, 5, 9} for mask in drawn)
    assert masks == choose_masks(scene_of(FEATURES), {0, 2, 3, 4, 5, 9}, 3)


def test_a_category_that_is_never_steered_is_refused() -> None:
    with pytest.raises(DataError, match="style"):
        choose_masks(scene_of(FEATURES), {0, 3, 4}, 2)


def test_spread_by_hand() -> None:
    rows = [
        Ablated(
            masked="", features=1, draw=i, loss=1, stderr=0, difference=value, low=0, high=0, mean_l0=1,
            scores={},
        )
        for i, value in enumerate((1.0, 2.0, 6.0))
    ]  # fmt: skip
    one = spread(rows)
    assert (one.value, one.low, one.high) == (3.0, 1.0, 6.0)
    assert one.stderr == pytest.approx((7 / 3) ** 0.5)


def test_further_draw_by_hand() -> None:
    """Mean 3, variance (4 + 1 + 9) / 2 = 7; t(0.975, 2) = 4.3027; 4.3027 * sqrt(7 * 4 / 3) = 13.145."""
    one = further_draw([1.0, 2.0, 6.0])
    assert (one.value, one.stderr) == (3.0, pytest.approx((7 / 3) ** 0.5))
    assert (one.low, one.high) == (pytest.approx(3 - 13.145, abs=1e-3), pytest.approx(3 + 13.145, abs=1e-3))


def test_contrasts_by_hand() -> None:
    """Differences to the unmasked policy; a measure that was not taken is not there."""

    def row(masked: str, draw: int | None, loss: float, score: float) -> Ablated:
        return Ablated(
            masked=masked, features=1, draw=draw, loss=loss, stderr=0, difference=0, low=0, high=0,
            mean_l0=1, scores={"mmlu.acc": score}, markdown=0.5,
        )  # fmt: skip

    rows = [
        row("nothing", None, 4.0, 0.5),
        row("style", None, 5.0, 0.25),
        row(like("style"), 0, 4.5, 0.5),
        row(like("style"), 1, 4.0, 0.5),
    ]
    loss, score, markdown = contrasts(rows, {"preference.loss": 9, "mmlu.acc": 8, "markdown": 7})
    assert (loss.masked, loss.measure, loss.items) == ("style", "preference.loss", 9)
    assert (loss.effect, loss.random.value) == (1.0, 0.25)
    assert (score.measure, score.effect, score.random.low, score.random.high) == ("mmlu.acc", -0.25, 0, 0)
    assert (markdown.measure, markdown.effect) == ("markdown", 0)


@pytest.mark.parametrize(("one", "other", "wanted"), [(0, 0, 0), (5, 0, 5), (0, 3, 3), (5, 3, 3), (2, 3, 2)])
def test_the_smaller_limit_counts(one: int, other: int, wanted: int) -> None:
    assert fewer(one, other) == wanted


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("", 0.0),
        ("Plain words - and a dash.", 0.0),
        ("# Title\n\ntext\n- item\n1. first", 0.75),
        ("**bold** word", 1.0),
        ("a `b` c\n2 + 2", 0.5),
    ],
)
def test_markdown_share(text: str, share: float) -> None:
    assert markdown_share(text) == share


class Bytes:
    """A tokenizer of single bytes; 0 is special."""

    def decode(self, ids: list[int], skip_special_tokens: bool) -> str:
        return bytes(i for i in ids if i).decode(errors="replace")


def test_pieces_are_the_whole_text() -> None:
    ids = [*"né€".encode(), 0]
    assert pieces(Bytes(), ids) == ["n", "", "é", "", "", "€", ""]


def test_steered_most_by_the_plain_form() -> None:
    """The positions before the generated tokens: the one that saw the prompt's end produced the first."""
    model, adapter, sae = toy_model(), toy_adapter(), toy_sae()
    steering = Steering(adapter, sae)
    steering.attach(model, LAYER)
    ids = [2, 5, 7, 9, 11]
    with torch.no_grad():
        steering.remove(model)
        hidden = model(torch.tensor([ids]), output_hidden_states=True).hidden_states[LAYER + 1][0]
        expected = adapter(sae.encoder_input(hidden))
        with residual_reader(model, LAYER) as read:
            found = steered_most(read, steering, ids, 2, 3)
    assert len(found) == 2
    for row, v_F in zip(found, expected[2:4], strict=True):
        best = v_F.abs().argsort(descending=True)[:3].tolist()
        assert [i for i, _ in row] == best
        assert [value for _, value in row] == pytest.approx(v_F[best].tolist(), rel=1e-4)


def test_every_study_of_every_profile_is_valid_and_named_without_torch() -> None:
    """In a process of its own: options checked, and what each one reads is in the same profile."""
    code = (
        "import sys\n"
        "from harness.profiles.profile import load_profile\n"
        "from harness.profiles.toml_file import profile_names\n"
        "from harness.study import in_order, study_config\n"
        "for profile in map(load_profile, profile_names()):\n"
        "    for name in in_order(profile, list(profile.studies)):\n"
        "        study_config(profile.studies[name], name)\n"
        "        print(profile.name, name)\n"
        "print('torch' in sys.modules)"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    lines = done.stdout.splitlines()
    assert lines[-1] == "False"
    assert {"miniature table2", "smollm2-135m figure5", "gemma-2-2b table3"} <= set(lines)
