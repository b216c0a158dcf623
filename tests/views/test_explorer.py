"""The form: a search at once, another by the button, complaints instead of exceptions, a tree that grows, and Stop."""

import html
import json
import threading
import time
from itertools import pairwise

import pytest
from fake_models import FakeCritic, FakePolicy

from game24lab.evaluation.arms import STRATEGIES
from game24lab.search.watch import STOPPED
from game24lab.tasks.numbers.puzzles import parse_puzzle
from game24lab.tasks.numbers.task import Game24
from game24lab.views.tree import searcher
from game24lab.views.tree.explorer import explore, offer

CHOICES = {
    "mcts": (STRATEGIES["mcts"], "simulations", {"width": 3}),
    "best_of_n": (STRATEGIES["best_of_n"], "n", {"batch": 4}),
}


class SlowPolicy(FakePolicy):
    """It says when it is asked, and answers when it is let."""

    asked = threading.Semaphore(0)
    free = threading.Semaphore(0)
    slow = False

    def generate(self, *given, **named):
        if self.slow:
            SlowPolicy.asked.release()
            assert SlowPolicy.free.acquire(timeout=60)
        return super().generate(*given, **named)


def make(policy=None, strategies=CHOICES):
    return explore(Game24(), policy or FakePolicy(), FakeCritic(), strategies, parse=parse_puzzle,
                   problems=["4 5 6 10", "1 2 3 4"], effort=8)  # fmt: skip


@pytest.fixture
def form():
    return make()


def press(form, kind="search", **said):
    """What the browser sends when a button is pressed."""
    form._handle_custom_msg({"kind": kind, **said}, [])
    form.wait(60)


def test_it_starts_with_a_finished_search_and_says_its_result(form):
    assert form.view is form  # as notebooks call it
    assert form.view.tree["meta"]["problem"] == [4, 5, 6, 10]
    assert form.view.tree["meta"]["strategy"] == "mcts"
    assert form.view.tree["truth"][0] is True
    assert form.status.startswith(("Solved: ", "Not solved: "))
    assert f"{form.outcome.cost.sampled_tokens:,} tokens sampled" in form.status
    assert not form.busy
    assert form.form["problems"] == ["4 5 6 10", "1 2 3 4"]
    assert list(form.form["modes"]) == ["blind", "rules", "verified"]
    assert form.form["strategies"] == {"mcts": {"effort": "simulations", "start": 200},
                                       "best_of_n": {"effort": "n", "start": 64}}  # fmt: skip


def test_search_follows_the_form(form):
    form.problem, form.strategy, form.mode = "1 2 3 4", "best_of_n", "rules"
    assert form.effort == 64  # another measure of effort begins at its default
    form.effort = 5
    assert form.search() is form.outcome
    meta = form.view.tree["meta"]
    assert (meta["problem"], meta["strategy"], meta["mode"]) == ([1, 2, 3, 4], "best_of_n", "rules")
    assert meta["parameters"]["n"] == 5
    assert form.outcome.candidates == 5
    assert f"{form.outcome.cost.sampled_tokens:,} tokens sampled" in form.status
    assert (form.selected, form.step) == (0, form.nodes - 1)


def test_a_press_on_search_brings_what_the_form_says(form):
    press(form, problem="1 2 3 4", strategy="best_of_n", mode="rules", effort=3, keep=False)
    assert form.outcome.candidates == 3
    assert (form.problem, form.strategy, form.mode, form.effort) == ("1 2 3 4", "best_of_n", "rules", 3)
    assert form.view.tree["meta"]["problem"] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"strategy": "mtcs"}, "strategy must be one of mcts, best_of_n, got 'mtcs'; did you mean 'mcts'?"),
        ({"mode": "unsafe"}, "mode must be one of blind, rules, verified, got 'unsafe'"),
        ({"effort": 0}, "effort must be an integer from 1 to 256, got 0"),
        ({"effort": "many"}, "effort"),
        ({"problem": 7}, "problem"),
        ({"keep": "<b>"}, "keep"),
    ],
)
def test_what_is_not_offered_is_said_and_nothing_is_searched(form, said, complaint):
    before = form.view.tree
    press(form, **said)
    assert complaint in form.status
    assert form.view.tree == before
    assert not form.busy


