"""Why a node is dead: since which line, and what could have been done; on every node of whole trees."""

import pytest
from demo_trees import grow_tree

from game24lab.search.tree import Tree
from game24lab.tasks.numbers.chain_task import Chains24
from game24lab.tasks.numbers.task import Game24
from game24lab.views.tree.reasons import can_explain, tell_why


def test_every_node_of_a_tree_has_its_reason():
    tree, task, told = grow_tree(nodes=120), Game24(), set()
    for node in range(len(tree)):
        if tree.status[node] == "illegal":
            with pytest.raises(ValueError, match="no position to search from"):
                tell_why(task, (4, 5, 6, 10), tree, node)
            continue
        said, path = tell_why(task, (4, 5, 6, 10), tree, node), tree.path(node)
        lost = next((step for step, passed in enumerate(path) if tree.truth[passed] is False), None)
        if lost is None:
            assert said.startswith(("24 is within reach", "24 is left."))
        else:
            assert f"The line of step {lost}, {tree.line[path[lost]]}, lost it: before it, 24 is within reach: " in said
        told.add(said)
    assert len(told) > 50


def test_a_problem_without_solution_is_dead_from_the_start():
    task, tree = Game24(), Tree()
    tree.add(-1, "", "1 1 1 1")
    tree.add(0, "1 + 1 = 2 (left: 1 1 2)", "1 1 2")
    assert tell_why(task, (1, 1, 1, 1), tree, 0).startswith("24 is out of reach: 1, 1, 1 and 1 make")
    assert "The problem has no solution: 24 is out of reach: 1, 1, 1 and 1" in tell_why(task, (1, 1, 1, 1), tree, 1)
    for node in (-1, 2, "0", True):
        with pytest.raises(ValueError, match="node must be an integer from 0 to 1"):
            tell_why(task, (1, 1, 1, 1), tree, node)


def test_not_every_task_gives_reasons():
    assert can_explain(Game24())
    assert not can_explain(Chains24())
