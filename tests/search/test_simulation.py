"""What holds for the published tree searches: sound trees, honest ends, no peeping, and models that behave badly."""

from dataclasses import replace

import pytest
from fake_models import FakeCompletion, FakeCritic, FakePolicy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from letters import Letters, Sayings, Table, search

from game24lab.evaluation.arms import find_strategy
from game24lab.search.cost import Cost
from game24lab.search.engine import run
from game24lab.search.gumbel import gumbel_mcts
from game24lab.search.mcts import mcts
from game24lab.search.puct import mcts_alpha, mcts_rollout
from game24lab.search.rap import rap
from game24lab.search.tree import Tree
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.task import Verdict

PUZZLES = [(4, 5, 6, 10), (1, 2, 4, 7), (3, 3, 8, 8), (2, 3, 5, 12), (6, 6, 6, 6), (2, 9, 10, 11)]
SEARCHES = [
    (mcts_alpha, {"width": 5}),
    (mcts_alpha, {"width": 4, "simulations": 12, "leaves": 4, "sample": True}),
    (mcts_rollout, {"width": 4, "num_paths": 6}),
    (mcts_rollout, {"width": 4, "num_paths": 6, "leaves": 3, "aggregate": "majority_vote"}),
    (gumbel_mcts, {"width": 5, "simulations": 9}),
    (gumbel_mcts, {"width": 5, "simulations": 9, "non_root_child_selection_mode": "ucb", "complete": "critic"}),
    (rap, {"n_iters": 6}),
    (rap, {"n_iters": 6, "calc_q": "max", "cum_reward": "mean", "simulate_strategy": "random"}),
]
every_search = pytest.mark.parametrize(("algorithm", "parameters"), SEARCHES)
both_modes = pytest.mark.parametrize("mode", ["verified", "rules"])


# ------------------------------------------------------------------------------------- what always holds
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    which=st.sampled_from(SEARCHES), seed=st.integers(0, 10**6), problem=st.sampled_from(PUZZLES), merge=st.booleans(),
    mode=st.sampled_from(["verified", "rules"]), skill=st.sampled_from([0.0, 3.0]),
    budget=st.none() | st.integers(0, 400), illegal=st.sampled_from([0.03, 0.6]),
)  # fmt: skip
def test_any_search_leaves_a_sound_tree(which, seed, problem, merge, mode, skill, budget, illegal):
    algorithm, parameters = which
    policy = FakePolicy(skill=skill, illegal=illegal)
    (found,) = run(Game24(), [problem], algorithm, policy, FakeCritic(), seed=seed, mode=mode, merge=merge,
                   parameters=parameters, budget=None if budget is None else {"sampled_tokens": budget})  # fmt: skip
    tree, nodes = found.tree, range(len(found.tree))
    assert Tree.from_json(tree.to_json()) == tree
    assert tree.sampled == found.cost.sampled_tokens == sum(tree.tokens)
    assert [event[1] for event in tree.events if event[0] == "expand"] == list(nodes)
    if budget is not None and policy.calls:
        drawn = sum(len(completion.ids) for answer in policy.calls[-1]["answers"] for completion in answer)
        assert found.cost.sampled_tokens - drawn < budget  # no request was begun beyond it
    backups = [sum(event[0] == "backup" and event[1] == node for event in tree.events) for node in nodes]
    bound = 3 if parameters.get("cum_reward", "sum") == "sum" and algorithm is rap else 1
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
    if found.answer:
        end, state = tree.events[-1][1], Game24().start(problem)
        for step in tree.path(end)[1:]:
            state = Game24().step(state, tree.line[step])
        assert Game24().verdict(state).answer == found.answer
        assert found.solved == (tree.status[end] == "solved")
    if mode == "verified":
        assert found.solved == bool(found.answer) == (found.stopped == "solved")


@every_search
def test_the_same_seed_gives_the_same_tree_and_another_another(algorithm, parameters):
    trees = [run(Game24(), PUZZLES[2:4], algorithm, FakePolicy(skill=0.5), FakeCritic(), seed=seed,
                 parameters=parameters)[1].tree for seed in (5, 5, 6)]  # fmt: skip
    assert trees[0].to_json() == trees[1].to_json()
    assert trees[0].line != trees[2].line


