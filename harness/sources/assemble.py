"""The work of `prepare`: fetches each part from its source, links it into the run folder, describes it."""

from __future__ import annotations

import os
from math import prod
from pathlib import Path
from typing import Any

from harness.core.artefact import digest_json
from harness.core.errors import DamagedFileError, UnavailableError
from harness.core.folders import writing
from harness.core.paths import RunPaths
from harness.core.results import PrepareResult
from harness.profiles.profile import Profile
from harness.sources.bundle.files import Bundle, read_bundle
from harness.sources.bundle.rows import bundle_rows
from harness.sources.bundle.sae import bundle_sae, sae_layer
from harness.sources.cache import Part
from harness.sources.data_root import open_data_root, read_files
from harness.sources.gguf.model import converted, find_gguf
from harness.sources.hub.download import commit_of, fetch
from harness.sources.hub.repositories import Pin, release_repository, repositories
from harness.sources.layout import row_files
from harness.sources.named_files import arm_digests, open_folder
from harness.sources.synthetic.parts import random_model, random_rows, random_sae

MODEL_FILES = ["*.json", "*.safetensors", "*.model", "*.jinja"]


def assemble(profile: Profile, paths: RunPaths) -> PrepareResult:
    """Model, SAE and rows of a run, linked as `assets/model`, `assets/sae` and `assets/data`.

    Raises:
        UnavailableError: something is missing on this machine; all of it is named at once.
        HarnessError: any error of a source.
    """
    pins = pinned(profile, paths.lock, _no_gpu(profile))
    bundle = read_bundle(profile.model.id) if profile.model.source == "bundle" else None
    model = _model(profile, paths, bundle, pins)
    sae, text = _sae(profile, paths, bundle, pins, model)
    data = rows(profile, paths, bundle, pins)
    data = data._replace(facts=data.facts | _left_out(profile, model.folder, data.folder))
    parts = {"model": model, "sae": sae, "data": data}
    links = {name: link(paths.assets / name, part.folder) for name, part in parts.items()}
    files = {f"{name}/{file}": sha for name, part in parts.items() for file, sha in part.files.items()}
    named = arm_digests(profile, paths)
    if named:
        link(paths.assets / "arms", open_folder(paths))
        files |= {f"arms/{file}": sha for file, sha in named.items()}
    return PrepareResult(
        model_dir=str(links["model"]),
        sae_dir=str(links["sae"]),
        data_root=str(links["data"]),
        files=files | text,
        facts={name: part.facts for name, part in parts.items()}
        | {"commits": {name: pin.commit for name, pin in pins.items()}},
    )


def link(place: Path, target: Path) -> Path:
    """Make `place` a link to a folder, in one step.

    Raises:
        RunFolderError: something else is in the place, or it cannot be written.
    """
    temporary = place.with_name(f".{place.name}.link")
    remedy = "remove what is there, or give a writable folder with --run-dir DIR"
    with writing("cannot link the input into the run folder", place, remedy):
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target.resolve(), target_is_directory=True)
        os.replace(temporary, place)
    return place


def pinned(
    profile: Profile, lock: Path, lacking: dict[str, str], *, rows_only: bool = False
) -> dict[str, Pin]:
    """The commit of every repository, by its id.

    Args:
        lacking: what else this machine lacks, with the remedy; it is said together with missing access.

    Raises:
        UnavailableError: something is missing; all of it is named at once.
        ProfileError: a revision has moved since it was locked.
    """
    pins: dict[str, Pin] = {}
    for repository in repositories(profile, rows_only=rows_only):
        try:
            pins[repository.id] = Pin(repository, commit_of(repository, lock))
        except UnavailableError as error:
            lacking = {**lacking, f"{error.cause}; page: {error.value}": error.remedy}
    if lacking:
        ways = list(dict.fromkeys(lacking.values()))
        raise UnavailableError(
            f"the profile {profile.name} cannot run on this machine:\n"
            + "\n".join(f"  - {line}" for line in lacking),
            remedy="; ".join([*ways, "or run the profile that needs none of this: --profile miniature"]),
        )
    return pins


def _no_gpu(profile: Profile) -> dict[str, str]:
    """What a profile that is meant for a GPU, a model of the hub in bfloat16, lacks where there is none."""
    import torch

    meant = profile.model.source == "hub" and profile.model.dtype == "bfloat16"
    if not meant or torch.cuda.is_available():
        return {}
    build = "this torch is a CPU build" if torch.version.cuda is None else "torch sees no device"
    return {
        f"there is no CUDA GPU ({build})": "use a machine with a CUDA GPU and a CUDA build of torch (README)"
    }


