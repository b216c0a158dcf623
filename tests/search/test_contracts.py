"""What holds for every search that walks or grows positions: its seed, its judge, and models that behave badly."""

import json
import re
from dataclasses import replace

import pytest
from fake_models import FakeCompletion, FakeCritic, FakePolicy
from searches import PATHS, PUZZLES, TREES, Contrary

from game24lab.evaluation.arms import find_strategy
from game24lab.search.cost import Cost
from game24lab.search.engine import run
from game24lab.search.mcts import mcts
from game24lab.search.tree import Tree
from game24lab.tasks.numbers.task import Game24

every_search = pytest.mark.parametrize(("algorithm", "parameters"), [*PATHS, *TREES])
both_modes = pytest.mark.parametrize("mode", ["verified", "rules"])


@every_search
def test_the_same_seed_gives_the_same_tree_and_another_another(algorithm, parameters):
    trees = [run(Game24(), PUZZLES[2:4], algorithm, FakePolicy(skill=0.5), FakeCritic(), seed=seed,
                 parameters=parameters)[1].tree for seed in (5, 5, 6)]  # fmt: skip
    assert trees[0].to_json() == trees[1].to_json()
    assert trees[0].line != trees[2].line


class Sealed(Game24):
    """A world whose judge must not be asked before a search has committed itself."""

    def verdict(self, state):
        raise AssertionError("the judge was asked")


@pytest.mark.parametrize(("algorithm", "parameters"),
                         [*PATHS, *TREES, *((mcts, {"simulations": 25, "commit": by}) for by in ("value", "visits"))])
def test_a_choice_by_the_rules_never_depends_on_the_judge(algorithm, parameters):
    policy = FakePolicy(skill=1.0)
    arguments = {"mode": "rules", "parameters": parameters}
    honest = run(Game24(), PUZZLES, algorithm, policy, FakeCritic(policy), **arguments)
    contrary = run(Contrary(), PUZZLES, algorithm, policy, FakeCritic(policy), **arguments)
    for one, other in zip(honest, contrary, strict=True):
        assert one.answer == other.answer
        assert (one.tree.value, one.tree.visits) == (other.tree.value, other.tree.visits)
        assert replace(one.cost, seconds=0) == replace(other.cost, seconds=0)
        assert one.solved is not other.solved or not one.answer
        assert one.answer or (algorithm, parameters) in PATHS
    asked = len(policy.calls)
    with pytest.raises(AssertionError, match="the judge was asked"):
        run(Sealed(), PUZZLES[:1], algorithm, policy, FakeCritic(policy), **arguments)
    alone = FakePolicy(skill=1.0)
    run(Game24(), PUZZLES[:1], algorithm, alone, FakeCritic(alone), **arguments)
    assert len(policy.calls) - asked == len(alone.calls)  # every line had been sampled by then


@every_search
def test_a_critic_is_missed_before_anything_is_sampled(algorithm, parameters):
    policy = FakePolicy()
    with pytest.raises(ValueError, match="no critic"):
        run(Game24(), PUZZLES[:1], algorithm, policy, parameters=parameters, mode="rules")
    assert policy.calls == []


@both_modes
@every_search
def test_a_puzzle_that_is_over_before_it_began_costs_no_sample(algorithm, parameters, mode):
    right, wrong = run(Game24(), [(24,), (23,)], algorithm, FakePolicy(), FakeCritic(), mode=mode,
                       parameters=parameters)  # fmt: skip
    assert (right.solved, right.answer, wrong.solved) == (True, "24", False)
    assert right.cost.sampled_tokens == wrong.cost.sampled_tokens == 0
    assert (right.tree.status, wrong.tree.status) == (["solved"], ["wrong"])


@every_search
def test_any_task_and_shown_history_will_do(algorithm, parameters):
    for task, problem in ((Game24(), (4, 6)), (Game24(context="history"), (2, 3, 4)), (Game24(), (1, 2, 3, 4, 5))):
        (found,) = run(task, [problem], algorithm, FakePolicy(), FakeCritic(), parameters=parameters)
        assert found.tree.sampled == found.cost.sampled_tokens


# ------------------------------------------------------------------------------------- models that behave badly
@both_modes
@pytest.mark.parametrize("line", ["nonsense", "", "4 * 6 = 24 (left: 24)", "<script>alert(1)</script>", "٣ + 4 = 7",
                                  "1 + 2 = 3 (left: 9 9 9)", "\u202e1 + 2", "9" * 500])  # fmt: skip
@every_search
def test_a_policy_of_illegal_lines_is_an_unsolved_outcome_with_its_cost(algorithm, parameters, line, mode):
    policy = FakePolicy(only=line)
    (found,) = run(Game24(), [(1, 2, 4, 7)], algorithm, policy, FakeCritic(), mode=mode, parameters=parameters)
    assert (found.solved, found.answer) == (False, "")
    assert found.outcome in ("illegal", "unfinished") if (algorithm, parameters) in PATHS else \
        found.outcome == ("illegal" if line else "unfinished")  # fmt: skip
    assert found.cost.sampled_tokens == found.tree.sampled > 0
    assert set(found.tree.status[1:]) <= {"illegal", "unfinished"}
    assert all(found.tree.reason[1:])
    assert Tree.from_json(found.tree.to_json()) == found.tree
    assert len(policy.calls) <= (3 if (algorithm, parameters) in PATHS else 2)  # draws, and the last resort


