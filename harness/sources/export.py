"""A data root made from the rows of a profile: for a machine that has no network."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.core.artefact import write_json
from harness.core.errors import RunFolderError
from harness.core.folders import whole_folder, writing
from harness.core.paths import RunPaths
from harness.profiles.profile import Profile
from harness.sources.assemble import pinned, rows
from harness.sources.bundle.files import read_bundle
from harness.sources.data_root import MANIFEST, Entry, read_files
from harness.sources.layout import row_files

NOT_STATED = "not stated in the data root that it was copied from"


def export(profile: Profile, paths: RunPaths, target: Path) -> dict[str, Entry]:
    """Write the profile's rows as a data root, whole or not at all; needs neither a GPU nor the model.

    The development pairs of the profile's search are among them, where its source has them.

    Args:
        target: a folder that is not there yet, or an empty one.

    Returns:
        the manifest that was written.

    Raises:
        RunFolderError: the folder holds something already or cannot be written.
        HarnessError: any error of the rows' sources.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RunFolderError(
            "the folder for the data root is not empty", value=target, remedy="name one that is not there yet"
        )
    bundle = read_bundle(profile.model.id) if profile.data.source == "bundle" else None
    root = rows(profile, paths, bundle, pinned(profile, paths.lock, {}, rows_only=True)).folder
    texts = [profile.sae.training.text] if profile.sae.training and profile.data.source == "data_root" else []
    searched = {profile.search.pairs} if profile.search else set()
    names = {*row_files(profile, root), *(name for name in searched if (root / name).is_file())}
    found = read_files(root, names, texts=texts)
    manifest = {
        name: Entry(
            rows=file.rows,
            sha256=file.sha256,
            source=file.source or NOT_STATED,
            licence=file.licence or NOT_STATED,
        )
        for name, file in found.items()
    }
    remedy = "free disk space, or name another folder"
    with writing("the data root cannot be written", target, remedy), whole_folder(target) as new:
        for name in manifest:
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, new / name)
        write_json(new / MANIFEST, {name: entry.model_dump() for name, entry in manifest.items()})
        read_files(new, manifest)
    return manifest
