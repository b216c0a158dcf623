"""The published tree searches: sound trees, depth, temperature, duplicates. (What holds for all: test_contracts.)"""

import pytest
from fake_models import FakeCritic, FakePolicy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from letters import Letters, Sayings, Table, search
from searches import CASES, PUZZLES, TREES, leave_tree

from game24lab.search.engine import run
from game24lab.search.rap import rap
from game24lab.tasks.numbers.task import Game24

every_search = pytest.mark.parametrize(("algorithm", "parameters"), TREES)


# ------------------------------------------------------------------------------------- what always holds
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(which=st.sampled_from(TREES), **CASES)
def test_any_search_leaves_a_sound_tree(which, merge, **case):
    tree = leave_tree(which, merge=merge, **case)
    nodes = range(len(tree))
    backups = [sum(event[0] == "backup" and event[1] == node for event in tree.events) for node in nodes]
    bound = 3 if which[1].get("cum_reward", "sum") == "sum" and which[0] is rap else 1
    for node in nodes:
        inner = [child for child in tree.children(node) if tree.same[node] is None]
        legal = [child for child in inner if tree.prior[child] is not None]
        assert not legal or sum(tree.prior[child] for child in legal) == pytest.approx(1)
        assert len({tree.line[child] for child in legal}) == len(legal)
        if tree.same[node] is None:  # a simulation goes through one child at most; every visit was backed up, once
            assert sum(tree.followed[child] for child in legal) <= tree.visits[node]
            assert backups[node] == tree.visits[node]
        assert abs(tree.total[node]) <= bound * tree.visits[node] + 1e-9
        assert tree.status[node] != "illegal" or (not inner and tree.visits[node] == 0 and tree.reason[node])
        assert tree.same[node] is None or (merge and tree.label[node] == tree.label[tree.same[node]])


@every_search
def test_no_line_is_drawn_beyond_the_depth(algorithm, parameters):
    """Five numbers, two lines deep: the rest is left to the last resort, a greedy completion."""
    name = "depth_limit" if algorithm is rap else "depth"
    policy = FakePolicy(skill=1.0)
    (found,) = run(Game24(), [(1, 2, 3, 4, 5)], algorithm, policy, FakeCritic(policy), mode="rules",
                   parameters={**parameters, name: 2})  # fmt: skip
    deepest = max(len(found.tree.path(node)) for node in range(len(found.tree)) if found.tree.prior[node] is not None)
    assert deepest == 3
    assert [call["temperature"] for call in policy.calls].count(0.0) == 1
    assert found.outcome in ("solved", "wrong value", "unfinished", "illegal")


@every_search
def test_the_temperature_reaches_the_policy_with_the_prompt_of_the_task(algorithm, parameters):
    """Defects: a temperature that is divided out again, prompts without the task. Cold draws repeat themselves."""
    policy, children = FakePolicy(skill=1.0), {}
    for temperature in (0.2, 3.0):
        policy.calls.clear()
        found = run(Game24(), PUZZLES, algorithm, policy, FakeCritic(policy),
                    parameters={**parameters, "temperature": temperature})  # fmt: skip
        assert {call["temperature"] for call in policy.calls} <= {temperature, 0.0}
        assert all(prompt.startswith("Input: ") for call in policy.calls for prompt in call["prompts"])
        children[temperature] = sum(len(one.tree.children(0)) for one in found)
    assert children[0.2] < children[3.0]


@every_search
def test_duplicates_meet_in_one_child_and_are_paid_for(algorithm, parameters):
    """ab and ba are one position, drawn from once; said four times over, a line is one node that cost four tokens."""
    policy = Sayings(_="a a b b", a="b b b b", b="a a a a", ab="c", ba="c")
    found = search(algorithm, policy, Table(a=0.1, b=0.1), Letters("zzz", 3, bag=True), **{**parameters, "width": 4})
    assert len({prompt for prompt, _, _ in policy.asked} & {"ab>", "ba>"}) == 1
    by_label = dict(zip(found.tree.label, found.tree.tokens, strict=True))
    assert by_label["a"] == by_label["b"] == 2
    assert found.tree.label.count("abc") + found.tree.label.count("bac") == 1
