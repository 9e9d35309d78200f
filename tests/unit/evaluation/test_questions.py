"""Questions as packed rows: the layout by hand, who sees whom, and the hidden states of whole rows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import training_toys as toys
from hypothesis import given
from hypothesis import strategies as st
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

from harness.evaluation.questions import (
    PADDING,
    Packed,
    common,
    lead_alone,
    pack,
    questions_of,
    requests_of,
    row_as_laid,
    seen,
)
from harness.training.shared_prompt import batches_of, masks

FIRST = (("q", " a"), [2, 5, 6], [7, 8, 9]), (("q", " b"), [2, 5, 6], [7, 3]), (("q", " c"), [2, 5, 6], [4])
SECOND = (("r", " a"), [2, 5, 1, 1], [3]), (("r", " b"), [2, 5, 1, 1], [4])
RAW: list[Any] = [SECOND[0], FIRST[0], SECOND[1], FIRST[1], FIRST[2]]


def packed(shortest_lead: int = 2) -> Packed:
    return pack(questions_of(requests_of(RAW), 8), shortest_lead)


def test_rows_are_the_requests_without_their_last_token_and_each_once() -> None:
    longest, other = questions_of(requests_of(RAW), 8)
    assert longest.rows == ((2, 5, 6, 7, 8), (2, 5, 6, 7), (2, 5, 6))
    assert longest.shared == 3
    assert (other.rows, other.shared) == (((2, 5, 1, 1),), 4)
    assert [request.number for request in (*longest.requests, *other.requests)] == [1, 3, 4, 0, 2]
    assert [(request.first, request.labels) for request in other.requests] == [(3, (3,)), (3, (4,))]


def test_layout_by_hand() -> None:
    found = packed()
    assert found.lead == (2, 5)
    assert found.ids_BxT.tolist() == [[6, 7, 8, 7], [1, 1, 0, 0]]
    assert found.position_BxT.tolist() == [[2, 3, 4, 3], [2, 3, 0, 0]]
    assert found.choice_BxT.tolist() == [[-1, 0, 0, 1], [-1, -1, PADDING, PADDING]]
    place = found.places[0, (2, 5, 6, 7)]
    assert [place.column(position) for position in (2, 3)] == [0, 3]
    assert packed(shortest_lead=3).lead == ()


def test_who_sees_whom_by_hand() -> None:
    assert seen(packed())[0, 0].int().tolist() == [
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 1, 0],
        [1, 1, 1, 0, 0, 1],
    ]
    assert seen(packed(), window=2)[0, 0].int().tolist() == [
        [0, 1, 1, 0, 0, 0],
        [0, 0, 1, 1, 0, 0],
        [0, 0, 0, 1, 1, 0],
        [0, 0, 1, 0, 0, 1],
    ]


def test_a_batch_has_at_most_so_many_rows_and_a_question_is_divided_before_it_has_more() -> None:
    questions = questions_of(requests_of(RAW), 2)
    assert [len(question.rows) for question in questions] == [2, 1, 1]
    batches = batches_of(questions, lambda one: len(one.rows), 2)
    assert [[len(one.rows) for one in batch] for batch in batches] == [[2], [1, 1]]
    assert sorted(request.number for one in questions for request in one.requests) == [0, 1, 2, 3, 4]


RAWS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.lists(st.integers(1, 3), min_size=1, max_size=5),
        st.lists(st.integers(1, 3), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=9,
)


@given(RAWS, st.integers(1, 4), st.integers(1, 3))
def test_every_row_can_be_read_back_from_its_batch(rows: Any, most: int, shortest: int) -> None:
    raw = [((text, ""), context, continuation) for text, context, continuation in rows]
    indices = []
    for batch in batches_of(questions_of(requests_of(raw), most), lambda one: len(one.rows), most):
        found = pack(batch, shortest)
        assert len(found.lead) == 0 or len(found.lead) >= shortest
        for line, question in enumerate(batch):
            for row in question.rows:
                assert row_as_laid(found, found.ids_BxT.tolist(), row, line) == list(row)
            for request in question.requests:
                indices.append(request.number)
                place = found.places[line, request.ids]
                columns = [place.column(request.first + step) for step in range(len(request.labels))]
                positions = found.position_BxT[line, columns].tolist()
                assert positions == list(range(request.first, len(request.ids)))
    assert sorted(indices) == list(range(len(raw)))


@given(st.lists(st.lists(st.integers(0, 2), max_size=4).map(tuple), min_size=1, max_size=4))
def test_the_common_prefix_is_common_and_no_longer(rows: list[tuple[int, ...]]) -> None:
    length = common(rows)
    assert len({row[:length] for row in rows}) == 1
    assert any(len(row) == length for row in rows) or len({row[length] for row in rows}) > 1


def llama() -> Any:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    return LlamaForCausalLM(
        LlamaConfig(vocab_size=60, initializer_range=0.3, attn_implementation="sdpa", **sizes)
    ).eval()


def gemma() -> Any:
    return toys.model(sliding_window=3)


@pytest.mark.parametrize("build", [gemma, llama])
@pytest.mark.parametrize("shortest_lead", [2, 99])
@torch.no_grad()
def test_packed_hidden_states_are_those_of_whole_rows(build: Any, shortest_lead: int) -> None:
    model, found = build(), packed(shortest_lead)
    cache = DynamicCache() if found.lead else None

    def hidden(part: Packed) -> torch.Tensor:
        state: torch.Tensor = model.get_decoder()(
            input_ids=part.ids_BxT,
            attention_mask=masks(model, lambda window: seen(part, window)),
            position_ids=part.position_BxT,
            past_key_values=cache,
            use_cache=cache is not None,
        ).last_hidden_state
        return state

    if cache is not None:
        hidden(lead_alone(found))
        cache.batch_repeat_interleave(2)
    states = hidden(found)
    for (line, row), place in found.places.items():
        whole = model.get_decoder()(torch.tensor([row]), use_cache=False).last_hidden_state[0]
        columns = [place.column(position) for position in range(place.lead, len(row))]
        torch.testing.assert_close(states[line, columns], whole[place.lead :], atol=1e-5, rtol=1e-4)
