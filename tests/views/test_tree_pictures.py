"""The tree as text for terminals, and as a picture that grows: what they show, when, in which theme, in a browser."""

import re
import time
import xml.etree.ElementTree as ElementTree

import pytest
from demo_trees import grow_tree
from test_treeview import HOSTILE, make_zoo

from game24lab.cli import main as cli
from game24lab.search.tree import Tree
from game24lab.views.tree.animation import SECONDS, animate_svg
from game24lab.views.tree.files import write_tree
from game24lab.views.tree.layout import lay_out
from game24lab.views.tree.page import make_html, write_html
from game24lab.views.tree.still import draw_svg, follow_theme, list_dark
from game24lab.views.tree.text import write_text

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def tree() -> Tree:
    return grow_tree()


# ------------------------------------------------------------------------------------------------------------ text
@pytest.mark.parametrize("rows", [1, 6, 16, 200])
def test_the_text_shows_what_the_picture_shows(tree, rows):
    layout = lay_out(tree, rows, lambda text: float(len(text)), 0.0)
    lines = write_text(tree, rows=rows)
    assert len(lines) == len(layout.nodes) + len(layout.chips)
    assert sum(line.startswith("●") for line in lines) == len(layout.line)
    assert lines[0].startswith("● 4 5 6 10")
    starred = [line for line in lines if "★ solved" in line]
    assert len(starred) == sum(tree.status[node] == "solved" for node in layout.nodes)
    assert sum("more" in line for line in lines) == len(layout.chips)


def test_dead_positions_are_named_where_the_truth_is_known(tree):
    shown = lay_out(tree, 10_000, lambda text: float(len(text)), 0.0).nodes
    dead = [node for node in shown if tree.truth[node] is False and tree.status[node] == "open"]
    assert dead
    assert sum(re.search(r"[ ,]dead\b", line) is not None for line in write_text(tree, rows=10_000)) == len(dead)
    bare = Tree.from_json(tree.to_json())
    bare.truth = [None] * len(bare)
    assert not [line for line in write_text(bare, rows=10_000) if " dead" in line]


def test_the_text_of_models_stays_on_its_line():
    lines = write_text(make_zoo(), rows=200)
    assert not [line for line in lines if not line.isprintable()]
    assert all(len(line) < 200 for line in lines)


# ------------------------------------------------------------------------------------------------------- animation
def read_times(svg):
    """Of each moment the percent of the loop from which its nodes are there."""
    return {name: int(start) for name, start in re.findall(r"@keyframes (t\d+)\{0%,(\d+)%\{opacity:0\}", svg)}


def test_it_is_the_still_picture_with_moments(tree):
    svg = animate_svg(tree)
    root = ElementTree.fromstring(svg)
    still = ElementTree.fromstring(draw_svg(tree))
    words = lambda one: [text.text for text in one.iter(f"{SVG}text") if not text.get("class")]  # noqa: E731
    assert words(root) == words(still)
    used = {group.get("class") for group in root.iter(f"{SVG}g") if group.get("class")}
    assert used <= set(read_times(svg))
    assert len(used) > 5
    counts = [int(found.replace(",", "")) for found in re.findall(r">mcts, rules: ([\d,]+) tokens sampled<", svg)]
    assert counts[0] == 0
    assert counts == sorted(counts)
    assert counts[-1] == tree.sampled


def test_two_trees_grow_on_one_account(tree):
    short = grow_tree(nodes=30, seed=4)
    svg = animate_svg(tree, short)
    assert short.sampled < tree.sampled / 2
    one, both = max(read_times(animate_svg(short)).values()), read_times(svg)
    assert one == 75
    assert max(both.values()) == 75
    half = svg.partition("<g transform")[2].partition("<g transform")[2]  # the second tree
    assert max(both[name] for name in re.findall(r'class="(t\d+)"', half)) < 40


def test_nothing_in_it_runs_or_loads_and_text_is_text():
    root = ElementTree.fromstring(animate_svg(make_zoo(), rows=200))
    assert {one.tag.removeprefix(SVG) for one in root.iter()} <= {
        "svg", "title", "style", "g", "rect", "path", "circle", "polygon", "text"}  # fmt: skip
    assert not [name for one in root.iter() for name in one.attrib if name.startswith("on") or "href" in name]
    style = root.find(f"{SVG}style").text
    assert "url(" not in style
    assert "@import" not in style
    assert any(HOSTILE[:20] in (text.text or "") for text in root.iter(f"{SVG}text"))


def test_every_colour_has_one_for_the_dark(tree):
    for colour in ("value", "truth", "visits", "depth"):
        svg = animate_svg(tree, colour=colour)
        used = set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]{6})"', svg))
        assert used <= set(list_dark())
        assert all(f'[fill="{light}"]{{fill:{list_dark()[light]}}}' in svg for light in used)


def test_a_picture_in_a_file_follows_the_theme_and_one_in_a_page_leaves_that_alone(browser, tree, tmp_path):
    svg = draw_svg(tree, grow_tree(nodes=30, seed=4), colour="truth")
    assert "<style" not in svg  # within a page it would colour all that is there
    path = tmp_path / "two.svg"
    path.write_text(follow_theme(svg), encoding="utf-8")
    for scheme, ground, ink in (("light", "rgb(255, 255, 255)", "#1c2330"), ("dark", "rgb(20, 23, 28)", "#e7eaef")):
        page = browser.new_page(color_scheme=scheme)
        page.goto(path.as_uri())
        assert page.locator("rect").first.evaluate("e => getComputedStyle(e).fill") == ground
        wanted = f"rgb({', '.join(str(int(ink[k : k + 2], 16)) for k in (1, 3, 5))})"
        assert page.locator("text[font-weight]").first.evaluate("e => getComputedStyle(e).fill") == wanted
        page.close()


