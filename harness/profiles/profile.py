"""A profile: everything that defines a run, as frozen types, read from TOML, refused when unknown."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, TypeGuard, get_args, get_origin

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from harness.core.artefact import digest_json
from harness.core.errors import ProfileError
from harness.core.nearest import did_you_mean
from harness.profiles.methods import FitSection
from harness.profiles.search_section import SearchSection
from harness.profiles.section import Name, Section
from harness.profiles.sections import (
    ArmSection,
    DataSection,
    EvaluationSection,
    FeaturesSection,
    ModelSection,
    PublishedScore,
    SaeSection,
    StudySection,
)
from harness.profiles.toml_file import profile_path, read_changed, read_profile
from harness.profiles.training_section import TrainingSection


class Profile(Section):
    """Everything that defines a run."""

    name: Name
    """The profile's name, also its run folder's."""
    title: str
    """One line for the tables."""
    note: str
    """What the numbers are not; printed under every table."""
    paper_values: bool = False
    """Whether the paper's printed values stand beside this run's, because it is about the paper or made to be
    held against it. A profile that extends another and changes model, SAE or data does not take it over."""
    model: ModelSection
    """The base language model."""
    sae: SaeSection
    """The sparse autoencoder."""
    data: DataSection
    """The preference pairs."""
    training: TrainingSection
    """What every trained arm shares."""
    evaluation: EvaluationSection
    """How lm-eval scores every arm."""
    fit: Annotated[FitSection | None, Field(exclude_if=lambda value: value is None)] = None
    """How arms that are fitted without training are tuned; absent from the resolved profile if none is."""
    arms: dict[Name, ArmSection]
    """The arms by name, each with its module's own options."""
    revisions: dict[str, str] = Field(default_factory=dict)
    """Hub repository -> branch, tag or commit, where it is not `main` (the model's and the pairs' own tables
    name theirs)."""
    published: dict[str, PublishedScore] = Field(default_factory=dict)
    """Score of the base arm (`mmlu.acc`) -> what others have published; `check` compares."""
    sources: dict[str, str] = Field(default_factory=dict)
    """Dotted path of a key, or of a table -> where its value is from."""
    features: FeaturesSection = FeaturesSection(source="none")
    """What is known of the SAE's features."""
    studies: dict[Name, StudySection] = Field(default_factory=dict)
    """What is made of the trained arms after Table 1, by name."""
    search: SearchSection | None = None
    """How the arms' learning rates were chosen, where a search of the project's own did."""
    assumed: dict[str, str] = Field(default_factory=dict)
    """Dotted path of each default that the paper lost -> why this value."""

    @model_validator(mode="after")
    def _named_paths_exist(self) -> Profile:
        for table in ("sources", "assumed"):
            for dotted in getattr(self, table):
                node: Any = self.model_dump()
                for part in dotted.split("."):
                    if not isinstance(node, dict) or part not in node:
                        raise ValueError(f"{table} names {dotted}, which the profile does not have")
                    node = node[part]
        if self.search and self.search.pairs in (self.data.train, self.data.test):
            raise ValueError("search.pairs must be a file of its own, neither data.train nor data.test")
        return self

    def resolved(self) -> dict[str, Any]:
        """The whole profile as plain JSON data."""
        return self.model_dump(mode="json")

    def digest(self) -> str:
        """sha256 of what makes the arms and their scores.

        Studies, published scores, the search and what only people read (title, note, the paper's values,
        sources, reasons) stay out. An empty table of revisions does too, so that results from before it
        existed keep their digest.
        """
        left_out = {
            *("assumed", "features", "note", "paper_values", "published", "search", "sources", "studies"),
            "title",
        }
        left_out |= set() if self.revisions else {"revisions"}
        return digest_json(self.model_dump(mode="json", exclude=left_out))

    def arm(self, name: str) -> ArmSection:
        """The section of an arm.

        Raises:
            ProfileError: the profile has no such arm; the message lists those it has.
        """
        if name not in self.arms:
            raise ProfileError(
                f"profile {self.name} has no such arm{did_you_mean(name, self.arms)}",
                value=name,
                remedy=f"choose one of: {', '.join(self.arms)}",
            )
        return self.arms[name]

    def study(self, name: str) -> StudySection:
        """The section of a study.

        Raises:
            ProfileError: the profile has no such study; the message lists those it has.
        """
        if name not in self.studies:
            raise ProfileError(
                f"profile {self.name} has no such study{did_you_mean(name, self.studies)}",
                value=name,
                remedy=f"choose one of: {', '.join(self.studies) or '(none)'}; "
                f"or add a table [studies.{name}] to the profile",
            )
        return self.studies[name]


def load_profile(name: str, changes: Sequence[str] = ()) -> Profile:
    """Read a profile by name (of a bundled one) or by path (of a TOML file).

    Args:
        changes: keys to set, `training.epochs=2` and the like; see `toml_file.read_changed`.

    Raises:
        ProfileError: no such profile, not TOML, an unknown key, a wrong type or a bad value.
    """
    tables = read_changed(name, changes) if changes else read_profile(name)
    return parse_profile(tables, where=str(profile_path(name)))


def parse_profile(data: dict[str, Any], *, where: str) -> Profile:
    """Validate a profile that was read from `where`.

    Raises:
        ProfileError: one fault a line, each with its dotted path and what would be right.
    """
    try:
        return Profile.model_validate(data)
    except ValidationError as error:
        faults = [_fault(item) for item in error.errors(include_url=False)]
        raise ProfileError(
            "the profile is not valid:\n" + "\n".join(f"  - {fault}" for fault in faults),
            value=where,
            remedy="correct the keys named above; the sections in harness/profiles/ say what each one means",
        ) from error


def _fault(item: Any) -> str:
    """A fault in words, with the help of its key; an unknown key gets that of the key nearest in name."""
    dotted = ".".join(str(part) for part in item["loc"]) or "(profile)"
    *above, key = item["loc"] or ("",)
    fields = _fields(above)
    if item["type"] == "extra_forbidden":
        said = f"unknown key; known here: {', '.join(sorted(fields))}"
        helped = get_close_matches(str(key), fields, 1)
    else:
        given = item.get("input")
        said = item["msg"] + (f" (given: {given!r})" if not isinstance(given, dict) else "")
        helped = [key] if key in fields and not _fields(item["loc"]) else []
    lines = [f"; `{name}`: {' '.join((fields[name].description or '').split())}" for name in helped]
    return f"{dotted}: {said}" + "".join(lines)


def _fields(location: Sequence[Any]) -> dict[str, FieldInfo]:
    """Fields of the section at a location; a key of a dict of sections is passed over."""
    section: Any = Profile
    for part in location:
        if is_section(section) and part in section.model_fields:
            section = section.model_fields[part].annotation
        elif get_origin(section) is dict:
            section = get_args(section)[1]
        options = [kind for kind in get_args(section) if kind is not type(None)]
        section = options[0] if get_origin(section) is UnionType else section
    return section.model_fields if is_section(section) else {}


def is_section(annotation: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
