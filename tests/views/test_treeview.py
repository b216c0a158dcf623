"""The tree viewer: the still picture, the widget's Python side, and the standalone page in a real browser."""

import json
import re
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from demo_trees import grow_big, grow_tree
from frames import list_cut, measure_panning

from game24lab.search.formulas import measure_exploration
from game24lab.search.tree import Tree
from game24lab.views.tree import still
from game24lab.views.tree.page import COLOURS, EDGES, PARTS, SIZES, make_html, read_module, write_html
from game24lab.views.tree.still import draw_svg
from game24lab.views.tree.text import write_text
from game24lab.views.tree.timeline import find_moment, list_moments, play
from game24lab.views.tree.widget import TreeView

PATIENCE = 600  # seconds, for the slowest of machines
API = "document.querySelector('.game24-treeview').__treeview"
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def tree() -> Tree:
    tree = grow_tree()
    tree.meta["parameters"] |= {"c_init": 1.5, "c_base": 900.0}
    return tree


def make_zoo() -> Tree:
    """Every status, and text that wants to be markup, endless, backwards, or no text at all."""
    meta = dict.fromkeys(("problem", "strategy", "answer"), HOSTILE)
    tree = Tree(meta={**meta, "mode": "\u202everified", "solved": True})
    tree.add(-1, "", "4 5 6 10")
    tree.add(0, HOSTILE, HOSTILE, expression=HOSTILE, reason=HOSTILE, prior=0.5)
    tree.add(0, "W" * 30_000, "X" * 5_000, status="wrong", reason="Y" * 4_000, value=-1.0)
    tree.add(0, "\u202e\u2067مرحبا 10 - 6 = 4" * 30, "שלום \u202e abc", status="pruned", value=0.2)
    tree.add(0, "\x00\x07\ud800 = z\u0300\u0301\u0302", "\x1b[31m", status="illegal", reason="${alert(1)}")
    tree.add(0, "a\n\n\r\nb", "c\nd\u2028e", status="unfinished")
    for number in range(40):
        tree.add(1, f"line {number} = {number}", str(number), status="solved" if number == 30 else "open")
    return tree


# ---- still picture


def test_svg_is_wellformed_and_shows_labels_moves_and_folds(tree):
    root = ElementTree.fromstring(draw_svg(tree))
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"4 5 6 10", "24", "solved", "critic's value  −1"} <= set(words)
    assert any(re.fullmatch(r"\+\d+ more", word) for word in words)
    assert any("×" in word for word in words)
    assert root.find("{http://www.w3.org/2000/svg}title").text == f"Search tree of 4 5 6 10: {len(tree)} nodes"


@pytest.mark.parametrize("colour", COLOURS)
def test_svg_in_every_colour(tree, colour):
    assert draw_svg(tree, colour=colour) == draw_svg(tree.to_json(), colour=colour)


def test_svg_shows_all_nodes_when_there_is_room_and_few_when_not():
    tree = Tree()
    tree.add(-1, "", "root")
    for number in range(5):
        tree.add(0, f"move {number}", f"child {number}")
    assert draw_svg(tree).count("child ") == 5
    deep = grow_big(2000)
    few, many = draw_svg(deep, rows=10).count("<text"), draw_svg(deep, rows=100).count("<text")
    assert many > 2 * few


def make_illegal(count: int = 26) -> Tree:
    """Illegal lines of one position, after and between legal ones; one of them as the search went on."""
    tree = Tree(meta={"problem": [3, 3, 8, 8]})
    tree.add(-1, "", "3 3 8 8")
    tree.add(0, "8 / 3 = 8/3", "8/3 3 8", prior=0.5)
    for number in range(count):
        tree.add(0, f"8 - 3 = {number + 6}", "", status="illegal", reason=f"8 - 3 is 5, not {number + 6}", tokens=10)
    tree.add(1, "3 - 8/3 = 1/2", "", status="illegal", reason="one alone", tokens=10)
    return tree


def test_illegal_lines_of_a_position_are_one_node_with_their_number():
    root = ElementTree.fromstring(draw_svg(make_illegal()))
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert words.count("26 illegal lines") == 1
    assert words.count("illegal line") == 2  # of one position, and in the legend
    assert not [word for word in words if "more" in word or word == "8 − 3"]
    assert "26 illegal lines" in "\n".join(write_text(make_illegal()))


