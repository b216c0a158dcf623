"""Puts notebooks/, params/ and the pages that they link to into the wheel, as game24lab/project/, so that `game24lab
init` has them without a checkout. All else about the package stands in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

CARRIED = ("notebooks/*.ipynb", "params/*/*.*",  # sets, and problems that they name
           "docs/score.md", "docs/words.md", "docs/written-forms.md")  # fmt: skip


class BuildWithProject(build_py):
    """The package's modules, then what is carried; an editable install reads the checkout itself."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        project = Path(self.build_lib) / "game24lab" / "project"
        shutil.rmtree(project, ignore_errors=True)  # of an earlier build, which may have held more
        for pattern in CARRIED:
            for file in sorted(Path().glob(pattern)):
                target = project / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)


setup(cmdclass={"build_py": BuildWithProject})
