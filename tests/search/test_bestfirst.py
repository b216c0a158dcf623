"""Depth first by value, best first, A*: worked out by hand, and compared with programs of their own."""

import heapq
import math

import pytest
from fake_models import FakeCritic, FakePolicy
from letters import Letters, Sayings, Table, label_end, list_events, search
from test_mcts import Likeliest

from game24lab.search.bestfirst import a_star, best_first, dfs_v
from game24lab.search.engine import run
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.task import Illegal

PUZZLES = [(2, 9, 10, 11), (3, 3, 8, 8), (4, 5, 6, 10), (1, 2, 4, 7)]


def list_grown(policy):
    return [prompt for prompt, _, temperature in policy.asked if temperature]


# ------------------------------------------------------------------------------------- DFS-V
def test_depth_first_by_hand():
    """Of four children those up to place (1 - .5) 4 = 2 are kept: b (.6), a (.2), d (.1); c is given up.

    b first: of ba (.5) and bb (.1) places 0 and 1 are kept. Two ends are visited before a is grown, two more there.
    """
    policy = Sayings(_="a b c d", b="a b a a", a="a b a a", d="a")
    values = Table(a=0.2, b=0.6, c=-0.4, d=0.1, ba=0.5, bb=0.1, aa=0.3, ab=0.9)
    found = search(dfs_v, policy, values, width=4, prune_ratio=0.5, num_paths=3)
    assert list_grown(policy) == [">", "b>", "a>"]
    assert list_events(found.tree, "prune") == ["c"]
    assert found.answer == "ab"  # the third visited: the best of a's
    assert found.candidates == 4
    two = search(dfs_v, Sayings(_="a b c d", b="a b a a", a="a b a a"), values, width=4, prune_ratio=0.5, num_paths=2)
    assert (two.answer, two.cost.policy_calls) == ("ba", 2)
    verified = search(dfs_v, Sayings(_="a b c d", b="a b a a", a="a b a a"), values, mode="verified", width=4,
                      prune_ratio=0.5, num_paths=2)  # fmt: skip
    assert (verified.answer, verified.stopped, verified.cost.policy_calls) == ("bb", "solved", 2)


@pytest.mark.parametrize(("ratio", "kept"), [(0.0, 4), (0.3, 3), (0.5, 3), (0.7, 2), (0.75, 2), (0.76, 1), (1, 1)])
def test_the_share_that_is_pruned_never_takes_the_best(ratio, kept):
    policy = Sayings(_="a b c d", a="a", b="a", c="a", d="a")
    search(dfs_v, policy, Table(a=0.4, b=0.3, c=0.2, d=0.1), width=4, prune_ratio=ratio, num_paths=10)
    assert list_grown(policy)[1:] == ["a>", "b>", "c>", "d>"][:kept]


def test_children_below_the_pruning_value_are_given_up_even_the_best():
    policy = Sayings({"": "bb"}, _="a b", b="a")
    found = search(dfs_v, policy, Table(a=-0.6, b=0.1), width=2, prune_ratio=0, prune_value=-0.5)
    assert list_grown(policy) == [">", "b>"]
    none = search(dfs_v, Sayings({"": "a"}, _="a b"), Table(a=-0.6, b=-0.7), width=2, prune_value=-0.5)
    assert none.tree.status == ["open", "pruned", "pruned"] + ["unfinished"] * (len(none.tree) - 3)
    assert none.outcome == "unfinished"
    assert found.answer == "ba"


def test_the_depth_bounds_every_path():
    policy = Sayings({"ab": "a"}, _="a", a="b", ab="c")
    found = search(dfs_v, policy, Table(), Letters("x", 9), width=1, depth=2)
    assert list_grown(policy) == [">", "a>"]
    assert found.tree.status[2] == "unfinished"