def test_svg_keeps_hostile_text_inside_text_elements():
    svg = draw_svg(make_zoo(), rows=100)
    root = ElementTree.fromstring(svg)  # also: no character that XML forbids
    tags = {element.tag.split("}")[1] for element in root.iter()}
    assert tags == {"svg", "title", "rect", "path", "polygon", "circle", "text"}
    assert max(len(element.text or "") for element in root.iter()) < 130
    assert "\u202e" not in svg


def test_colours_of_the_still_picture_are_those_of_the_viewer():
    module = read_module()
    palette = (*still._DIVERGING, *still._RISING, still._ALIVE, still._DEAD, still._INK, still._PATH, still._EDGE)
    assert [shade for shade in palette if f'"{shade}"' not in module] == []
    for title, names in (("COLOURS", COLOURS), ("SIZES", SIZES), ("EDGES", EDGES)):
        words = re.search(rf"const {title} = (\{{.*?\}});", module, re.DOTALL).group(1)
        assert re.findall(r"(\w+): ", words) == list(names)


def test_the_viewer_is_one_module_of_parts_in_order():
    folder = Path(still.__file__).with_name("viewer")
    assert sorted(path.stem for path in folder.iterdir()) == sorted(PARTS)
    known, declared = set(), []
    for part in PARTS:
        text = (folder / f"{part}.js").read_text()
        assert max(map(len, text.splitlines())) <= 120
        assert set(re.findall(r'from "\./(\w+)\.js"', text)) <= known, f"{part} imports what comes after it"
        known.add(part)
        declared += re.findall(r"(?m)^(?:export )?(?:const|function|class) (\w+)", text)
    assert len(set(declared)) == len(declared)  # joined, they share one scope
    module = read_module()
    assert "import " not in re.sub(r"(?m)^ *(/?\*|//).*$", "", module)
    assert re.findall(r"(?m)^export .*$", module) == ["export default { render };"]


@pytest.mark.parametrize(("size", "edge"), [("tokens", "visits"), ("visits", "prior")])
def test_svg_by_tokens_and_prior(tree, size, edge):
    assert draw_svg(tree, size=size, edge=edge) != draw_svg(tree)


def test_svg_of_a_budget_shows_what_there_was(tree):
    early = draw_svg(tree, budget=100)
    nodes = len(play(tree, find_moment(tree, 100).end))
    assert f"Search tree of 4 5 6 10: {nodes} nodes" in early
    assert draw_svg(tree, budget=tree.sampled) == draw_svg(tree)


