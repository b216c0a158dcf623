"""Colab badges: a link on top of every notebook, and a first cell that installs this package there.

    make badges REPOSITORY=owner/name

Colab opens notebooks from GitHub, so a badge needs the address of the repository that the notebooks lie in; there is no
such address in this one, and none is made up. The cell does nothing where the package is there. Run again, with
another address too, it replaces what it wrote. It does not know what a notebook does.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INSTALL = "install"  # the tag of the cell that installs
_IMAGE = "https://colab.research.google.com/assets/colab-badge.svg"
_BADGE = re.compile(r"\n\n\[!\[Open in Colab\]\([^)]*\)\]\([^)]*\)")
_CELL = """\
# In Colab this installs the package; elsewhere it is there already.
import importlib.util

if importlib.util.find_spec("game24lab") is None:
    %pip install --quiet git+https://github.com/{repository}"""


def add_badge(notebook: dict, repository: str, name: str) -> None:
    """Give one notebook its badge, behind its title, and its first cell."""
    cells = [cell for cell in notebook["cells"] if INSTALL not in cell["metadata"].get("tags", [])]
    title, mark, rest = _BADGE.sub("", "".join(cells[0]["source"])).partition("\n")
    link = f"https://colab.research.google.com/github/{repository}/blob/main/notebooks/{name}.ipynb"
    cells[0]["source"] = _split(f"{title}\n\n[![Open in Colab]({_IMAGE})]({link}){mark}{rest}")
    install = {"cell_type": "code", "execution_count": None, "id": INSTALL, "metadata": {"tags": [INSTALL]},
               "outputs": [], "source": _split(_CELL.format(repository=repository))}  # fmt: skip
    notebook["cells"] = [cells[0], install, *cells[1:]]


def _split(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def main(words: list[str]) -> int:
    """Write the badges of all notebooks of the checkout."""
    if len(words) != 1 or not re.fullmatch(r"[\w.-]+/[\w.-]+", words[0]):
        print("badges need the GitHub repository of the notebooks: make badges REPOSITORY=owner/name", file=sys.stderr)
        return 2
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        add_badge(notebook, words[0], path.stem)
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
