"""The engine: batches, sharing, the meter, budgets, seeds; and models that answer wrongly."""

import math
from dataclasses import fields, replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from fake_models import FakeCritic, FakePolicy, read_prompt

from game24lab.evaluation.arms import STRATEGIES as REGISTERED
from game24lab.search.beam import beam_search, bfs_v, dvts
from game24lab.search.bestfirst import a_star, best_first, dfs_v
from game24lab.search.cost import Cost, measure_texts
from game24lab.search.engine import Totals, derive, run
from game24lab.search.gumbel import gumbel_mcts
from game24lab.search.mcts import mcts
from game24lab.search.particles import particle_filter, rebase
from game24lab.search.puct import mcts_alpha, mcts_rollout
from game24lab.search.rap import rap
from game24lab.search.requests import BudgetSpent, Complete, Outcome, Propose, Value
from game24lab.search.sampling import best_of_n, greedy
from game24lab.search.voting import adaptive_consistency, early_stopping, majority, weighted_majority
from game24lab.tasks.numbers.steps import judge_line
from game24lab.tasks.numbers.task import Game24

PUZZLES = [(4, 5, 6, 10), (1, 2, 4, 7), (3, 3, 8, 8), (2, 3, 5, 12), (6, 6, 6, 6), (1, 4, 8, 8), (2, 9, 10, 11)]
STRATEGIES = [
    (greedy, {}),
    (best_of_n, {"n": 12, "batch": 5}),
    (best_of_n, {"n": 6, "batch": 0, "choose": "logprob"}),
    (mcts, {"simulations": 25}),
    (mcts, {"simulations": 12, "width": 6, "widen": 0}),
    (majority, {"n": 9}),
    (weighted_majority, {"n": 9, "agg_strategy": "prod"}),
    (adaptive_consistency, {"n": 9}),
    (early_stopping, {"n": 9, "window": 3}),
    (beam_search, {"n": 8, "beam_width": 4}),
    (beam_search, {"n": 7, "beam_width": 3, "lookahead": 2, "agg_strategy": "min", "filter_duplicates": True}),
    (dvts, {"n": 9, "beam_width": 3, "lookahead": 2, "agg_strategy": "prod"}),
    (bfs_v, {"beam_size": 3}),
    (dfs_v, {}),
    (best_first, {"simulations": 8}),
    (a_star, {"simulations": 8, "width": 3}),
    (particle_filter, {"n_particles": 8}),
    (rebase, {"width": 8}),
    (rebase, {"width": 8, "correct_duplicates": False}),
    (mcts_alpha, {"width": 6}),
    (mcts_alpha, {"width": 4, "simulations": 12, "leaves": 4, "sample": True}),
    (mcts_rollout, {"width": 4, "num_paths": 8}),
    (mcts_rollout, {"width": 4, "num_paths": 8, "leaves": 3, "aggregate": "orm_vote"}),
    (gumbel_mcts, {"width": 6, "simulations": 12}),
    (gumbel_mcts, {"width": 6, "simulations": 3, "non_root_child_selection_mode": "ucb"}),
    (rap, {}),
    (rap, {"calc_q": "max", "cum_reward": "last", "simulate_strategy": "sample", "output_strategy": "max_visit"}),
]
NOTHING = Outcome("", False, "no answer")


def ask(*requests):
    """An algorithm that makes some requests and keeps the replies."""
    replies = []

    def algorithm(task, root, *, verified):
        states = {"root": root, "other": task.step(root, "6 + 4 = 10 (left: 5 10 10)")}
        for request in requests:
            reply = yield replace(request, states=tuple(states[name] for name in request.states))
            replies.append(reply)
        return NOTHING

    return algorithm, replies


def test_the_meter_is_tried_on_every_strategy():
    assert {algorithm for algorithm, _ in STRATEGIES} == set(REGISTERED.values())


def holds_illegal(prompt, completion):
    """Whether the rules refuse a line of a completion that was not cut off."""
    state = read_prompt(prompt)
    for line in completion.text.splitlines():
        judged = judge_line(state, line)
        if isinstance(judged, str):
            return completion.finish != "length"
        state = judged[1]
    return False


def unmetered(cost):
    return replace(cost, seconds=0.0)


