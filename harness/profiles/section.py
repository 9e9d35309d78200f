"""What every section of a profile is: frozen, typed, refused when a key is unknown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]
NonNegative = Annotated[int, Field(ge=0)]
Threads = Annotated[int, Field(ge=0, exclude_if=lambda value: value == 0)]
Rate = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]


def inside(path: str) -> str:
    """A path below its root, or a fault."""
    if not path or Path(path).is_absolute() or ".." in Path(path).parts:
        raise ValueError("must be a path below its root, without `..`")
    return path


RelativePath = Annotated[str, AfterValidator(inside)]


class Section(BaseModel):
    """A table of a profile: frozen, unknown keys refused, no coercion; a field's docstring is its help."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)