@both_modes
@every_search
def test_a_policy_that_says_one_legal_line_for_ever_ends(algorithm, parameters, mode):
    policy = FakePolicy(only="7 - 4 = 3 (left: 1 2 3)")
    (found,) = run(Game24(), [(1, 2, 4, 7)], algorithm, policy, FakeCritic(), mode=mode, parameters=parameters)
    assert (found.solved, found.answer) == (False, "")
    assert found.tree.label[1] == "1 2 3"
    assert len(policy.calls) < (10 if (algorithm, parameters) in PATHS else 4)


class Endless(FakePolicy):
    """Never ends a line; every sample takes all the tokens it may."""

    def generate(self, prompts, n, *, max_tokens, **_):
        answer = FakeCompletion("1 + 2 = 3 (left: 3 4 7 7 7 7", (5,) * max_tokens, (-0.1,) * max_tokens, "length")
        answers = [[answer] * count for count in n]
        self.calls.append({"answers": answers, "tokens": max_tokens})
        return answers


@both_modes
@pytest.mark.parametrize(("algorithm", "parameters"), [*PATHS, *TREES, (mcts, {"simulations": 5})])
def test_a_policy_that_never_ends_a_line_is_cut_off_at_a_known_price(algorithm, parameters, mode):
    policy = Endless()
    (found,) = run(Game24(), [(1, 2, 4, 7)], algorithm, policy, FakeCritic(), mode=mode,
                   parameters=parameters | {"max_tokens": 20})  # fmt: skip
    assert (found.outcome, found.answer) == ("unfinished", "")
    assert set(found.tree.status[1:]) == {"unfinished"}
    assert {call["tokens"] for call in policy.calls[:-1]} == {20}  # per line; the last resort is a whole answer
    assert found.cost.sampled_tokens == found.tree.sampled == sum(len(completion.ids) for call in policy.calls
                                                                  for answer in call["answers"]
                                                                  for completion in answer)  # fmt: skip


@pytest.mark.parametrize("value", [-1.0, 1.0])
@every_search
def test_a_critic_at_its_limits_breaks_no_search(algorithm, parameters, value):
    class Sure(FakeCritic):
        def score(self, texts):
            return [value] * len(texts)

    found = run(Game24(), PUZZLES, algorithm, FakePolicy(), Sure(), mode="rules", parameters=parameters)
    assert all(one.answer or ((algorithm, parameters) in PATHS and one.outcome != "solved") for one in found)
    assert all(Tree.from_json(one.tree.to_json()) == one.tree for one in found)


# ------------------------------------------------------------------------------------- budgets
@both_modes
@every_search
def test_a_budget_too_small_for_a_step_is_a_clean_outcome(algorithm, parameters, mode):
    for unit in ("sampled_tokens", "policy_calls", "critic_calls", "depth"):
        (nothing,) = run(Game24(), PUZZLES[:1], algorithm, FakePolicy(), FakeCritic(), mode=mode, budget={unit: 0},
                         parameters=parameters)  # fmt: skip
        assert (nothing.cost, nothing.answer, nothing.stopped, nothing.outcome) == (Cost(), "", unit, "no answer")
        (little,) = run(Game24(), PUZZLES[:1], algorithm, FakePolicy(), FakeCritic(), mode=mode, budget={unit: 1},
                        parameters=parameters)  # fmt: skip
        assert little.cost.sampled_tokens == little.tree.sampled
        assert little.stopped == unit


@pytest.mark.parametrize("depth", range(1, 9))
@every_search
def test_wherever_a_budget_ends_it_there_is_an_outcome(algorithm, parameters, depth):
    """A verified answer that was met is never lost to a budget that ends the search right after."""
    for mode in ("verified", "rules"):
        (found,) = run(Game24(), [(6, 6, 6, 6)], algorithm, FakePolicy(skill=5.0), FakeCritic(), mode=mode,
                       budget={"depth": depth}, parameters=parameters)  # fmt: skip
        assert found.cost.depth <= depth
        if mode == "verified":
            assert found.solved == ("solved" in found.tree.status)


# ------------------------------------------------------------------------------------- names and parameters
@pytest.mark.parametrize(("typo", "name"), [
    ("beam-search", "beam_search"), ("dtvs", "dvts"), ("rebas", "rebase"), ("majorty", "majority"),
    ("best_frist", "best_first"), ("mcts-alpha", "mcts_alpha"), ("mcts_rolout", "mcts_rollout"),
    ("gumbel", "gumbel_mcts"), ("rapp", "rap"),
])  # fmt: skip
def test_a_strategy_with_a_typo_is_named_with_the_nearest(typo, name):
    with pytest.raises(ValueError, match=f"strategy must be one of greedy.*got '{typo}'; did you mean '{name}'"):
        find_strategy(typo)


