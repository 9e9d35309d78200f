"""Where the project keeps its results, and a run its files: `runs/<profile>/`, one folder an arm.

Standard library only: the noxfile's interpreter imports it before there is an environment.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_COPIES = ROOT / "harness" / "committed"
CHECKOUT = not _COPIES.is_dir()
"""Whether this is a checkout; False where the package was installed from a wheel, which has copies."""
RESULTS = ROOT / "results" if CHECKOUT else Path("results")
"""Where `--save` and `--update` put results: without a checkout, below the working folder."""
COMMITTED = RESULTS if CHECKOUT else _COPIES
"""What came with this version: the paper's claims and tables, committed prompts and outcomes; `setup.py` puts
them into a wheel. Nothing is written here but through `RESULTS`."""
RUNS = Path("runs")
LOCK = ROOT / "constraints.txt"
"""The version of every locked package, and the sha256 of its files."""
UNVERIFIED = "unverified.json"
"""In the environment's folder: the files that were installed and whose release the lock does not hold."""


@dataclass(frozen=True, kw_only=True)
class RunPaths:
    """The files of one run.

    Attributes:
        root: the run folder.
        data_root: the folder that the user named with `--data-root`, if any.
        lock_file: where the hub's repositories are pinned; None: in the run folder.
    """

    root: Path
    data_root: Path | None = None
    lock_file: Path | None = None

    @classmethod
    def of(
        cls, profile: str, run_dir: Path | None, data_root: Path | None, lock_file: Path | None = None
    ) -> RunPaths:
        """The paths for a profile; `run_dir` takes the place of `runs/<profile>`."""
        return cls(root=run_dir or RUNS / profile, data_root=data_root, lock_file=lock_file)

    @property
    def lock(self) -> Path:
        """The lock file: beside the profile's own file if that is known."""
        return self.lock_file or self.root / "profile.lock.json"

    def stage(self, stage: str, arm: str | None = None) -> Path:
        """The artefact of a stage, of one arm or of the whole run."""
        return self.folder(arm) / f"{stage}.json"

    def folder(self, arm: str | None) -> Path:
        return self.root / (arm or "")

    def weights(self, arm: str) -> Path:
        """What training an arm leaves: safetensors and configuration."""
        return self.root / arm / "weights"

    def samples(self, arm: str) -> Path:
        """Per-sample logs of an arm's evaluation, JSON lines, one file a task."""
        return self.root / arm / "samples"

    def steps(self, arm: str) -> Path:
        """What an arm's training did so far, a JSON line each step; it grows while training runs."""
        return self.root / "logs" / f"{arm}.train.jsonl"

    @property
    def requests(self) -> Path:
        """Tokenised requests of the tasks, which all arms share."""
        return self.root / "requests"

    @property
    def assets(self) -> Path:
        """Model and SAE files that `prepare` made or fetched for this run."""
        return self.root / "assets"

    @property
    def report(self) -> Path:
        """Rendered tables and pictures."""
        return self.root / "report"

    @property
    def studies(self) -> Path:
        """Artefacts and files of the studies."""
        return self.root / "studies"

    @property
    def classification(self) -> Path:
        """What `classify` was answered and what it made of that."""
        return self.root / "classification"
