"""Searching on from a node: one tree, one account, the old search as it was."""

import pytest
from fake_models import FakeCritic, FakePolicy

from game24lab.evaluation.arms import STRATEGIES
from game24lab.search.engine import run
from game24lab.search.tree import Tree
from game24lab.tasks.numbers.task import Game24
from game24lab.views.tree.branch import find_state, search_on
from game24lab.views.tree.timeline import list_moments, play

PUZZLE = (4, 5, 6, 10)
TASK = Game24()


def grow(name: str, **parameters) -> Tree:
    models = FakePolicy(), FakeCritic()
    (outcome,) = run(TASK, [PUZZLE], STRATEGIES[name], *models, mode="rules", parameters=parameters)
    return outcome.tree


def go_on(tree: Tree, node: int, name: str = "mcts", **parameters):
    return search_on(TASK, PUZZLE, tree, node, STRATEGIES[name], FakePolicy(), FakeCritic(), mode="rules",
                     parameters=parameters)  # fmt: skip


def find_open(tree: Tree) -> int:
    nodes = zip(tree.status, tree.label, strict=True)
    return [status == "open" and len(label.split()) == 3 for status, label in nodes].index(True)


@pytest.mark.parametrize("first", ["mcts", "bfs_v", "best_of_n"])
@pytest.mark.parametrize("second", ["mcts", "beam_search", "best_of_n"])
def test_two_searches_are_one_tree(first, second):
    tree = grow(first)
    before, node = tree.to_json(), find_open(tree)
    outcome = go_on(tree, node, second)
    whole = Tree.from_json(outcome.tree.to_json())
    assert tree.to_json() == before  # the old one is left alone
    assert play(whole, len(tree.events)).label == tree.label
    assert whole.events[: len(tree.events)] == tree.events
    assert sum(whole.tokens) == whole.sampled == tree.sampled + outcome.cost.sampled_tokens
    sampled = [moment.sampled for moment in list_moments(whole)]
    assert sampled == sorted(sampled)
    for new in range(len(tree), len(whole)):
        assert node in whole.path(new) or tree.same[node] in whole.path(new)
        if whole.label[new]:  # the positions are those that the lines lead to from the very start
            assert TASK.label(find_state(TASK, PUZZLE, whole, new)) == whole.label[new]
    first_node = node if tree.same[node] is None else tree.same[node]
    equal = [new for new, same in enumerate(whole.same) if same == first_node]
    assert {whole.visits[new] for new in equal} <= {whole.visits[first_node]}
    if outcome.answer:
        assert whole.meta["answer"] == outcome.answer
        assert first_node in whole.path(whole.events[-1][1])


def test_both_searches_are_named():
    tree = grow("mcts", simulations=5)
    same = go_on(tree, find_open(tree), "mcts", simulations=3).tree.meta
    assert same["strategy"] == "mcts"
    assert "simulations" not in same["parameters"]
    assert same["parameters"]["width"] == tree.meta["parameters"]["width"]
    other = go_on(tree, find_open(tree), "beam_search").tree.meta
    assert (other["strategy"], other["mode"], other["parameters"]) == ("mcts, then beam_search", "rules", {})


def test_each_search_on_has_samples_of_its_own():
    tree = grow("mcts")
    node = find_open(tree)
    once = go_on(tree, node, simulations=3).tree
    twice = go_on(once, node, simulations=3).tree
    assert twice.line[len(once):] != once.line[len(tree):]
    assert go_on(tree, node, simulations=3).tree.to_json() == once.to_json()


def test_an_end_is_no_place_to_search_from():
    tree = grow("mcts")
    end = next(node for node in range(len(tree)) if tree.status[node] in ("solved", "wrong"))
    with pytest.raises(ValueError, match=f"node must be a position with a next line, got {end}, which is an end"):
        go_on(tree, end)
    with pytest.raises(ValueError, match="node must be one from 0 to 28, got -1"):
        go_on(tree, -1)
    tree.add(0, "4 + 4 = 9", "", status="illegal")
    with pytest.raises(ValueError, match="no position to search from"):
        go_on(tree, len(tree) - 1)
