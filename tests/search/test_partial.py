"""What holds for every search that grows paths: sound trees, honest ends, no peeping, and models that behave badly."""

from dataclasses import replace

import pytest
from fake_models import FakeCompletion, FakeCritic, FakePolicy
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from letters import Letters, Sayings, Table, search

from game24lab.evaluation.arms import find_strategy
from game24lab.search.beam import beam_search, bfs_v, dvts
from game24lab.search.bestfirst import a_star, best_first, dfs_v
from game24lab.search.cost import Cost
from game24lab.search.engine import run
from game24lab.search.partial import LineSampling, make_paths
from game24lab.search.particles import particle_filter, rebase
from game24lab.search.requests import BudgetSpent
from game24lab.search.tree import Tree
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.task import Verdict

PUZZLES = [(4, 5, 6, 10), (1, 2, 4, 7), (3, 3, 8, 8), (2, 3, 5, 12), (6, 6, 6, 6), (2, 9, 10, 11)]
SEARCHES = [
    (beam_search, {"n": 6, "beam_width": 3}),
    (beam_search, {"n": 6, "beam_width": 2, "lookahead": 2, "agg_strategy": "prod", "filter_duplicates": True}),
    (dvts, {"n": 6, "beam_width": 2}),
    (bfs_v, {"beam_size": 3, "width": 4}),
    (dfs_v, {"width": 4}),
    (best_first, {"width": 4, "simulations": 6}),
    (a_star, {"width": 4, "simulations": 6}),
    (particle_filter, {"n_particles": 6}),
    (rebase, {"width": 6}),
]
every_search = pytest.mark.parametrize(("algorithm", "parameters"), SEARCHES)
both_modes = pytest.mark.parametrize("mode", ["verified", "rules"])


# ------------------------------------------------------------------------------------- what always holds
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(which=SEARCHES[0], seed=0, problem=PUZZLES[0], merge=False, mode="verified", skill=3.0, budget=None,
         illegal=0.03)  # fmt: skip
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
    assert tree.events[-1][0] == "stop"
    if budget is not None and policy.calls:
        last = policy.calls[-1]
        drawn = sum(len(completion.ids) for answer in last["answers"] for completion in answer)
        assert found.cost.sampled_tokens - drawn < budget  # no request was begun beyond it
    for node in nodes:
        parent = tree.parent[node]
        assert node == 0 or tree.status[parent] not in ("illegal", "wrong", "solved", "unfinished")
        assert node == 0 or tree.same[parent] is None or merge is False
        assert tree.same[node] is None or (merge and tree.label[node] == tree.label[tree.same[node]])
        assert (tree.value[node] is None) or -1 <= tree.value[node] <= 1
        assert (tree.status[node] == "illegal") <= bool(tree.reason[node])
    pruned = [event[1] for event in tree.events if event[0] == "prune"]
    assert {node for node in nodes if tree.status[node] == "pruned"} <= set(pruned)
    assert all(not tree.children(node) for node in pruned if tree.status[node] == "pruned" and not _looks(parameters))
    if found.answer:
        end, state = tree.events[-1][1], Game24().start(problem)
        for step in tree.path(end)[1:]:
            state = Game24().step(state, tree.line[step])
        assert Game24().verdict(state).answer == found.answer
        assert found.solved == (tree.status[end] == "solved")
    if mode == "verified":
        assert found.solved == bool(found.answer) == (found.stopped == "solved")


def _looks(parameters):
    return parameters.get("lookahead", 1) and "beam_width" in parameters


@every_search
def test_the_same_seed_gives_the_same_tree(algorithm, parameters):
    trees = [run(Game24(), PUZZLES[:2], algorithm, FakePolicy(), FakeCritic(), seed=5, parameters=parameters)[1].tree
             for _ in range(2)]  # fmt: skip
    assert trees[0].to_json() == trees[1].to_json()


class Contrary(Game24):
    """A world whose judge says the opposite, once it is asked."""

    def verdict(self, state):
        true = super().verdict(state)
        return Verdict(not true.solved, "wrong value" if true.solved else "solved", true.answer, true.reason)

    def truth(self, state):
        raise AssertionError("no search may ask for the truth")


