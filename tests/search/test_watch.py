"""A watched search is the same search: same answer, same cost, same samples; and it ends when it is told to."""

import pytest
from fake_models import FakeCritic, FakePolicy

from game24lab.evaluation.arms import STRATEGIES
from game24lab.search.engine import run
from game24lab.search.tree import Tree
from game24lab.search.watch import STOPPED, watch
from game24lab.tasks.numbers.task import Game24

PUZZLES = [(4, 5, 6, 10), (1, 2, 3, 4)]


def search(algorithm, mode="rules", **more):
    return run(Game24(), PUZZLES, algorithm, FakePolicy(), FakeCritic(), mode=mode, **more)


@pytest.mark.parametrize("mode", ["rules", "verified"])
@pytest.mark.parametrize("name", STRATEGIES)
def test_looking_changes_nothing(name, mode):
    sizes = []
    watched = search(watch(STRATEGIES[name], lambda tree: sizes.append(len(tree))), mode)
    for seen, plain in zip(watched, search(STRATEGIES[name], mode), strict=True):
        seen.tree.meta.pop("seconds", None)
        assert seen.tree.to_json() == plain.tree.to_json()
        assert (seen.answer, seen.outcome, seen.stopped, seen.candidates) == (
            plain.answer, plain.outcome, plain.stopped, plain.candidates)  # fmt: skip
        assert seen.cost.sampled_tokens == plain.cost.sampled_tokens
        assert seen.cost.critic_calls == plain.cost.critic_calls
    assert sizes[0] == 1
    assert max(sizes) <= max(len(outcome.tree) for outcome in watched)


def test_a_tree_is_seen_while_it_grows():
    seen = []
    (outcome,) = run(Game24(), [PUZZLES[0]], watch(STRATEGIES["mcts"], lambda tree: seen.append((id(tree), len(tree)))),
                     FakePolicy(), FakeCritic(), mode="rules", parameters={"simulations": 12})  # fmt: skip
    assert {place for place, _ in seen} == {id(outcome.tree)}
    sizes = [size for _, size in seen]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) > 4


@pytest.mark.parametrize("name", STRATEGIES)
def test_it_ends_when_enough_has_been_seen(name):
    policy = FakePolicy()
    looks = []

    def look(tree: Tree) -> bool:
        looks.append(len(policy.calls))
        return len(policy.calls) >= 1  # one call of the policy was answered

    (outcome,) = run(Game24(), [PUZZLES[0]], watch(STRATEGIES[name], look), policy, FakeCritic(), mode="rules")
    assert len(policy.calls) <= 1
    assert outcome.stopped in (STOPPED, "done")  # done: it had asked all it wanted
    assert outcome.tree.events[-1][0] == "stop"
    assert outcome.cost.sampled_tokens == outcome.tree.sampled
    assert Tree.from_json(outcome.tree.to_json()).meta["stopped"] == outcome.stopped
    if name in ("mcts", "best_of_n"):
        assert outcome.stopped == STOPPED


def test_a_budget_is_spent_as_ever():
    limits = {"budget": {"sampled_tokens": 100}}
    watched, plain = (search(algorithm, **limits)[0] for algorithm in
                      (watch(STRATEGIES["mcts"], lambda tree: False), STRATEGIES["mcts"]))  # fmt: skip
    assert watched.stopped == plain.stopped == "sampled_tokens"
    assert watched.tree.to_json() == plain.tree.to_json()
