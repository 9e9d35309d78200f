"""What comparing the methods found: one row an arm, beside the base."""

from __future__ import annotations

from typing import Any, Literal

from harness.core.results import Interval, Record, Score
from harness.core.statistics import Difference

NAME = "methods"


class MethodRow(Record):
    """One arm.

    Attributes:
        kind: untrained, trained or fitted.
        entries: numbers that were trained or fitted.
        setting: what the held-back search chose, in words; empty for an arm without a search.
        at_edge: whether the search ended at an end of its grid.
        loss: SimPO on the test pairs.
        gain: the base's loss less the arm's, over the same pairs: above 0 is better. None for the base.
        accuracy: share of test pairs whose chosen reward is the larger.
        kl: from the base to the arm on neutral text, nats a token; None for the base.
        perplexity: of the neutral text, exp of the mean over texts of nats a token.
        nll: the arm's nats a token on neutral text less the base's; above 0 is damage.
        scores: each task's measure, arm less base.
        train_s, train_tokens: what training or fitting took, its search with it.
        peak_gib: of memory in training or fitting.
    """

    arm: str
    title: str
    kind: Literal["untrained", "trained", "fitted"]
    entries: int
    setting: str
    at_edge: bool
    loss: Score
    gain: Difference | None
    accuracy: Score
    kl: Interval | None
    perplexity: float
    nll: Difference | None
    scores: dict[str, Difference]
    train_s: float
    train_tokens: int
    peak_gib: float


class MethodsResult(Record):
    """Every arm of a profile against the base.

    Attributes:
        texts, texts_sha256: how many neutral texts, and the digest of their ids.
        rows: in the profile's order, the base first.
        made: versions, devices and commits of what was read.
    """

    schema_version: int = 1
    command: str
    profile: str
    profile_digest: str
    title: str
    note: str
    texts: int
    texts_sha256: str
    rows: tuple[MethodRow, ...]
    provenance: dict[str, Any]
