"""The project: a folder with notebooks/, params/ and docs/, which a checkout is, and which `game24lab init` lays out.

The package knows one wherever it is installed: the checkout that it runs from, or what its wheel carries. This module
does not know what a notebook or a parameter set holds.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from game24lab.runs.run import write_atomically

NOTEBOOKS, PARAMETERS = "notebooks", "params"
_NUMBERED = "[0-9][0-9]_*.ipynb"
_PATTERNS = (f"{NOTEBOOKS}/{_NUMBERED}", f"{PARAMETERS}/*/*.*",  # and the pages that these link to
             *(f"docs/{page}.md" for page in ("score", "words", "written-forms")))  # fmt: skip
_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Laid:
    """What `lay_out` did: files written, files that were there and differ, files that were there already."""

    written: tuple[Path, ...]
    kept: tuple[Path, ...]
    equal: tuple[Path, ...]


def find_project() -> Path | None:
    """The folder with the notebooks that belong to this package: its checkout, or the wheel's own; None without any."""
    places = (_PACKAGE / "project", _PACKAGE.parent)
    return next((place for place in places if any((place / NOTEBOOKS).glob(_NUMBERED))), None)


def list_notebooks(project: Path) -> list[Path]:
    """The notebooks of a folder, in order."""
    return sorted(project.glob(_NUMBERED))


def lay_out(folder: str | Path, source: Path | None = None) -> Laid:
    """Copy notebooks, parameter sets and the pages that they link to into a folder, by default this package's own.

    A file that is there is never written over. Raises ValueError where the package carries none or the folder is a
    file or the project itself, OSError where it cannot be written.
    """
    folder, source = Path(folder), source or find_project()
    if source is None:
        raise ValueError(f"init: {_PACKAGE} carries no notebooks; install the package whole, as a wheel or a checkout")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"init: DIR must be a folder, got the file {folder}")
    if folder.resolve() == source.resolve():
        raise ValueError(f"init: DIR must be another folder than the project itself, got {folder}")
    written, kept, equal = [], [], []
    for pattern in _PATTERNS:
        for file in sorted(source.glob(pattern)):
            target = folder / file.relative_to(source)
            if target.exists() or target.is_symlink():
                same = target.is_file() and target.read_bytes() == file.read_bytes()
                (equal if same else kept).append(target)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(target, partial(shutil.copyfile, file))
            written.append(target)
    return Laid(tuple(written), tuple(kept), tuple(equal))

