"""A profile: everything that defines a run, as frozen types, read from TOML, refused when unknown."""

from __future__ import annotations

from types import UnionType
from typing import Any, TypeGuard, get_args, get_origin

from pydantic import BaseModel, Field, ValidationError, model_validator

from harness.core.artefact import digest_json
from harness.core.errors import ProfileError
from harness.profiles.sections import (
    ArmSection,
    DataSection,
    EvaluationSection,
    FeaturesSection,
    ModelSection,
    Name,
    PublishedScore,
    SaeSection,
    Section,
    StudySection,
    TrainingSection,
)
from harness.profiles.toml_file import profile_path, read_profile


class Profile(Section):
    """Everything that defines a run.

    Attributes:
        name: the profile's name, also its run folder's.
        title: one line for the tables.
        note: what the numbers are not; printed under every table.
        revisions: hub repository -> branch, tag or commit, where it is not `main` (the model's and the pairs'
            own tables name theirs).
        published: score of the base arm (`mmlu.acc`) -> what others have published; `check` compares.
        sources: dotted path of a key, or of a table -> where its value is from.
        features: what is known of the SAE's features.
        studies: what is made of the trained arms after Table 1, by name.
        assumed: dotted path of each default that the paper lost -> why this value.
    """

    name: Name
    title: str
    note: str
    model: ModelSection
    sae: SaeSection
    data: DataSection
    training: TrainingSection
    evaluation: EvaluationSection
    arms: dict[Name, ArmSection]
    revisions: dict[str, str] = Field(default_factory=dict)
    published: dict[str, PublishedScore] = Field(default_factory=dict)
    sources: dict[str, str] = Field(default_factory=dict)
    features: FeaturesSection = FeaturesSection(source="none")
    studies: dict[Name, StudySection] = Field(default_factory=dict)
    assumed: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _named_paths_exist(self) -> Profile:
        for table in ("sources", "assumed"):
            for dotted in getattr(self, table):
                node: Any = self.model_dump()
                for part in dotted.split("."):
                    if not isinstance(node, dict) or part not in node:
                        raise ValueError(f"{table} names {dotted}, which the profile does not have")
                    node = node[part]
        return self

    def resolved(self) -> dict[str, Any]:
        """The whole profile as plain JSON data."""
        return self.model_dump(mode="json")

    def digest(self) -> str:
        """sha256 of what makes the arms and their scores: all but studies, origins and others' scores.

        An empty table of revisions stays out, so that results from before it existed keep their digest.
        """
        left_out = {"features", "published", "sources", "studies"} | (
            set() if self.revisions else {"revisions"}
        )
        return digest_json(self.model_dump(mode="json", exclude=left_out))

    def arm(self, name: str) -> ArmSection:
        """The section of an arm.

        Raises:
            ProfileError: the profile has no such arm; the message lists those it has.
        """
        if name not in self.arms:
            raise ProfileError(
                f"profile {self.name} has no such arm",
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
                f"profile {self.name} has no such study",
                value=name,
                remedy=f"choose one of: {', '.join(self.studies) or '(none)'}; "
                f"or add a table [studies.{name}] to the profile",
            )
        return self.studies[name]


def load_profile(name: str) -> Profile:
    """Read a profile by name (of a bundled one) or by path (of a TOML file).

    Raises:
        ProfileError: no such profile, not TOML, an unknown key, a wrong type or a bad value.
    """
    return parse_profile(read_profile(name), where=str(profile_path(name)))


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
            remedy="correct the keys named above; harness/profiles/sections.py says what each one means",
        ) from error


def _fault(item: Any) -> str:
    dotted = ".".join(str(part) for part in item["loc"]) or "(profile)"
    if item["type"] == "extra_forbidden":
        return f"{dotted}: unknown key; known here: {', '.join(_known_keys(item['loc'][:-1]))}"
    given = item.get("input")
    shown = f" (given: {given!r})" if not isinstance(given, dict) else ""
    return f"{dotted}: {item['msg']}{shown}"


def _known_keys(location: tuple[Any, ...]) -> list[str]:
    """Keys of the section at a location; a key of a dict of sections is passed over."""
    section: Any = Profile
    for part in location:
        if is_section(section) and part in section.model_fields:
            section = section.model_fields[part].annotation
        elif get_origin(section) is dict:
            section = get_args(section)[1]
        options = [kind for kind in get_args(section) if kind is not type(None)]
        section = options[0] if get_origin(section) is UnionType else section
    return sorted(section.model_fields) if is_section(section) else []


def is_section(annotation: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