def _model(profile: Profile, paths: RunPaths, bundle: Bundle | None, pins: dict[str, Pin]) -> Part:
    section = profile.model
    if bundle is not None:
        part = Part(bundle.root / "model", bundle.part("model"), {"bundle": section.id})
    elif section.source == "gguf":
        part = converted(find_gguf(section))
    elif section.source == "random":
        part = random_model(profile)
    else:
        folder, commit, files = fetch(*pins[section.id], MODEL_FILES, paths.lock)
        part = Part(folder, files, {"repository": section.id, "commit": commit})
    return part._replace(facts=part.facts | {"parameters": count_parameters(part.folder)})


def _sae(
    profile: Profile, paths: RunPaths, bundle: Bundle | None, pins: dict[str, Pin], model: Part
) -> tuple[Part, dict[str, str]]:
    """The SAE, and the digest of the text that it was trained on here."""
    section = profile.sae
    text: dict[str, str] = {}
    if bundle is not None and section.source == "bundle" and section.layer == sae_layer(bundle):
        part = Part(bundle.root / "sae", bundle.part("sae"), dict(bundle.manifest["sae"]))
    elif bundle is not None and section.source == "bundle":
        part = bundle_sae(bundle, profile.model, section.layer)
    elif section.source == "random":
        part = random_sae(profile)
    elif section.training is not None:
        from harness.sources.trained_sae import trained_sae

        root = open_data_root(paths.data_root)
        name = section.training.text
        sha = read_files(root, [], texts=[name])[name].sha256
        text = {f"text/{name}": sha}
        digest = digest_json(model.files)
        part = trained_sae(profile, section.training, model.folder, digest, root / name, sha)
    else:
        from harness.sources.hub.sae import fetch_sae

        part = fetch_sae(section, *pins[release_repository(section)], paths.lock)
    return part._replace(facts=part.facts | {"parameters": count_parameters(part.folder)}), text


def rows(profile: Profile, paths: RunPaths, bundle: Bundle | None, pins: dict[str, Pin]) -> Part:
    """The data root of a profile, each file of it checked.

    Raises:
        HarnessError: any error of a source.
    """
    if profile.data.source == "random":
        return random_rows(profile)
    if profile.data.source == "hub":
        from harness.sources.hub.rows import fetch_rows

        root = fetch_rows(profile, pins, paths.lock).folder
    elif bundle is not None and profile.data.source == "bundle":
        root = bundle_rows(bundle).folder
    else:
        root = open_data_root(paths.data_root)
    found = read_files(root, row_files(profile, root))
    _check_rows(root, profile)
    facts = {
        name: {"rows": file.rows, "source": file.source, "licence": file.licence}
        for name, file in found.items()
    }
    return Part(root, {name: file.sha256 for name, file in found.items()}, {"files": facts})


def _check_rows(root: Path, profile: Profile) -> None:
    """Read every row once, so that a broken one stops the run here and not after the training."""
    from harness.evaluation.benchmark import check_tasks
    from harness.training.pairs import read_pairs

    pairs = {profile.data.train, profile.data.test}
    for name in sorted(pairs):
        read_pairs(root / name, 0, profile.data.system_turn)
    check_tasks(profile.evaluation, root)


def _left_out(profile: Profile, model: Path, root: Path) -> dict[str, Any]:
    """The fact `left_out`, file of pairs -> reason -> lines that no arm uses, where there are any."""
    from harness.models.base_model import load_tokenizer
    from harness.training.usable import left_out

    data = profile.data
    if data.source == "random":
        return {}
    tokenizer, limits = (
        load_tokenizer(model, profile.model),
        {data.test: data.test_pairs, data.train: data.train_pairs},
    )
    found = {name: left_out(root / name, limit, tokenizer, data) for name, limit in limits.items()}
    found = {name: lines for name, lines in found.items() if lines}
    return {"left_out": found} if found else {}


def count_parameters(folder: Path) -> int:
    """Entries of all tensors in a folder's safetensors files, read from their headers.

    Raises:
        DamagedFileError: a file is cut off or is not safetensors.
    """
    from safetensors import SafetensorError, safe_open

    total = 0
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="numpy") as tensors:
                names = tensors.keys()
                total += sum(prod(tensors.get_slice(name).get_shape()) for name in names)
        except (SafetensorError, OSError) as error:
            raise DamagedFileError(
                f"the weight file cannot be read ({error})",
                value=path,
                remedy="restore it, or delete it and fetch it again",
            ) from error
    return total