def test_blind_is_refused_to_a_critic_of_positions_and_played_by_others(form, monkeypatch):
    before = form.view.tree
    form.mode = "blind"
    monkeypatch.setattr(FakeCritic, "reads", "positions", raising=False)
    assert form.search() is None
    assert "trained on positions alone and cannot see a false step" in form.status
    assert form.view.tree == before
    form.strategy = "best_of_n"
    monkeypatch.setattr(FakeCritic, "reads", "chains", raising=False)
    form.search()
    assert form.view.tree["meta"]["mode"] == "blind"
    assert form.view.tree["truth"][0] is True


def test_the_tree_is_shown_while_it_grows(form, monkeypatch):
    monkeypatch.setattr(searcher, "_PAUSE", 0.0)
    monkeypatch.setattr(searcher, "_SHARE", 0)
    seen, said = [], []
    form.observe(lambda change: seen.append(change["new"]), "tree")
    form.observe(lambda change: said.append(change["new"]), "status")
    form.problem, form.effort, form.mode = "1 2 3 4", 20, "rules"
    form.search()
    sizes = [len(tree["parent"]) for tree in seen]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) > 4
    assert sizes[-1] == form.nodes
    assert all(tree["truth"][0] is True for tree in seen)
    assert {json.dumps(tree["meta"]["problem"]) for tree in seen} == {'"1 2 3 4"', "[1, 2, 3, 4]"}
    assert said[0] == "Searching"
    assert said[1].startswith("Searching: 0 tokens sampled")
    assert form.plays == 1  # a search too short to be watched is played once more


def test_stop_ends_a_search_with_what_it_has_found():
    policy = SlowPolicy()
    form = make(policy)
    SlowPolicy.slow = True
    try:
        form.effort, form.mode = 200, "rules"
        form._handle_custom_msg({"kind": "search"}, [])
        assert SlowPolicy.asked.acquire(timeout=60)
        assert form.busy
        assert form.search() is None  # one at a time
        press_again = form._thread
        form._handle_custom_msg({"kind": "search"}, [])
        assert form._thread is press_again
        form._handle_custom_msg({"kind": "stop"}, [])  # heard while the search waits for its model
        SlowPolicy.free.release()
        form.wait(60)
    finally:
        SlowPolicy.slow = False
    assert not form.busy
    assert form.outcome.stopped == STOPPED
    assert form.status.startswith("Stopped. ")
    assert form.view.tree["events"][-1][0] == "stop"
    assert form.view.tree["meta"]["stopped"] == STOPPED
    form.effort = 8
    assert form.search() is form.outcome  # the next one is not stopped
    assert form.outcome.stopped != STOPPED


def test_all_strategies_are_offered():
    offered = offer(STRATEGIES, {"mcts": {"width": 3}})
    assert list(offered) == list(STRATEGIES)
    assert {name: offered[name][1] for name in ("mcts", "rap", "beam_search", "rebase", "bfs_v", "greedy")} == {
        "mcts": "simulations", "rap": "n_iters", "beam_search": "n", "rebase": "width", "bfs_v": "beam_size",
        "greedy": ""}  # fmt: skip
    assert offered["mcts"][2] == {"width": 3}
    with pytest.raises(ValueError, match=r"strategy of parameters must be one of greedy, .*, got 'mtcs'"):
        offer(STRATEGIES, {"mtcs": {}})


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_shows_its_tree(name):
    form = explore(Game24(), FakePolicy(), FakeCritic(), offer({name: STRATEGIES[name]}), parse=parse_puzzle,
                   problems=["4 5 6 10"], effort=4)  # fmt: skip
    assert form.view.tree["meta"]["strategy"] == name
    assert form.view.nodes > 1
    assert form.view.tree["events"][-1][0] == "stop"


def test_a_tree_is_kept_beside_the_next(form):
    first = form.view.tree
    form.keep, form.strategy = True, "best_of_n"
    form.search()
    assert form.view.other == first
    assert form.view.tree["meta"]["strategy"] == "best_of_n"
    assert (form.budget, form.plays) == (-1, 1)  # both from the start, on one budget
    form.search()
    assert form.view.other == first
    form.keep = False
    form.search()
    assert form.view.other == {}


