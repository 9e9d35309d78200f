"""Puts into a wheel what code reads of `results/`; all settings are in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

READ = ("paper*.json", "*/prompts.json", "*/*/table1.json")
"""What `harness.core.paths.COMMITTED` must hold where there is no checkout."""


class BuildWithResults(build_py):
    """Copies the files, as `harness/committed/`; an editable install reads them in place."""

    def run(self):
        super().run()
        if self.editable_mode:
            return
        for file in sorted(file for pattern in READ for file in Path("results").glob(pattern)):
            target = Path(self.build_lib, "harness", "committed", *file.parts[1:])
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)


setup(cmdclass={"build_py": BuildWithResults})
