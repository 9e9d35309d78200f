"""The stage `train`: one arm trained under DeepSpeed, or fitted, in a process of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from harness import __version__
from harness.arm import arm_config, arm_files, arm_module
from harness.core.artefact import digest_json
from harness.core.errors import HarnessError
from harness.core.folders import put_in_place, writing
from harness.core.machine import machine_inputs
from harness.core.provenance import versions
from harness.core.results import TrainResult
from harness.core.threads import say_overruled, threads
from harness.profiles.plugged import code_of
from harness.profiles.profile import Profile
from harness.stages.inputs import Context
from harness.stages.stage import Work
from harness.training.exchange import Exchange, TrainSpec
from harness.training.launch import engine_settings, launch
from harness.training.objective import load_objective

PER_ARM = True

FAILED_LOG, ARM_FILES = "train.log", "arms"


def needs(context: Context, arm: str) -> dict[str, str]:
    """Digests of everything that determines a trained arm.

    Raises:
        MissingInputError: `prepare` has not run.
        ProfileError: the arm's module or options are refused.
    """
    section = context.profile.arm(arm)
    arm_config(section, arm)
    module = arm_module(section).Arm
    inputs = {f"arms.{arm}": digest_json(section.model_dump(mode="json"))}
    if module.kind == "untrained":
        return inputs
    training = context.profile.training
    inputs |= {"model": context.model, "pairs": context.train_pairs}
    if module.kind == "fitted":
        inputs |= {"fit": fit_digest(context.profile), "threads": str(threads(training.threads))}
    else:
        load_objective(training)
        inputs |= {
            "training": digest_json(training.model_dump(mode="json", exclude={"threads"})),
            "threads": str(threads(training.threads, training.ranks)),
        }
    files = (f"{ARM_FILES}/{file}" for file in arm_files(section, arm))
    inputs |= {f"files.{file}": context.file(file) for file in files}
    inputs |= machine_inputs() | code_of(arm_module(section))
    return inputs | ({"sae": context.sae} if module.uses_sae else {})


def fit_digest(profile: Profile) -> str:
    """Digest of what of the profile a fitted arm depends on, besides the pairs and its own options."""
    training, fit = profile.training, profile.fit
    batch = profile.evaluation.loss_batch_size
    searched = fit and fit.model_dump(mode="json")
    return digest_json([training.beta, training.gamma, training.seed, batch, searched])


def work(context: Context, arm: str) -> Work:
    """Train or fit the arm; its weights appear in the run folder only when they are complete and checked.

    Raises:
        HarnessError: whatever the data, the training or its checks refuse; then the run folder keeps the
            arm's earlier weights, and the log of the failed training.
    """
    profile, paths = context.profile, context.paths
    kind = arm_module(profile.arm(arm)).Arm.kind
    if kind == "untrained":
        return Work(TrainResult(trained=False), [])
    say_overruled("training.threads", profile.training.threads)
    home = paths.folder(arm)
    with _workshop(home) as folder:
        spec = _spec(context, arm, folder)
        ranks, what = (0, "fit") if kind == "fitted" else (profile.training.ranks, "train")
        result = launch(spec, ranks, f"{what} {arm}")
        files = _publish(Exchange(folder).weights, paths.weights(arm))
    return Work(result, files, scratch=[*home.glob("checkpoints-*"), home / FAILED_LOG])


def _spec(context: Context, arm: str, folder: Path) -> TrainSpec:
    profile, paths, prepared = context.profile, context.paths, context.prepared
    fitted = arm_module(profile.arm(arm)).Arm.kind == "fitted"
    key = digest_json([needs(context, arm), __version__, versions()])
    return TrainSpec(
        profile=profile.resolved(),
        arm=arm,
        model_dir=str(Path(prepared.model_dir).absolute()),
        sae_dir=str(Path(prepared.sae_dir).absolute()),
        model_digest=prepared.digest("model"),
        sae_digest=prepared.digest("sae"),
        arm_files=str((paths.assets / ARM_FILES).absolute()) if arm_files(profile.arm(arm), arm) else "",
        train_file=str((Path(prepared.data_root) / profile.data.train).absolute()),
        folder=str(folder.absolute()),
        checkpoints=str((paths.folder(arm) / f"checkpoints-{key[:12]}").absolute()),
        engine=None if fitted else engine_settings(profile),
        threads=threads(profile.training.threads, 1 if fitted else profile.training.ranks),
        started=time.monotonic(),
        steps=str(paths.steps(arm).absolute()),
        parent=os.getpid(),
    )


@contextlib.contextmanager
def _workshop(home: Path) -> Iterator[Path]:
    """A temporary folder beside the weights; if the work fails, its log stays as train.log."""
    with writing("the run folder cannot be written", home):
        home.mkdir(parents=True, exist_ok=True)
        _clear(home)
        folder = Path(tempfile.mkdtemp(dir=home, prefix=".train-"))
    try:
        yield folder
    except HarnessError:
        with contextlib.suppress(OSError):
            os.replace(Exchange(folder).log, home / FAILED_LOG)
        for checkpoints in home.glob("checkpoints-*"):
            with contextlib.suppress(OSError):
                checkpoints.rmdir()  # an empty one; one that holds a checkpoint stays
        raise
    finally:
        _clear(home)  # also what a worker without its parent wrote while this one waited for its checkpoints


def _clear(home: Path) -> None:
    for left in home.glob(".train-*"):
        shutil.rmtree(left, ignore_errors=True)


def _publish(made: Path, target: Path) -> list[Path]:
    """Put complete weights in the place of the old ones; the files, in order."""
    remedy = "close what uses the folder, or give another with --run-dir DIR"
    with writing("the weights cannot be put in place", target, remedy):
        put_in_place(made, target)
    return sorted(path for path in target.rglob("*") if path.is_file())