def test_search_goes_on_from_a_node(form):
    before = form.view.tree
    node = next(n for n, status in enumerate(before["status"]) if status == "open" and n)
    press(form, "search on", name="tree", node=node)
    assert form.view.nodes > len(before["parent"])
    assert form.view.tree["label"][: len(before["label"])] == before["label"]
    assert form.view.step == form.view.nodes - 1
    assert "tokens sampled" in form.status
    assert form.search_on(10_000) is None
    assert form.status.startswith("node must be one from 0 to ")


def test_why_is_answered_by_the_exact_solver(form, monkeypatch):
    sent = []
    monkeypatch.setattr(form, "send", sent.append)
    tree = form.view.tree
    for node, truth in enumerate(tree["truth"]):
        press(form, "why", name="tree", node=node)
        said = sent.pop()
        assert (said["kind"], said["name"], said["node"]) == ("why", "tree", node)
        if truth is True:
            assert said["text"].startswith(("24 is within reach: ", "24 is left"))
        elif truth is False:
            assert "lost it: before it, 24 is within reach: " in said["text"]
    assert form.explains
    press(form, "why", name="other", node=0)  # there is none
    assert sent == []


@pytest.mark.parametrize(
    "message",
    [
        None,
        7,
        {},
        {"kind": "search on"},
        {"kind": "search on", "name": "tree", "node": 9999},
        {"kind": "search on", "name": "events", "node": 0},
        {"kind": "why", "name": "tree", "node": -1},
        {"kind": ["stop"]},
        {"kind": "stop"},
    ],
)
def test_strange_messages_change_nothing(form, message):
    before = form.view.tree, form.status
    form._handle_custom_msg(message, [])
    assert (form.view.tree, form.status) == before


def test_a_bad_puzzle_is_said_and_changes_nothing(form):
    before = form.view.tree
    form.problem = "4 5 <b>six</b> 10"
    assert form.search() is None
    assert "six" in form.status
    assert form.view.tree == before
    assert not form.busy


def test_a_search_that_breaks_is_said(form, monkeypatch):
    monkeypatch.setattr(FakePolicy, "generate", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        form.search()
    assert form.status == "The search failed: ZeroDivisionError: division by zero"
    assert not form.busy


def test_a_place_of_a_tree_that_is_gone_is_passed_over(form):
    """A browser says where it stands in a tree that Python has replaced a moment before."""
    form.set_state({"selected": 10_000, "step": 10_000, "colour": "truth"})
    assert form.selected == 0
    assert form.colour == "truth"
    form.set_state({"selected": 1, "step": 1})
    assert (form.selected, form.step) == (1, 1)


def test_the_picture_stands_beside_the_widget(form):
    form.problem = "1 2 3 4 <script>"
    form.search()
    bundle, _ = form._repr_mimebundle_()
    assert html.escape(form.status) in bundle["text/html"]
    assert "<svg" in bundle["text/html"]
    assert "<script" not in bundle["text/html"]
    assert repr(form).startswith("Explorer of 4 5 6 10 (")


def test_a_look_costs_a_part_of_the_time(form, monkeypatch):
    """However long drawing takes, the search has four times as long before it is looked at again."""
    monkeypatch.setattr(searcher, "_PAUSE", 0.0)
    generate, looks = FakePolicy.generate, []

    def take_time(*given, **named):
        time.sleep(0.01)
        return generate(*given, **named)

    def draw(tree):
        looks.append([time.monotonic(), 0.0])
        time.sleep(0.02)
        looks[-1][1] = time.monotonic()

    monkeypatch.setattr(FakePolicy, "generate", take_time)
    form._searcher.search(searcher.Choice("1 2 3 4", "best_of_n", "rules", 200), draw, lambda: False)
    assert len(looks) > 2
    for (begin, end), (after, _) in pairwise(looks):
        assert after - end >= searcher._SHARE * (end - begin) - 1e-3
