"""What a piece of work costs: wall clock and peak memory."""

from __future__ import annotations

import contextlib
import resource
import time
from pathlib import Path
from types import TracebackType

import torch

from harness.core.results import Usage

GIB = 2**30


class Meter:
    """Measure a block: `with Meter() as meter: ...`, then `meter.usage(...)`.

    Attributes:
        wall_s: seconds from entry to exit; on CUDA the queue is drained at both ends.
        peak_rss_gib: peak resident set since entry; of the process's life where its peak cannot be reset.
        peak_allocated_gib, peak_reserved_gib: the CUDA allocator's peaks since entry; None without CUDA.
    """

    def __init__(self) -> None:
        self.wall_s = 0.0
        self.peak_rss_gib = 0.0
        self.peak_allocated_gib: float | None = None
        self.peak_reserved_gib: float | None = None

    def __enter__(self) -> Meter:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        if torch.cuda.is_available():
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
            self.peak_allocated_gib = torch.cuda.max_memory_allocated() / GIB
            self.peak_reserved_gib = torch.cuda.max_memory_reserved() / GIB
        self.wall_s = time.perf_counter() - self._started
        self.peak_rss_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB

    def so_far(self) -> float:
        """Seconds since entry."""
        return time.perf_counter() - self._started

    def usage(
        self, *, trainable_parameters: int, total_parameters: int, tokens: int, startup_s: float
    ) -> Usage:
        """The block's cost as a record; counts and start-up are the caller's."""
        return Usage(
            trainable_parameters=trainable_parameters,
            total_parameters=total_parameters,
            tokens=tokens,
            wall_s=self.wall_s,
            startup_s=startup_s,
            peak_allocated_gib=self.peak_allocated_gib,
            peak_reserved_gib=self.peak_reserved_gib,
            peak_rss_gib=self.peak_rss_gib,
        )
