"""What of a machine is in a stage's key."""

from __future__ import annotations

import pytest

from harness.core import machine
from harness.core.machine import device, machine_inputs, of_the_machine, vector_level


@pytest.fixture
def on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"class": "nvidia-x-x1", "device": "NVIDIA X"}
    monkeypatch.setattr(machine, "hardware", lambda: known)


def test_packages_device_and_variables_are_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "versions", lambda: {"torch": "2.13.0+cpu"})
    plain, other = machine_inputs({}), machine_inputs({"ATEN_CPU_CAPABILITY": "avx2", "HOME": "/"})
    assert plain["machine: torch"] == "2.13.0+cpu"
    assert plain["machine: device"]
    assert other == plain | {"machine: ATEN_CPU_CAPABILITY": "avx2"}
    assert all(map(of_the_machine, other))
    assert not of_the_machine("training")


@pytest.mark.parametrize(
    ("flags", "level"),
    [
        ("sse avx avx2 avx512f", "avx512"),
        ("sse avx avx2", "avx2"),
        ("fp asimd", "asimd"),
        ("sse", "none"),
        ("", "none"),
    ],
)
def test_the_widest_vector_instructions_count(flags: str, level: str) -> None:
    """Products of matrices are summed in another order by another width."""
    assert vector_level(frozenset(flags.split())) == level


@pytest.mark.usefixtures("on_a_gpu")
def test_a_gpu_counts_by_its_name_unless_it_is_hidden() -> None:
    assert device({}) == device({"CUDA_VISIBLE_DEVICES": "1"}) == "NVIDIA X"
    for hidden in ("", "-1"):
        assert device({"CUDA_VISIBLE_DEVICES": hidden}).startswith("cpu ")
