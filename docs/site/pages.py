"""The sources of the site: documents with their links turned, notebooks as they ran, a page of the API for every room.

It does not know how the notebooks were run, nor what Sphinx makes of the pages.
"""

import ast
import os
import re
import shutil
from functools import partial
from pathlib import Path

from curves import add_curves
from tutorials import write_tutorial

from game24lab import _PAGE
from game24lab.views.tree.page import write_html

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
# Documents outside docs/ and their names on the site
OTHERS = {"LOG.md": "log.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
CARDS = ROOT / "game24lab" / "pretrained"  # a README.md for each group of shipped models
START = {"README.md": "index.md", "LICENSE": "index.md"}
_NUMBERS = re.compile(r"(?<=\| )[-+\d.,%\[\]x()n= ]*\d[-+\d.,%\[\]x()n= ]*(?:[kMB]|million|billion)?(?= \|)")
_JOINER = "\N{WORD JOINER}"
SECTIONS = {
    "Start here": ["start", "nouns", "results", "leaderboard", "models", "contents"],
    "How to": ["extend", "machines", "score", "written-forms", "countdown", "routing"],
    "The project": ["contributing", "changelog", "log"],
}


def gather(source: Path, runs: dict[str, Path], notebooks: dict[str, Path], repository: str = "") -> None:
    """Write all sources into an empty folder. `runs`: finished runs by the name of their parameter set; `repository`:
    as of `write_tutorial`."""
    source.mkdir(parents=True)
    documents = {path.relative_to(ROOT).as_posix(): path.relative_to(DOCS).as_posix()
                 for path in sorted(DOCS.rglob("*.md"))} | OTHERS  # fmt: skip
    documents["docs/index.md"] = "contents.md"
    for card in CARDS.rglob("README.md"):
        name = "-".join(["models", *card.parent.relative_to(CARDS).parts])
        documents[card.relative_to(ROOT).as_posix()] = f"{name}.md"
    tutorials = {f"notebooks/{name}.ipynb": f"tutorials/{name}.ipynb" for name in notebooks}
    places = documents | START | tutorials
    for path, place in documents.items():
        (source / place).parent.mkdir(parents=True, exist_ok=True)
        text = add_curves((ROOT / path).read_text(encoding="utf-8"), Path(place).parent.as_posix())
        text = turn_links(text, Path(path), place, places, source)
        (source / place).write_text(hold_numbers(link_code(text)), encoding="utf-8")
    (source / "figures" / "trees").mkdir(parents=True)
    for name, run in runs.items():
        page = f"tutorials/{name}.ipynb"
        turn = partial(turn_links, path=Path("notebooks") / name, place=page, places=places, source=source)
        write_tutorial(run, name, notebooks, source, turn, repository)
    rooms = write_api(source / "api")
    write_html((DOCS / "tree.json").read_text(encoding="utf-8"), source / "figures" / "trees" / "start.html", play=True)
    _copy_plotly(source / "figures")
    (source / "index.md").write_text(write_start(source, list(runs), rooms, places), encoding="utf-8")


def turn_links(text: str, path: Path, place: str, places: dict[str, str], source: Path) -> str:
    """The links of a document as they must read on the site.

    Files that are no pages are copied beside it; of a link to a folder the text remains.
    """

    def turn(found: re.Match) -> str:
        target, mark, heading = found[2].partition("#")
        if found[2].startswith(("http", "#", "mailto:")):
            return found[0]
        wanted = Path(os.path.normpath(ROOT / path.parent / target)).relative_to(ROOT).as_posix()
        there = places.get(wanted)
        if there is None and (ROOT / wanted).is_dir():
            return found[1]
        if there is None:
            there = wanted.removeprefix("docs/")
            copy = source / there
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / wanted, copy)
        return f"[{found[1]}]({os.path.relpath(there, Path(place).parent or '.')}{mark}{heading})"

    return re.sub(r"\[([^\]]*)\]\(([^)\s]+)\)", turn, text)


def link_code(text: str) -> str:
    """Names of this package's code, `game24lab.search.mcts:mcts`, as links to its page of the API."""

    def link(found: re.Match) -> str:
        return f"{{py:obj}}`{found[0][1:-1]} <{found[1]}{'.' * bool(found[2])}{found[2] or ''}>`"

    return re.sub(r"(?<![`\[])`(game24lab(?:\.\w+)+)(?::(\w+))?`(?!`)", link, text)