def test_svg_of_two_trees_at_one_budget(tree):
    picture = draw_svg(tree, grow_tree(nodes=40, seed=3), budget=300, colour="truth")
    words = [element.text for element in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
    shown = [re.match(r"([\d,]+) of ([\d,]+) tokens", word or "") for word in words]
    assert all(int(match[1]) <= 300 < int(match[2].replace(",", "")) for match in shown if match)
    assert sum(map(bool, shown)) == 2


# ---- bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda tree: draw_svg(tree, colour="red"), "colour must be one of value, mean, truth, visits, prior"),
        (lambda tree: draw_svg(tree, size="huge"), "size must be one of visits, tokens, got 'huge'"),
        (lambda tree: draw_svg(tree, rows=0), "rows must be an integer >= 1, got 0"),
        (lambda tree: draw_svg(tree, budget=-1), "budget must be a number of sampled tokens >= 0, got -1"),
        (lambda tree: draw_svg(tree, {"version": 7}), "version 7"),
        (lambda tree: make_html(tree, edge="thick"), "edge must be one of visits, prior, got 'thick'"),
        (lambda tree: make_html(tree, budget=100), "a number of sampled tokens >= 0, for two trees, got 100"),
        (lambda tree: make_html(tree, 7), "tree must be a Tree, its JSON text or its object, got int"),
        (lambda tree: TreeView(tree, tree, selected_other=10_000), ", got 10000"),
        (lambda tree: TreeView(tree, edge="thick"), "got 'thick'"),
        (lambda tree: TreeView(tree, tree, budget=-2), "budget must be a number of tokens >= 0, or -1 for all, got -2"),
        (lambda tree: draw_svg({"version": 7}), "version 7"),
        (lambda tree: make_html(42), "tree must be a Tree, its JSON text or its object, got int"),
        (lambda tree: make_html(tree, selected=10_000), ", got 10000"),
        (lambda tree: TreeView(tree, selected=10_000), ", got 10000"),
        (lambda tree: TreeView(tree, step=-1), "step must be a node from 0 to"),
        (lambda tree: TreeView(tree, height=3), "height must be 200 to 5000 pixels, got 3"),
        (lambda tree: TreeView("{}"), "a JSON object with a version"),
    ],
)
def test_bad_input_is_named(tree, call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call(tree)


def test_a_page_that_cannot_be_written_leaves_nothing(tree, tmp_path):
    with pytest.raises(OSError, match="missing"):
        write_html(tree, tmp_path / "missing" / "tree.html")
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_html(tree, tmp_path / "folder.html")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.html"]


# ---- widget, Python side


def test_widget_traits(tree):
    view = TreeView(tree, colour="truth")
    assert (view.selected, view.step, view.nodes, view.tree["label"][0]) == (0, len(tree) - 1, len(tree), "4 5 6 10")
    view.selected, view.step = 5, 7
    with pytest.raises(ValueError, match=r"selected must be .*, got 9999"):
        view.selected = 9999
    assert (view.selected, view.step) == (5, 7)
    assert repr(view) == f"TreeView of 4 5 6 10 ({len(tree)} nodes, mcts rules)"
    bundle, _ = view._repr_mimebundle_()
    assert bundle["image/svg+xml"].startswith("<svg")
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_widget_follows_a_tree_that_grows():
    tree = Tree()
    tree.add(-1, "", "root")
    view = TreeView(tree)
    for number in range(4):
        tree.add(0, f"line {number}", str(number))
    assert view.nodes == 1  # a copy
    view.tree = tree
    assert (view.nodes, view.step, view.selected) == (5, 4, 0)
    view.step, view.selected = 2, 4
    tree.add(0, "line 4", "4")
    view.tree = tree
    assert (view.nodes, view.step, view.selected) == (6, 2, 4)
    view.tree = grow_tree(nodes=20)
    small = Tree()
    small.add(-1, "", "root")
    view.tree = small
    assert (view.nodes, view.step, view.selected) == (1, 0, 0)


# ---- the page in a browser


class Page:
    """The page of a tree, with what it said and asked for."""

    def __init__(self, browser, path: Path, tree: Tree | None, **options) -> None:
        self.complaints, self.requests = [], []
        self.page = browser.new_page(viewport={"width": 1200, "height": 760}, **options)
        self.page.set_default_timeout(1000 * PATIENCE)
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto((write_html(tree, path) if tree else path).as_uri())
        self.page.wait_for_selector(".game24-treeview canvas.tree")
        self.wait(lambda state: state["shown"])

    def ask(self, call: str):
        return self.page.evaluate(f"{API}.{call}")

    @property
    def state(self) -> dict:
        return self.ask("state()")

    def click(self, node: int, clicks: int = 1) -> None:
        place = self.ask(f"positionOf({node})")
        self.page.mouse.click(place["x"], place["y"], click_count=clicks)

    def say(self) -> str:
        return self.page.locator(".side").inner_text()

    def frame(self) -> None:
        self.page.evaluate("new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")

    def wait(self, holds) -> dict:
        """Wait until something holds of the state (from here: the page's policy forbids what Playwright would send)."""
        end = time.monotonic() + PATIENCE
        while not holds(state := self.state):
            assert time.monotonic() < end, state
            self.frame()
        return state

    def press_pill(self, action: str) -> None:
        self.frame()
        box = self.page.locator("canvas.tree").bounding_box()
        x0, y0, x1, y1 = next(pill for pill in self.state["pills"] if pill[5] == action)[:4]
        self.page.mouse.click(box["x"] + (x0 + x1) / 2, box["y"] + (y0 + y1) / 2)
        self.frame()


@pytest.fixture(scope="module")
def shared(browser, tree, tmp_path_factory):
    page = Page(browser, tmp_path_factory.mktemp("page") / "tree.html", tree)
    yield page
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith(("file:", "blob:"))] == []
    page.page.close()


