"""One budget for many problems: who gets it, that it holds, and what makes no sense."""

import pytest
from fake_models import FakeCritic, FakePolicy

from game24lab.search.bandit import take_turns
from game24lab.search.cost import Cost
from game24lab.search.engine import run
from game24lab.search.mcts import mcts
from game24lab.search.requests import Complete, Outcome, Propose, Standing, Value
from game24lab.search.sampling import best_of_n
from game24lab.tasks.numbers.task import Game24

EASY = [(4, 5, 6, 10), (1, 2, 4, 7), (6, 6, 6, 6), (2, 3, 5, 12), (1, 3, 4, 12), (2, 4, 6, 12)]
HARD = [(3, 3, 8, 8), (1, 4, 5, 6), (1, 5, 5, 5)]
HOPELESS = [(1, 1, 1, 1), (1, 1, 1, 2), (1, 1, 1, 3)]  # no solution
ALL = [*HOPELESS, *HARD, *EASY]
POLICY = FakePolicy(skill=1.5)
DRAWS = {"n": 10_000, "batch": 1}


def share_budget(problems, algorithm, policy, critic, pool, at_once=64, rule="turns", **settings):
    """All problems on one budget, as `evaluation.evaluate` runs an arm with a pool."""
    turn = take_turns(*pool, rule=rule, at_once=at_once, parameters=(policy.parameters, critic.parameters))
    return run(Game24(), problems, algorithm, policy, critic, pool=pool, turn=turn, **settings)


def share(problems=ALL, tokens=4000, algorithm=best_of_n, parameters=DRAWS, **settings):
    return share_budget(problems, algorithm, POLICY, FakeCritic(POLICY), {"sampled_tokens": tokens},
                        parameters=parameters, **settings)  # fmt: skip


def spent(found):
    return sum(one.cost.sampled_tokens for one in found)


# ------------------------------------------------------------------------------------- whose turn it is
def test_turns_by_hand():
    waiting = [Standing(4, Cost(sampled_tokens=90), 0.8), Standing(2, Cost(sampled_tokens=30), -0.6),
               Standing(7, Cost(sampled_tokens=30), 0.0), Standing(1, Cost(sampled_tokens=300), 0.8)]  # fmt: skip
    assert take_turns("sampled_tokens", at_once=3)(waiting) == [2, 7, 4]
    promise = take_turns("sampled_tokens", rule="promise", at_once=4, patience=30)
    assert promise(waiting) == [7, 4, 2, 1]  # .5 / 2, .9 / 4, .2 / 2, .9 / 11
    assert promise([*waiting, Standing(9, Cost(), None)])[0] == 9
    flops = take_turns("flops", at_once=1, parameters=(10, 1))
    assert flops([Standing(0, Cost(sampled_tokens=2), 0.0), Standing(1, Cost(critic_tokens=19), 0.0)]) == [1]


# ------------------------------------------------------------------------------------- the engine's side
def test_the_pool_is_never_exceeded_by_more_than_a_round():
    for at_once in (1, 3, 64):
        found = share(at_once=at_once, tokens=1000)
        longest = 3 * 17 + 1
        assert 1000 <= spent(found) < 1000 + at_once * longest
        assert {one.stopped for one in found} <= {"solved", "sampled_tokens"}


@pytest.mark.parametrize("unit", ["sampled_tokens", "policy_calls", "prompt_tokens", "depth", "flops"])
def test_every_unit_can_be_shared(unit):
    limit = {"flops": 1e6}.get(unit, 60)
    found = share_budget(ALL, mcts, POLICY, FakeCritic(POLICY), {unit: limit}, at_once=4)
    total = sum((one.cost for one in found), Cost())
    amount = total.flops(POLICY.parameters, 900) if unit == "flops" else getattr(total, unit)
    assert amount >= limit
    assert any(one.stopped == unit for one in found)
    assert all(one.tree.sampled == one.cost.sampled_tokens for one in found)


def test_a_pool_of_nothing_buys_nothing():
    found = share(tokens=0)
    assert all(one.cost == Cost() and one.stopped == "sampled_tokens" and not one.answer for one in found)


def test_what_was_paid_for_already_is_told_when_the_pool_is_spent():
    def algorithm(task, root, *, verified):
        yield Propose((root,), 1)
        yield Propose((root,), 1)
        yield Complete((root,), 1)
        return Outcome("", False, "no answer")

    with pytest.raises(Exception, match="policy_calls"):  # thrown at the third request, which nobody catches here
        run(Game24(), EASY[:1], algorithm, POLICY, pool={"policy_calls": 1})


