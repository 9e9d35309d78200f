"""The TOML file behind a profile: where it lies, and what a variant takes over from the profile it extends.

Standard library only: the noxfile's interpreter reads profiles before there is an environment.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.core.differing import differing
from harness.core.errors import ProfileError
from harness.core.nearest import did_you_mean

PROFILES = Path(__file__).parent
REASONS = ("sources", "assumed")
WORDS = ("title", "note")
SUBJECT = re.compile(r"sae\..*|model\.(source|id|file|revision)|data\.(source|id|revision|train|test)")
"""The keys that say of which model, dictionary and pairs a profile is; the others say how it uses them."""
Table = dict[str, Any]


def profile_names() -> list[str]:
    """Names of the bundled profiles."""
    return sorted(path.stem for path in PROFILES.glob("*.toml"))


def profile_path(name: str) -> Path:
    """The file of a profile, by name (of a bundled one) or by path (of a TOML file).

    Raises:
        ProfileError: there is no such file; the message lists the bundled profiles.
    """
    path = Path(name) if name.endswith(".toml") else PROFILES / f"{name}.toml"
    if not is_file(path):
        raise ProfileError(
            f"no such profile{did_you_mean(name, profile_names())}",
            value=name,
            remedy=f"choose one of: {', '.join(profile_names())}; or a .toml file",
        )
    return path


def is_file(path: Path) -> bool:
    """Whether a file has this name; a name that no file can have is no file's."""
    try:
        return path.is_file()
    except OSError:
        return False


def lock_path(name: str) -> Path:
    """The lock file of a profile, beside its TOML file: the commit and the files of each hub repository."""
    return profile_path(name).with_suffix(".lock.json")


def read_profile(name: str) -> Table:
    """A profile's tables, with those of the profile that it extends below its own.

    `extends = "NAME"` (or a path relative to the file) takes over every key of another profile; `without`
    lists tables of it, by dotted path, that are left out. A key that the variant sets itself loses the source
    or the reason that the other profile gave for its value. A variant of another model, SAE or data has a
    title and a note of its own, and takes over no `paper_values`.

    Raises:
        ProfileError: no such profile, not TOML, a circle of profiles, a `without` that names nothing, or
            another model, SAE or data under the other profile's title or note.
    """
    return _read(profile_path(name), ())


def _read(path: Path, extended_by: tuple[Path, ...]) -> Table:
    own = _parse(path)
    other, without = own.pop("extends", None), own.pop("without", [])
    if other is None and not without:
        return own
    if not isinstance(other, str) or not isinstance(without, list):
        raise _refused("`extends` is the name of a profile, `without` a list of its tables", path)
    if "name" not in own:
        raise _refused("a profile that extends another needs a name of its own", path)
    above = path.parent / other if other.endswith(".toml") else profile_path(other)
    if above.resolve() in {one.resolve() for one in (path, *extended_by)}:
        raise _refused(f"the profile extends itself, through {other}", path)
    if not is_file(above):
        raise _refused(f"the profile extends {other}, which is not there", path)
    base = _read(above, (path, *extended_by))
    return _over(base, own, path, without)


def _over(base: Table, own: Table, path: Path, without: Sequence[object] = ()) -> Table:
    """A profile's own keys over those of the one it extends."""
    subject = _subject(base)
    for dotted in without:
        _drop(base, str(dotted), path)
    explained = {key for table in REASONS for key in own.get(table, {})}
    set_here = leaves({key: value for key, value in own.items() if key not in REASONS})
    for table in REASONS:
        left = base.get(table, {}).items()
        base[table] = {key: why for key, why in left if key not in explained | set_here.keys()}
    _refuse_borrowed_words(own, base, differing(subject, _subject(_merged(base, own))), path)
    return _merged(base, own)


def read_changed(name: str, changes: Sequence[str]) -> Table:
    """A profile's tables with some keys set, as if a file had extended it.

    Args:
        changes: `training.epochs=2` and the like; the value is TOML, and a text where it is not.

    Returns:
        the tables; the name has a digest of the changes, so that they have a run folder of their own, and the
        title names them.

    Raises:
        ProfileError: as `read_profile`, or a change that is not `key=value`.
    """
    path = profile_path(name)
    base, own = _read(path, ()), _set(changes, path)
    title = own.get("title", f"{base.get('title', name)} (changed: {'; '.join(changes)})")
    digest = hashlib.sha256("\n".join(sorted(changes)).encode()).hexdigest()[:8]
    made = _over(base, {"name": f"{base.get('name', name)}-{digest}", **own}, path)
    return {**made, "title": title}


def _set(changes: Sequence[str], path: Path) -> Table:
    own: Table = {}
    for change in changes:
        dotted, equals, text = change.partition("=")
        *above, last = dotted.strip().split(".")
        if not equals or not last:
            raise _refused(f"`--set {change}` is not KEY=VALUE, as in training.epochs=2", path)
        node = own
        for part in above:
            node = node.setdefault(part, {})
        try:
            node[last] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            node[last] = text.strip()
    return own


def _subject(tables: Table) -> Table:
    return {key: value for key, value in leaves(tables).items() if SUBJECT.fullmatch(key)}


def _refuse_borrowed_words(own: Table, base: Table, changed: list[str], path: Path) -> None:
    """Nothing that the extended profile says of itself may stand over results of something else."""
    if not changed:
        return
    base.pop("paper_values", None)
    borrowed = [word for word in WORDS if own.get(word, base.get(word)) == base.get(word)]
    if borrowed:
        raise ProfileError(
            f"the profile changes {', '.join(changed)}, and has no {' and no '.join(borrowed)} of its own",
            value=path,
            remedy="give `title` and `note` that say what this model, SAE and data are; every table has them",
        )


def leaves(tables: Table, prefix: str = "") -> Table:
    """Values by dotted path."""
    found: Table = {}
    for key, value in tables.items():
        found |= leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def _parse(path: Path) -> Table:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProfileError(
            f"the profile is not TOML: {error}", value=path, remedy="correct that line"
        ) from error


def _drop(tables: Table, dotted: str, path: Path) -> None:
    *parents, last = dotted.split(".")
    node: Any = tables
    for part in parents:
        node = node.get(part) if isinstance(node, dict) else None
    if not isinstance(node, dict) or last not in node:
        raise _refused(f"`without` names {dotted}, which the extended profile does not have", path)
    del node[last]
    for table in REASONS:
        left = tables.get(table, {}).items()
        tables[table] = {key: why for key, why in left if not f"{key}.".startswith(f"{dotted}.")}


def _merged(base: Table, own: Table) -> Table:
    both = {
        key: _merged(base[key], own[key])
        for key in base.keys() & own.keys()
        if isinstance(base[key], dict) and isinstance(own[key], dict)
    }
    return {**base, **own, **both}


def _refused(cause: str, path: Path) -> ProfileError:
    return ProfileError(cause, value=path, remedy="correct that key of the profile")
