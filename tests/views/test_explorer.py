"""The form: a search at once, another by the button, complaints instead of exceptions, a tree that grows."""

import pytest
from fake_models import FakeCritic, FakePolicy

from game24lab.evaluation.arms import STRATEGIES
from game24lab.tasks.numbers.puzzles import parse_puzzle
from game24lab.tasks.numbers.task import Game24
from game24lab.views.tree.explorer import explore, offer


@pytest.fixture
def form():
    strategies = {
        "mcts": (STRATEGIES["mcts"], "simulations", {"width": 3}),
        "best_of_n": (STRATEGIES["best_of_n"], "n", {"batch": 4}),
    }
    return explore(Game24(), FakePolicy(), FakeCritic(), strategies, parse=parse_puzzle,
                   problems=["4 5 6 10", "1 2 3 4"], effort=8)  # fmt: skip


def find(form, kind):
    controls = [control for row in form.children for control in getattr(row, "children", ())]
    return next(control for control in controls if type(control).__name__ == kind)


def test_it_starts_with_a_finished_search(form):
    assert form.view in form.children
    assert form.view.tree["meta"]["problem"] == [4, 5, 6, 10]
    assert form.view.tree["meta"]["strategy"] == "mcts"
    assert form.view.tree["truth"][0] is True


def test_search_follows_the_form(form):
    find(form, "Combobox").value = "1 2 3 4"
    find(form, "Dropdown").value = "best_of_n"
    find(form, "ToggleButtons").value = "rules"
    slider = find(form, "IntSlider")
    assert (slider.description, slider.value) == ("n", 64)  # another measure of effort begins at its default
    slider.value = 5
    find(form, "Button").click()
    meta = form.view.tree["meta"]
    assert (meta["problem"], meta["strategy"], meta["mode"]) == ([1, 2, 3, 4], "best_of_n", "rules")
    assert meta["parameters"]["n"] == 5
    assert form.outcome.candidates == 5
    assert str(form.outcome.cost.sampled_tokens) in find(form, "Label").value


def test_blind_is_refused_to_a_critic_of_positions_and_played_by_others(form, monkeypatch):
    before = form.view.tree
    find(form, "ToggleButtons").value = "blind"
    assert find(form, "ToggleButtons").options == ("blind", "rules", "verified")
    monkeypatch.setattr(FakeCritic, "reads", "positions", raising=False)
    find(form, "Button").click()
    assert "trained on positions alone and cannot see a false step" in find(form, "Label").value
    assert form.view.tree == before
    find(form, "Dropdown").value = "best_of_n"
    monkeypatch.setattr(FakeCritic, "reads", "chains", raising=False)
    find(form, "Button").click()
    assert form.view.tree["meta"]["mode"] == "blind"
    assert form.view.tree["truth"][0] is True


def test_the_tree_grows(form):
    form.search()
    play = find(form, "Play")
    assert play.playing
    assert play.max == form.view.nodes - 1
    assert form.view.step == 0


def test_all_strategies_are_offered(form):
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
    offered = offer({name: STRATEGIES[name]})
    form = explore(Game24(), FakePolicy(), FakeCritic(), offered, parse=parse_puzzle, problems=["4 5 6 10"], effort=4)
    assert form.view.tree["meta"]["strategy"] == name
    assert form.view.nodes > 1
    assert form.view.tree["events"][-1][0] == "stop"


def test_a_tree_is_kept_beside_the_next(form):
    first = form.view.tree
    find(form, "ToggleButton").value = True
    find(form, "Dropdown").value = "best_of_n"
    form.search()
    assert form.view.other == first
    assert form.view.tree["meta"]["strategy"] == "best_of_n"
    assert not find(form, "Play").playing
    form.search()
    assert form.view.other == first
    find(form, "ToggleButton").value = False
    form.search()
    assert form.view.other == {}


def test_search_goes_on_from_a_node(form):
    before = form.view.tree
    node = next(n for n, status in enumerate(before["status"]) if status == "open" and n)
    form.view._handle_custom_msg({"kind": "search on", "name": "tree", "node": node}, [])
    assert form.view.nodes > len(before["parent"])
    assert form.view.tree["label"][: len(before["label"])] == before["label"]
    assert form.view.step == form.view.nodes - 1
    assert "tokens sampled" in find(form, "Label").value


@pytest.mark.parametrize(
    "message",
    [
        None,
        7,
        {},
        {"kind": "search on"},
        {"kind": "search on", "name": "tree", "node": 9999},
        {"kind": "search on", "name": "events", "node": 0},
    ],
)
def test_strange_messages_change_nothing(form, message):
    before = form.view.tree
    form.view._handle_custom_msg(message, [])
    assert form.view.tree == before


def test_a_bad_puzzle_is_said_and_changes_nothing(form):
    before = form.view.tree
    find(form, "Combobox").value = "4 5 <b>six</b> 10"
    assert form.search() is None
    assert "six" in find(form, "Label").value
    assert form.view.tree == before
    assert not find(form, "Button").disabled
