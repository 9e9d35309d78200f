"""DeepSpeed's launcher as a subprocess: settings from the profile, progress, one clean error if it fails."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from harness.core.artefact import write_json
from harness.core.console import console
from harness.core.documents import read_result
from harness.core.errors import TrainingError, UnavailableError
from harness.core.results import TrainResult
from harness.core.threads import VARIABLE as THREADS
from harness.profiles.profile import Profile
from harness.training.exchange import Exchange, TrainSpec

WORKER = "harness.training.worker"
POLL_S = 0.2
GRACE_S = 10.0


def engine_settings(profile: Profile) -> dict[str, Any]:
    """DeepSpeed's settings: ZeRO, clipping, precision.

    There is no `optimizer` and no `scheduler` block: either would take the place of the trainer's own, and
    with it of the parameter groups and of the declared schedule. Under bfloat16 ZeRO keeps float32 master
    weights.
    """
    training = profile.training
    zero: dict[str, Any] = {"stage": training.zero_stage}
    if training.offload_optimizer:
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": True}
    return {
        "train_micro_batch_size_per_gpu": training.pairs_per_device,
        "gradient_accumulation_steps": training.accumulation,
        "gradient_clipping": training.max_grad_norm,
        "zero_optimization": zero,
        "bf16": {"enabled": profile.model.dtype == "bfloat16"},
        "zero_allow_untested_optimizer": True,
        "steps_per_print": 10**9,
    }


def launch(spec: TrainSpec, ranks: int, label: str) -> TrainResult:
    """Run the worker until it leaves a result.

    Args:
        spec: the order; its folder exists.
        ranks: processes that DeepSpeed's launcher starts; 0 starts one without it, for a fitted arm.
        label: what the progress bar says.

    Raises:
        HarnessError: the one that the worker raised; TrainingError if it ended without saying why.
    """
    exchange = Exchange(Path(spec.folder))
    write_json(exchange.spec, spec.model_dump(mode="json"))
    with (
        exchange.log.open("wb") as log,
        _started(_command(exchange, ranks), _environment(spec), log) as process,
    ):
        try:
            code = _follow(process, exchange, label)
        except KeyboardInterrupt:
            _let_stop(process, exchange)
            raise
    error = exchange.read_error()
    if error is not None:
        raise error
    if code or not exchange.result.is_file():
        raise TrainingError(
            f"the training process ended with exit code {code} and left no result",
            value=_last_line(exchange),
            remedy="read the log of the training, train.log in the arm's run folder",
        )
    return read_result(exchange.result, TrainResult, what="the result of the training", made_by="train")


def _command(exchange: Exchange, ranks: int) -> list[str]:
    if not ranks:
        return [sys.executable, "-m", WORKER, str(exchange.spec)]
    launcher = [sys.executable, "-m", "deepspeed.launcher.runner", "--quiet", "--no_local_rank"]
    with socket.socket() as listener:  # a free port of this machine
        listener.bind(("127.0.0.1", 0))
        network = [*_devices(ranks), "--master_port", str(listener.getsockname()[1])]
    return [*launcher, *network, "--module", WORKER, str(exchange.spec)]


def _devices(ranks: int) -> list[str]:
    """The launcher's choice of devices; with --num_gpus it would ignore CUDA_VISIBLE_DEVICES."""
    import torch

    if not torch.cuda.is_available():
        return ["--num_gpus", str(ranks)]
    if ranks > torch.cuda.device_count():
        raise UnavailableError(
            f"the profile wants {ranks} GPUs, this machine shows {torch.cuda.device_count()}",
            value=os.environ.get("CUDA_VISIBLE_DEVICES"),
            remedy="lower training.ranks and raise training.accumulation by the same factor",
        )
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if not visible:
        return ["--num_gpus", str(ranks)]
    chosen = visible.split(",")[:ranks]
    if not all(device.strip().isdecimal() for device in chosen):
        raise UnavailableError(
            "DeepSpeed's launcher takes GPUs by number only",
            value=f"CUDA_VISIBLE_DEVICES={visible}",
            remedy="set CUDA_VISIBLE_DEVICES to numbers",
        )
    return ["--include", f"localhost:{','.join(chosen)}"]


def _environment(spec: TrainSpec) -> dict[str, str]:
    import torch

    own = {
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        THREADS: str(spec.threads),
        "PYTHONIOENCODING": "utf-8",
        "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
        "TOKENIZERS_PARALLELISM": "false",
        "TRL_EXPERIMENTAL_SILENCE": "1",
    }
    if not torch.cuda.is_available():
        own |= {"DS_ACCELERATOR": "cpu", "LOCAL_SIZE": str(spec.profile["training"]["ranks"])}
    return {**os.environ, **own}


@contextlib.contextmanager
def _started(
    command: list[str], environment: dict[str, str], log: IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in its own group; when the block ends for any reason, the whole group ends."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for signum in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signum)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_S)


def _follow(process: subprocess.Popen[bytes], exchange: Exchange, label: str) -> int:
    """Draw the worker's progress on stderr until it ends; its exit code."""
    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} steps"),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    ]
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=0, note="loading")
        while True:
            code = process.poll()
            last = _last_note(exchange)
            if last is not None:
                bar.update(task, completed=last["done"], total=last["total"], note=f"loss {last['loss']:.3f}")
            if code is not None:
                return code
            time.sleep(POLL_S)


def _let_stop(process: subprocess.Popen[bytes], exchange: Exchange) -> None:
    """Let a training that has begun end its step and write a checkpoint; another Ctrl-C ends it at once."""
    if _last_note(exchange) is None or process.poll() is not None:
        return
    exchange.stop.touch()
    console.print("stopping after this step, with a checkpoint; Ctrl-C again: at once, without one")
    process.wait()


def _last_note(exchange: Exchange) -> dict[str, Any] | None:
    if not exchange.progress.is_file():
        return None
    whole = exchange.progress.read_text(encoding="utf-8").rpartition("\n")[0]
    return json.loads(whole.rpartition("\n")[2]) if whole else None


def _last_line(exchange: Exchange) -> str:
    lines = exchange.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "(it printed nothing)"
