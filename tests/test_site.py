"""The site that `make docs` builds: every link leads somewhere, nothing comes from a network, notebooks show what they
drew, and every page is whole in a browser, wide and narrow, light and dark.

Here the notebooks have not run, each stands for itself with what one could draw, and a page of each kind is opened;
`make docs` runs them, and `make pages` holds the same against the whole site (GAME24LAB_SITE), each page opened, a
picture of each in GAME24LAB_PICTURES.
"""

import html.parser
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from demo_trees import grow_tree
from documented import ROOT

from game24lab.views.charts.svg import to_svg
from game24lab.views.charts.theme import draw_learning
from game24lab.views.tree.page import write_html
from game24lab.views.tree.still import draw_svg

CODE = """import sys; sys.path.insert(0, {place!r})
from pathlib import Path
from build import build
sys.exit(build({runs}))"""
# A page of each kind
LOOK = ("index.html", "tutorials/00_start.html", "results.html", "strategies/mcts.html", "trainers/grpo.html",
        "api/search.html", "leaderboard.html", "start.html", "models.html", "search.html", "genindex.html")  # fmt: skip
WHOLE = os.environ.get("GAME24LAB_SITE")


def make_run(folder: Path, path: Path) -> Path:
    """A notebook as if it had run: its texts and code, and in one cell the figure and the tree that a run draws."""
    import pandas as pd

    folder.mkdir(parents=True)
    tree, figure = grow_tree(), draw_learning(pd.DataFrame({"step": [1, 2, 3], "loss": [3.0, 2.0, 1.0]}))
    notebook = nbformat.read(path, 4)
    outputs = [{"application/vnd.plotly.v1+json": json.loads(figure.to_json()), "image/svg+xml": to_svg(figure)},
               {"image/svg+xml": draw_svg(tree), "text/plain": "a tree"},
               {"text/html": '<a href="tree.html">a tree</a> <a href="notebook.ipynb">a file</a>'}]
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell, data in zip(cells[-3:], outputs, strict=True):
        cell.outputs = [nbformat.v4.new_output("stream", name="stderr", text="50%|##"),
                        nbformat.v4.new_output("display_data", data=data)]  # fmt: skip
    cells[-2].source = "lab.TreeView(tree)"
    nbformat.write(notebook, folder / "notebook.ipynb")
    write_html(tree, folder / "tree.html")
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if WHOLE:
        return Path(WHOLE).resolve()
    folder = tmp_path_factory.mktemp("site")
    runs = {path.stem: make_run(folder / "runs" / path.stem, path) for path in ROOT.glob("notebooks/*.ipynb")}
    told = "{" + ", ".join(f"{name!r}: Path({str(place)!r})" for name, place in sorted(runs.items())) + "}"
    ended = subprocess.run([sys.executable, "-c", CODE.format(place=str(ROOT / "docs" / "site"), runs=told)],
                           cwd=folder, text=True, capture_output=True, timeout=3000)  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-4000:]
    return folder / "html"


