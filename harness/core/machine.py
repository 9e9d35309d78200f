"""What of a machine and its packages enters the numbers: the part of a stage's key that no profile decides.

Needs no torch.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path

from harness.core.provenance import hardware, versions

PREFIX = "machine: "
"""Before the names of these inputs in a stage's key."""
VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "CUBLAS_WORKSPACE_CONFIG",
    "DNNL_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "NVIDIA_TF32_OVERRIDE",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)
"""Variables with which PyTorch's libraries take other instructions or another precision."""
LEVELS = (("avx512f", "avx512"), ("avx2", "avx2"), ("asimd", "asimd"))
"""A flag of /proc/cpuinfo, and the vector instructions that PyTorch then takes; the first that is there."""


def machine_inputs(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What two runs of one profile must share to have the same numbers: packages, device, instructions.

    Threads are not among them: they have an input of their own. The number of cores changes no number.
    """
    found = {f"{PREFIX}{package}": version for package, version in versions().items()}
    found[f"{PREFIX}device"] = device(environment)
    found |= {f"{PREFIX}{name}": environment[name] for name in VARIABLES if environment.get(name)}
    return found


def device(environment: Mapping[str, str] = os.environ) -> str:
    """The GPU's name, or the kind of CPU with the vector instructions that it has."""
    known = hardware()
    hidden = environment.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    if not hidden and not str(known["class"]).startswith("cpu-"):
        return str(known["device"])
    return f"cpu {platform.machine()} {vector_level(_flags())}"


def vector_level(flags: frozenset[str]) -> str:
    """The widest vector instructions among the flags of a CPU; `none` where none is known."""
    return next((level for flag, level in LEVELS if flag in flags), "none")


def _flags() -> frozenset[str]:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    found = [line for line in lines if line.lower().startswith(("flags", "features"))]
    return frozenset(found[0].partition(":")[2].split() if found else ())


def of_the_machine(name: str) -> bool:
    """Whether an input is one of these."""
    return name.startswith(PREFIX)
