"""Peak resident set of one step of a fresh process, above what it held: `python peak.py VARIANT SIZES`."""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path

import torch
from subject import Sizes
from variants import Step

STATUS = Path("/proc/self/status")
RESET_PEAK = "5"


def status_mib(field: str) -> float:
    """A field of /proc/self/status in MiB: VmRSS now, VmHWM the peak since it was reset."""
    lines = STATUS.read_text(encoding="utf-8").splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(f"{field}:"))) / 1024


def main(variant: str, sizes: Sizes) -> dict[str, float]:
    """MiB before the step (weights and libraries), at its peak, and between the two."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    Step(variant, Sizes(d_model=64, layers=2, vocabulary=100, d_sae=64, max_length=64, batches=1))()
    step = Step(variant, sizes)
    gc.collect()
    Path("/proc/self/clear_refs").write_text(RESET_PEAK)
    before = status_mib("VmRSS")
    step()
    peak = status_mib("VmHWM")
    return {"before_mib": before, "peak_mib": peak, "above_mib": peak - before}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Sizes(**json.loads(sys.argv[2])))))
