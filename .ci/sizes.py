"""Refuse Python files over 300 lines and functions over 60, but for those with a reason in pyproject.toml.

`python .ci/sizes.py [FOLDER]`. The reasons are in `[tool.fsrl-bench.sizes]`, one a line:
"path.py" = "why", or "path.py: function" = "why".
"""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

CODE = ("harness", "fsrl", "baselines", "tests", ".ci", "noxfile.py")
FILE, FUNCTION = 300, 60


def too_long(root: Path) -> Iterator[tuple[str, int]]:
    """Each file and function over its bound: its name and its lines."""
    paths = [root / one for one in CODE]
    files = [
        *(path for path in paths if path.is_file()),
        *(file for path in paths for file in path.rglob("*.py")),
    ]
    for file in sorted(files):
        name, text = file.relative_to(root).as_posix(), file.read_text(encoding="utf-8")
        if len(text.splitlines()) > FILE:
            yield name, len(text.splitlines())
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION:
                    yield f"{name}: {node.name}", lines


def faults(root: Path) -> list[str]:
    """What is too long without a reason, and each reason for what is not."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    reasons = project.get("tool", {}).get("fsrl-bench", {}).get("sizes", {})
    found = dict(too_long(root))
    long = [f"{name} has {lines} lines" for name, lines in found.items() if not reasons.get(name)]
    return long + [
        f"{name} is not too long: take it out of the list" for name in reasons if name not in found
    ]


if __name__ == "__main__":
    said = faults(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parents[1])
    if said:
        bounds = f"A file may have {FILE} lines, a function {FUNCTION}. Split it by noun, or give a reason in"
        sys.exit("\n".join([*said, f"{bounds} pyproject.toml, [tool.fsrl-bench.sizes]."]))
