"""Every relative link, path and module that README, CONTRIBUTING and docs name is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
ROOMS = "harness|baselines|fsrl|tests|docs|results"
PATH = re.compile(rf"(?<![\w./-])(?:{ROOMS})/[\w./-]*\w")
MODULE = re.compile(rf"(?<![\w./-])(?:{ROOMS})(?:\.\w+)+")
WRITTEN_BY_THE_READER = {
    "baselines/steering_vector.py",
    "harness/tasks/piqa.yaml",
    "baselines.steering_vector",
}


def names(page: Path) -> list[str]:
    """What stands between backticks, without patterns and placeholders such as `results/<profile>/`."""
    quoted = re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8"))
    return [name for name in quoted if not re.search(r"[<>*{}]", name)]


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r'(?:\]\(|src="|srcset=")([^)"\s]+)', text)
    missing = []
    for link in links:
        target, _, part = link.partition("#")
        if re.match(r"\w+:", link):
            continue
        path = page.parent / target if target else page
        headings = re.findall(r"^#+ (.*)$", path.read_text(), re.M) if path.suffix == ".md" and part else []
        if not path.exists() or (part and part not in map(anchor, headings)):
            missing.append(link)
    for name in names(page):
        missing += [path for path in PATH.findall(name) if not (ROOT / path).exists()]
        missing += [module for module in MODULE.findall(name) if not is_module(module)]
    assert sorted(set(missing) - WRITTEN_BY_THE_READER) == []


def test_every_path_in_a_message_or_docstring_is_there() -> None:
    sources = [path for room in ("harness", "baselines", "fsrl") for path in (ROOT / room).rglob("*.py")]
    named = {path for source in sources for path in PATH.findall(source.read_text(encoding="utf-8"))}
    assert len(named) > 10
    assert sorted(path for path in named if not [*ROOT.glob(f"{path}*")]) == []  # also docs/decisions/0075


def test_every_room_has_a_line_in_contributing() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = guide.split("\n## Where does it go?\n")[1].split("\n## ")[0]
    listed = set(re.findall(r"`harness/([\w.]+)/?`", table))
    entries = {path.name for path in (ROOT / "harness").iterdir()} - {"__init__.py", "__pycache__"}
    assert listed == entries


def test_the_picture_of_the_floors_has_every_room() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    floors = next(one["layers"] for one in settings["tool"]["importlinter"]["contracts"] if "layers" in one)
    rooms = {room for floor in floors for room in floor.split(" : ")}
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = re.findall(r'^    \w+\["([\w ·]+)<br/>', page, re.M)
    assert {room for box in drawn for room in box.split(" · ")} == rooms


def is_module(name: str) -> bool:
    """Whether a dotted name is a module or package, or a name that the module defines."""
    place = ROOT.joinpath(*name.split("."))
    if place.is_dir() or place.with_suffix(".py").is_file():
        return True
    source = (
        place.parent.with_suffix(".py")
        if place.parent.with_suffix(".py").is_file()
        else place.parent / "__init__.py"
    )
    return (
        source.is_file() and re.search(rf"\b{place.name}\b", source.read_text(encoding="utf-8")) is not None
    )