class Sealed(Game24):
    """A world whose judge must not be asked before a search has committed itself."""

    def verdict(self, state):
        raise AssertionError("the judge was asked")


@every_search
def test_a_choice_by_the_rules_never_depends_on_the_judge(algorithm, parameters):
    policy = FakePolicy(skill=1.0)
    arguments = {"mode": "rules", "parameters": parameters}
    honest = run(Game24(), PUZZLES, algorithm, policy, FakeCritic(policy), **arguments)
    contrary = run(Contrary(), PUZZLES, algorithm, policy, FakeCritic(policy), **arguments)
    for one, other in zip(honest, contrary, strict=True):
        assert one.answer == other.answer
        assert one.tree.value == other.tree.value
        assert replace(one.cost, seconds=0) == replace(other.cost, seconds=0)
        assert one.solved is not other.solved or not one.answer
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
    assert found.outcome in ("illegal", "unfinished")
    assert found.cost.sampled_tokens == found.tree.sampled > 0
    assert set(found.tree.status[1:]) <= {"illegal", "unfinished"}
    assert all(found.tree.reason[1:])
    assert Tree.from_json(found.tree.to_json()) == found.tree
    assert len(policy.calls) <= 3  # it does not go on for ever


@both_modes
@every_search
def test_a_policy_that_says_one_legal_line_for_ever_ends(algorithm, parameters, mode):
    policy = FakePolicy(only="7 - 4 = 3 (left: 1 2 3)")
    (found,) = run(Game24(), [(1, 2, 4, 7)], algorithm, policy, FakeCritic(), mode=mode, parameters=parameters)
    assert (found.solved, found.answer) == (False, "")
    assert found.tree.label[1] == "1 2 3"
    assert len(policy.calls) < 10


class Endless(FakePolicy):
    """Never ends a line; every sample takes all the tokens it may."""

    def generate(self, prompts, n, *, max_tokens, **_):
        answer = FakeCompletion("1 + 2 = 3 (left: 3 4 7 7 7 7", (5,) * max_tokens, (-0.1,) * max_tokens, "length")
        answers = [[answer] * count for count in n]
        self.calls.append({"answers": answers, "tokens": max_tokens})
        return answers


@both_modes
@every_search
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
    assert all(one.answer or one.outcome != "solved" for one in found)
    assert all(Tree.from_json(one.tree.to_json()) == one.tree for one in found)


# ------------------------------------------------------------------------------------- budgets
@both_modes
@every_search
def test_a_budget_too_small_for_a_step_is_a_clean_outcome(algorithm, parameters, mode):
    for unit in ("sampled_tokens", "policy_calls", "critic_calls", "depth"):
        (nothing,) = run(Game24(), PUZZLES[:1], algorithm, FakePolicy(), FakeCritic(), mode=mode, budget={unit: 0},
                         parameters=parameters)  # fmt: skip
        assert (nothing.cost, nothing.answer, nothing.stopped) == (Cost(), "", unit)
        (little,) = run(Game24(), PUZZLES[:1], algorithm, FakePolicy(), FakeCritic(), mode=mode, budget={unit: 1},
                        parameters=parameters)  # fmt: skip
        assert little.cost.sampled_tokens == little.tree.sampled
        assert (little.stopped, little.outcome) == (unit, little.outcome)


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


# ------------------------------------------------------------------------------------- the parts
def test_sampling_settings_are_checked():
    with pytest.raises(ValueError, match="top_k -1"):
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


@pytest.mark.parametrize(("typo", "name"), [("beam-search", "beam_search"), ("dtvs", "dvts"), ("rebas", "rebase"),
                                            ("majorty", "majority"), ("best_frist", "best_first")])  # fmt: skip
def test_a_strategy_with_a_typo_is_named_with_the_nearest(typo, name):
    with pytest.raises(ValueError, match=f"strategy '{typo}': one of greedy.*did you mean '{name}'"):
        find_strategy(typo)