# ---------------------------------------------------------------------------------------------- the meter
@pytest.mark.parametrize("merge", [True, False])
@pytest.mark.parametrize("mode", ["verified", "rules"])
@pytest.mark.parametrize(("algorithm", "parameters"), STRATEGIES)
def test_every_token_line_and_character_is_charged_as_a_recount_of_the_raw_output_finds_it(
    algorithm, parameters, mode, merge
):
    for puzzle in PUZZLES[:4]:  # one by one, so that everything recorded belongs to this search
        policy, critic = FakePolicy(illegal=0.15), FakeCritic()
        totals = Totals()
        (found,) = run(Game24(), [puzzle], algorithm, policy, critic, parameters=parameters, mode=mode, merge=merge,
                       totals=totals)  # fmt: skip
        raw = [pair for call in policy.calls for pair in zip(call["prompts"], call["answers"], strict=True)]
        said = [completion for _, answer in raw for completion in answer]
        texts = [text for call in critic.calls for text in call]
        recount = Cost(
            prompt_tokens=sum(policy.count(prompt) for prompt, _ in raw),
            sampled_tokens=sum(len(completion.ids) for _, answer in raw for completion in answer),
            sampled_lines=sum(1 + completion.text.removesuffix("\n").count("\n") for completion in said),
            sampled_characters=sum(len(completion.text.replace("\n", "")) for completion in said),
            policy_calls=len(raw),
            critic_tokens=sum(critic.count(text) for text in texts),
            critic_calls=len(texts),
            depth=len(policy.calls) + len(critic.calls),
        )
        assert unmetered(found.cost) == recount
        assert found.tree.sampled == sum(found.tree.tokens) == recount.sampled_tokens
        spoken = [(prompt, completion) for prompt, answer in raw for completion in answer]
        names = [(prompt, completion.text) for prompt, completion in spoken]
        repeated = [one.tokens for place, (_, one) in enumerate(spoken) if names[place] in names[:place]]
        assert found.repeated_tokens == sum(repeated)
        assert found.illegal_tokens == sum(one.tokens for prompt, one in spoken if holds_illegal(prompt, one))
        assert found.cost.seconds == pytest.approx(totals.forwarded.seconds)
        assert totals.batches == recount.depth
        assert unmetered(totals.forwarded) == replace(recount, depth=0)
        if not merge:
            assert found.saved == Cost()


@pytest.mark.parametrize(
    ("texts", "lines", "characters"),
    [
        ([], 0, 0),
        (["4 + 5 = 9 (left: 6 9 10)"], 1, 24),  # a line that was stopped at its end
        (["4 + 5 = 9\n6 + 9 = 15\n"], 2, 19),  # the same lines at once weigh the same
        (["4 + 5 = 9", "6 + 9 = 15"], 2, 19),
        (["", "\n", "a\n\nb"], 5, 2),  # an empty line has been sampled too
        (["a\r\nb", "c\u2028d"], 4, 4),  # as tasks read them
    ],
)
def test_lines_and_characters_of_texts(texts, lines, characters):
    assert measure_texts(texts) == (lines, characters)


@pytest.mark.parametrize("mode", ["verified", "rules"])
@pytest.mark.parametrize(("algorithm", "parameters"), STRATEGIES)
def test_neighbours_order_and_concurrency_change_neither_result_nor_cost(algorithm, parameters, mode):
    policy = FakePolicy()

    def search(problems, **settings):
        found = run(Game24(), problems, algorithm, policy, FakeCritic(), parameters=parameters, mode=mode, seed=3,
                    **settings)  # fmt: skip
        return {problem: (one.answer, one.outcome, unmetered(one.cost), one.saved, one.tree.to_json())
                for problem, one in zip(problems, found, strict=True)}  # fmt: skip

    together = search(PUZZLES)
    assert search(PUZZLES[::-1], concurrent=2) == together
    assert search(PUZZLES, concurrent=1) == together
    assert search(PUZZLES[2:3])[PUZZLES[2]] == together[PUZZLES[2]]


def test_all_searches_share_the_critic_and_none_the_luck():
    policy, critic, totals = FakePolicy(), FakeCritic(), Totals()
    twice = [PUZZLES[0], PUZZLES[0], PUZZLES[0]]
    first, second, third = run(Game24(), twice, mcts, policy, critic, seed=[1, 1, 2], totals=totals)
    assert first.tree.to_json() == second.tree.to_json()  # equal seeds, equal trees, each paid for
    assert first.tree.line != third.tree.line
    assert unmetered(first.cost) == unmetered(second.cost)
    charged = first.cost + second.cost + third.cost
    assert replace(totals.charged, seconds=charged.seconds) == charged
    assert totals.charged.seconds == pytest.approx(charged.seconds)
    assert totals.forwarded.sampled_tokens == charged.sampled_tokens
    assert totals.forwarded.critic_calls == len({text for call in critic.calls for text in call})
    assert totals.shared.critic_calls == charged.critic_calls - totals.forwarded.critic_calls > 0
    assert totals.shared.critic_tokens > 0


