"""What the stage and the training process exchange: order, progress, result, error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.core import errors
from harness.core.artefact import write_json
from harness.core.documents import Strict
from harness.profiles.profile import Profile, parse_profile


class TrainSpec(Strict):
    """The order to train one arm.

    Attributes:
        profile: the resolved profile.
        arm: its name in the profile.
        model_dir, sae_dir: folders of the base model and of the SAE.
        model_digest, sae_digest: sha256 over their files.
        train_file: JSON lines of preference pairs.
        arm_files: folder of the files that the arm's options name; empty where there are none.
        folder: where the process writes; empty at the start.
        checkpoints: where unfinished training may be resumed from.
        engine: DeepSpeed's settings; None trains in plain PyTorch, for tests.
        threads: CPU threads of one rank.
        started: when the stage began, on the monotonic clock, which all processes of a machine share.
        steps: the log that gets a line each step and stays in the run folder; empty: none.
        parent: process id that waits for the result; when it is gone, training stops.
    """

    profile: dict[str, Any]
    arm: str
    model_dir: str
    sae_dir: str
    model_digest: str
    sae_digest: str
    train_file: str
    arm_files: str = ""
    folder: str
    checkpoints: str
    engine: dict[str, Any] | None
    threads: int
    started: float
    steps: str = ""
    parent: int

    def parsed(self) -> Profile:
        """The profile as types again."""
        return parse_profile(self.profile, where="the resolved profile")


class Exchange:
    """The files in a training folder through which parent and worker communicate."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spec = folder / "spec.json"
        self.progress = folder / "progress.jsonl"
        self.result = folder / "result.json"
        self.error = folder / "error.json"
        self.log = folder / "train.log"
        self.weights = folder / "weights"
        self.stop = folder / "stop"
        """Whoever waits makes this file: training writes a checkpoint after its step, and ends."""

    def note(self, **values: object) -> None:
        """Append one line of progress."""
        with self.progress.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(values) + "\n")

    def write_error(self, error: errors.HarnessError) -> None:
        """Leave an error for the parent; the first one stays, since others follow from it."""
        if not self.error.exists():
            value = None if error.value is None else str(error.value)
            fields = {"cause": error.cause, "value": value, "remedy": error.remedy}
            write_json(self.error, {"kind": type(error).__name__, **fields})

    def read_error(self) -> errors.HarnessError | None:
        """The worker's error as the same kind of exception; None if it left none."""
        if not self.error.is_file():
            return None
        fields = json.loads(self.error.read_text(encoding="utf-8"))
        kind: type[errors.HarnessError] = getattr(errors, fields.pop("kind"))
        return kind(**fields)
