"""The type of what several training seeds gave."""

from __future__ import annotations

from harness.core.crossed import CrossedInterval
from harness.core.results import Record
from harness.core.statistics import SeedDifference


class Spread(Record):
    """A measure over seeds: mean, standard deviation (n - 1) and number of seeds."""

    mean: float
    sd: float
    seeds: int


class SeedResult(Record):
    """What several seeds gave.

    Attributes:
        profile, profile_digest: of the profile whose training seed was replaced.
        hardware, device, versions: as in `Outcome`; equal for all seeds, except for the device's name.
        commits, dirty: of every stage of every seed.
        seeds: in the order asked for.
        values: arm -> measure -> the score of each seed.
        spreads: arm -> measure -> mean and standard deviation.
        differences: arm -> measure -> arm minus base, paired by seed.
        family: number of tests that Holm's correction covers.
        crossed: arm -> measure -> arm minus base over seeds and items, both as random effects.
    """

    schema_version: int = 3
    profile: str
    profile_digest: str
    hardware: str
    device: str
    versions: dict[str, str]
    commits: tuple[str, ...]
    dirty: bool
    seeds: tuple[int, ...]
    values: dict[str, dict[str, tuple[float, ...]]]
    spreads: dict[str, dict[str, Spread]]
    differences: dict[str, dict[str, SeedDifference]]
    family: int
    crossed: dict[str, dict[str, CrossedInterval]]