def test_equal_requests_of_one_search_are_answered_once_and_counted_as_saved():
    algorithm, replies = ask(
        Propose(("root", "other", "root"), 2), Propose(("root",), 2), Propose(("root",), 2, 1), Propose(("root",), 3),
        Value(("root", "root")), Value(("other", "root")), Complete(("root",), 2), Complete(("root",), 2),
    )  # fmt: skip
    policy, critic = FakePolicy(), FakeCritic()
    (found,) = run(Game24(), [PUZZLES[0]], algorithm, policy, critic)
    first, again, anew, wider, values, more, whole, repeated = replies
    assert first[0] is first[2] is again[0]
    assert first[0] != anew[0]
    assert [len(reply) for reply in (*first, *again, *anew, *wider)] == [2, 2, 2, 2, 2, 3]
    assert values[0] == values[1] == more[1]
    assert whole == repeated
    assert found.cost.policy_calls == 5  # root, other; attempt 1; width 3; complete
    assert found.cost.critic_calls == 2
    assert found.cost.depth == 6  # what was known already takes no model call
    assert found.saved.policy_calls == 3
    assert found.saved.critic_calls == 2
    assert found.saved.prompt_tokens == 3 * policy.count("Input: 4 5 6 10\n")
    assert found.saved.sampled_tokens == 2 * sum(one.tokens for one in first[0]) + sum(one.tokens for one in whole[0])
    assert found.saved.depth == 0


def test_without_merging_everything_is_asked_and_paid_for():
    algorithm, replies = ask(Propose(("root", "root"), 2), Propose(("root",), 2), Value(("root", "root")))
    policy, critic = FakePolicy(), FakeCritic()
    (found,) = run(Game24(), [PUZZLES[0]], algorithm, policy, critic, merge=False)
    assert found.cost.policy_calls == 3
    assert found.cost.critic_calls == 2 == len(critic.calls[0])
    assert found.saved == Cost()
    assert replies[0][0] != replies[0][1]


def test_one_model_call_a_round_serves_all_searches():
    policy, critic = FakePolicy(), FakeCritic()
    algorithm, _ = ask(Propose(("root",), 2), Value(("root",)), Complete(("root",), 1))
    totals = Totals()
    run(Game24(), PUZZLES, algorithm, policy, critic, totals=totals)
    assert [len(call["prompts"]) for call in policy.calls] == [7, 7]
    assert [len(call) for call in critic.calls] == [7]
    assert totals.batches == 3
    policy.calls.clear()
    run(Game24(), PUZZLES, algorithm, policy, critic, concurrent=3)
    assert max(len(call["prompts"]) for call in policy.calls) == 3


def test_more_lines_here_and_fewer_there_in_one_call_and_attempts_do_not_part_it():
    one, replies = ask(Propose(("root", "other", "root"), (3, 1, 3)), Propose(("root",), (3,)), Propose(("root",), 1))
    other, _ = ask(Propose(("root",), 2, 5), Propose(("root",), 7, 6))
    policy, totals = FakePolicy(), Totals()

    def algorithm(task, root, *, verified):
        return (yield from (one if root.numbers == PUZZLES[0] else other)(task, root, verified=verified))

    first, _ = run(Game24(), [PUZZLES[0], (1, 4, 6, 10)], algorithm, policy, totals=totals)
    assert [len(answer) for answer in replies[0]] == [3, 1, 3]
    assert replies[0][0] is replies[0][2] is replies[1][0]
    assert len(replies[2][0]) == 1
    assert [call["n"] for call in policy.calls] == [[3, 1, 2], [1, 7]]  # the second request was answered from memory
    assert totals.batches == 2
    assert first.cost.policy_calls == 3
    assert first.cost.sampled_tokens == sum(one.tokens for answer in (*replies[0][:2], *replies[2]) for one in answer)


def test_seconds_are_shared_out_completely():
    totals = Totals()
    found = run(Game24(), PUZZLES, mcts, FakePolicy(), FakeCritic(), totals=totals)
    assert sum(one.cost.seconds for one in found) == pytest.approx(totals.forwarded.seconds)
    assert totals.charged.seconds == pytest.approx(totals.forwarded.seconds)