@pytest.fixture
def page(shared):
    """The shared page as it was when it opened."""
    shared.page.locator("input[type=search]").fill("")
    for name, value in (("Colour", "value"), ("Size", "visits"), ("Edge", "visits")):
        shared.page.get_by_label(name, exact=True).select_option(value)
    shared.ask("stop()")
    shared.ask("goTo(1e9)")
    shared.page.get_by_label("Fold back").click()
    shared.ask("select(0)")
    shared.ask("fit()")
    shared.frame()
    return shared


def test_page_draws_and_inspects(page, tree):
    state = page.state
    assert state["nodes"] == len(tree)
    assert state["step"] == len(tree) - 1
    assert state["theme"] == "light"
    node = next(n for n in state["shown"] if tree.status[n] == "solved")
    page.click(node)
    assert page.state["selected"] == node
    words = page.say()
    assert words.startswith("24\n")
    assert tree.line[node] in words
    assert "solved" in words
    assert "alive" in words
    assert tree.expression[node] in words.replace("−", "-").replace("×", "*")
    pixels = page.page.evaluate(
        """() => { const c = document.querySelector('.game24-treeview').shadowRoot.querySelector('canvas.tree');
        return new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size }""")
    assert pixels > 50


def test_the_inspector_knows_the_bonus(page, tree):
    node = next(n for n in page.state["shown"] if n and tree.followed[n])
    page.ask(f"select({node})")
    assert "Bonus U" not in page.say()  # what is looked at rarely is folded
    page.page.locator(".side summary", has_text="More").first.click()
    factor = measure_exploration(tree.visits[tree.parent[node]], 1.5, 900.0)
    assert f"Bonus U\n{tree.prior[node] * factor / (tree.followed[node] + 1):.2f}" in page.say()
    for fact in ("Visits N", "Line followed n", "Prior P", "Mean value Q", "Critic's value", "Tokens", "Verdict"):
        assert f"{fact}\n" in page.say()
    page.ask("select(0)")
    assert "Log-probability" not in page.say()  # a start has none
    assert f"Tokens\n{tree.tokens[0]}" in page.say()  # open for this node too
    page.page.locator(".side summary", has_text="More").first.click()


def test_slider_replays_the_search_by_the_event_log(page, tree):
    page.page.locator("input[type=range]").focus()
    page.page.keyboard.press("Home")
    assert (page.state["step"], page.state["shown"]) == (0, [0])
    moments = list_moments(tree)
    for number in range(1, 60):
        page.page.keyboard.press("ArrowRight")
        if number % 9:
            continue
        state, then = page.state, play(tree, moments[number].end)
        assert (state["events"], state["kind"], state["sampled"]) == tuple(
            getattr(moments[number], name) for name in ("end", "kind", "sampled"))  # fmt: skip
        assert state["step"] == len(then) - 1 >= max(state["shown"])
        assert state["visits"] == then.visits + [0] * (len(tree) - len(then))
        assert state["totals"] == pytest.approx(then.total + [0] * (len(tree) - len(then)))
    assert 0 < state["visits"][0] < tree.visits[0]
    page.page.keyboard.press("End")
    assert page.state["visits"] == tree.visits
    assert f"{tree.sampled:,} tokens" in page.page.locator(".said").inner_text()


def test_steps_say_what_the_search_did(page, tree):
    page.ask("goTo(30)")
    said = set()
    for _ in range(30):
        page.page.get_by_label("One moment on (.)").click()
        said.add(page.page.locator(".said").inner_text().split("·")[1].strip().split(" ")[0].rstrip(","))
    assert said == {"select", "expand", "evaluate", "back"}
    page.page.locator("canvas.tree").focus()
    before = page.state["place"]
    page.page.keyboard.press(",")
    assert page.state["place"] == before - 1


