"""Threads: whose number counts, that it is said, and that a process gets its own back."""

from __future__ import annotations

import os

import pytest
import torch

from harness.core.errors import UsageError
from harness.core.threads import computing_with, say_overruled, threads


def test_threads_are_shared_by_the_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert [threads(0, ranks) for ranks in (1, 2, 16)] == [8, 4, 1]
    for said, number in (("2,1", 2), (" 3 , 2", 3), ("04", 4), ("  ", len(os.sched_getaffinity(0)))):
        monkeypatch.setenv("OMP_NUM_THREADS", said)
        assert threads(0) == number
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert threads(0, 1) == len(os.sched_getaffinity(0))


def test_the_profiles_number_counts_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert threads(3) == 3
    say_overruled("training.threads", 3)
    assert "training.threads = 3 in the profile stands; OMP_NUM_THREADS=8 does" in capsys.readouterr().err
    say_overruled("training.threads", 8)
    say_overruled("training.threads", 0)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("asked", ["two", "0", "-2", "2.0", "2,", ",2", "2 1", "2,0", "\u0662", "9" * 5000])
def test_what_is_no_number_of_threads_is_refused(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", asked)
    with pytest.raises(UsageError, match="OMP_NUM_THREADS is not a number of threads") as error:
        threads(0)
    assert error.value.value == asked
    assert "[training]" in error.value.remedy
    assert "2,1" in error.value.remedy
    assert threads(2) == 2


def test_a_process_computes_with_other_threads_inside_a_block_only() -> None:
    before = torch.get_num_threads()
    with computing_with(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
