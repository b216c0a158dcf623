"""Colab badges: a link in every notebook, in README's table of them and on the site, and a first cell that installs.

    make badges

Colab opens notebooks from GitHub, so a badge needs the address of the repository that they lie in. It is said in one
place, `Repository` under `[project.urls]` in pyproject.toml; where it is not, there are no badges, and those of an
earlier address are taken away. The cell does nothing where the package is there. This module does not know what a
notebook does.
"""

import json
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INSTALL = "install"  # the tag of the cell that installs
NONE = "no Colab badges: pyproject.toml names no Repository under [project.urls]"
_IMAGE = "https://colab.research.google.com/assets/colab-badge.svg"
_BADGE = r"\[!\[Open in Colab\]\([^)]*\)\]\([^)]*\)"
_ROW = re.compile(rf"^(\| \[`(\d\d_\w+)`\]\([^)]*\))(?: {_BADGE})? \|", flags=re.M)
_ADDRESS = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?")
_CELL = """\
# In Colab this installs the package; elsewhere it is there already.
import importlib.util

if importlib.util.find_spec("game24lab") is None:
    %pip install --quiet git+https://github.com/{repository}"""


def read_repository(project: Path) -> str:
    """`owner/name` of the repository that a pyproject.toml names, "" for none; ValueError for another host's."""
    urls = tomllib.loads(project.read_text(encoding="utf-8"))["project"].get("urls", {})
    if "Repository" not in urls:
        return ""
    found = _ADDRESS.fullmatch(urls["Repository"])
    if not found:
        raise ValueError(f"{project.name}: Repository under [project.urls] must be https://github.com/OWNER/NAME, from "
                         f"where Colab opens notebooks, got {urls['Repository']!r}")  # fmt: skip
    return found[1]


def link(repository: str, name: str) -> str:
    """Where Colab opens a notebook."""
    return f"https://colab.research.google.com/github/{repository}/blob/main/notebooks/{name}.ipynb"


def set_badge(notebook: dict, repository: str, name: str) -> None:
    """Give one notebook its badge, behind its title, and its first cell; with no repository take both away."""
    cells = [cell for cell in notebook["cells"] if INSTALL not in cell["metadata"].get("tags", [])]
    text = re.sub(rf"\n\n{_BADGE}", "", "".join(cells[0]["source"]))
    if repository:
        title, mark, rest = text.partition("\n")
        text = f"{title}\n\n{_show(repository, name)}{mark}{rest}"
        install = {"cell_type": "code", "execution_count": None, "id": INSTALL, "metadata": {"tags": [INSTALL]},
                   "outputs": [], "source": _split(_CELL.format(repository=repository))}  # fmt: skip
        cells.insert(1, install)
    if text != "".join(cells[0]["source"]):
        cells[0]["source"] = _split(text)
    notebook["cells"] = cells


def set_rows(readme: str, repository: str) -> str:
    """README with a badge beside each notebook of its table, or without."""
    return _ROW.sub(lambda row: f"{row[1]}{f' {_show(repository, row[2])}' if repository else ''} |", readme)


def write(notebook: dict) -> str:
    """A notebook as it stands in its file."""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _show(repository: str, name: str) -> str:
    return f"[![Open in Colab]({_IMAGE})]({link(repository, name)})"


def _split(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def main(root: Path = ROOT) -> int:
    """Write the badges of a checkout, or take them away; 2 where its address is none that Colab knows."""
    try:
        repository = read_repository(root / "pyproject.toml")
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    for path in sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        set_badge(notebook, repository, path.stem)
        path.write_text(write(notebook), encoding="utf-8")
    readme = root / "README.md"
    readme.write_text(set_rows(readme.read_text(encoding="utf-8"), repository), encoding="utf-8")
    print(f"Colab badges of {repository}: the notebooks and README" if repository else NONE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