class Reader(html.parser.HTMLParser):
    """What a page links to and loads, its anchors and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.links, self.loads, self.anchors, self.text = [], [], {""}, []

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.anchors |= {named[key] for key in ("id", "name") if named.get(key)}
        if tag == "a" and named.get("href"):
            self.links.append(named["href"])
        if tag in ("script", "img", "iframe", "source") and named.get("src"):
            self.loads.append(named["src"])
        if tag == "link" and named.get("rel") in ("stylesheet", "icon", "preload"):
            self.loads.append(named["href"])

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def pages(site):
    read = {}
    for path in sorted(site.rglob("*.html")):
        if "_static" not in path.parts:
            read[path] = Reader()
            read[path].feed(path.read_text(encoding="utf-8"))
    return read


def test_every_link_leads_to_a_page_and_a_heading(pages):
    wrong = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https", "mailto"):
                continue
            target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
            known = pages[target].anchors if target in pages else {parts.fragment}
            if not target.is_file() or unquote(parts.fragment) not in known:
                wrong.append(f"{path.name}: {link}")
    assert not wrong


def test_nothing_is_loaded_from_elsewhere_and_all_of_it_is_there(pages, site):
    for path, page in pages.items():
        for load in page.loads:
            parts = urlsplit(load)
            assert not parts.scheme, f"{path.name} loads {load}"
            assert not parts.netloc, f"{path.name} loads {load}"
            assert (path.parent / unquote(parts.path)).is_file(), f"{path.name}: {load}"
    for sheet in site.rglob("*.css"):
        assert "url(http" not in sheet.read_text(encoding="utf-8"), sheet.name


def test_there_is_a_page_for_everything(pages, site):
    names = {path.relative_to(site).with_suffix("").as_posix() for path in pages}
    for folder, pattern, place in [("notebooks", "*.ipynb", "tutorials"), ("docs/strategies", "*.md", "strategies"),
                                   ("docs/trainers", "*.md", "trainers")]:  # fmt: skip
        assert names >= {f"{place}/{path.stem}" for path in (ROOT / folder).glob(pattern)}
    assert names >= {f"api/{path.parent.name}" for path in (ROOT / "game24lab").glob("*/__init__.py")}
    assert names >= {path.stem for path in (ROOT / "docs").glob("*.md")} | {"contents", "models", "contributing", "log"}


def test_equations_are_equations_and_no_script_sets_them(site):
    text = (site / "strategies" / "mcts.html").read_text(encoding="utf-8")
    assert text.count("<math") > 10
    assert "$$" not in text
    # by its name as a class MyST tells such a script to keep out
    assert not re.search(r"<script[^>]*(mathjax|katex)", text.lower())


def test_the_api_tells_what_docstrings_say(site):
    text = (site / "api" / "search.html").read_text(encoding="utf-8")
    assert 'id="game24lab.search.engine.run"' in text
    assert "system-message" not in text


def test_a_notebook_shows_its_figure_and_its_tree_live_and_no_progress_bar(site, pages):
    path = site / "tutorials" / "00_start.html"
    text = path.read_text(encoding="utf-8")
    assert 'src="../_static/trees/00_start_tree.html"' in text
    assert "##" not in "".join(text.split("50%|")[1:])
    assert "game24lab run 00_start -f params/smoke/00_start.yaml" in "".join(pages[path].text)
    if "GAME24LAB_SITE" not in os.environ:
        assert '<a href="../_static/trees/00_start_tree.html">a tree</a> a file' in text


@pytest.fixture(scope="module")
def looks(site):
    sys.path.insert(0, str(ROOT / "docs" / "site"))
    try:
        import look
    finally:
        sys.path.pop(0)
    return look


def test_pages_are_whole_in_a_browser_at_two_widths_light_and_dark(browser, site, looks):
    pictures = os.environ.get("GAME24LAB_PICTURES") if WHOLE else None
    if pictures:
        Path(pictures).mkdir(parents=True, exist_ok=True)
    pages = looks.list_pages(site) if WHOLE else [site / name for name in LOOK]
    assert list(looks.look(browser, site, pages, Path(pictures) if pictures else None)) == []


def test_figures_and_trees_answer_the_pointer_without_a_network(browser, site):
    """Nothing but the disk is there; a point of a figure says its numbers, and a click on a node tells of it."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, offline=True)
    context.route(lambda url: not url.startswith(("file:", "data:", "blob:")), lambda route: route.abort())
    context.set_default_timeout(600_000)
    page = context.new_page()
    drawn = "tutorials/05_search" if WHOLE else "tutorials/00_start"  # the first that draws figures when it has run
    for name in (drawn, "strategies/mcts", "trainers/grpo"):
        page.goto((site / f"{name}.html").as_uri())
        page.wait_for_function("document.documentElement.dataset.figures === 'live'")
        figure = page.locator("div.figure.live .js-plotly-plot").last
        figure.scroll_into_view_if_needed()
        figure.locator(".points path.point").first.hover(force=True)
        figure.locator(".hoverlayer text").first.wait_for()
        assert any(letter.isdigit() for letter in figure.locator(".hoverlayer").text_content())
    page.goto((site / "tutorials/00_start.html").as_uri())
    page.locator("iframe.tree").first.scroll_into_view_if_needed()
    frame = page.frame_locator("iframe.tree").first
    tree = frame.locator(".game24-treeview canvas.tree")
    tree.wait_for()
    state = "() => document.querySelector('.game24-treeview').__treeview.state()"  # the canvas stands in a shadow root
    before = tree.evaluate(state)
    tree.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        tree.press(key)
    assert tree.evaluate(state) != before
    context.close()