def test_keyboard_moves_folds_plays_and_zooms(page, tree):
    page.page.locator("canvas.tree").focus()
    page.page.keyboard.press("ArrowRight")
    first = page.state["selected"]
    assert tree.parent[first] == 0
    page.page.keyboard.press("ArrowDown")
    second = page.state["selected"]
    assert second != first
    assert tree.parent[second] == 0
    page.page.keyboard.press("ArrowUp")
    page.page.keyboard.press("ArrowLeft")
    assert page.state["selected"] == 0
    zoom = page.state["zoom"]
    page.page.keyboard.press("+")
    assert page.state["zoom"] == pytest.approx(1.4 * zoom)
    page.page.keyboard.press("0")
    assert page.state["zoom"] == zoom
    page.page.keyboard.press("Enter")
    assert page.state["shown"] == [0]
    page.page.keyboard.press("Enter")
    page.page.keyboard.press(" ")
    page.wait(lambda state: state["step"] > 3)
    page.page.keyboard.press(" ")
    assert not page.state["playing"]
    assert page.state["step"] < len(tree) - 1


def test_fold_unfold_and_more(page, tree):
    parent = next(n for n in page.state["shown"] if n and any(tree.parent[i] == n for i in page.state["shown"]))
    before = page.ask(f"positionOf({parent})")
    page.click(parent, clicks=2)
    assert not any(tree.parent[i] == parent for i in page.state["shown"])
    assert page.ask(f"positionOf({parent})") == pytest.approx(before)  # what was clicked stays under the pointer
    shown = len(page.state["shown"])
    page.press_pill("open")
    grown = len(page.state["shown"])
    assert grown > shown
    page.press_pill("more")
    assert len(page.state["shown"]) > grown
    page.page.get_by_label("Unfold all").click()
    assert sorted(page.state["shown"]) == list(range(len(tree)))


def test_wheel_and_drag(page):
    page.ask("goTo(1e9)")
    box = page.page.locator("canvas.tree").bounding_box()
    x, y = box["x"] + 500, box["y"] + 300
    page.page.mouse.move(x, y)
    zoom = page.state["zoom"]
    page.page.mouse.wheel(0, -200)
    page.wait(lambda state: state["zoom"] > zoom)
    before = page.state
    page.page.mouse.down()
    page.page.mouse.move(x - 60, y - 30, steps=3)
    page.page.mouse.up()
    after = page.state
    assert (after["tx"], after["ty"]) == pytest.approx((before["tx"] - 60, before["ty"] - 30))
    assert after["selected"] == before["selected"]  # a drag is no click


def test_search_reveals_folded_nodes(page, tree):
    hidden = next(n for n in range(len(tree)) if n not in page.state["shown"] and tree.status[n] == "open")
    box = page.page.locator("input[type=search]")
    box.fill(tree.line[hidden])
    assert hidden in page.state["matches"]
    for _ in page.state["matches"]:
        box.press("Enter")
        if page.state["selected"] == hidden:
            break
    assert page.state["selected"] == hidden
    assert hidden in page.state["shown"]
    assert tree.line[hidden] in page.say()


def test_colour_and_equal_positions(page, tree):
    page.page.get_by_label("Colour", exact=True).select_option("truth")
    assert page.state["colour"] == "truth"
    assert "dead: out of reach" in page.page.locator(".legend").inner_text()
    repeated = next(n for n in range(len(tree)) if tree.same[n] is not None)
    page.ask(f"select({repeated})")
    page.page.locator(".side button", has_text=f"node {tree.same[repeated]}:").click()
    assert page.state["selected"] == tree.same[repeated]


def test_sizes_edges_and_links_can_be_chosen(page):
    def look() -> str:
        page.frame()
        return page.page.locator("canvas.tree").screenshot()

    page.ask("unfold()")
    pictures = [look()]
    page.page.get_by_label("Size", exact=True).select_option("tokens")
    pictures.append(look())
    page.page.get_by_label("Edge", exact=True).select_option("prior")
    pictures.append(look())
    page.page.get_by_label("Colour", exact=True).select_option("depth")
    pictures.append(look())
    page.page.get_by_label("Link equal positions").click()
    pictures.append(look())
    assert not page.state["links"]
    page.page.get_by_label("Link equal positions").click()
    assert page.state["links"]
    assert len(set(pictures)) == len(pictures)
    assert (page.state["size"], page.state["edge"], page.state["colour"]) == ("tokens", "prior", "depth")