class Contrary(Game24):
    """A world whose judge says the opposite, once it is asked."""

    def verdict(self, state):
        true = super().verdict(state)
        return Verdict(not true.solved, "wrong value" if true.solved else "solved", true.answer, true.reason)

    def truth(self, state):
        raise AssertionError("no search may ask for the truth")


@every_search
def test_a_choice_by_the_rules_never_depends_on_the_judge(algorithm, parameters):
    policy = FakePolicy(skill=1.0)
    arguments = (PUZZLES, algorithm, policy, FakeCritic(policy))
    honest = run(Game24(), *arguments, mode="rules", parameters=parameters)
    contrary = run(Contrary(), *arguments, mode="rules", parameters=parameters)
    for one, other in zip(honest, contrary, strict=True):
        assert one.answer == other.answer != ""
        assert (one.tree.value, one.tree.visits) == (other.tree.value, other.tree.visits)
        assert replace(one.cost, seconds=0) == replace(other.cost, seconds=0)
        assert one.solved is not other.solved


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


@every_search
def test_any_task_and_shown_history_will_do(algorithm, parameters):
    for task, problem in ((Game24(), (4, 6)), (Game24(context="history"), (2, 3, 4)), (Game24(), (1, 2, 3, 4, 5))):
        (found,) = run(task, [problem], algorithm, FakePolicy(), FakeCritic(), parameters=parameters)
        assert found.tree.sampled == found.cost.sampled_tokens


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


# ------------------------------------------------------------------------------------- models that behave badly
@both_modes
@pytest.mark.parametrize("line", ["nonsense", "", "4 * 6 = 24 (left: 24)", "<script>alert(1)</script>", "9" * 300])
@every_search
def test_a_policy_of_illegal_lines_is_an_unsolved_outcome_with_its_cost(algorithm, parameters, line, mode):
    policy = FakePolicy(only=line)
    (found,) = run(Game24(), [(1, 2, 4, 7)], algorithm, policy, FakeCritic(), mode=mode, parameters=parameters)
    assert (found.solved, found.answer, found.outcome) == (False, "", "illegal" if line else "unfinished")
    assert found.cost.sampled_tokens == found.tree.sampled > 0
    assert set(found.tree.status[1:]) <= {"illegal", "unfinished"}
    assert all(found.tree.reason[1:])
    assert len(policy.calls) == 2  # one draw, and the last resort


@both_modes
@every_search
def test_a_policy_that_says_one_legal_line_for_ever_ends(algorithm, parameters, mode):
    policy = FakePolicy(only="7 - 4 = 3 (left: 1 2 3)")
    (found,) = run(Game24(), [(1, 2, 4, 7)], algorithm, policy, FakeCritic(), mode=mode, parameters=parameters)
    assert (found.solved, found.answer, found.outcome) == (False, "", "unfinished")
    assert found.tree.label[1] == "1 2 3"
    assert len(policy.calls) <= 3


class Endless(FakePolicy):
    """Never ends a line; every sample takes all the tokens it may."""

    def generate(self, prompts, n, *, max_tokens, **_):
        answer = FakeCompletion("1 + 2 = 3 (left: 3 4 7 7 7 7", (5,) * max_tokens, (-0.1,) * max_tokens, "length")
        answers = [[answer] * count for count in n]
        self.calls.append({"answers": answers, "tokens": max_tokens})
        return answers


@both_modes
@pytest.mark.parametrize(("algorithm", "parameters"), [*SEARCHES, (mcts, {"simulations": 5})])
def test_a_policy_that_never_ends_a_line_is_cut_off_at_a_known_price(algorithm, parameters, mode):
    policy = Endless()
    (found,) = run(Game24(), [(1, 2, 4, 7)], algorithm, policy, FakeCritic(), mode=mode,
                   parameters=parameters | {"max_tokens": 20})  # fmt: skip
    assert (found.outcome, found.answer) == ("unfinished", "")
    assert set(found.tree.status[1:]) == {"unfinished"}
    assert {call["tokens"] for call in policy.calls[:-1]} == {20}  # per line; the last resort is a whole answer