def test_a_turn_names_some_of_those_that_wait():
    for chosen in ([], [99], [0, 0]):
        with pytest.raises(ValueError, match="turn must return some of the waiting places"):
            run(Game24(), EASY, best_of_n, POLICY, turn=lambda waiting, chosen=chosen: chosen)


def test_whose_turn_it_is_changes_no_search_that_has_a_budget_of_its_own():
    together = run(Game24(), EASY, mcts, POLICY, FakeCritic(POLICY), budget={"sampled_tokens": 150})
    in_turn = run(Game24(), EASY, mcts, POLICY, FakeCritic(POLICY), budget={"sampled_tokens": 150},
                  turn=take_turns("sampled_tokens", at_once=2))  # fmt: skip
    assert [one.tree.to_json() for one in together] == [other.tree.to_json() for other in in_turn]


def test_searches_that_are_over_before_they_began_take_no_turn():
    found = share([(24,), (23,), *EASY[:1]])
    assert [one.solved for one in found] == [True, False, True]
    assert [one.solved for one in share([(24,)])] == [True]
    assert share([]) == []


def test_a_turn_sees_the_value_of_the_first_position():
    seen = {}

    def turn(waiting):
        seen.update({standing.place: standing.value for standing in waiting})
        return [standing.place for standing in waiting]

    def algorithm(task, root, *, verified):
        yield Value((root,))
        yield Propose((root,), 1)
        yield Value((task.start((1, 1)),))
        yield Propose((root,), 2)
        return Outcome("", False, "no answer")

    critic = FakeCritic(POLICY)
    run(Game24(), EASY[:2], algorithm, POLICY, critic, turn=turn)
    assert seen == dict(enumerate(critic.score([Game24().prompt(puzzle) for puzzle in EASY[:2]])))


# ------------------------------------------------------------------------------------- what it is good for
def test_solved_problems_leave_their_share_to_the_others():
    """The same tokens in all: with equal shares the easy ones leave theirs unused, and the hard ones go without."""
    policy, each, problems = FakePolicy(skill=2.5), 600, ALL[len(HOPELESS) :]
    alone = shared = 0
    for seed in range(4):
        settings = {"parameters": DRAWS, "seed": seed}
        apart = run(Game24(), problems, best_of_n, policy, budget={"sampled_tokens": each}, **settings)
        found = share_budget(problems, best_of_n, policy, FakeCritic(policy), {"sampled_tokens": each * len(problems)},
                             at_once=2, **settings)  # fmt: skip
        alone, shared = alone + sum(one.solved for one in apart), shared + sum(one.solved for one in found)
        assert spent(found) < each * len(problems) + 2 * 52
        assert min(one.cost.sampled_tokens for one in found) < each < max(one.cost.sampled_tokens for one in found)
    assert shared > alone


def test_unsolved_problems_get_equal_shares_by_turns():
    found = share(HOPELESS, 3000, at_once=1)
    costs = [one.cost.sampled_tokens for one in found]
    assert max(costs) - min(costs) <= 60
    assert sum(costs) >= 3000


def test_promise_spends_less_on_what_the_critic_calls_hopeless():
    by_turns, by_promise = (share(rule=rule, tokens=2500, at_once=2, parameters={"simulations": 1000}, algorithm=mcts)
                            for rule in ("turns", "promise"))  # fmt: skip
    lost = [sum(one.cost.sampled_tokens for one in found[: len(HOPELESS)]) for found in (by_turns, by_promise)]
    assert lost[1] < 0.75 * lost[0]
    assert sum(one.solved for one in by_promise) >= sum(one.solved for one in by_turns)


def test_the_same_seed_shares_alike():
    one, other = (share(seed=3, tokens=1500) for _ in range(2))
    assert [found.tree.to_json() for found in one] == [found.tree.to_json() for found in other]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"rule": "ucb"}, "rule 'ucb': one of turns, promise"),
        ({"rule": "promis"}, "did you mean 'promise'"),
        ({"at_once": 0}, "at_once 0: a whole number of at least 1"),
        ({"patience": 0}, "patience 0"),
        ({"unit": "tokens"}, "pool must be in one of prompt_tokens, .* got 'tokens'"),
        ({"unit": "sampled_token"}, "did you mean 'sampled_tokens'"),
    ],
)
def test_what_makes_no_sense_is_named(settings, reason):
    with pytest.raises(ValueError, match=reason):
        take_turns(**{"unit": "sampled_tokens"} | settings)
