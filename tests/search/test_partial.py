"""Searches that grow paths: every one leaves a sound tree; their parts. (What holds for all: test_contracts.)"""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from letters import Letters, Sayings, Table, search
from searches import CASES, PATHS, PUZZLES, leave_tree

from game24lab.search.bestfirst import dfs_v
from game24lab.search.partial import LineSampling, make_paths
from game24lab.search.requests import BudgetSpent


# ------------------------------------------------------------------------------------- what always holds
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(which=PATHS[0], seed=0, problem=PUZZLES[0], merge=False, mode="verified", skill=3.0, budget=None,
         illegal=0.03)  # fmt: skip
@given(which=st.sampled_from(PATHS), **CASES)
def test_any_search_leaves_a_sound_tree(which, merge, **case):
    tree = leave_tree(which, merge=merge, **case)
    nodes = range(len(tree))
    for node in nodes:
        parent = tree.parent[node]
        assert node == 0 or tree.status[parent] not in ("illegal", "wrong", "solved", "unfinished")
        assert node == 0 or tree.same[parent] is None or merge is False
        assert tree.same[node] is None or (merge and tree.label[node] == tree.label[tree.same[node]])
        assert (tree.value[node] is None) or -1 <= tree.value[node] <= 1
        assert (tree.status[node] == "illegal") <= bool(tree.reason[node])
    pruned = [event[1] for event in tree.events if event[0] == "prune"]
    assert {node for node in nodes if tree.status[node] == "pruned"} <= set(pruned)
    assert all(not tree.children(node) for node in pruned if tree.status[node] == "pruned" and not _looks(which[1]))


def _looks(parameters):
    return parameters.get("lookahead", 1) and "beam_width" in parameters


# ------------------------------------------------------------------------------------- the parts
def test_sampling_settings_are_checked():
    with pytest.raises(ValueError, match="top_k must be an integer >= 0, got -1"):
        LineSampling(1.0, 1.0, -1, 64)


def test_paths_that_were_never_valued_come_last():
    paths = make_paths(Letters(), "", verified=False, merge=True)
    assert paths.root.rank < replace(paths.root, value=-1.0).rank
    assert paths.root.chance == -1
    assert replace(paths.root, value=1.0).chance < 1


def test_a_pruned_position_that_is_reached_again_is_open_again():
    """ab is given up among a's children, the worst of four; behind b it is the only child, and is grown."""
    policy = Sayings(_="a b a b", a="b c d e", b="a", ab="c", ac="x", ad="x", ae="x")
    values = Table(a=0.9, b=0.8, ab=-0.9, ac=0.1, ad=0.1, ae=0.1)
    found = search(dfs_v, policy, values, Letters("abc", 3, bag=True), mode="verified", width=4, prune_ratio=0.5,
                   num_paths=9)  # fmt: skip
    tree = found.tree
    node = tree.label.index("ab")
    happened = [event[0] for event in tree.events if event[1] == node]
    assert happened == ["expand", "evaluate", "prune", "select"]
    assert (tree.status[node], found.answer) == ("open", "abc")


def test_whoever_catches_a_spent_budget_is_told_the_unit():
    paths = make_paths(Letters(), "", verified=False, merge=True)
    request = paths.evaluate([paths.root])
    next(request)
    with pytest.raises(BudgetSpent) as spent:
        request.throw(BudgetSpent("depth"))
    assert spent.value.unit == "depth"
