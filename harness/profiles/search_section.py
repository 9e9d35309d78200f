"""The table [search] of a profile: what a search for learning rates tries, and on which pairs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from harness.profiles.section import Name, Section


class SearchSection(Section):
    """The search that chose the trained arms' learning rates: `python -m harness search`."""

    pairs: str
    """File of the development pairs, below the data root: neither trained on nor in any table."""
    learning_rates: dict[Name, Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(strict=False)]]
    """Arm -> the rates that are tried, rising; the same number for each arm."""
    choices: Annotated[int, Field(ge=0)] = 0
    """Multiple-choice questions of the bundled world, of none of its sets, that are asked of each arm."""
    may_lose: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of these questions by which an arm may fall below the base and still be chosen."""

    @model_validator(mode="after")
    def _one_budget(self) -> SearchSection:
        for arm, rates in self.learning_rates.items():
            if len(rates) < 2 or list(rates) != sorted(set(rates)):
                raise ValueError(f"{arm} needs two rates or more, rising, none twice")
        if len({len(rates) for rates in self.learning_rates.values()}) != 1:
            raise ValueError("each arm has the same budget: give all of them as many rates")
        return self