def test_illegal_lines_are_folded_and_spread_by_hand(browser, tmp_path):
    page = Page(browser, tmp_path / "tree.html", make_illegal())
    shown = page.state["shown"]
    assert sorted(shown) == [0, 1, 2, 28]
    page.click(2)
    said = page.say()
    assert said.startswith("26 illegal lines\nof one position, 260 tokens together")
    assert "8 - 3 is 5, not 31" in said
    page.page.locator(".side button", has_text="8 - 3 is 5, not 31").click()  # looked at alone
    assert page.state["selected"] == 27
    assert sorted(page.state["shown"]) == [0, 1, 2, 27, 28]
    page.press_pill("spread")
    page.press_pill("more")
    assert len(page.state["shown"]) > 15
    page.click(3, clicks=2)
    assert sorted(page.state["shown"]) == [0, 1, 2, 27, 28]
    page.page.locator("input[type=search]").fill("not 20")
    page.page.keyboard.press("Enter")
    assert page.state["selected"] == 16
    assert 16 in page.state["shown"]
    assert page.complaints == []
    page.page.close()


def test_a_link_leads_to_its_moment(browser, tree, tmp_path):
    page = Page(browser, tmp_path / "tree.html", tree)
    page.ask("moveTo(40)")
    page.ask("select(2)")
    page.page.get_by_label("Colour", exact=True).select_option("truth")
    page.page.get_by_label("Copy a link to this moment").click()
    page.frame()
    link = page.page.evaluate("location.hash")
    assert link == "#at=40&node=2&colour=truth&size=visits&edge=visits"
    assert page.complaints == []
    page.page.close()
    again = Page(browser, tmp_path / "tree.html", tree)
    again.page.evaluate(f"location.hash = '{link}'")
    again.wait(lambda state: (state["place"], state["selected"], state["colour"]) == (40, 2, "truth"))
    again.page.locator("input[type=search]").fill("#at=7&node=0&colour=<b>")  # pasted, and partly nonsense
    assert (again.state["place"], again.state["selected"], again.state["colour"]) == (7, 0, "value")
    for text in ("#at=x", "#node=2", "#at=99999999999999999999"):
        again.page.locator("input[type=search]").fill(text)
        assert again.state["place"] == 7
    assert again.complaints == []
    again.page.close()


def test_hovering_tells_a_node_in_a_few_words(page, tree):
    node = next(n for n in page.state["shown"] if tree.status[n] == "solved")
    place = page.ask(f"positionOf({node})")
    page.page.mouse.move(place["x"], place["y"])
    tip = page.page.locator(".tip:visible")
    assert tree.line[node].replace(" * ", " × ").replace(" / ", " ÷ ") in tip.inner_text().replace("−", "-")
    assert f"{tree.visits[node]} visits" in tip.inner_text()
    box, stage = tip.bounding_box(), page.page.locator(".stage").bounding_box()
    assert box["x"] >= stage["x"]
    assert box["x"] + box["width"] <= stage["x"] + stage["width"]
    page.page.mouse.move(5, 5)
    assert page.page.locator(".tip:visible").count() == 0


def test_the_keys_are_told(page):
    page.page.locator("canvas.tree").focus()
    page.page.keyboard.press("?")
    assert "fold or unfold what is selected" in page.page.locator(".help:visible").inner_text()
    page.page.keyboard.press("Escape")
    assert page.page.locator(".help:visible").count() == 0


@pytest.mark.parametrize("width", [900, 1000, 1400, 1800])
def test_two_trees_fit_their_width_and_no_word_is_cut(browser, tree, tmp_path, width):
    other = grow_tree(nodes=60, seed=5, explore=0.4)
    page = Page(browser, write_html(tree, tmp_path / "pair.html", other), None)
    page.page.set_viewport_size({"width": width, "height": 800})
    page.frame()
    page.ask("fit()")
    page.ask("fit(null, 1)")
    page.frame()
    state = page.state
    for which, shown in ((0, state["shown"]), (1, state["other"]["shown"])):
        stage = page.page.locator(".stage").nth(which).bounding_box()
        for node in shown:
            place = page.ask(f"positionOf({node}, {which})")
            assert stage["x"] <= place["x"] <= stage["x"] + stage["width"] - 10
    assert list_cut(page.page) == []
    page.page.close()


