"""Compares the base arm's scores with published ones under the same protocol."""

from __future__ import annotations

from harness.core.errors import ProfileError
from harness.core.results import Record, Score
from harness.core.statistics import score_interval
from harness.profiles.profile import Profile


class Agreement(Record):
    """A score and its published counterpart.

    Attributes:
        measure: name of the score.
        published, source: what was published, and where.
        found: the score of this run.
        agrees: whether the published value lies in the 95 % interval of the one found.
    """

    measure: str
    published: float
    source: str
    found: Score
    agrees: bool

    def __str__(self) -> str:
        found, verb = self.found, "agrees with" if self.agrees else "differs from"
        low, high = score_interval(found)
        return (
            f"{self.measure} of the base arm {verb} the published {self.published:.4f}: "
            f"{found.value:.4f} [{low:.4f}, {high:.4f}] (95 % CI, n = {found.n}; {self.source})"
        )


def agreements(profile: Profile, base: dict[str, Score]) -> tuple[Agreement, ...]:
    """Compare the base arm's scores with the profile's published ones.

    Raises:
        ProfileError: a published score that the run does not have.
    """
    unknown = sorted(profile.published.keys() - base.keys())
    if unknown:
        raise ProfileError(
            "[published] names a score that the run does not have",
            value=unknown[0],
            remedy=f"choose among: {', '.join(base)}",
        )
    return tuple(
        Agreement(
            measure=name,
            published=one.value,
            source=one.source,
            found=base[name],
            agrees=low <= one.value <= high,
        )
        for name, one in profile.published.items()
        for low, high in [score_interval(base[name])]
    )