def depth_first_by_the_book(task, problem, policy, critic, width, ratio, num_paths):
    """DFS-V by recursion, as the published code has it, without merging: the texts of the ends in order."""
    ends = []

    def visit(state, path):
        if task.is_terminal(state):
            ends.append(path)
            return
        (lines,) = policy.generate([task.text(state)], [width])
        children = {}
        for line in lines:
            after = task.step(state, line.text)
            if not isinstance(after, Illegal):
                value = critic.score([task.text(after)])[0]
                children.setdefault(line.text, (value, line.logprob, after))
        ranked = sorted(children.items(), key=lambda item: item[1][:2], reverse=True)
        for place, (line, (_, _, after)) in enumerate(ranked):
            if len(ends) >= num_paths or place > (1 - ratio) * len(ranked):
                return
            visit(after, (*path, line))

    visit(task.start(problem), ())
    return ends


@pytest.mark.parametrize("problem", PUZZLES)
@pytest.mark.parametrize(("width", "ratio"), [(6, 0.7), (4, 0.3)])
def test_an_independent_depth_first_search_visits_the_same_ends(problem, width, ratio):
    task, policy, critic = Game24(), Likeliest(skill=0.5), FakeCritic(FakePolicy(skill=0.5), noise=2.0)
    ends = depth_first_by_the_book(task, problem, policy, critic, width, ratio, 9)
    (found,) = run(task, [problem], dfs_v, policy, critic, merge=False, mode="rules",
                   parameters={"width": width, "prune_ratio": ratio, "num_paths": 9})  # fmt: skip
    tree = found.tree
    ours = {tuple(tree.line[step] for step in tree.path(node)[1:]): node for node in range(len(tree))}
    assert set(ends) <= set(ours)
    best = max(ends, key=lambda path: tree.value[ours[path]])
    assert tree.value[tree.events[-1][1]] == tree.value[ours[best]]
    grown = {tree.parent[node] for node in range(1, len(tree))}
    assert grown == {ours[path[:length]] for path in ends for length in range(len(path))}


# ------------------------------------------------------------------------------------- best first
def test_best_first_by_hand():
    """b (.6) before a (.2); b's children (.1, -.5) come behind a, so a is grown next; its ab (.4) is the first end."""
    policy = Sayings(_="a b c", b="a b c", a="a b c")
    values = Table(a=0.2, b=0.6, c=-0.9, ba=0.1, bb=-0.5, bc=-1, aa=0.0, ab=0.4, ac=0.3)
    found = search(best_first, policy, values, width=3)
    assert list_grown(policy) == [">", "b>", "a>"]
    assert (found.answer, found.stopped) == ("ab", "done")
    verified = search(best_first, Sayings(_="a b c", b="a b c", a="a b c"), values, Letters("ac"), mode="verified",
                      width=3)  # fmt: skip
    assert (verified.answer, verified.stopped) == ("ac", "solved")
    lost = search(best_first, Sayings(_="a b", b="a", a="a"), values, Letters("x"), mode="verified", width=2)
    assert (lost.stopped, lost.outcome, lost.candidates) == ("exhausted", "wrong value", 2)


def test_best_first_stops_at_its_simulations_with_the_best_end_it_met():
    policy = Sayings(_="a b", b="a", a="a b", aa="a")
    values = Table(a=0.9, b=0.1, aa=0.8, ab=0.2, aaa=0.05)
    found = search(best_first, policy, values, Letters("ab", 3, short=("ab",)), width=2, simulations=3)
    assert list_grown(policy) == [">", "a>", "aa>"]
    assert (label_end(found.tree), found.stopped) == ("ab", "done")
    one = search(best_first, Sayings({"a": "a"}, _="a b"), values, width=2, simulations=1)
    assert (one.answer, one.stopped, one.cost.sampled_tokens) == ("", "done", 3)
    assert one.candidates == 1


def test_an_equal_position_is_grown_once_by_its_cheapest_way():
    """ab costs more by way of a (.5 * .1) than by way of b (.5 * .9), which is met later: the queue learns it."""
    policy = Sayings(_="a.5 b.5", a="b.1", b="a.9", ab="c")
    found = search(a_star, policy, Table(a=0.9, b=0.8, ab=0.0), Letters("abc", 3, bag=True), width=2)
    assert found.tree.same == [None, None, None, None, 3, None]
    assert list_grown(policy) == [">", "a>", "b>", "ab>"]
    assert found.answer == "abc"