@pytest.mark.parametrize("value", [-1.0, 1.0])
@every_search
def test_a_critic_at_its_limits_breaks_no_search(algorithm, parameters, value):
    class Sure(FakeCritic):
        def score(self, texts):
            return [value] * len(texts)

    found = run(Game24(), PUZZLES, algorithm, FakePolicy(), Sure(), mode="rules", parameters=parameters)
    assert all(one.answer for one in found)


# ------------------------------------------------------------------------------------- budgets and parameters
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


@pytest.mark.parametrize(
    ("algorithm", "parameters", "reason"),
    [
        *[(algorithm, {"width": 0}, "width must be an integer >= 1, got 0")
          for algorithm in (mcts_alpha, mcts_rollout, gumbel_mcts, rap)],
        *[(algorithm, {"simulations": 0}, "simulations must be an integer >= 1, got 0")
          for algorithm in (mcts_alpha, mcts_rollout, gumbel_mcts)],
        (rap, {"n_iters": 0}, "n_iters must be an integer >= 1, got 0"),
        (rap, {"depth_limit": 0}, "depth_limit must be an integer >= 1, got 0"),
        (rap, {"w_exp": -1}, "w_exp must be a number >= 0, got -1"),
        (rap, {"cum_reward": "summ"}, "did you mean 'sum'"),
        (rap, {"calc_q": "last"}, "calc_q must be one of mean, max, got 'last'"),
        (rap, {"output_strategy": "best"}, "output_strategy must be one of .*, got 'best'"),
        (mcts_alpha, {"depth": 0}, "depth must be an integer >= 1, got 0"),
        (mcts_alpha, {"leaves": 0}, "leaves must be an integer >= 1, got 0"),
        (mcts_alpha, {"virtual_loss": -1}, "virtual_loss must be a number >= 0, got -1"),
        (mcts_alpha, {"pb_c_init": "1e1"}, "YAML reads"),
        (mcts_alpha, {"pb_c_base": 0}, "pb_c_base must be a number >= 1, got 0"),
        (mcts_alpha, {"sample": "yes"}, "sample must be true or false, got 'yes'"),
        (mcts_alpha, {"root_noise_weight": 1.5}, "root_noise_weight must be a number from 0 to 1, got 1.5"),
        (mcts_alpha, {"root_dirichlet_alpha": 0}, "root_dirichlet_alpha must be a number >= 1e-06, got 0"),
        (mcts_alpha, {"prior": "uniform"}, "prior must be one of logprob, frequency, mean, got 'uniform'"),
        (mcts_alpha, {"top_p": 0}, "top_p must be a number from 1e-06 to 1, got 0"),
        (mcts_alpha, {"pb_c_inti": 3}, "did you mean 'pb_c_init'"),
        (mcts_rollout, {"num_paths": 0}, "num_paths must be an integer >= 1, got 0"),
        (mcts_rollout, {"max_token": 0}, "max_token must be an integer >= 1, got 0"),
        (mcts_rollout, {"aggregate": "orm-max"}, "did you mean 'orm_max'"),
        (gumbel_mcts, {"max_num_considered_actions": 0}, "max_num_considered_actions must be an integer >= 1, got 0"),
        (gumbel_mcts, {"gumbel_scale": -1}, "gumbel_scale must be a number >= 0, got -1"),
        (gumbel_mcts, {"gumbel_c_visit": -1}, "gumbel_c_visit must be a number >= 0, got -1"),
        (gumbel_mcts, {"non_root_child_selection_mode": "puct"}, "one of gumbel, ucb"),
        (gumbel_mcts, {"complete": "mix"}, "did you mean 'mixed'"),
    ],
)
def test_parameters_that_make_no_sense_are_named(algorithm, parameters, reason):
    with pytest.raises(ValueError, match=reason):
        run(Game24(), [(4, 6)], algorithm, FakePolicy(), FakeCritic(), parameters=parameters)


@pytest.mark.parametrize(("typo", "name"), [("mcts-alpha", "mcts_alpha"), ("mcts_rolout", "mcts_rollout"),
                                            ("gumbel", "gumbel_mcts"), ("rapp", "rap")])  # fmt: skip
def test_a_strategy_with_a_typo_is_named_with_the_nearest(typo, name):
    with pytest.raises(ValueError, match=f"did you mean '{name}'"):
        find_strategy(typo)
