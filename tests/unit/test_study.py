"""Studies are found by name, with valid options and without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_every_study_of_every_profile_is_valid_and_named_without_torch() -> None:
    """In a process of its own: options checked, and what each one reads is in the same profile."""
    code = (
        "import sys\n"
        "from harness.profiles.profile import load_profile\n"
        "from harness.profiles.toml_file import profile_names\n"
        "from harness.study import in_order, study_config\n"
        "for profile in map(load_profile, profile_names()):\n"
        "    for name in in_order(profile, list(profile.studies)):\n"
        "        study_config(profile.studies[name], name)\n"
        "        print(profile.name, name)\n"
        "print('torch' in sys.modules)"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    lines = done.stdout.splitlines()
    assert lines[-1] == "False"
    assert {"miniature table2", "smollm2-135m figure5", "gemma-2-2b table3"} <= set(lines)