def test_curves_stand_on_the_pages_of_strategies_and_trainers_and_follow_the_theme(browser, site):
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(600_000)
    for path in [*ROOT.glob("docs/strategies/*.md"), *ROOT.glob("docs/trainers/*.md")]:
        page.goto((site / path.parent.name / f"{path.stem}.html").as_uri())
        assert page.locator("div.figure").count(), path.stem
        page.wait_for_function("document.documentElement.dataset.figures === 'live'")
        inks = []
        for theme in ("dark", "light"):
            page.evaluate(f"document.body.dataset.theme = '{theme}'")
            page.wait_for_timeout(200)
            text = page.locator("div.figure.live .xtick text").first
            inks.append(text.evaluate("text => getComputedStyle(text).fill"))
        assert inks[0] != inks[1], path.stem
    page.close()


def test_the_look_finds_what_is_wrong(browser, tmp_path, looks):
    """The check itself: a page with each fault."""
    wide = '<div style="width: 2000px">far too wide</div>'
    torn = '<table style="width: 60px; overflow-wrap: anywhere"><td><code>unbreakable_name</code></table>'
    cut = '<div style="width: 80px; overflow: hidden; white-space: nowrap"><span>cut off where nobody sees</span></div>'
    for name, body, complaint in [
        ("wide", wide, "wider than its window"), ("cut", cut, "cuts SPAN: cut off"),
        ("torn", torn, "tears unbreakable_name"),
        ("loud", "<script>console.error('loud')</script>", "loud"), ("broken", "<script>nothing()</script>", "nothing"),
        ("missing", '<img src="none.png">', "misses"),
    ]:  # fmt: skip
        (tmp_path / f"{name}.html").write_text(f"<!doctype html><meta charset=utf-8><body>{body}")
        said = list(looks.look(browser, tmp_path, [tmp_path / f"{name}.html"]))
        assert len(said) >= 4
        assert complaint in " ".join(said), name


def test_the_tree_on_the_first_page_plays_when_it_is_opened_and_follows_the_theme(browser, site):
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(600_000)
    page.goto((site / "index.html").as_uri())
    frame = next(frame for frame in page.frames if frame.url.endswith("start.html") and "trees" in frame.url)
    frame.wait_for_selector(".game24-treeview canvas.tree")
    state = "document.querySelector('.game24-treeview').__treeview.state()"
    seen = frame.evaluate(f"{state}")
    assert seen["playing"] or seen["place"] < seen["most"]
    end = time.monotonic() + 600  # the page's content policy allows no function that waits in it
    while frame.evaluate(f"{state}.playing || {state}.place < {state}.most"):
        assert time.monotonic() < end
        page.wait_for_timeout(50)
    for theme in ("dark", "light"):  # the page's own switch, whatever the machine likes
        page.evaluate(f"document.body.dataset.theme = '{theme}'")
        while frame.evaluate(f"{state}.theme") != theme:
            assert time.monotonic() < end
            page.wait_for_timeout(50)
    page.close()
