"""What the viewer's page does with its room: no button moves, the inspector needs no scrolling, paper and early moments
are as sharp as the rest, and what has a meaning can be seen."""

import re
from itertools import pairwise

import pytest
from demo_trees import grow_big, grow_tree
from frames import list_cut
from test_treeview import Page, make_illegal

from game24lab.search.tree import Tree
from game24lab.views.charts.palette import GREY, IDEAL, PALETTE, RULE, SCREEN
from game24lab.views.tree import still
from game24lab.views.tree.page import read_module, write_html

BOXES = """[...document.querySelector('.game24-treeview').shadowRoot.querySelectorAll('.bar button, .bar select')]
  .map((e) => Object.values(e.getBoundingClientRect().toJSON()))"""


@pytest.fixture(scope="module")
def tree() -> Tree:
    return grow_tree()


@pytest.mark.parametrize("width", [900, 1000, 1400, 1800])
def test_typing_into_the_search_moves_no_button(browser, tree, tmp_path, width):
    page = Page(browser, tmp_path / "tree.html", tree)
    page.page.set_viewport_size({"width": width, "height": 700})
    page.frame()
    before = page.page.evaluate(BOXES)
    page.page.locator("input[type=search]").fill("=")
    assert re.fullmatch(r"\d+ found", page.page.locator(".found").inner_text())
    page.page.keyboard.press("Enter")
    assert re.fullmatch(r"1 of \d+", page.page.locator(".found").inner_text())
    page.page.get_by_label("Copy a link to this moment").click()
    assert page.page.evaluate(BOXES) == before
    assert list_cut(page.page) == []
    page.page.close()


def test_where_a_row_has_no_room_what_is_shown_by_what_stands_behind_a_button(browser, tree, tmp_path):
    page = Page(browser, tmp_path / "tree.html", tree)
    page.page.set_viewport_size({"width": 640, "height": 700})
    page.frame()
    colour, button = page.page.get_by_label("Colour", exact=True), page.page.get_by_text("View", exact=True)
    assert not colour.is_visible()
    assert page.page.locator(".tools").bounding_box()["height"] < 40, "one row"
    button.click()
    colour.select_option("truth")
    assert page.state["colour"] == "truth"
    assert list_cut(page.page) == []
    button.click()
    assert not colour.is_visible()
    page.page.set_viewport_size({"width": 1000, "height": 700})
    page.frame()
    assert colour.is_visible()
    assert not button.is_visible()
    page.page.close()


def test_the_inspector_of_a_start_needs_no_scrolling(browser, tree, tmp_path):
    page = Page(browser, tmp_path / "tree.html", tree)
    page.page.set_viewport_size({"width": 1000, "height": 584})  # 560 and the page's margins
    page.frame()
    assert page.page.locator(".side").evaluate("e => e.scrollHeight <= e.clientHeight")
    words = page.say()
    assert len(page.page.locator(".side dt:visible").all()) <= 7
    assert "–" not in words.replace("−", "")
    page.page.locator(".side summary", has_text="more").last.click()
    assert len(page.say().splitlines()) > len(words.splitlines()) + 5
    page.page.close()


def test_lines_that_are_illegal_or_lead_to_an_earlier_position_are_marked(browser, tmp_path):
    page = Page(browser, tmp_path / "tree.html", make_illegal())
    assert "✕ 26 illegal lines" in page.say()
    page.page.locator(".side summary", has_text="More").first.click()
    assert "Node" in page.say()
    assert "Gone on from" not in page.say(), "nothing was: it says nothing of a start"
    page.page.close()
    tree = grow_tree()
    again = next(node for node, same in enumerate(tree.same) if same is not None)
    page = Page(browser, tmp_path / "tree.html", tree)
    page.ask(f"select({tree.parent[again]})")
    for fold in page.page.locator(".side summary").all():
        fold.click()
    move = tree.line[again].split(" = ")[0].replace("*", "×").replace("/", "÷").replace("-", "−")
    assert f"≡ {move}" in page.say()
    page.page.close()