# Parameters by the least that they may be, and strategies that take them: one less is refused.
LEAST = {
    "1": "beam_search:n,num_iterations,max_tokens bfs_v:width,beam_size particle_filter:n_particles,depth rebase:width "
         "mcts_alpha:width,simulations,depth,leaves mcts_rollout:width,simulations,num_paths,max_token "
         "gumbel_mcts:width,simulations,max_num_considered_actions rap:width,n_iters,depth_limit",
    "0": "beam_search:lookahead",
}  # fmt: skip


@pytest.mark.parametrize(("name", "parameter", "least"), [
    (name, parameter, int(least)) for least, words in LEAST.items() for word in words.split()
    for name, _, some in [word.partition(":")] for parameter in some.split(",")
])  # fmt: skip
def test_whole_numbers_have_a_least(name, parameter, least):
    with pytest.raises(ValueError, match=f"{parameter} must be an integer >= {least}, got {least - 1}"):
        run(Game24(), [(4, 6)], find_strategy(name), FakePolicy(), FakeCritic(), parameters={parameter: least - 1})


# What is refused and what is said, a line each: strategy, parameter, value, and a part of the message.
REFUSED = """
beam_search | beam_width | 0 | beam_width must be an integer from 1 to 4, got 0
beam_search | beam_width | 5 | beam_width must be an integer from 1 to 4, got 5
beam_search | agg_strategy | "product" | agg_strategy must be one of last, min, prod, got 'product'
beam_search | agg_strategy | "mim" | did you mean 'min'
beam_search | filter_duplicates | "yes" | filter_duplicates must be true or false, got 'yes'
beam_search | sort_completed | 2 | sort_completed must be true or false, got 2
beam_search | beam_widht | 2 | did you mean 'beam_width'
dvts | n | 6 | n must be a multiple of beam_width, which is 4, got 6
dvts | sort_completed | true | no parameter 'sort_completed'
bfs_v | depth | 1.5 | depth must be an integer >= 1, got 1.5
bfs_v | temperature | "1e-1" | YAML reads
particle_filter | softmax_temp | 0 | softmax_temp must be a number >= 0.001, got 0
particle_filter | ess | 1.1 | ess must be a number from 0 to 1, got 1.1
particle_filter | final | "best" | final must be one of argmax, sample, got 'best'
particle_filter | rng | 1 | no parameter 'rng'
rebase | softmax_temperature | 0 | softmax_temperature must be a number >= 0.001, got 0
rebase | correct_duplicates | 1 | correct_duplicates must be true or false, got 1
rebase | top_p | 2 | top_p must be a number from 1e-06 to 1, got 2
rebase | withd | 2 | did you mean 'width'
rap | w_exp | -1 | w_exp must be a number >= 0, got -1
rap | cum_reward | "summ" | did you mean 'sum'
rap | calc_q | "last" | calc_q must be one of mean, max, got 'last'
rap | output_strategy | "best" | got 'best'
mcts_alpha | virtual_loss | -1 | virtual_loss must be a number >= 0, got -1
mcts_alpha | pb_c_init | "1e1" | YAML reads
mcts_alpha | pb_c_base | 0 | pb_c_base must be a number >= 1, got 0
mcts_alpha | sample | "yes" | sample must be true or false, got 'yes'
mcts_alpha | root_noise_weight | 1.5 | root_noise_weight must be a number from 0 to 1, got 1.5
mcts_alpha | root_dirichlet_alpha | 0 | root_dirichlet_alpha must be a number >= 1e-06, got 0
mcts_alpha | prior | "uniform" | prior must be one of logprob, frequency, mean, got 'uniform'
mcts_alpha | top_p | 0 | top_p must be a number from 1e-06 to 1, got 0
mcts_alpha | pb_c_inti | 3 | did you mean 'pb_c_init'
mcts_rollout | aggregate | "orm-max" | did you mean 'orm_max'
gumbel_mcts | gumbel_scale | -1 | gumbel_scale must be a number >= 0, got -1
gumbel_mcts | gumbel_c_visit | -1 | gumbel_c_visit must be a number >= 0, got -1
gumbel_mcts | non_root_child_selection_mode | "puct" | one of gumbel, ucb
gumbel_mcts | complete | "mix" | did you mean 'mixed'
"""


@pytest.mark.parametrize("row", REFUSED.strip().splitlines())
def test_parameters_that_make_no_sense_are_named(row):
    name, parameter, value, said = row.split(" | ")
    with pytest.raises(ValueError, match=re.escape(said)):
        run(Game24(), [(4, 6)], find_strategy(name), FakePolicy(), FakeCritic(),
            parameters={parameter: json.loads(value)})  # fmt: skip
