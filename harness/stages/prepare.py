"""Bring a run's model, SAE and rows together, check every file, and say what they are."""

from __future__ import annotations

from harness.core.artefact import digest_json
from harness.core.errors import ProfileError
from harness.profiles.profile import Profile
from harness.sources.bundle.files import read_bundle
from harness.sources.bundle.sae import sae_layer, settings
from harness.sources.data_root import open_data_root, read_files
from harness.sources.gguf.model import find_gguf
from harness.sources.hub.pins import read_lock
from harness.sources.hub.repositories import repositories
from harness.sources.layout import row_files
from harness.sources.named_files import arm_digests
from harness.stages.inputs import Context
from harness.stages.stage import Work

PER_ARM = False
PINS = True
PAIRS = {"source", "id", "revision", "train", "test", "max_length", "max_prompt_length", "system_turn"}
"""Keys of `[data]` that decide which pairs there are, and which of them can be used."""


def needs(context: Context, arm: str = "") -> dict[str, str]:  # noqa: ARG001 - every stage has the same
    """Digests of the profile's choices, of the locked commits and of every local file; no network, no torch.

    Raises:
        MissingInputError: a data root or a file of it is missing.
        DamagedFileError: a file is not what its manifest says.
        UnavailableError: the package that carries the model is not installed.
        ProfileError: the profile takes pairs and evaluation rows from two places.
    """
    profile, paths = context.profile, context.paths
    check_sources(profile)
    model, data = profile.model, profile.data
    trained = profile.sae.source == "trained"
    found = {
        "model": digest_json(
            model.model_dump(mode="json", exclude=None if trained else {"dtype", "attention"})
        ),
        "sae": digest_json(profile.sae.model_dump(mode="json")),
        "pairs": digest_json(data.model_dump(mode="json", include=PAIRS)),
        "evaluation": digest_json(
            [
                profile.evaluation.source,
                {k: [*v.subjects, v.num_fewshot] for k, v in profile.evaluation.tasks.items()},
            ]
        ),
    }
    found |= {f"arms/{name}": sha for name, sha in arm_digests(profile, paths).items()}
    if "bundle" in (model.source, profile.sae.source, data.source):
        bundle = read_bundle(model.id)
        found["bundle"] = digest_json(bundle.files)
        if profile.sae.source == "bundle" and profile.sae.layer != sae_layer(bundle):
            found["sae training"] = digest_json(settings(bundle, profile.sae.layer))
    if model.source == "random":
        found["random rows"] = digest_json(data.model_dump(mode="json"))
        found["bundle"] = digest_json(read_bundle("miniature").files)
    if model.source == "gguf":
        found["gguf"] = find_gguf(model).sha256
    if repositories(profile):
        found["lock"] = digest_json({one: entry.commit for one, entry in read_lock(paths.lock).items()})
    if data.source == "data_root":
        root = open_data_root(paths.data_root)
        files = read_files(root, row_files(profile, root), texts=texts(profile))
        found |= {f"data/{name}": file.sha256 for name, file in files.items()}
    return found


def work(context: Context, arm: str = "") -> Work:  # noqa: ARG001
    """Bring the inputs together; what has to be made or fetched is kept in the user's cache."""
    from harness.sources.assemble import assemble

    result = assemble(context.profile, context.paths)
    return Work(
        result, [context.paths.assets / name for name in result.files if not name.startswith("text/")]
    )


def texts(profile: Profile) -> list[str]:
    """Files of text that the profile reads."""
    section = profile.sae
    return [section.training.text] if section.training and section.source == "trained" else []


def check_sources(profile: Profile) -> None:
    """Refuse combinations of sources that cannot work.

    Raises:
        ProfileError: names the two keys.
    """
    data, sae, evaluation = profile.data, profile.sae, profile.evaluation
    remedy = "change one of the two in the profile"
    if evaluation.source != data.source:
        raise ProfileError(
            "evaluation.source and data.source differ: pairs and evaluation rows come from one place",
            value=f"{evaluation.source}, {data.source}",
            remedy=remedy,
        )
    random = [source == "random" for source in (profile.model.source, sae.source, data.source)]
    if any(random) and not all(random):
        raise ProfileError(
            "`random` must be the source of model, SAE and data together",
            value=f"{profile.model.source}, {sae.source}, {data.source}",
            remedy="give a real profile the option --random-weights instead of writing one",
        )
    if data.source == "hub" and not all(name.startswith(f"{data.id}/") for name in (data.train, data.test)):
        raise ProfileError(
            "the files of data.train and data.test must lie below data.id, as ORG/NAME/CONFIG/SPLIT.jsonl",
            value=f"{data.id}: {data.train}, {data.test}",
            remedy=remedy,
        )
    if sae.source != "random" and (sae.source == "trained") != (sae.training is not None):
        raise ProfileError("sae.training goes with sae.source = 'trained'", value=sae.source, remedy=remedy)
    if sae.source == "trained" and data.source != "data_root":
        raise ProfileError(
            "an SAE is trained on text of a data root, so data.source must be 'data_root'",
            value=data.source,
            remedy=remedy,
        )
    if sae.source == "release" and not (sae.release and sae.sae_id):
        raise ProfileError(
            "sae.source = 'release' needs sae.release and sae.sae_id", value=sae.release, remedy=remedy
        )
    if profile.revisions.keys() - {one.id for one in repositories(profile)}:
        raise ProfileError(
            "revisions names a repository that the profile does not use",
            value=", ".join(profile.revisions),
            remedy="correct the table; model and pairs have theirs in model.revision and data.revision",
        )
    if "bundle" in (sae.source, data.source) and profile.model.source != "bundle":
        raise ProfileError(
            "the bundle's SAE and rows belong to the bundle's model",
            value=profile.model.source,
            remedy=remedy,
        )