def test_all_unfolded_an_early_moment_fills_the_view(browser, tmp_path):
    page = Page(browser, tmp_path / "tree.html", grow_big(3000))
    page.ask("moveTo(10)")
    page.ask("unfold()")
    state, places = page.state, []
    for node in state["shown"]:
        places.append(page.ask(f"positionOf({node})")["y"])
    assert len(places) == state["step"] + 1
    assert min(b - a for a, b in pairwise(sorted(places[1:]))) > 10, "rows that can be read"
    page.ask("moveTo(1e9)")
    assert len(page.state["shown"]) == 3000
    page.ask("moveTo(300)")
    assert page.state["zoom"] > 0.05
    assert page.complaints == []
    page.page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_paper_a_tree_is_drawn_anew_in_letters(browser, tree, tmp_path, scheme):
    other = grow_tree(nodes=60, seed=5)
    page = Page(browser, write_html(tree, tmp_path / "pair.html", other), None, color_scheme=scheme)
    page.page.evaluate("""addEventListener("beforeprint", () => { document.title = [...document.querySelector(
      ".game24-treeview").shadowRoot.querySelectorAll(".paper text")].map((e) => e.textContent).join("|") })""")
    page.page.pdf(path=tmp_path / "tree.pdf", prefer_css_page_size=True)
    printed = page.page.title().replace("−", "-").split("|")
    assert {tree.label[node] for node in page.state["shown"] if tree.label[node]} <= set(printed)
    assert {other.label[node] for node in page.state["other"]["shown"] if other.label[node]} <= set(printed)
    page.page.emulate_media(media="print")
    assert page.page.locator(".paper").count() == 0, "it goes when the printing is over"
    assert page.state["theme"] == scheme
    page.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.state["theme"] == "light"
    for paper in page.page.locator(".paper").all():
        box = paper.bounding_box()
        wide, high = map(float, paper.get_attribute("viewBox").split()[2:])
        assert box["width"] <= wide * 1.5
        assert paper.evaluate("e => { const m = e.getScreenCTM(); return Math.abs(m.a - m.d) < 1e-3 }"), high
    assert page.page.locator("canvas.tree:visible").count() == 0
    assert page.complaints == []
    page.page.close()


def test_a_canvas_has_whole_pixels(browser, tree, tmp_path):
    """One that is scaled by a part of a pixel is blurred."""
    page = Page(browser, tmp_path / "tree.html", tree)
    for height in (601, 640, 733):
        page.page.set_viewport_size({"width": 1003, "height": height})
        page.frame()
        assert page.page.locator("canvas.tree").evaluate(
            "e => [e.width, e.height].join() === [e.clientWidth, e.clientHeight].join()"
            " && getComputedStyle(e).width === `${e.width}px` && getComputedStyle(e).height === `${e.height}px`")
    page.page.close()


def measure_contrast(one: str, other: str) -> float:
    """WCAG's contrast of two colours, 1 to 21."""
    def measure(colour: str) -> float:
        shares = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((measure(one), measure(other)))
    return (high + 0.05) / (low + 0.05)


def test_edges_and_lines_can_be_seen_on_their_ground():
    """At least 3:1, as WCAG asks of what carries a meaning."""
    module = read_module()
    for theme in ("light", "dark"):
        colours = dict(re.findall(r'(\w+): "(#[0-9a-f]{6})"', re.search(rf"{theme}: \{{(.*?)\}}", module, re.S)[1]))
        for part in ("edge", "path", "mark", "muted", "ink"):
            assert measure_contrast(colours[part], colours["bg"]) >= 3, (theme, part)
        assert measure_contrast(colours["edge"], colours["path"]) > 1.5, "the principal line stands out"
    assert still._DARK[still._EDGE] in module
    for colour in (*PALETTE, SCREEN, IDEAL, GREY, RULE):
        assert measure_contrast(colour, "#ffffff") >= 3, colour
        assert measure_contrast(colour, "#111111") >= 3, colour
