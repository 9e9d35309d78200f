"""The sections that say what training optimises, and how the arms that are fitted without it are tuned."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from harness.profiles.section import Name, Positive, Section


class ObjectiveSection(BaseModel):
    """The objective of every trained arm, with its own options, which its file checks."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, use_attribute_docstrings=True)

    name: Name = "simpo"
    """A file of harness/training/objectives/."""

    @property
    def options(self) -> dict[str, Any]:
        """The objective's own keys."""
        return dict(self.model_extra or {})


class FitSection(Section):
    """The held-back search of every fitted arm."""

    held_back: Annotated[int, Field(ge=2)]
    """Pairs at the end of the training pairs that fitted arms are tuned on and not fitted on."""
    candidates: Positive
    """Settings that each fitted arm may try on them: the same budget for all."""
