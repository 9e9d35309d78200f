"""Strategies for broken input, and what every reader must do with it."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from harness.core.errors import HarnessError

FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
DEEP = b"[" * 100_000

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)
broken_text = st.binary(max_size=60) | st.text(max_size=60).map(str.encode)


def survives(do: Callable[[], object]) -> None:
    """Run it: a result, or an error that says why and what to do."""
    refusal = None
    try:
        do()
    except HarnessError as error:
        refusal = error
    if refusal is not None:
        assert refusal.cause.strip()
        assert refusal.remedy.strip()
        assert refusal.exit_code


def places(node: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in nested data, as the keys that lead there."""
    found = [here] if here else []
    if isinstance(node, dict | list):
        for key, inner in node.items() if isinstance(node, dict) else enumerate(node):
            found += places(inner, (*here, key))
    return found


@st.composite
def hurt(draw: st.DrawFn, whole: Any) -> Any:
    """The data with one to three places changed, removed or added to."""
    data = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(places(data)))
        node = data
        for key in way:
            node = node[key]
        action = draw(st.sampled_from(["change", "remove", "add"]))
        if action == "change":
            node[last] = draw(values)
        elif action == "remove":
            del node[last]
        elif isinstance(node, dict):
            node[draw(st.text(max_size=9))] = draw(values)
        if not places(data):
            break
    return data


def written(content: bytes | object, do: Callable[[Path], object], name: str = "file") -> None:
    """Write bytes, or data as JSON, into a file and survive reading it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        survives(lambda: do(path))