# ------------------------------------------------------------------------------------- A*
def test_the_way_counts_in_a_star():
    """P(line) x chance: a .1 x .9 = .09, b .8 x .6 = .48. Best first takes a, A* takes b and ends there."""
    said, values = {"_": "a.1 b.8", "a": "a", "b": "b"}, {"a": 0.8, "b": 0.2, "aa": 0.8, "bb": 0.2}
    by_value, by_both = Sayings(**said), Sayings(**said)
    assert search(best_first, by_value, Table(**values), width=2).answer == "aa"
    assert search(a_star, by_both, Table(**values), width=2).answer == "bb"
    assert list_grown(by_value) == [">", "a>"]
    assert list_grown(by_both) == [">", "b>"]
    assert search(a_star, Sayings(**said), Table(**values), width=2, path_weight=0).answer == "aa"


def cheapest_first_by_the_book(task, problem, policy, critic, width, simulations, weight):
    """A* on a plain tree with a heap: the positions grown in order, and the first end out of the heap."""
    start = task.start(problem)
    heap, grown, tick = [(0.0, 0, start, 0.0)], [], 0
    while heap:
        _, _, state, logprob = heapq.heappop(heap)
        if task.is_terminal(state):
            return grown, state
        if len(grown) == simulations:
            break
        grown.append(task.text(state))
        (lines,) = policy.generate([task.text(state)], [width])
        known = {}
        for line in lines:
            after = task.step(state, line.text)
            if not isinstance(after, Illegal):
                known.setdefault(line.text, (line.logprob, after))
        for text in sorted(known, key=lambda text: -critic.score([task.text(known[text][1])])[0]):
            tick += 1
            g, after = logprob + known[text][0], known[text][1]
            chance = (critic.score([task.text(after)])[0] + 1) / 2
            heapq.heappush(heap, (-weight * g - math.log(chance), tick, after, g))
    return grown, None


@pytest.mark.parametrize("problem", PUZZLES)
@pytest.mark.parametrize(("algorithm", "weight"), [(best_first, 0.0), (a_star, 1.0), (a_star, 0.3)])
def test_an_independent_queue_grows_the_same_positions(problem, algorithm, weight):
    task, policy, critic = Game24(), Likeliest(skill=0.5), FakeCritic(FakePolicy(skill=0.5), noise=2.0)
    grown, end = cheapest_first_by_the_book(task, problem, policy, critic, 5, 12, weight)
    asked = []
    generate = policy.generate
    object.__setattr__(policy, "generate", lambda prompts, n, **given: asked.extend(prompts) or generate(prompts, n))
    (found,) = run(task, [problem], algorithm, policy, critic, merge=False, mode="rules",
                   parameters={"width": 5, "simulations": 12, "path_weight": weight})  # fmt: skip
    assert asked[: len(grown)] == grown
    if end is not None:
        assert len(asked) == len(grown)
        assert found.answer == task.verdict(end).answer


@pytest.mark.parametrize(
    ("algorithm", "parameters", "reason"),
    [
        (dfs_v, {"width": 0}, "width must be an integer >= 1, got 0"),
        (dfs_v, {"prune_ratio": 1.5}, "prune_ratio must be a number from 0 to 1, got 1.5"),
        (dfs_v, {"prune_value": -2}, "prune_value must be a number from -1 to 1, got -2"),
        (dfs_v, {"num_paths": 0}, "num_paths must be an integer >= 1, got 0"),
        (dfs_v, {"num_path": 1}, "did you mean 'num_paths'"),
        (best_first, {"simulations": 0}, "simulations must be an integer >= 1, got 0"),
        (best_first, {"path_weight": -1}, "path_weight must be a number >= 0, got -1"),
        (a_star, {"depth": 0}, "depth must be an integer >= 1, got 0"),
        (a_star, {"width": True}, "width must be an integer >= 1, got True"),
        (a_star, {"temperature": float("nan")}, "temperature must be a number >= 0, got nan"),
    ],
)
def test_parameters_that_make_no_sense_are_named(algorithm, parameters, reason):
    with pytest.raises(ValueError, match=reason):
        search(algorithm, Sayings(_="a"), Table(), **parameters)
