"""The stage `train`: SimPO training of one arm in a process of its own, under DeepSpeed."""

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
from harness.core.errors import HarnessError, MissingInputError, ProfileError
from harness.core.folders import put_in_place, writing
from harness.core.paths import RunPaths
from harness.core.provenance import versions
from harness.core.results import PrepareResult, TrainResult
from harness.profiles.profile import Profile
from harness.profiles.sections import ArmSection
from harness.stages.stage import Work, command, prepared_inputs
from harness.training.exchange import Exchange, TrainSpec
from harness.training.launch import engine_settings, launch, threads_per_rank

PER_ARM = True

FAILED_LOG, ARM_FILES = "train.log", "arms"


def needs(profile: Profile, paths: RunPaths, arm: str | None) -> dict[str, str]:
    """Digests of everything that determines a trained arm.

    Raises:
        MissingInputError: `prepare` has not run.
        ProfileError: the arm's module or options are refused.
    """
    name = _named(arm)
    prepared = prepared_inputs(profile, paths)
    section = profile.arm(name)
    arm_config(section, name)
    module = arm_module(section).Arm
    inputs = {f"arms.{name}": digest_json(section.model_dump(mode="json"))}
    if not module.trains:
        return inputs
    inputs |= {
        "model": digest_json(profile.model.model_dump(mode="json")),
        "data": digest_json(_training_data(profile)),
        "training": digest_json(profile.training.model_dump(mode="json")),
        "files.model": prepared.digest("model"),
        "files.train": _file_digest(profile, prepared, f"data/{profile.data.train}"),
    }
    inputs |= {f"files.{file}": _file_digest(profile, prepared, file) for file in _arm_files(section, name)}
    if module.uses_sae:
        inputs |= {
            "sae": digest_json(profile.sae.model_dump(mode="json")),
            "files.sae": prepared.digest("sae"),
        }
    return inputs


def work(profile: Profile, paths: RunPaths, arm: str | None) -> Work:
    """Train the arm; its weights appear in the run folder only when they are complete and checked.

    Raises:
        HarnessError: whatever the data, the training or its checks refuse; then the run folder keeps the
            arm's earlier weights, and the log of the failed training.
    """
    name = _named(arm)
    if not arm_module(profile.arm(name)).Arm.trains:
        return Work(TrainResult(trained=False), [])
    check_batches(profile)
    home = paths.folder(name)
    with _workshop(home) as folder:
        spec = _spec(profile, paths, name, folder)
        result = launch(spec, profile.training.ranks, f"train {name}")
        files = _publish(Exchange(folder).weights, paths.weights(name))
    return Work(result, files, scratch=[*home.glob("checkpoints-*"), home / FAILED_LOG])


def check_batches(profile: Profile) -> None:
    """Refuse a number of pairs that several ranks cannot share: accelerate would train on some pairs twice.

    Raises:
        ProfileError: `train_pairs` is not a multiple of ranks * pairs_per_device, with more than one rank.
    """
    training, pairs = profile.training, profile.data.train_pairs
    together = training.ranks * training.pairs_per_device
    if training.ranks > 1 and (pairs == 0 or pairs * training.epochs % together):
        raise ProfileError(
            f"{training.ranks} ranks of {training.pairs_per_device} pairs cannot share the pairs evenly",
            value=f"data.train_pairs = {pairs}, epochs = {training.epochs}",
            remedy=f"set data.train_pairs to a multiple of {together}",
        )


def _spec(profile: Profile, paths: RunPaths, name: str, folder: Path) -> TrainSpec:
    prepared = prepared_inputs(profile, paths)
    key = digest_json([needs(profile, paths, name), __version__, versions()])
    return TrainSpec(
        profile=profile.resolved(),
        arm=name,
        model_dir=str(Path(prepared.model_dir).absolute()),
        sae_dir=str(Path(prepared.sae_dir).absolute()),
        model_digest=prepared.digest("model"),
        sae_digest=prepared.digest("sae"),
        arm_files=str((paths.assets / ARM_FILES).absolute()) if arm_files(profile.arm(name), name) else "",
        train_file=str((Path(prepared.data_root) / profile.data.train).absolute()),
        folder=str(folder.absolute()),
        checkpoints=str((paths.folder(name) / f"checkpoints-{key[:12]}").absolute()),
        engine=engine_settings(profile),
        threads=threads_per_rank(profile.training.ranks),
        started=time.monotonic(),
        parent=os.getpid(),
    )


@contextlib.contextmanager
def _workshop(home: Path) -> Iterator[Path]:
    """A temporary folder beside the weights; if the work fails, its log stays as train.log."""
    with writing("the run folder cannot be written", home):
        home.mkdir(parents=True, exist_ok=True)
        for left in home.glob(".train-*"):
            shutil.rmtree(left, ignore_errors=True)
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
        shutil.rmtree(folder, ignore_errors=True)


def _publish(made: Path, target: Path) -> list[Path]:
    """Put complete weights in the place of the old ones; the files, in order."""
    remedy = "close what uses the folder, or give another with --run-dir DIR"
    with writing("the weights cannot be put in place", target, remedy):
        put_in_place(made, target)
    return sorted(path for path in target.rglob("*") if path.is_file())


def _training_data(profile: Profile) -> dict[str, object]:
    """The keys of the data section that training depends on."""
    return profile.data.model_dump(mode="json", exclude={"test", "test_pairs"})


def _arm_files(section: ArmSection, name: str) -> list[str]:
    return [f"{ARM_FILES}/{file}" for file in arm_files(section, name)]


def _file_digest(profile: Profile, prepared: PrepareResult, name: str) -> str:
    if name not in prepared.files:
        raise MissingInputError(
            "`prepare` did not record a file that the training reads",
            value=name,
            remedy=f"run `{command('prepare', profile)}`",
        )
    return prepared.files[name]


def _named(arm: str | None) -> str:
    if arm is None:
        raise ProfileError("train works on one arm at a time", value=arm, remedy="name one with --arm")
    return arm
