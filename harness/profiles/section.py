"""What all sections of a profile share: frozen, typed, unknown keys refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]
NonNegative = Annotated[int, Field(ge=0)]
Threads = Annotated[int, Field(ge=0, exclude_if=lambda value: value == 0)]
Rate = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]


def inside(path: str) -> str:
    """A path that stays below its root."""
    if not path or Path(path).is_absolute() or ".." in Path(path).parts:
        raise ValueError("must be a path below its root, without `..`")
    return path


def a_day(text: str) -> str:
    """YYYY-MM-DD, or empty."""
    if text:
        date.fromisoformat(text)
    return text


RelativePath = Annotated[str, AfterValidator(inside)]


class Section(BaseModel):
    """A table of a profile: frozen, unknown keys refused, no coercion; a field's docstring is its help."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)
