"""MCTS: numbers worked out by hand, an independent PUCT, a golden tree, and how it behaves where it is hard."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fake_models import FakeCompletion, FakeCritic, FakePolicy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from letters import Letters
from likeliest import Likeliest, compare
from searches import check_end

from game24lab.search.engine import run
from game24lab.search.mcts import mcts
from game24lab.search.tree import Tree
from game24lab.tasks.numbers.puzzles import NumberProblem
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.task import Illegal

GOLDEN = Path(__file__).parents[1] / "golden"
PUZZLES = [(4, 5, 6, 10), (1, 2, 4, 7), (3, 3, 8, 8), (2, 3, 5, 12), (6, 6, 6, 6), (1, 4, 8, 8), (2, 9, 10, 11)]


# ------------------------------------------------------------------------------------- a world worked out by hand
class Sayings:
    """A policy with given lines and probabilities for each prompt, in order; the last line is said for ever."""

    parameters, name = 1, "sayings"

    def __init__(self, **lines):
        self.lines = {f"{state.replace('_', '')}>": list(said) for state, said in lines.items()}
        self.said = dict.fromkeys(self.lines, 0)
        self.temperatures = []

    def count(self, text):
        return len(text)

    def generate(self, prompts, n, *, max_tokens, temperature=1.0, top_p=1.0, top_k=0, stop_line=False, seeds=None):
        self.temperatures.append(temperature)
        return [[self.say(prompt) for _ in range(count)] for prompt, count in zip(prompts, n, strict=True)]

    def say(self, prompt):
        line, chance = self.lines[prompt][min(self.said[prompt], len(self.lines[prompt]) - 1)]
        self.said[prompt] += 1
        return FakeCompletion(line, (7,), (math.log(chance),), "stop")


class Table:
    """A critic that looks values up."""

    parameters, name = 1, "table"

    def __init__(self, **values):
        self.values = {f"{state.replace('_', '')}>": value for state, value in values.items()}

    def count(self, text):
        return len(text)

    def score(self, texts):
        return [self.values[text] for text in texts]


def search(policy, critic, task=None, mode="verified", merge=True, **parameters):
    parameters = {"c_base": 1e12, "c_init": 1.0, "widen": 0, "heat": 0} | parameters
    (found,) = run(task or Letters(), ["x"], mcts, policy, critic, parameters=parameters, mode=mode, merge=merge)
    return found


def test_selection_expansion_and_backup_by_hand():
    """c = 1 (c_base is huge). Priors of a and b: .6 / (.6 + .3), .3 / (.6 + .3).

    1. The root is drawn from: a, b appear; its own value 0 goes up.                             N=1 W=0
    2. a: .2 + 2/3 * sqrt(1) / 1 = .867; b: -.2 + 1/3 = .133. So a: aa, ab are wrong; .2 goes up. N=2 W=.2
    3. a: .2 + 2/3 * sqrt(2) / 2 = .671; b: -.2 + 1/3 * sqrt(2) = .271. a would be next, but both its ends are known to
       be wrong: it is passed over. b: bb solves it; -.2 goes up.                                N=3 W=0
    """
    policy = Sayings(_=[("a", 0.6), ("b", 0.3)], a=[("a", 0.5), ("b", 0.5)], b=[("a", 0.9), ("b", 0.1)])
    found = search(policy, Table(_=0.0, a=0.2, b=-0.2))
    tree = found.tree
    assert tree.line == ["", "a", "b", "a", "b", "a", "b"]
    assert tree.parent == [-1, 0, 0, 1, 1, 2, 2]
    assert tree.prior[1:] == pytest.approx([2 / 3, 1 / 3, 0.5, 0.5, 0.9, 0.1])
    assert tree.visits == [3, 1, 1, 0, 0, 0, 0]
    assert tree.followed == [0, 1, 1, 0, 0, 0, 0]
    assert tree.total == pytest.approx([0.0, 0.2, -0.2, 0, 0, 0, 0])
    assert tree.value == [0.0, 0.2, -0.2, -1.0, -1.0, -1.0, 1.0]
    assert tree.status == ["open", "open", "open", "wrong", "wrong", "wrong", "solved"]
    assert (found.answer, found.stopped, found.candidates, found.correct) == ("bb", "solved", 4, 1)
    assert found.cost.policy_calls == 3
    assert found.cost.critic_calls == 3
    selected = [event[1] for event in tree.events if event[0] == "select"]
    assert selected == [0, 0, 1, 0, 2]
    backups = [event[1:4] for event in tree.events if event[0] == "backup"]
    assert backups == [[0, 1, 0.0], [1, 1, 0.2], [0, 2, 0.2], [2, 1, -0.2], [0, 3, 0.0]]
    assert tree.events[-1][:2] == ["stop", 6]


def test_a_dead_end_sends_the_search_back_for_another_line():
    """Two lines a draw. a is said twice, so the unseen mass is .4, and a (value -.9) looks dead.

    Drawing again is worth the root's own 0 + .4 * sqrt(1) / 1, more than a's -.9 + 1 * sqrt(1) / 1. The second draw
    brings b with value .8, which is backed up: N=2 W=.8; then b is followed.
    """
    policy = Sayings(_=[("a", 0.6), ("a", 0.6), ("b", 0.3), ("a", 0.6)], b=[("b", 0.9), ("a", 0.1)])
    found = search(policy, Table(_=0.0, a=-0.9, b=0.8), widen=1.0)
    tree = found.tree
    assert tree.line == ["", "a", "b", "b", "a"]
    assert tree.tokens == [0, 3, 1, 1, 1]
    assert tree.prior[1:3] == pytest.approx([2 / 3, 1 / 3])
    assert tree.visits == [3, 0, 1, 0, 0]
    assert tree.total == pytest.approx([1.6, 0, 0.8, 0, 0])
    assert found.solved


def test_positions_share_what_they_have_learnt_on_a_graph():
    """ab and ba are one position here: drawn from once, valued once, shown twice. Without merging they are two.

    The root is drawn from, then a (.1 + .5 against .5), then b (.707 against .453), and then ab by way of a.
    """
    said = {"_": [("a", 0.5), ("b", 0.5)], "a": [("b", 1.0)], "b": [("a", 1.0)], "ab": [("c", 1.0)], "ba": [("c", 1.0)]}
    critic = Table(_=0.0, a=0.1, b=0.0, ab=0.9, ba=0.7)
    found = search(Sayings(**said), critic, Letters("ddd", 3, bag=True), width=2)
    tree = found.tree
    assert tree.label == ["-", "a", "b", "ab", "ba", "abc"]
    assert tree.same == [None, None, None, None, 3, None]
    assert tree.value[4] == tree.value[3] == 0.9
    assert tree.visits == [4, 2, 1, 1, 1, 0]
    assert tree.followed == [0, 2, 1, 1, 0, 0]
    assert tree.total == pytest.approx([1.0, 1.0, 0.0, 0.9, 0.9, 0])
    assert tree.children(4) == tree.children(3) == [5]
    assert found.stopped == "exhausted"
    assert found.saved.critic_calls == 1  # the value of ba
    apart = search(Sayings(**said), critic, Letters("ddd", 3, bag=True), merge=False, width=2)
    assert apart.tree.label == ["-", "a", "b", "ab", "ba", "abc", "bac"]
    assert apart.tree.same == [None] * 7
    assert apart.tree.value[4] == 0.7
    assert apart.saved.critic_calls == 0


# ------------------------------------------------------------------------------------- an independent PUCT
@dataclass
class Node:
    """A node of the reference below."""

    state: object
    value: float
    chance: float = 1.0
    n: int = 0
    w: float = 0.0
    children: dict = field(default_factory=dict)
    dead: bool = False
    open: bool = False


def puct_by_the_book(task, problem, policy, critic, simulations, width, c_init, c_base):
    """PUCT on a plain tree by recursion: another program for the same textbook page (no merging, no widening)."""

    def value(state):
        if task.is_terminal(state):
            return 1.0 if task.verdict(state).solved else -1.0
        return critic.score([task.text(state)])[0]

    def simulate(node):
        """The value of one simulation from this node, None where nothing is left below it."""
        if not node.open:
            node.open = True
            ((*lines,),) = policy.generate([task.text(node.state)], [width])
            for line in lines:
                after = task.step(node.state, line.text)
                if not isinstance(after, Illegal) and line.text not in node.children:
                    dead = task.is_terminal(after)
                    node.children[line.text] = Node(after, value(after), math.exp(line.logprob), dead=dead)
            result = node.value
        else:
            result = None
            whole = sum(child.chance for child in node.children.values())
            c = math.log((node.n + c_base + 1) / c_base) + c_init
            while result is None:
                alive = [child for child in node.children.values() if not child.dead]
                if not alive:
                    node.dead = True
                    return None
                best = max(alive, key=lambda child: (child.w / child.n if child.n else child.value)
                           + child.chance / whole * c * math.sqrt(node.n) / (child.n + 1))  # fmt: skip
                result = simulate(best)
        node.n += 1
        node.w += result
        return result

    start = task.start(problem)
    root = Node(start, value(start))
    for _ in range(simulations):
        if simulate(root) is None or solved_in(root):
            break
    return root


def solved_in(node):
    return any((child.value == 1.0 and child.dead) or solved_in(child) for child in node.children.values())


def flatten_node(node, path=()):
    yield path, node.n, node.w
    for line, child in node.children.items():
        yield from flatten_node(child, (*path, line))


@pytest.mark.parametrize(("width", "c_init", "c_base"), [(3, 1.0, 19652), (6, 3.0, 19652), (4, 0.0, 5)])
@pytest.mark.parametrize("problem", [(2, 9, 10, 11), (3, 3, 8, 8), (1, 1, 5, 7)])  # the last has no solution
def test_an_independent_puct_finds_the_same_counts(problem, width, c_init, c_base):
    task, policy = Game24(), Likeliest(skill=0.5, blur=1.0)
    critic = FakeCritic(FakePolicy(skill=0.5, blur=1.0), noise=2.0)
    root = puct_by_the_book(task, problem, policy, critic, 40, width, c_init, c_base)
    (found,) = run(task, [problem], mcts, policy, critic, merge=False, parameters={
        "simulations": 40, "width": width, "widen": 0, "c_init": c_init, "c_base": c_base,
        "prune_value": None})  # fmt: skip
    assert root.n > 10
    compare(found.tree, {path: (n, w) for path, n, w in flatten_node(root)})


# ------------------------------------------------------------------------------------- golden trees
@pytest.mark.parametrize("mode", ["verified", "rules"])
def test_the_golden_tree(mode):
    """Regression: the tree checked in. After a wanted change: delete the file, run, look at the difference, commit."""
    policy = FakePolicy(skill=1.5)
    (found,) = run(Game24(), [(4, 5, 6, 10)], mcts, policy, FakeCritic(policy), mode=mode, seed=7,
                   parameters={"simulations": 20, "width": 3})  # fmt: skip
    path = GOLDEN / f"mcts_{mode}.json"
    if not path.exists():
        path.write_text(found.tree.to_json() + "\n")
        pytest.fail(f"{path.name} was missing and has been written")
    golden = Tree.from_json(path.read_text())
    for name in ("parent", "line", "label", "visits", "followed", "tokens", "status", "expression", "same", "reason"):
        assert getattr(found.tree, name) == getattr(golden, name), name
    for name in ("prior", "logprob", "value", "total"):
        assert getattr(found.tree, name) == pytest.approx(getattr(golden, name)), name
    assert [event[:3] + event[4:] for event in found.tree.events] == [event[:3] + event[4:] for event in golden.events]
    assert found.tree.meta == golden.meta


# ------------------------------------------------------------------------------------- what always holds
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10**6), problem=st.sampled_from(PUZZLES), width=st.integers(1, 5), merge=st.booleans(),
    mode=st.sampled_from(["verified", "rules"]), widen=st.sampled_from([0, 0.5, 2]),
    skill=st.sampled_from([0.0, 3.0]), prior=st.sampled_from(["logprob", "frequency"]),
)  # fmt: skip
def test_any_search_leaves_a_sound_tree(seed, problem, width, merge, mode, widen, skill, prior):
    policy = FakePolicy(skill=skill)
    (found,) = run(Game24(), [problem], mcts, policy, FakeCritic(), seed=seed, mode=mode, merge=merge,
                   parameters={"simulations": 15, "width": width, "widen": widen, "prior": prior})  # fmt: skip
    tree, nodes = found.tree, range(len(found.tree))
    assert Tree.from_json(tree.to_json()) == tree
    assert tree.sampled == found.cost.sampled_tokens
    assert tree.visits[0] <= 15
    assert [event[1] for event in tree.events if event[0] == "expand"] == list(nodes)
    for node in nodes:
        inner = [child for child in tree.children(node) if tree.same[node] is None]
        legal = [child for child in inner if tree.prior[child] is not None]  # no illegal ones, nor a last resort's
        if legal:
            assert sum(tree.prior[child] for child in legal) == pytest.approx(1)
        assert sum(tree.followed[child] for child in legal) <= tree.visits[node] + 15 * (tree.same[node] is not None)
        assert abs(tree.total[node]) <= tree.visits[node] + 1e-9
        assert tree.same[node] is None or (merge and tree.label[node] == tree.label[tree.same[node]])
        assert len({tree.line[child] for child in inner}) == len(inner)
        replayed = [event[2:4] for event in tree.events if event[1] == node]
        assert replayed[-1] == [tree.visits[node], tree.total[node]]
    check_end(found, problem, "rules")
    assert found.correct == len({node for node in nodes if tree.status[node] == "solved" and tree.same[node] is None})


def test_the_same_seed_gives_the_same_tree():
    trees = [run(Game24(), PUZZLES[:2], mcts, FakePolicy(), FakeCritic(), seed=5)[1].tree.to_json() for _ in range(2)]
    assert trees[0] == trees[1]


# ------------------------------------------------------------------------------------- two ways to end
def test_a_search_by_the_rules_takes_the_best_valued_end_or_the_most_visited_path():
    said = {"_": [("a", 0.9), ("b", 0.1)], "a": [("a", 0.5), ("b", 0.5)], "b": [("a", 0.5), ("b", 0.5)]}
    values = {"_": 0.0, "a": 0.8, "b": -0.5, "aa": 0.1, "ab": 0.3, "ba": -0.9, "bb": 0.6}
    by_value = search(Sayings(**said), Table(**values), mode="rules", simulations=5)
    assert (by_value.answer, by_value.solved, by_value.stopped) == ("bb", True, "exhausted")
    by_visits = search(Sayings(**said), Table(**values), mode="rules", simulations=5, commit="visits")
    assert by_visits.tree.label[by_visits.tree.events[-1][1]] == "ab"
    assert (by_visits.solved, by_visits.outcome, by_visits.correct) == (False, "wrong value", 1)
    early = search(Sayings(**said), Table(**values), mode="rules", simulations=5, enough=0.25, commit="visits")
    assert early.stopped == "confident"
    assert early.tree.label[early.tree.events[-1][1]] == "ab"
    assert early.cost.policy_calls == 2
    assert by_value.tree.value == [0.0, 0.8, -0.5, 0.1, 0.3, -0.9, 0.6]  # the ends as well, by the critic


@pytest.mark.parametrize("mode", ["verified", "rules"])
def test_a_search_that_met_no_end_is_finished_greedily(mode):
    policy = FakePolicy(skill=6.0, blur=0.1, illegal=0.001)
    (found,) = run(Game24(), [(4, 5, 6, 10)], mcts, policy, FakeCritic(policy), mode=mode,
                   parameters={"simulations": 1})  # fmt: skip
    assert found.solved
    assert found.answer
    assert policy.calls[-1]["temperature"] == 0
    assert not policy.calls[-1]["stop_line"]
    assert found.tree.sampled == found.cost.sampled_tokens


# ------------------------------------------------------------------------------------- hard places
def test_it_solves_what_its_policy_rarely_solves_and_pays_little():
    policy = FakePolicy(skill=2.5)
    puzzles = [(a, b, c, d) for a in (1, 3) for b in (4, 5) for c in (6, 8) for d in (9, 12)]
    puzzles = [puzzle for puzzle in puzzles if Game24().truth(Game24().start(puzzle))]
    assert len(puzzles) > 10
    found = run(Game24(), puzzles, mcts, policy, FakeCritic(policy))
    assert sum(one.solved for one in found) == len(puzzles)
    assert sum(one.cost.sampled_tokens for one in found) / len(puzzles) < 500


def test_a_position_whose_ends_are_all_wrong_absorbs_nothing_more():
    policy = Sayings(_=[("a", 0.9), ("b", 0.1)], a=[("a", 0.9), ("b", 0.1)], b=[("a", 0.5), ("b", 0.5)])
    found = search(policy, Table(_=0.0, a=0.9, b=-0.9), Letters("cc"))
    assert found.stopped == "exhausted"
    assert found.tree.visits == [3, 1, 1, 0, 0, 0, 0]
    assert (found.outcome, found.answer) == ("wrong value", "")


def test_asking_in_vain_makes_the_next_draw_warmer_and_ends():
    policy = Sayings(_=[("a", 0.5)], a=[("a", 0.5)])
    found = search(policy, Table(_=0.0, a=-0.99), Letters("bb"), widen=1.0, heat=0.25, simulations=100, wakes=0)
    assert found.stopped == "exhausted"
    assert not found.solved
    assert found.cost.policy_calls == len(policy.temperatures) == 34  # 17 at the root, 17 at a
    assert sorted(set(policy.temperatures)) == [1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5]


def test_when_all_positions_rest_all_are_woken_for_twice_the_patience():
    """The line that is needed comes at the fifth draw: patience 2 gives up after 3 draws here and 3 at a."""
    said = [("a", 0.5)] * 4 + [("b", 0.1)]
    policy = Sayings(_=said, a=[("a", 0.5)], b=[("b", 0.5)])
    critic = Table(_=0.0, a=-0.99, b=0.9)
    lost = search(policy, critic, widen=1.0, width=1, simulations=100, patience=2, wakes=0)
    assert (lost.stopped, lost.solved, lost.cost.policy_calls) == ("exhausted", False, 6)
    policy = Sayings(_=said, a=[("a", 0.5)], b=[("b", 0.5)])
    found = search(policy, critic, widen=1.0, width=1, simulations=100, patience=2, wakes=1)
    assert found.solved
    assert 6 < found.cost.policy_calls <= 6 + 4


def test_what_the_critic_is_sure_is_dead_is_drawn_from_last():
    said = {"_": [("a", 0.6), ("b", 0.4)], "a": [("b", 1.0)], "b": [("a", 0.5), ("c", 0.5)]}
    critic = Table(_=0.0, a=-0.9999, b=-0.5)
    found = search(Sayings(**said), critic, Letters("ab"), prune_value=-0.999, widen=0)
    assert found.solved  # the critic was wrong about a: it was woken
    assert found.tree.label == ["-", "a", "b", "ba", "bc", "ab"]
    assert ["prune", 1] in [event[:2] for event in found.tree.events]
    assert found.tree.status[1] == "open"
    lost = search(Sayings(**said), critic, Letters("ab"), prune_value=-0.999, widen=0, wakes=0)
    assert (lost.solved, lost.stopped) == (False, "exhausted")
    assert lost.tree.status[:3] == ["open", "pruned", "open"]
    free = search(Sayings(**said), critic, Letters("ab"), prune_value=None, widen=0, wakes=0)
    assert free.solved


def test_a_draw_of_illegal_lines_cools_the_next():
    said = [("a", 0.5), ("a", 0.5), ("a", 0.5), ("a", 0.5), ("?", 0.1), ("!", 0.1), ("b", 0.1)]
    policy = Sayings(_=said, a=[("a", 0.5)], b=[("b", 0.5)])
    found = search(policy, Table(_=0.0, a=-1.0, b=0.9), widen=10, heat=0.25)
    assert policy.temperatures == [1.0, 1.0, 1.25, 1.0, 1.0]
    assert found.solved
    assert found.tree.status[2:4] == ["illegal", "illegal"]


@pytest.mark.parametrize("mode", ["verified", "rules"])
@pytest.mark.parametrize("line", ["nonsense", "", "4 * 6 = 24 (left: 24)"])
def test_a_policy_that_says_only_illegal_lines_is_an_unsolved_outcome_with_its_cost(mode, line):
    policy = FakePolicy(only=line)
    (found,) = run(Game24(), [(1, 2, 4, 7)], mcts, policy, FakeCritic(), mode=mode)
    assert (found.solved, found.answer, found.outcome) == (False, "", "illegal" if line else "unfinished")
    assert found.stopped == "exhausted"
    assert found.cost.sampled_tokens == found.tree.sampled > 0
    assert set(found.tree.status[1:]) <= {"illegal", "unfinished"}
    assert found.tree.reason[1]


def test_a_policy_that_says_one_legal_line_for_ever_ends():
    (found,) = run(Game24(), [(1, 2, 4, 7)], mcts, FakePolicy(only="7 - 4 = 3 (left: 1 2 3)"), FakeCritic(),
                   parameters={"simulations": 5000})  # fmt: skip
    assert not found.solved
    assert found.stopped == "exhausted"
    assert found.cost.policy_calls < 1200  # 16 draws in vain at two positions, then 32, ... 512
    assert found.tree.status[1] == "open"
    assert found.outcome == "unfinished"


def test_a_puzzle_that_is_over_before_it_began_costs_no_sample():
    for mode in ("verified", "rules"):
        right, wrong = run(Game24(), [(24,), (23,)], mcts, FakePolicy(), FakeCritic(), mode=mode)
        assert (right.solved, wrong.solved) == (True, False)
        assert right.answer == "24"
        assert right.cost.sampled_tokens == wrong.cost.sampled_tokens == 0


def test_rollouts_stand_in_for_a_critic():
    policy = FakePolicy()
    found = run(Game24(), PUZZLES, mcts, policy, parameters={"leaf": "rollout", "simulations": 60})
    assert sum(one.solved for one in found) >= 6
    assert all(one.cost.critic_tokens == 0 for one in found)
    assert all(one.tree.sampled == one.cost.sampled_tokens for one in found)
    values = {value for one in found for value in one.tree.value if value is not None}
    assert values == {-1.0, 1.0}
    with pytest.raises(ValueError, match="leaf must be 'critic' in a search that is not verified, got 'rollout'"):
        run(Game24(), PUZZLES[:1], mcts, policy, mode="rules", parameters={"leaf": "rollout"})


def test_other_counts_of_numbers_and_other_targets_work():
    policy = FakePolicy()
    for task, problem in ((Game24(), (4, 6)), (Game24(), (2, 3, 4)), (Game24(context="history"), (2, 3, 4))):
        assert run(task, [problem], mcts, policy, FakeCritic())[0].solved, task
    assert run(Game24(), [NumberProblem((1, 2, 3, 4), 10)], mcts, Renamed(policy), Flat())[0].solved


class Renamed:
    """A policy behind prompts that name another target."""

    parameters, name = 10, "renamed"

    def __init__(self, policy):
        self.policy = policy

    def count(self, text):
        return self.policy.count(text)

    def generate(self, prompts, n, **given):
        return self.policy.generate([prompt.split(" Target")[0] + "\n" for prompt in prompts], n, **given)


class Flat:
    """A critic without an opinion."""

    parameters, name = 1, "flat"

    def count(self, text):
        return 1

    def score(self, texts):
        return [0.0] * len(texts)


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"simulations": 0}, "simulations must be an integer >= 1, got 0"),
        ({"width": 0}, "width must be an integer >= 1, got 0"),
        ({"width": "4"}, "width must be an integer >= 1, got '4'"),
        ({"widen": -1}, "widen must be a number >= 0, got -1"),
        ({"patience": 0}, "patience must be an integer >= 1, got 0"),
        ({"wakes": -1}, "wakes must be an integer >= 0, got -1"),
        ({"prune_value": -2}, "prune_value must be a number from -1 to 1, got -2"),
        ({"heat": "1e-1"}, "YAML reads"),
        ({"c_base": 0}, "c_base must be a number >= 1, got 0"),
        ({"prior": "uniform"}, "prior must be one of logprob, frequency, mean, got 'uniform'"),
        ({"leaf": "critik"}, "did you mean 'critic'"),
        ({"commit": "vote"}, "commit must be one of value, visits, got 'vote'"),
        ({"temperature": -1}, "temperature must be a number >= 0, got -1"),
        ({"simulation": 5}, "did you mean 'simulations'"),
    ],
)
def test_parameters_that_make_no_sense_are_named(parameters, reason):
    with pytest.raises(ValueError, match=reason):
        run(Game24(), [(4, 6)], mcts, FakePolicy(), FakeCritic(), parameters=parameters)


def test_golden_trees_are_small_enough_to_read():
    for path in GOLDEN.glob("mcts_*.json"):
        assert len(json.loads(path.read_text())["parent"]) < 100
