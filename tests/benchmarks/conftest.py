"""The folder of the benchmark's record exists before pytest-benchmark writes into it."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def _folder_of_the_record(request: pytest.FixtureRequest) -> None:
    record = request.config.getoption("benchmark_json")
    if record:
        Path(record).parent.mkdir(parents=True, exist_ok=True)