def hold_numbers(text: str) -> str:
    """Cells of tables that hold numbers alone, such as `99.4 % [98, 100]` or `901-1000`, as what a narrow page breaks
    before a bracket alone."""

    def hold(found: re.Match) -> str:
        return re.sub(r" (?![\[(])", "\N{NO-BREAK SPACE}", found[0]).replace("-", f"-{_JOINER}")

    return re.sub(r"^\|.*\|$", lambda row: _NUMBERS.sub(hold, row[0]), text, flags=re.M)


def write_start(source: Path, names: list[str], rooms: list[str], places: dict[str, str]) -> str:
    """The first page: what README begins with, the tree that plays, and the way to all other pages."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    bold = re.search(r"^\*\*.*?(?=\n\n)", readme, flags=re.M | re.S)[0]
    question = re.search(r"^\*\*How do training.*?(?=\n\n## )", readme, flags=re.M | re.S)[0]  # and its answer
    question = hold_numbers(turn_links(question, Path("README.md"), "index.md", places, source))
    caption = re.search(r"^\*MCTS with the shipped.*?\*$", readme, flags=re.M | re.S)[0]
    pages = SECTIONS | {"Tutorials": [f"tutorials/{name}" for name in names]}
    for folder in ("strategies", "trainers"):
        pages[folder.capitalize()] = sorted(f"{folder}/{path.stem}" for path in (source / folder).glob("*.md"))
    named = {name for names in pages.values() for name in names} | {"index"}
    pages["How to"] = [*pages["How to"], *sorted({path.stem for path in source.glob("*.md")} - named)]
    pages["API"] = ["api/index", *(f"api/{room}" for room in rooms)]
    order = ["Start here", "Tutorials", "How to", "Strategies", "Trainers", "API", "The project"]
    trees = [f"```{{toctree}}\n:hidden:\n:caption: {title}\n\n" + "\n".join(pages[title]) + "\n```"
             for title in order]  # fmt: skip
    frame = '<iframe class="tree" src="_static/trees/start.html" title="A search tree that plays"></iframe>'
    return "\n\n".join(["# game24lab", bold, f"```{{raw}} html\n{frame}\n```", caption, question,
                        (Path(__file__).parent / "doors.txt").read_text(encoding="utf-8"), *trees]) + "\n"  # fmt: skip


def write_api(folder: Path) -> list[str]:
    """A page for every room, each module a section; the rooms' names."""
    folder.mkdir()
    package = ROOT / "game24lab"
    rooms = sorted(path.parent.name for path in package.glob("*/__init__.py"))
    for room in rooms:
        text = f"# `{room}`\n\n{ast.get_docstring(ast.parse((package / room / '__init__.py').read_text()))}\n"
        for path in sorted((package / room).rglob("*.py")):
            name = ".".join(path.relative_to(package).with_suffix("").parts)
            if path.stem != "__init__":
                text += (f"\n({name})=\n## `{name}`\n\n```{{eval-rst}}\n.. automodule:: game24lab.{name}\n"
                         "   :members:\n   :ignore-module-all:\n```\n")  # fmt: skip
        (folder / f"{room}.md").write_text(text, encoding="utf-8")
    # a heading's label: links by its name alone may lead to the module inside it as well
    rows = [f"| `lab.{name.split(' as ')[-1]}` | {{ref}}`{place} <{_find(package, place, name.split(' as ')[0])}>` |"
            for place, names in _PAGE.items() for name in names.split(", ")]  # fmt: skip
    head = "# The page of names\n\n`import game24lab as lab` takes milliseconds; a name is imported at its first use."
    (folder / "index.md").write_text("\n".join([head, "", "| name | stands in |", "| --- | --- |", *rows]) + "\n")
    return rooms


def _find(package: Path, place: str, name: str) -> str:
    """The module in which a name of the page stands, as its section is called."""
    inside = package.joinpath(*place.split("."), name)
    return f"{place}.{name}" if inside.with_suffix(".py").exists() else place


def _copy_plotly(folder: Path) -> None:
    """Plotly's script as its own package brings it."""
    import plotly

    shutil.copy(Path(plotly.__file__).parent / "package_data" / "plotly.min.js", folder)