def test_two_trees_have_one_legend_of_all_that_both_have(tree):
    other = make_zoo()
    words = [one.text for one in ElementTree.fromstring(draw_svg(tree, other)).iter(f"{SVG}text")]
    for word in ("critic's value  −1", "principal line", "size: visits", "width: visits", "solved", "pruned"):
        assert words.count(word) == 1, word
    alone = sum(float(ElementTree.fromstring(draw_svg(one)).get("width")) for one in (tree, other))
    assert float(ElementTree.fromstring(draw_svg(tree, other)).get("width")) <= alone + 22


def test_a_tree_without_a_log_grows_node_by_node(tree):
    bare = Tree.from_json(tree.to_json())
    bare.events = []
    assert len(read_times(animate_svg(bare))) > 5
    lone = Tree(meta={"problem": "x"})
    lone.add(-1, "", "root")
    ElementTree.fromstring(animate_svg(lone))


def test_trees_are_written_by_the_name_of_their_file(tree, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert write_tree(tree, "tree.json").read_text() == tree.to_json()
    assert write_tree(tree, "tree.svg").read_text() == follow_theme(draw_svg(tree))
    assert write_tree(tree, "tree.html").read_text().startswith("<!doctype html>")
    assert cli.main(["tree", "tree.json", "-o", "grows.svg", "--animate"]) == 0
    assert capsys.readouterr().out == "grows.svg\n"
    assert (tmp_path / "grows.svg").read_text() == animate_svg(tree)
    assert cli.main(["tree", "tree.json", "-o", "plays.html", "--animate"]) == 0
    assert (tmp_path / "plays.html").read_text() == make_html(tree, play=True) != make_html(tree)
    assert cli.main(["tree", "tree.json", "-o", "grows.svg", "--animate", "--budget", "5"]) == 2
    assert "--animate shows the whole search and needs no --budget, got 5" in capsys.readouterr().err


def test_an_animated_page_plays_once_when_it_is_opened_unless_less_motion_is_wanted(browser, tree, tmp_path):
    write_html(tree, tmp_path / "plays.html", play=True)
    write_html(tree, tmp_path / "rests.html")
    state = "document.querySelector('.game24-treeview').__treeview.state()"
    for name, motion, plays in [("plays", "no-preference", True), ("plays", "reduce", False),
                                ("rests", "no-preference", False)]:  # fmt: skip
        page = browser.new_page(viewport={"width": 1000, "height": 700}, reduced_motion=motion)
        page.goto((tmp_path / f"{name}.html").as_uri())
        page.wait_for_selector(".game24-treeview canvas.tree")
        assert page.evaluate(f"{state}.playing") is plays
        end = time.monotonic() + 600  # the page's content policy allows no function that waits in it
        while page.evaluate(f"{state}.playing || {state}.place < {state}.most"):
            assert time.monotonic() < end
            page.wait_for_timeout(50)
        page.close()


def open_svg(browser, tree, tmp_path, **options):
    """The picture in a tab of its own."""
    (tmp_path / "grows.svg").write_text(animate_svg(tree), encoding="utf-8")
    tab = browser.new_page(viewport={"width": 900, "height": 700}, **options)
    tab.goto((tmp_path / "grows.svg").as_uri())
    return tab


def see(tab, share):
    """How many groups of nodes and which count are seen at a share of the loop."""
    return tab.evaluate("""(time) => {
      for (const one of document.getAnimations()) { one.pause(); one.currentTime = time; }
      const seen = (e) => Number(getComputedStyle(e).opacity) > 0.99;
      return [[...document.querySelectorAll('g[class^=t]')].filter(seen).length,
              [...document.querySelectorAll('text[class^=c]')].filter(seen).map((e) => e.textContent)];
    }""", 1000 * SECONDS * share)  # fmt: skip


def test_it_grows_in_a_browser(browser, tree, tmp_path):
    tab = open_svg(browser, tree, tmp_path)
    seen = [see(tab, share) for share in (0.004, 0.205, 0.405, 0.605, 0.855)]
    groups = [count for count, _ in seen]
    assert groups[0] == 0
    assert groups == sorted(groups)
    assert groups[1] < groups[3]
    assert groups[-1] == tab.locator("g[class^=t]").count()
    assert all(len(told) == 1 for _, told in seen), "one count at a time"
    assert seen[0][1] == ["mcts, rules: 0 tokens sampled"]
    assert seen[-1][1] == [f"mcts, rules: {tree.sampled:,} tokens sampled"]
    tab.close()


def test_it_follows_the_theme_and_who_wants_no_motion(browser, tree, tmp_path):
    grounds = {}
    for theme in ("light", "dark"):
        tab = open_svg(browser, tree, tmp_path, color_scheme=theme, reduced_motion="reduce")
        assert tab.evaluate("document.getAnimations().length") == 0
        groups, told = see(tab, 0)
        assert groups == tab.locator("g[class^=t]").count()
        assert told == [f"mcts, rules: {tree.sampled:,} tokens sampled"]
        grounds[theme] = tab.evaluate("getComputedStyle(document.querySelector('rect')).fill")
        tab.close()
    assert grounds == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 28)"}
