"""Every strategy without replacement: no line twice at a position, honest prices, ends that are exact, who refuses."""

import inspect
from collections import Counter

import pytest
import tiny_models
from fake_models import FakeCritic, FakeDrawn, FakePolicy

from game24lab.evaluation.arms import STRATEGIES, Arm
from game24lab.models.backends.transformers_policy import TransformersPolicy
from game24lab.search.engine import Totals, run
from game24lab.search.mcts import mcts
from game24lab.search.particles import particle_filter
from game24lab.search.sampling import best_of_n
from game24lab.search.voting import majority
from game24lab.tasks.numbers.countdown import Countdown
from game24lab.tasks.numbers.puzzles import NumberProblem
from game24lab.tasks.numbers.task import Game24

PUZZLES = [(4, 5, 6, 10), (1, 2, 4, 7), (3, 3, 8, 8), (2, 3, 5, 12), (6, 6, 6, 6), (1, 4, 8, 8), (2, 9, 10, 11)]
TAKE = [name for name, strategy in STRATEGIES.items() if "sampling" in inspect.signature(strategy).parameters]
SMALL = {"best_of_n": {"n": 12, "batch": 5}, "majority": {"n": 9}, "weighted_majority": {"n": 9},
         "mcts": {"simulations": 25}, "rap": {"n_iters": 5}, "beam_search": {"lookahead": 0},
         "dvts": {"n": 8, "lookahead": 0}}  # fmt: skip


def search(name, sampling="without", mode="rules", problems=PUZZLES, policy=None, **options):
    policy = FakePolicy() if policy is None else policy
    parameters = SMALL.get(name, {}) | {"sampling": sampling} | options.pop("parameters", {})
    return run(Game24(), problems, STRATEGIES[name], policy, FakeCritic(policy), parameters=parameters, mode=mode,
               **options)  # fmt: skip


def test_all_but_those_that_count_independent_answers_take_it():
    assert set(STRATEGIES) - set(TAKE) == {"greedy", "adaptive_consistency", "early_stopping"}


@pytest.mark.parametrize("name", TAKE)
@pytest.mark.parametrize("sampling", ["without", "likeliest"])
@pytest.mark.parametrize("mode", ["rules", "verified"])
def test_no_line_comes_twice(name, sampling, mode):
    whole = "n" in SMALL.get(name, {}) and name not in ("beam_search", "dvts")
    for found in search(name, sampling, mode):
        tree = found.tree
        if whole:
            leaves = [node for node in range(1, len(tree)) if tree.tokens[node]]
            texts = ["\n".join(tree.line[node] for node in tree.path(leaf)) for leaf in leaves]
            assert len(texts) == len(set(texts))
        else:  # of a beam's greedy lines ahead there are none here
            said = Counter((tree.parent[node], tree.line[node]) for node in range(1, len(tree)))
            assert set(said.values()) <= {1}
        assert found.repeated_tokens == 0
        assert found.cost.sampled_tokens > 0
        if tree.sampled != found.cost.sampled_tokens:  # but for the last resort, all that was paid stands in the tree
            assert found.stopped != "solved"
            assert tree.sampled < found.cost.sampled_tokens


@pytest.mark.parametrize("name", TAKE)
def test_neighbours_do_not_matter(name):
    together = search(name)
    alone = [search(name, problems=[problem])[0] for problem in PUZZLES]
    assert [one.tree.line for one in alone] == [one.tree.line for one in together]
    assert [one.cost.sampled_tokens for one in alone] == [one.cost.sampled_tokens for one in together]


def test_less_is_paid_than_with_replacement():
    for name in ("mcts", "best_first", "best_of_n"):
        old, new = (sum(one.cost.sampled_tokens for one in search(name, sampling)) for sampling in ("with", "without"))
        assert new < old


def test_a_position_goes_on_where_it_stopped_and_ends_exactly():
    """No end is ever good enough here: MCTS says every line of every position once, and says that it has."""
    (found,) = search("mcts", problems=[(1, 1, 1)], parameters={"simulations": 500, "prune_value": None, "enough": 1.1})
    assert found.stopped == "exhausted"
    policy, game = FakePolicy(), Game24()
    tree, states = found.tree, [game.start((1, 1, 1))]
    for node in range(1, len(tree)):
        states.append(game.step(states[tree.parent[node]], tree.line[node]) if tree.label[node] else None)
    drawn = {game.key(state): state for state in states if state is not None and not game.is_terminal(state)}
    said = Counter(game.key(states[parent]) for parent in tree.parent[1:])
    for key in drawn:  # lines to one position are one node of the tree
        ends = {str(game.step(drawn[key], line)) if "left" in line else line for line, _ in policy.moves(key)}
        assert said[key] <= len(ends)
    assert said[game.key(states[0])] >= 3


class Liar(FakePolicy):
    """Half of what it says is any of forty lines that are illegal."""

    def moves(self, state):
        lies = [(f"lie {number} (left: 1)", 0.5 / 40) for number in range(40)]
        return (*((line, chance / 2) for line, chance in super().moves(state)), *lies)


@pytest.mark.parametrize(("wakes", "most"), [(0, 3), (1, 6), (2, 12)])
def test_a_position_of_illegal_lines_is_left_alone(wakes, most):
    """No more than `patience` illegal lines in a row are said at a position, unless all positions have been left."""
    options = {"simulations": 3000, "width": 1, "prune_value": None, "enough": 1.1, "patience": 3, "wakes": wakes}
    (found,) = search("mcts", problems=[(1, 1, 2)], policy=Liar(), parameters=options)
    assert found.stopped == "exhausted"
    lies, longest = Counter(), 0
    for node in range(1, len(found.tree)):
        at = found.tree.parent[node]
        lies[at] = 0 if found.tree.label[node] else lies[at] + 1
        longest = max(longest, lies[at])
    assert longest == most


