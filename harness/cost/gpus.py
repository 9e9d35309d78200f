"""GPUs by name: memory, bandwidth and dense bfloat16 peak rate, from their makers' data sheets."""

from __future__ import annotations

from typing import NamedTuple

from harness.core.errors import UsageError


class Gpu(NamedTuple):
    """One device.

    Attributes:
        title: its name.
        memory_gb: 10^9 bytes of device memory.
        bandwidth_tb_s: 10^12 bytes a second.
        bf16_tflops: dense bfloat16 matrix products accumulated in float32, without sparsity.
        source: where the three numbers are printed.
    """

    title: str
    memory_gb: float
    bandwidth_tb_s: float
    bf16_tflops: float
    source: str


GPUS = {
    "h200": Gpu("NVIDIA H200 SXM", 141, 4.8, 989, "NVIDIA H200 data sheet (half of 1,979 with sparsity)"),
    "gh200": Gpu("NVIDIA GH200 96 GB", 96, 4.0, 990, "NVIDIA GH200 data sheet, HBM3 version (half of 1,979)"),
    "h100": Gpu("NVIDIA H100 SXM", 80, 3.35, 989, "NVIDIA H100 data sheet (half of 1,979 with sparsity)"),
    "h100-pcie": Gpu("NVIDIA H100 PCIe", 80, 2.0, 756, "NVIDIA H100 data sheet (half of 1,513)"),
    "a100": Gpu("NVIDIA A100 SXM 80 GB", 80, 2.039, 312, "NVIDIA A100 data sheet"),
    "a100-40gb": Gpu("NVIDIA A100 SXM 40 GB", 40, 1.555, 312, "NVIDIA A100 data sheet"),
    "l40s": Gpu("NVIDIA L40S", 48, 0.864, 362, "NVIDIA L40S data sheet (half of 733 with sparsity)"),
    "l4": Gpu("NVIDIA L4", 24, 0.3, 121, "NVIDIA L4 data sheet (half of 242 with sparsity)"),
    "rtx4090": Gpu("NVIDIA GeForce RTX 4090", 24, 1.008, 165, "NVIDIA Ada architecture paper, appendix A"),
    "rtx3090": Gpu("NVIDIA GeForce RTX 3090", 24, 0.936, 71, "NVIDIA GA102 architecture paper, appendix A"),
}


def gpu(name: str) -> Gpu:
    """The device of a name.

    Raises:
        UsageError: the table does not have it.
    """
    if name not in GPUS:
        raise UsageError(
            "no such GPU in the table", value=f"--gpu {name}", remedy=f"choose one of: {', '.join(GPUS)}"
        )
    return GPUS[name]