# ---------------------------------------------------------------------------------------------- budgets
@pytest.mark.parametrize("unit", [*(field.name for field in fields(Cost) if field.name != "seconds"), "flops"])
@pytest.mark.parametrize(("algorithm", "parameters"), [STRATEGIES[1], STRATEGIES[3], STRATEGIES[10], STRATEGIES[17]])
def test_no_request_starts_once_a_budget_is_reached(algorithm, parameters, unit):
    policy, critic = FakePolicy(skill=0.0), FakeCritic()

    def spend(cost):
        return cost.flops(policy.parameters, critic.parameters) if unit == "flops" else getattr(cost, unit)

    def search(**settings):
        return run(Game24(), PUZZLES, algorithm, policy, critic, parameters=parameters, mode="rules", **settings)

    free = search()
    limit = max(spend(one.cost) for one in free) / 3
    cut = 0
    for one, whole in zip(search(budget={unit: limit}), free, strict=True):
        if one.stopped == unit:
            cut += 1
            assert limit <= spend(one.cost) <= spend(whole.cost)
            assert one.cost.depth < whole.cost.depth  # a request was refused, whatever it would have cost
            assert one.outcome in ("solved", "wrong value", "unfinished", "illegal", "no answer")
        else:
            assert unmetered(one.cost) == unmetered(whole.cost)
    assert cut


def test_a_budget_overshoots_by_one_request_at_most():
    (found,) = run(Game24(), [(3, 3, 8, 8)], best_of_n, FakePolicy(skill=0.0), budget={"policy_calls": 3},
                   parameters={"batch": 1})  # fmt: skip
    assert found.cost.policy_calls == 3
    assert found.candidates == 3
    assert found.stopped == "policy_calls"


@pytest.mark.parametrize("mode", ["verified", "rules"])
@pytest.mark.parametrize(("algorithm", "parameters"), STRATEGIES)
def test_a_budget_of_nothing_buys_nothing(algorithm, parameters, mode):
    (found,) = run(Game24(), [PUZZLES[0]], algorithm, FakePolicy(), FakeCritic(), parameters=parameters, mode=mode,
                   budget={"sampled_tokens": 0})  # fmt: skip
    assert unmetered(found.cost) == Cost()
    assert (found.answer, found.solved, found.outcome, found.stopped) == ("", False, "no answer", "sampled_tokens")


def test_what_is_known_is_told_even_when_the_budget_is_spent():
    told = []

    def algorithm(task, root, *, verified):
        told.append((yield Value((root,))))
        told.append((yield Value((root,))))
        try:
            yield Propose((root,), 1)
        except BudgetSpent as spent:
            told.append(spent.unit)
        return NOTHING

    run(Game24(), [PUZZLES[0]], algorithm, FakePolicy(), FakeCritic(), budget={"critic_calls": 1})
    assert told == [told[0], told[0], "critic_calls"]


# ------------------------------------------------------------------------------------- seeds and bad input
def test_seeds_of_samples_come_from_seed_problem_and_request_and_are_never_added_up():
    seeds = {derive(seed, problem, request, place) for seed in range(5) for problem in PUZZLES for request in range(5)
             for place in range(3)}  # fmt: skip
    assert len(seeds) == 5 * len(PUZZLES) * 5 * 3
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert derive(1, (4, 6), 0) == derive(1, [4, 6], 0) == 861201991


def test_another_seed_is_another_search():
    one = run(Game24(), PUZZLES, mcts, FakePolicy(), FakeCritic(), seed=1)
    other = run(Game24(), PUZZLES, mcts, FakePolicy(), FakeCritic(), seed=2)
    assert [found.tree.line for found in one] != [found.tree.line for found in other]


def test_an_algorithm_may_ask_for_a_random_generator_of_its_own():
    drawn = []

    def algorithm(task, root, *, verified, rng):
        drawn.append(rng.random())
        return NOTHING
        yield

    for concurrent in (1, 10):
        run(Game24(), PUZZLES[:2], algorithm, FakePolicy(), concurrent=concurrent)
    assert drawn[0] != drawn[1]
    assert drawn[:2] == drawn[2:]


class Miscounting(FakePolicy):
    def generate(self, prompts, n, **settings):
        return [answer[1:] for answer in super().generate(prompts, n, **settings)]


class Wild(FakeCritic):
    def score(self, texts):
        return [math.nan for _ in texts]


class Silent(FakeCritic):
    def score(self, texts):
        return []


class Odd(FakeCritic):
    """Returns one thing for every text, or instead of all values."""

    def __init__(self, value=None, *, instead=False):
        super().__init__()
        self.value, self.instead = value, instead

    def score(self, texts):
        return self.value if self.instead else [self.value for _ in texts]


class Mute(FakePolicy):
    """Returns nothing at all, or nothing for a prompt."""

    def __init__(self, whole):
        super().__init__()
        self.whole = whole

    def generate(self, prompts, n, **settings):
        return None if self.whole else [None for _ in prompts]