def test_prompts_are_charged_once_a_position():
    (new,) = search("mcts", problems=[(4, 5, 6, 10)])
    prompts = {new.tree.label[node] for node in new.tree.parent if node >= 0}
    policy, game = FakePolicy(), Game24()
    assert new.cost.prompt_tokens <= sum(policy.count(f"Input: {label}\n") for label in prompts) + 20
    assert new.cost.policy_calls > len(prompts) or game


def test_votes_count_by_their_probabilities():
    """Of distinct answers the most probable position wins, not the one with the most spellings."""
    (found,) = search("majority", problems=[(6, 6, 6, 6)], parameters={"n": 30})
    tree, game = found.tree, Game24()
    assert found.outcome in ("solved", "wrong value")
    assert found.candidates == 30
    ends = [node for node in range(len(tree)) if tree.status[node] in ("solved", "wrong")]
    weights = Counter()
    for node in ends:
        weights[tree.label[node]] += 2.718281828 ** tree.logprob[node]
    state = game.start((6, 6, 6, 6))
    for node in tree.path(tree.events[-1][1])[1:]:
        state = game.step(state, tree.line[node])
    assert game.label(state) == max(weights, key=weights.get)


@pytest.mark.parametrize("name", ["best_of_n", "majority", "weighted_majority"])
@pytest.mark.parametrize("sampling", ["without", "likeliest"])
def test_all_answers_that_there_are_and_it_says_so(name, sampling):
    """At temperature 0 there is one, of two tokens and with top_k 2 there are four at most."""
    policy = TransformersPolicy(*tiny_models.make("qwen3"))
    for options, most in (({"temperature": 0.0, "max_tokens": 6}, 1), ({"top_k": 2, "max_tokens": 2}, 4)):
        for batch in (1, 3, 0):
            parameters = {"n": 6, "batch": batch, "sampling": sampling, **options}
            (found,) = run(Game24(), PUZZLES[:1], STRATEGIES[name], policy, FakeCritic(FakePolicy()), mode="rules",
                           parameters=parameters)  # fmt: skip
            assert 1 <= found.candidates <= most
            assert found.stopped == "exhausted"
    (found,) = search(name, sampling, problems=PUZZLES[:1], parameters={"n": 2, "batch": 1})
    assert (found.candidates, found.stopped) == (2, "done")


def test_particles_that_find_no_line_die():
    (found,) = run(Game24(), [(1, 1)], particle_filter, FakePolicy(), FakeCritic(), mode="rules",
                   parameters={"n_particles": 40, "sampling": "without"})  # fmt: skip
    assert found.tree.line[1:]
    assert len(found.tree.line[1:]) <= len(FakePolicy().moves(Game24().start((1, 1)).left))


class Indifferent:
    """Values everything the same."""

    name, parameters, reads = "indifferent", 1, "chains"
    score = staticmethod(lambda texts: [0.0] * len(texts))
    count = staticmethod(len)


def test_legal_lines_alone_are_said():
    policy = TransformersPolicy(*tiny_models.make("qwen3"))  # of random weights: it would never say one by itself

    def search_legally(task, problem, mode, algorithm=mcts, **parameters):
        (found,) = run(task, [problem], algorithm, policy, Indifferent(), mode=mode,
                       parameters={"sampling": "legal", **parameters})  # fmt: skip
        return found

    for task, problem in ((Game24(), (4, 5, 6, 10)), (Countdown(), NumberProblem((3, 7, 25, 50), 81))):
        for mode in ("rules", "verified"):
            found = search_legally(task, problem, mode, simulations=25)
            assert len(found.tree) > 10
            assert found.illegal_tokens == 0
            assert "illegal" not in found.tree.status
    with pytest.raises(ValueError, match="sampling must not be 'legal' where no rules list the lines of 'game24'"):
        search_legally(Game24(), (4, 5, 6, 10), "blind")
    with pytest.raises(ValueError, match="sampling must not be 'legal' for answers that are sampled whole"):
        search_legally(Game24(), (4, 5, 6, 10), "rules", best_of_n)


def test_who_cannot_says_so():
    class Old(FakePolicy):
        open_trie = property()

    with pytest.raises(ValueError, match="policy 'fake' cannot sample without replacement: sampling must be 'with'"):
        search("mcts", policy=Old())
    with pytest.raises(ValueError, match="merge must be true for sampling without replacement"):
        search("mcts", merge=False)
    for strategy in (mcts, best_of_n, majority, particle_filter):
        with pytest.raises(ValueError, match="sampling must be one of with, without, likeliest, legal, got 'nucleus'"):
            run(Game24(), PUZZLES[:1], strategy, FakePolicy(), FakeCritic(), parameters={"sampling": "nucleus"})


def test_arms_from_before_keep_their_names():
    assert "sampling" not in Arm("mcts").describe()
    assert "sampling" not in Arm("mcts", {"sampling": "with"}).describe()
    assert '"sampling": "without"' in Arm("mcts", {"sampling": "without"}).describe()


def test_only_the_passes_behind_tries_are_the_models_time():
    """What tries take besides is the engine's; a search is charged all of it."""
    totals = Totals()
    parameters = {"choose": "logprob", "n": 6, "batch": 3}
    (found,) = search("best_of_n", problems=PUZZLES[:1], parameters=parameters, totals=totals)
    assert found.cost.policy_calls == 2
    assert totals.forwarded.seconds == 2 * FakeDrawn([], 0).seconds
    assert 0 < found.cost.seconds != totals.forwarded.seconds
