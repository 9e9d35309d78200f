"""Answers: Markdown, the text that each token adds, and what was steered there."""

from __future__ import annotations

import pytest
import torch
from fsrl_toys import LAYER, toy_adapter, toy_model, toy_sae

from fsrl.analysis.generations import markdown_share, pieces, steered_most
from fsrl.steer import Steering
from harness.models.residual import residual_reader


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