@pytest.mark.parametrize("value", [None, "0.5", b"1", True, 1j, math.nan, math.inf, 10**400, [0.5, 0.5], {}, object()])
@pytest.mark.parametrize("merge", [True, False])
def test_a_value_that_is_no_finite_number_is_named(value, merge):
    with pytest.raises(ValueError, match="critic 'fake' must return 1 finite values, got 1, 0 of them finite"):
        run(Game24(), [PUZZLES[0]], mcts, FakePolicy(), Odd(value), merge=merge)


@pytest.mark.parametrize("value", [None, 0.5, object()])
def test_values_that_are_no_list_are_named(value):
    with pytest.raises(ValueError, match="critic 'fake' must return 1 finite values, got 0"):
        run(Game24(), [PUZZLES[0]], mcts, FakePolicy(), Odd(value, instead=True))


@pytest.mark.parametrize("value", [0, 0.25, Fraction(1, 4), np.float32(0.25), np.array(0.25), torch.tensor(0.25)])
def test_numbers_of_every_kind_are_values(value):
    (found,) = run(Game24(), [PUZZLES[0]], mcts, FakePolicy(), Odd(value))
    assert {value for value in found.tree.value if value is not None} <= {float(value), 1.0, -1.0}  # 1, -1: ends
    assert float(value) in found.tree.value
    assert all(type(value) is float for value in found.tree.value if value is not None)


@pytest.mark.parametrize(
    ("policy", "critic", "settings", "reason"),
    [
        (Miscounting(), FakeCritic(), {}, r"must return \[2\] completions of 1 prompts, got \[1\]"),
        (Mute(True), FakeCritic(), {}, r"must return \[2\] completions of 1 prompts, got \[\]"),
        (Mute(False), FakeCritic(), {}, r"must return \[2\] completions of 1 prompts, got \[None\]"),
        (FakePolicy(), Wild(), {}, "critic 'fake' must return 1 finite values"),
        (FakePolicy(), Silent(), {}, "must return 1 finite values, got 0"),
        (FakePolicy(), None, {}, "no critic"),
        (FakePolicy(), FakeCritic(), {"mode": "verify"}, "mode 'verify': one of blind, rules, verified"),
        (FakePolicy(), FakeCritic(), {"budget": {"tokens": 5}}, "budget must be in one of .* got 'tokens'"),
        (FakePolicy(), FakeCritic(), {"budget": {"sampled_token": 5}}, "did you mean 'sampled_tokens'"),
        (FakePolicy(), FakeCritic(), {"budget": {"seconds": -1}}, "budget of seconds -1"),
        (FakePolicy(), FakeCritic(), {"concurrent": 0}, "concurrent 0"),
        (FakePolicy(), FakeCritic(), {"seed": [1, 2]}, "one for each of the 1 problems, got 2"),
        (FakePolicy(), FakeCritic(), {"parameters": {"widht": 3}}, "did you mean 'width'"),
    ],
)
def test_what_makes_no_sense_is_named(policy, critic, settings, reason):
    with pytest.raises(ValueError, match=reason):
        run(Game24(), [PUZZLES[0]], mcts, policy, critic, **settings)


def test_a_bad_problem_is_found_before_any_model_call():
    policy = FakePolicy()
    with pytest.raises(ValueError, match="puzzle"):
        run(Game24(), [*PUZZLES, (0, 1)], greedy, policy, concurrent=1)
    assert policy.calls == []


@pytest.mark.parametrize("request_", [Propose(("root",), 0), Complete(("root",), 0), Propose(("root",), 1.5),
                                      Propose(("root", "other"), (2, 0))])  # fmt: skip
def test_a_request_for_no_lines_is_named(request_):
    algorithm, _ = ask(request_)
    with pytest.raises(ValueError, match="at least 1 is accepted"):
        run(Game24(), [PUZZLES[0]], algorithm, FakePolicy())


def test_a_number_of_lines_for_each_state_or_one_for_all():
    algorithm, _ = ask(Propose(("root",), (2, 3)))
    with pytest.raises(ValueError, match="width must be one number, or one for each of the 1 states, got 2"):
        run(Game24(), [PUZZLES[0]], algorithm, FakePolicy())


def test_no_problems_no_outcomes():
    assert run(Game24(), [], mcts, FakePolicy(), FakeCritic()) == []


def test_trees_can_be_left_out():
    (found,) = run(Game24(), [PUZZLES[0]], greedy, FakePolicy(), trees=False)
    assert found.tree is None
    assert found.mode == "verified"
