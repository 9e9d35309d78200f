"""What a run of a profile's size can decide: the power of each directional claim's tests, before the run."""

from __future__ import annotations

from typing import NamedTuple

from harness.core.measures import PERCENT, PREFERENCE, measure
from harness.core.paths import COMMITTED, ROOT
from harness.core.power import direction_power, equivalence_power
from harness.core.results import Record
from harness.core.statistics import spread
from harness.cost.items import measure_items
from harness.findings.outcome import Outcome, read_outcome
from harness.paper.claims import Direction, Paper, read_paper
from harness.profiles.profile import Profile

ASSUMED_SHARE, ASSUMED_NATS = 0.3, 2.0
"""Standard deviations of paired differences without committed results: near the largest committed ones."""
ASSUMED = "assumed"


class ClaimPower(Record):
    """The power for one comparison of a directional claim.

    Attributes:
        claim, arm, reference, measure: what is compared.
        n: items that the profile scores.
        sd: assumed standard deviation of the paired differences.
        sd_from: the file of committed results that has it, or `assumed`.
        smallest: smallest difference worth knowing.
        direction: chance of a significant difference where the true one is `smallest`.
        equivalence: chance of "no difference beyond `smallest`" where the true one is 0.
    """

    claim: str
    arm: str
    reference: str
    measure: str
    n: int
    sd: float
    sd_from: str
    smallest: float
    direction: float
    equivalence: float


class _Families(NamedTuple):
    """Tests that Holm's correction will cover."""

    direction: int
    equivalence: int


class _Committed(NamedTuple):
    """The first committed outcome under a profile's name, its path, and whether that profile is the same."""

    path: str
    outcome: Outcome
    same: bool


def claim_powers(profile: Profile) -> tuple[ClaimPower, ...]:
    """The power of each comparison that a claim asks of this profile's arms and tasks.

    There is none for random weights. Where committed results are of the very same profile, their numbers of
    items are taken.

    Raises:
        DamagedFileError: the claims or committed results of the profile cannot be read.
    """
    if profile.model.source == "random":
        return ()
    paper = read_paper()
    items = measure_items(profile, sorted({name for _, name in paper.smallest}))
    families, committed = _families(profile, paper, items), _committed(profile)
    return tuple(
        _power(claim.id, one, name, items[name], families, committed)
        for claim in paper.claims
        for one in claim.predicates
        if isinstance(one, Direction) and {one.arm, one.reference} <= set(profile.arms)
        for name in one.measures
        if name in items
    )


def _families(profile: Profile, paper: Paper, items: dict[str, int]) -> _Families:
    arms = len(profile.arms)
    asked = [(pair, name) for pair, name in paper.smallest if pair <= set(profile.arms) and name in items]
    tested = sum(measure(name).tested for name in items)
    return _Families(arms * (arms - 1) // 2 * tested, len(asked))


def _committed(profile: Profile) -> _Committed | None:
    path = next(iter(sorted((COMMITTED / profile.name).glob("*/table1.json"))), None)
    if path is None:
        return None
    outcome = read_outcome(path, made_by="git checkout")
    return _Committed(path.relative_to(ROOT).as_posix(), outcome, outcome.profile_digest == profile.digest())


def _power(
    claim: str,
    one: Direction,
    name: str,
    items: int,
    families: _Families,
    committed: _Committed | None,
) -> ClaimPower:
    found = committed.outcome.difference(one.arm, one.reference, name) if committed else None
    n = found.n if committed and found and committed.same else items
    known = found.sd if found else ASSUMED_NATS if name in PREFERENCE else ASSUMED_SHARE
    sd = spread(known, one.smallest, measure(name).scale == PERCENT)
    return ClaimPower(
        claim=claim,
        arm=one.arm,
        reference=one.reference,
        measure=name,
        n=n,
        sd=sd,
        sd_from=committed.path if committed and found else ASSUMED,
        smallest=one.smallest,
        direction=direction_power(one.smallest, sd, n, family=families.direction),
        equivalence=equivalence_power(0.0, sd, n, smallest=one.smallest, family=families.equivalence),
    )
