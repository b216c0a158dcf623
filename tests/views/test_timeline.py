"""The timeline: moments of a search from its event log, and the tree as it was; for every strategy that draws one."""

import pytest
from demo_trees import grow_tree
from fake_models import FakeCritic, FakePolicy

from game24lab.evaluation.arms import STRATEGIES
from game24lab.search.engine import run
from game24lab.search.tree import EVENTS, Tree
from game24lab.tasks.numbers.task import Game24
from game24lab.views.tree.layout import lay_out
from game24lab.views.tree.still import draw_svg
from game24lab.views.tree.timeline import count_passed, find_moment, list_moments, play


@pytest.fixture(scope="module", params=["grown", "mcts", "bfs_v", "best_of_n", "particle_filter", "best_first", "rap"])
def tree(request) -> Tree:
    if request.param == "grown":
        return grow_tree(nodes=80)
    algorithm, models = STRATEGIES[request.param], (FakePolicy(), FakeCritic())
    (outcome,) = run(Game24(), [(4, 5, 6, 10)], algorithm, *models, mode="rules")
    return outcome.tree


def test_moments_part_the_log(tree):
    moments = list_moments(tree)
    ends = [moment.end for moment in moments]
    assert ends == sorted(set(ends))
    assert ends[-1] == len(tree.events)
    for begin, moment in zip([0, *ends], moments, strict=False):
        assert {event[0] for event in tree.events[begin : moment.end]} == {moment.kind} <= set(EVENTS)
        assert moment.sampled == tree.events[moment.end - 1][4]


def test_every_moment_is_a_tree_that_only_grows(tree):
    before = 0
    for moment in list_moments(tree):
        then = Tree.from_json(play(tree, moment.end).to_json())
        assert before <= len(then) <= len(tree)
        assert then.label == tree.label[: len(then)]
        assert then.sampled <= tree.sampled
        before = len(then)
    assert play(tree, len(tree.events)) is tree


def test_playing_agrees_with_the_end(tree):
    """The differences add up: just before the stop the statistics are those of the finished tree."""
    assert tree.events[-1][0] == "stop"
    then = play(tree, len(tree.events) - 1)
    assert then.visits == tree.visits
    assert then.total == pytest.approx(tree.total)
    if any(tree.visits):
        assert then.followed[1:] == tree.followed[1:]
    kept = [node for node, status in enumerate(tree.status) if status == "pruned"]
    assert [node for node, status in enumerate(then.status) if status == "pruned"] == kept


def test_a_budget_is_never_overdrawn(tree):
    for budget in (0, 1, tree.sampled // 3, tree.sampled // 2, tree.sampled - 1):
        moment = find_moment(tree, budget)
        assert moment.sampled <= budget or moment.end == list_moments(tree)[0].end
        later = [other for other in list_moments(tree) if other.end > moment.end]
        assert not later or later[0].sampled > budget
    assert find_moment(tree, tree.sampled).end == len(tree.events)


def test_every_moment_can_be_drawn(tree):
    for moment in list_moments(tree)[:: max(1, len(list_moments(tree)) // 7)]:
        then = play(tree, moment.end)
        layout = lay_out(then, 20, len, 1.0)
        assert layout.nodes[0] == 0
        assert set(layout.line) <= set(layout.nodes)
    assert draw_svg(tree, colour="depth", size="tokens", edge="prior", budget=tree.sampled // 2).startswith("<svg")


def test_a_tree_without_a_log_appears_node_by_node():
    tree = Tree()
    for number in range(4):
        tree.add(number - 1, "" if not number else "line", str(number), tokens=5 if number else 0)
    tree.events.clear()
    assert [moment.sampled for moment in list_moments(tree)] == [0, 5, 10, 15]
    assert len(play(tree, find_moment(tree, 9).end)) == 2


def test_beams_count_as_often_as_they_went_on():
    tree = Tree()
    tree.add(-1, "", "root")
    for node in (0, 1, 2):
        tree.add(0, f"line {node}", str(node))
    for node in (0, 2, 0, 2, 0, 3):
        tree.log("select", node)
    assert count_passed(tree) == [3, 0, 2, 1]
    assert lay_out(tree, 9, len, 1.0).nodes == [0, 2, 3, 1]


@pytest.mark.parametrize("end", [0, -1, 10_000, 1.5, True])
def test_bad_moments_are_named(end):
    with pytest.raises(ValueError, match=r"end must be a number of events from 1 to"):
        play(grow_tree(nodes=20), end)


@pytest.mark.parametrize("budget", [-1, 2.5, "all"])
def test_bad_budgets_are_named(budget):
    with pytest.raises(ValueError, match=r"budget must be a number of sampled tokens >= 0"):
        find_moment(grow_tree(nodes=20), budget)
