"""A notebook as it ran, as a page: figures that can be pointed at, trees that can be walked, no progress bars.

Where a script does not run, the pictures stand that the notebook itself has drawn. It does not know how it was run.
"""

import html
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from badges import link, set_badge

PLOTLY, SVG, HTML = "application/vnd.plotly.v1+json", "image/svg+xml", "text/html"
PAGES = ("tree.html", "trees.html")  # of a run: the live tree, or two of them
_SHOWS_TREE = ("TreeView(", "explore(")  # code of cells whose output is a tree


def write_tutorial(
    run: Path, name: str, notebooks: dict[str, Path], source: Path, turn: Callable[[str], str], repository: str = ""
) -> None:  # fmt: skip
    """Write the page of one run of a notebook, and the pages of its trees. `turn` makes a text's links the site's.

    `repository`: owner/name on GitHub, whose notebooks Colab opens; "" for none.
    """
    notebook = json.loads((run / "notebook.ipynb").read_text(encoding="utf-8"))
    set_badge(notebook, "", name)  # the picture comes from elsewhere, and the cell installs what is there
    base = max((one for one in notebooks if name.startswith(one)), key=len)
    trees = [page for page in PAGES if (run / page).exists()]
    for page in trees:
        shutil.copy(run / page, source / "figures" / "trees" / f"{name}_{page}")
    shown = [index for index, cell in enumerate(notebook["cells"]) if _shows_tree(cell)]
    for index, cell in enumerate(notebook["cells"]):
        cell["metadata"] = {}
        if cell["cell_type"] == "markdown":
            cell["source"] = turn("".join(cell["source"]))
        if cell["cell_type"] == "code":
            outputs = [one for one in cell["outputs"] if one.get("name") != "stderr"]
            live = f"{name}_{trees[-1]}" if trees and shown[-1:] == [index] else None
            cell["outputs"] = [_turn_links(_make_live(one, live), name) for one in outputs]
    first = notebook["cells"][0]
    text = "".join(first["source"])
    if name != base:  # a second set of parameters of one notebook
        text = text.replace("\n", f" ({name.removeprefix(base + '_')})\n", 1)
    first["source"] = f"{text}\n\n{_tell(name, base)}{_offer(base, repository)}"
    if trees and not shown:
        notebook["cells"].insert(-1, {"cell_type": "markdown", "metadata": {}, "id": "tree", "source":
                                      f"```{{raw}} html\n{_frame(f'{name}_{trees[0]}')}\n```"})  # fmt: skip
    notebook["metadata"] = {"kernelspec": notebook["metadata"]["kernelspec"], "language_info": {"name": "python"}}
    (source / "tutorials").mkdir(exist_ok=True)
    (source / "tutorials" / f"{name}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")


def show_figure(figure: str, still: str) -> str:
    """A Plotly figure, as JSON, in HTML: `still` stands there until a script has drawn it."""
    told = figure.replace("<", "\\u003c")
    return (f'<div class="figure"><div class="still">{still}</div><script type="application/json">{told}</script>'
            '</div><script src="../_static/figures.js" defer></script>')  # fmt: skip


def _shows_tree(cell: dict) -> bool:
    """Whether a cell has drawn a tree."""
    code = "".join(cell["source"])
    return cell["cell_type"] == "code" and any(word in code for word in _SHOWS_TREE) and bool(cell["outputs"])


def _make_live(output: dict, tree: str | None) -> dict:
    """An output with its live form in the place of the picture, where there is one."""
    data = output.get("data", {})
    if PLOTLY in data:
        live = show_figure(json.dumps(data[PLOTLY]), "".join(data.get(SVG, "")))
    elif tree and (SVG in data or HTML in data):
        live = _frame(tree)
    elif SVG in data:
        drawn = "".join(data[SVG])
        light = "" if "prefers-color-scheme" in drawn else " light"  # has a white ground, whatever the theme
        live = f'<div class="still{light}">{drawn}</div>'
    else:
        return output
    return output | {"data": {HTML: live, "text/plain": data.get("text/plain", "")}}


def _turn_links(output: dict, name: str) -> dict:
    """An output whose links lead to the trees of this page; those to other files of the run remain as text."""

    def turn(found: re.Match) -> str:
        page = f"../_static/trees/{name}_{found[1]}"
        return f'<a href="{page}">{found[2]}</a>' if found[1] in PAGES else found[2]

    data = output.get("data", {})
    if HTML not in data:
        return output
    return output | {"data": data | {HTML: re.sub(r'<a href="([^"]*)">(.*?)</a>', turn, "".join(data[HTML]))}}


def _frame(tree: str) -> str:
    return (f'<iframe class="tree" src="../_static/trees/{html.escape(tree)}" title="The search tree">'
            "</iframe>")  # fmt: skip


def _offer(base: str, repository: str) -> str:
    """A badge that opens the notebook in Colab, drawn by the page itself: it loads nothing."""
    badge = f'<p><a class="badge" href="{html.escape(link(repository, base))}">Open in Colab</a></p>'
    return f"\n\n```{{raw}} html\n{badge}\n```" if repository else ""


def _tell(name: str, base: str) -> str:
    """What a reader must know of the numbers on the page."""
    return (f":::{{note}}\nThis page is the notebook as it ran with its smallest set of parameters, "
            f"`game24lab run {base} -f params/smoke/{name}.yaml`: a few seconds of training, a handful of problems, so "
            "that its numbers say nothing. What real runs gave is in [results](../results.md).\n:::")  # fmt: skip