def test_two_trees_on_one_budget(browser, tree, tmp_path):
    other = grow_tree(nodes=60, seed=5, explore=0.4)
    other.meta["strategy"] = HOSTILE
    path = write_html(tree, tmp_path / "pair.html", other, budget=200)
    page = Page(browser, path, None)
    state = page.state
    for one, shown in ((tree, state), (other, state["other"])):
        moment = find_moment(one, 200)
        assert (shown["events"], shown["sampled"]) == (moment.end, moment.sampled)
        assert 0 < moment.sampled <= 200 < one.sampled
    slider = page.page.locator("input[type=range]")
    slider.focus()
    page.page.keyboard.press("ArrowRight")  # to the next budget at which anything changes
    assert page.state["place"] == min(moment.sampled for one in (tree, other) for moment in list_moments(one)
                                      if moment.sampled > 200)  # fmt: skip
    page.page.keyboard.press("End")
    assert (page.state["sampled"], page.state["other"]["sampled"]) == (tree.sampled, other.sampled)
    label = tree.label[1]
    page.ask("select(1)")
    twins = [node for node, name in enumerate(other.label) if name == label]
    assert page.state["other"]["twins"] == twins
    place = page.ask(f"positionOf({page.state['other']['shown'][1]}, 1)")
    page.page.mouse.click(place["x"], place["y"])
    assert page.state["other"]["selected"] == page.state["other"]["shown"][1]
    assert page.state["selected"] == 1
    assert page.say().startswith("</script><script>")  # whose node it is, as text
    page.page.locator("input[type=search]").fill(other.line[3])
    assert 3 in page.state["other"]["matches"]
    assert page.complaints == []
    page.page.close()


def test_hostile_text_stays_text(browser, tmp_path):
    page = Page(browser, tmp_path / "tree.html", make_zoo(), color_scheme="dark")
    assert page.state["theme"] == "dark"
    width = page.page.locator(".side").bounding_box()["width"]
    for node in range(6):
        page.ask(f"select({node})")
        side = page.page.locator(".side")
        assert side.bounding_box()["width"] == width
        assert side.evaluate("e => e.scrollWidth <= e.clientWidth")
    page.ask("select(1)")
    assert HOSTILE in page.say()
    page.page.locator("input[type=search]").fill("<script>")
    page.frame()
    assert page.page.title().startswith("</script>")  # the problem, as text; a script would have set another
    assert page.page.locator(".game24-treeview img, .game24-treeview script").count() == 0
    assert page.complaints == []  # a refused inline script would be one
    page.page.close()


def test_ten_thousand_nodes(browser, tmp_path):
    page = Page(browser, tmp_path / "tree.html", grow_big())
    drawn, frames = measure_panning(page.page, API)
    assert len(page.state["shown"]) == 10_000
    assert drawn < 2
    assert max(frames) < 0.1
    page.page.close()


def test_two_times_ten_thousand_nodes(browser, tmp_path):
    page = Page(browser, write_html(grow_big(seed=2), tmp_path / "pair.html", grow_big(seed=3)), None)
    drawn, frames = measure_panning(page.page, API)
    assert len(page.state["other"]["shown"]) == 10_000
    assert drawn < 4
    assert max(frames) < 0.1
    assert page.complaints == []
    page.page.close()


def test_a_line_without_end(browser, tmp_path):
    """A chain as long as a model that never stops makes it, in the page and as a picture."""
    tree = Tree(meta={"problem": [1, 2, 3, 4]})
    for number in range(3000):
        tree.add(number - 1, "1 - 1 = 0" * bool(number), str(number), tokens=8)
    page = Page(browser, tmp_path / "tree.html", tree)
    page.ask("select(2999)")
    assert page.state["selected"] == 2999
    page.ask("fit()")
    page.frame()
    assert page.complaints == []
    assert "2999" in page.page.locator(".said").inner_text().replace(",", "")
    page.page.close()
    assert draw_svg(tree, colour="depth").startswith("<svg")


def test_page_holds_nothing_that_could_run_or_load(tree):
    text = make_html(make_zoo())
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text).group(1)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert text.count("<script") == 3
    assert text.count("</script>") == 3
    assert re.findall(r"(?:src|href)=", text.replace("src=x", "")) == []
    state = re.search(r'id="state">(.*?)</script>', text, re.DOTALL).group(1)
    assert json.loads(state)["tree"]["line"][1] == HOSTILE
