"""Rows from the hub as a data root: the files of a profile's splits, converted once, with their manifest."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from harness.core.artefact import digest_file, write_json, write_text
from harness.core.errors import DamagedFileError, DataError, ProfileError
from harness.profiles.profile import Profile
from harness.sources.cache import Part, made_once, place
from harness.sources.data_root import MANIFEST
from harness.sources.hub.download import Snapshot, fetch
from harness.sources.hub.repositories import Pin
from harness.sources.layout import row_files

CARD = "README.md"
CONVERSION = 2
"""Counts up when rows become other rows, so that what an earlier version left in the cache is not used."""
NO_LICENCE = "not stated on the repository's card"


class Split(NamedTuple):
    """Where a file of rows comes from."""

    repository: str
    config: str
    split: str

    @classmethod
    def of(cls, name: str) -> Split:
        """From the file's path in a data root.

        Raises:
            ProfileError: the path is not laid out ORG/NAME/CONFIG/SPLIT.jsonl.
        """
        parts = name.removesuffix(".jsonl").split("/")
        if len(parts) != 4 or not name.endswith(".jsonl"):
            raise ProfileError(
                "rows of the hub are named ORG/NAME/CONFIG/SPLIT.jsonl",
                value=name,
                remedy="correct data.train and data.test in the profile",
            )
        return cls("/".join(parts[:2]), parts[2], parts[3])


def fetch_rows(profile: Profile, pins: Mapping[str, Pin], lock: Path) -> Part:
    """All rows of a profile as a data root in the user's cache.

    Args:
        pins: repositories and their commits, by the repository's id.
        lock: the profile's lock file.

    Raises:
        HarnessError: what the hub, its files or the rows refuse.
    """
    names = row_files(profile, None)
    pairs = {profile.data.train, profile.data.test}
    asked: dict[str, set[str]] = {}
    for name in names:
        split = Split.of(name)
        asked.setdefault(split.repository, set()).add(split.config)
    snapshots = {
        repository: _snapshot(pins[repository], configs, lock)
        for repository, configs in sorted(asked.items())
    }

    def make(out: Path) -> dict[str, Any]:
        manifest = {
            name: _write(out, name, snapshots[Split.of(name).repository], name in pairs) for name in names
        }
        write_json(out / MANIFEST, manifest)
        return {"files": {k: {f: e[f] for f in ("rows", "source", "licence")} for k, e in manifest.items()}}

    files = {repository: snapshot.files for repository, snapshot in snapshots.items()}
    return made_once(place("data", [CONVERSION, names, sorted(pairs), files]), make)


def _snapshot(pin: Pin, configs: Iterable[str], lock: Path) -> Snapshot:
    """The card and the data files of some configurations."""
    card = fetch(*pin, [CARD], lock)
    declared = _declared(card.folder / CARD)
    patterns = {pattern for config in configs for pattern in declared.get(config, ["*"])}
    return fetch(*pin, [CARD, *sorted(patterns)], lock)


def _card(path: Path) -> dict[str, Any]:
    from huggingface_hub import DatasetCard

    try:
        return dict(DatasetCard.load(path, ignore_metadata_errors=True).data.to_dict())
    except ValueError as error:
        raise DamagedFileError(
            f"the repository's card cannot be read ({error})", value=path, remedy="name another revision"
        ) from error


def _declared(path: Path) -> dict[str, list[str]]:
    """Globs of the data files of each configuration that the card declares."""
    found: dict[str, list[str]] = {}
    for one in _card(path).get("configs") or []:
        files = one.get("data_files") or []
        found[str(one.get("config_name"))] = [
            pattern for part in (files if isinstance(files, list) else [files]) for pattern in _globs(part)
        ]
    return {config: globs for config, globs in found.items() if globs}


def _globs(part: Any) -> list[str]:
    paths = part.get("path", []) if isinstance(part, dict) else part
    return [str(path) for path in (paths if isinstance(paths, list) else [paths])]


def _write(out: Path, name: str, snapshot: Snapshot, is_pairs: bool) -> dict[str, Any]:
    """Convert one split to JSON lines; its entry in the manifest."""
    split = Split.of(name)
    loaded = enumerate(_load(snapshot, split), 1)
    rows = [pair_of(row, number) if is_pairs else row for number, row in loaded]
    write_text(out / name, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return {
        "rows": len(rows),
        "sha256": digest_file(out / name),
        "source": f"{split.repository} at {snapshot.commit}, {split.config}/{split.split}",
        "licence": str(_card(snapshot.folder / CARD).get("license") or NO_LICENCE),
    }


def _load(snapshot: Snapshot, split: Split) -> Any:
    import datasets

    with tempfile.TemporaryDirectory(prefix="harness-rows-") as cache:
        bars = datasets.utils.are_progress_bars_disabled()
        datasets.disable_progress_bars()
        try:
            return datasets.load_dataset(
                str(snapshot.folder), split.config, split=split.split, cache_dir=cache, keep_in_memory=True
            ).to_list()
        except (ValueError, OSError, datasets.exceptions.DatasetsError) as error:
            raise DataError(
                f"{split.config}/{split.split} of {split.repository} cannot be read "
                f"({str(error).splitlines()[0]})",
                value=snapshot.folder,
                remedy="correct the name of the file in the profile: ORG/NAME/CONFIG/SPLIT.jsonl",
            ) from error
        finally:
            if not bars:
                datasets.enable_progress_bars()


def pair_of(row: dict[str, Any], number: int = 1) -> dict[str, Any]:
    """A row of a preference set with whole conversations as prompt, chosen and rejected messages.

    Answers of several turns carry the conversation themselves: the prompt is all but their last turn, with
    turns in between and a system turn. Answers of one turn follow the row's own prompt.

    Args:
        number: of the row, counted from 1, for the messages.

    Raises:
        DataError: the row is not one prompt with two conversations that end in an answer.
    """
    try:
        given, (*said, chosen), (*other, rejected) = (row[key] for key in ("prompt", "chosen", "rejected"))
        roles = {answer["role"] for answer in (chosen, rejected)}
        prompt = given if isinstance(given, list) else [{"role": "user", "content": given}]
        turns, known = ([(turn["role"], turn["content"]) for turn in part] for part in (prompt, said))
    except (KeyError, ValueError, TypeError) as error:
        cause = f"is not a preference pair ({type(error).__name__}: {error})"
        raise _refused(number, cause, list(row)) from error
    if roles != {"assistant"}:
        raise _refused(number, "has a conversation that does not end with the assistant", sorted(roles))
    if said != other:
        lengths = f"{len(said)} and {len(other)} turns before the answers"
        raise _refused(number, "has two conversations that differ before the answer", lengths)
    strange = [turn for turn in turns if turn not in known]
    if said and strange:
        raise _refused(number, "has a prompt that its conversations do not contain", strange[0])
    return {"prompt": said or prompt, "chosen": [dict(chosen)], "rejected": [dict(rejected)]}


def _refused(number: int, cause: str, value: object) -> DataError:
    remedy = "correct or remove that row, or set data.id to another preference set"
    return DataError(f"row {number} {cause}", value=value, remedy=remedy)
