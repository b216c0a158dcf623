"""MCTS-alpha and MCTS-Rollout: trees worked out by hand, TS-LLM's program written anew, noise, leaves in parallel."""

import math
import random
from itertools import repeat

import pytest
from fake_models import FakeCritic, FakePolicy
from letters import Letters, Sayings, Table, label_end, list_events, search
from likeliest import Likeliest, TreeByTheBook, compare

from game24lab.search.engine import run
from game24lab.search.graph import make_graph
from game24lab.search.puct import mcts_alpha, mcts_rollout
from game24lab.search.requests import BudgetSpent, Propose, Value
from game24lab.search.simulation import draw, make_puct, make_request, simulate
from game24lab.tasks.numbers.task import Game24

PLAIN = {"pb_c_init": 1.0, "pb_c_base": 1e12, "prior": "logprob"}
SAID = {"_": "a.6 b.3", "a": "a.5 b.5", "b": "a.9 b.1"}
VALUES = {"a": 0.2, "b": -0.2, "aa": 0.1, "ab": -0.5, "ba": 0.3, "bb": 0.9}


# ------------------------------------------------------------------------------------- by hand
def test_three_simulations_a_move_by_hand():
    """c = 1. Priors of a and b: 2/3, 1/3; below a: 1/2, 1/2.

    1. N = 0, so only the values count: a. It is new: .2 goes up.                              a: n=1 W=.2
    2. a: .2 + 2/3 / 2 = .533; b: -.2 + 1/3 = .133. a again: it is drawn from, aa: .6, ab: 0. .1 goes up. n=2 W=.3
    3. a: .15 + 2/3 sqrt(2) / 3 = .464; b: .271. Then aa: .1 + .5 sqrt(2) / 2 = .454; ab: .207. n=3 W=.4
    The move a is made; its subtree is kept.
    4. aa: .1 + .5 sqrt(3) / 3 = .389; ab: -.5 + .5 sqrt(3) = .366. aa.                       aa: n=3 W=.3
    5. aa: .1 + .5 sqrt(4) / 4 = .35; ab: -.5 + .5 sqrt(4) = .5. ab.                         ab: n=1 W=-.5
    6. aa: .1 + .5 sqrt(5) / 4 = .380; ab: -.5 + .5 sqrt(5) / 2 = .059. aa.                   aa: n=4 W=.4
    The move aa is made, for 4 visits against 1: an end, and the answer. b was never drawn from.
    """
    policy = Sayings(**SAID)
    found = search(mcts_alpha, policy, Table(**VALUES), simulations=3, width=2, **PLAIN)
    tree = found.tree
    assert tree.label == ["-", "a", "b", "aa", "ab"]
    assert tree.prior[1:] == pytest.approx([2 / 3, 1 / 3, 0.5, 0.5])
    assert tree.visits == [6, 6, 0, 4, 1]
    assert tree.followed == [0, 6, 0, 4, 1]
    assert tree.total == pytest.approx([0.1, 0.1, 0, 0.4, -0.5])
    assert [(prompt, count) for prompt, count, _ in policy.asked] == [(">", 2), ("a>", 2)]
    assert "".join(list_events(tree, "select")) == "-a" "-aaa" "-aaa" "-aaa" "-aab" "-aaa"
    assert (label_end(tree), found.solved, found.outcome, found.stopped) == ("aa", False, "wrong value", "done")
    assert found.cost.critic_calls == 5


def test_rollouts_by_hand():
    """The same three simulations, two of which end at aa; then a fourth and so on from the root.

    4. a: .4/3 + 2/3 sqrt(3) / 4 = .422; b: -.2 + 1/3 sqrt(3) = .377. aa.                     a: n=4 W=.5
    5. a: .125 + 2/3 sqrt(4) / 5 = .392; b: -.2 + 1/3 sqrt(4) = .467. b, which is new.        b: n=1 W=-.2
    6. a: .125 + 2/3 sqrt(5) / 5 = .423; b: -.2 + 1/3 sqrt(5) / 2 = .173. Then aa: .1 + .5 * 2 / 4 = .35; ab: .5. ab.
    """
    policy = Sayings(**SAID)
    for paths, visits in ((2, [3, 3, 0, 2, 0]), (3, [4, 4, 0, 3, 0]), (4, [6, 5, 1, 3, 1])):
        found = search(mcts_rollout, Sayings(**SAID), Table(**VALUES), num_paths=paths, width=2, **PLAIN)
        assert found.tree.label == ["-", "a", "b", "aa", "ab"]
        assert found.tree.visits == visits
        assert label_end(found.tree) == "aa"
    assert search(mcts_rollout, policy, Table(**VALUES), simulations=2, width=2, **PLAIN).tree.visits[0] == 2
    few = search(mcts_rollout, Sayings(**SAID), Table(**VALUES), max_token=3, num_paths=99, width=2, **PLAIN)
    assert few.tree.sampled == 4  # the limit was passed by the draw at a, and nothing began after it
    assert few.tree.visits == [2, 2, 0, 1, 0]


def test_ends_that_rollouts_came_to_are_added_up_in_three_ways():
    """Of ends visited 3 times (value .1) and once (value .9) the best, or the most visited."""
    values = {**VALUES, "b": 0.25, "bb": 0.2, "ba": -0.9, "aa": -0.3}
    given = {"num_paths": 6, "width": 2, **PLAIN}
    chosen = {how: search(mcts_rollout, Sayings(**SAID), Table(**values), aggregate=how, **given)
              for how in ("orm_max", "majority_vote", "orm_vote")}  # fmt: skip
    tree = chosen["orm_max"].tree
    visits = dict(zip(tree.label, tree.visits, strict=True))
    ends = [label for label in visits if len(label) == 2 and visits[label]]
    assert label_end(tree) == max(ends, key=lambda label: values[label])
    assert label_end(chosen["majority_vote"].tree) == max(ends, key=visits.get)
    assert label_end(chosen["orm_vote"].tree) == max(ends, key=lambda label: visits[label] * (1 + values[label]))
    assert len(ends) > 1


def test_verified_ends_at_the_first_accepted_line_in_its_draw():
    found = search(mcts_alpha, Sayings(_="a b", a="a b"), Table(a=0.9), Letters("ab"), mode="verified", width=2)
    assert (found.answer, found.solved, found.stopped) == ("ab", True, "solved")
    assert found.cost.policy_calls == 2
    assert found.tree.value[3:] == [-1.0, 1.0]


# ------------------------------------------------------------------------------------- TS-LLM's program, written anew
class TreeSearch(TreeByTheBook):
    """TS-LLM's MCTS class as its paper and code have it, on a plain tree: nodes know their parent, ends their value."""

    def __init__(self, problem, policy, critic, width, pb_c_init, pb_c_base):
        super().__init__(problem, policy, critic, width)
        self.pb_c_init, self.pb_c_base = pb_c_init, pb_c_base
        self.expand(self.root)

    def score(self, parent, child):
        pb_c = math.log((parent.n + self.pb_c_base + 1) / self.pb_c_base) + self.pb_c_init
        pb_c *= math.sqrt(parent.n) / (child.n + 1)
        return pb_c * child.prior + child.q

    def simulate(self, node):
        while node.children:
            node = max(node.children, key=lambda child, parent=node: self.score(parent, child))
            if not self.task.is_terminal(node.state) and not node.children and node.n == 1:
                self.expand(node)
        value, end = node.q, node
        while node is not None:
            node.n += 1
            node.w += value
            node = node.parent
        return self.task.is_terminal(end.state)

    def alpha(self, simulations):
        node = self.root
        while not self.task.is_terminal(node.state):
            if not node.children:
                self.expand(node)
            for _ in range(simulations):
                self.simulate(node)
            node = max(node.children, key=lambda child: (child.n, child.q))
        return node

    def rollout(self, num_paths, simulations):
        found = 0
        for _ in range(simulations):
            found += self.simulate(self.root) if found < num_paths else 0


REFERENCE = [(4, 3.0, 19652.0, 5), (20, 3.0, 19652.0, 5), (6, 10.0, 19652.0, 30), (5, 0.0, 3.0, 12)]


@pytest.mark.parametrize(("width", "pb_c_init", "pb_c_base", "simulations"), REFERENCE)
@pytest.mark.parametrize("problem", [(2, 9, 10, 11), (3, 3, 8, 8), (1, 1, 5, 7)])
def test_moves_and_counts_are_those_of_the_reference(problem, width, pb_c_init, pb_c_base, simulations):
    policy = Likeliest(skill=0.5, blur=1.0)
    critic = FakeCritic(FakePolicy(skill=0.5, blur=1.0), noise=2.0)
    theirs = TreeSearch(problem, policy, critic, width, pb_c_init, pb_c_base)
    end = theirs.alpha(simulations)
    given = {"width": width, "pb_c_init": pb_c_init, "pb_c_base": pb_c_base}
    (found,) = run(Game24(), [problem], mcts_alpha, policy, critic, merge=False, mode="rules",
                   parameters={"simulations": simulations, **given})  # fmt: skip
    compare(found.tree, theirs.tell())
    assert found.tree.label[found.tree.events[-1][1]] == Game24().label(end.state)
    assert found.tree.visits[0] == 3 * simulations
    for paths in (2, 1000):
        theirs = TreeSearch(problem, policy, critic, width, pb_c_init, pb_c_base)
        theirs.rollout(paths, 40)
        (found,) = run(Game24(), [problem], mcts_rollout, policy, critic, merge=False, mode="rules",
                       parameters={"num_paths": paths, "simulations": 40, **given})  # fmt: skip
        compare(found.tree, theirs.tell())


# ------------------------------------------------------------------------------------- several leaves at a time
def play(graph, starts, leaves, lines, budget=None, **rule):
    """Drive simulations by hand; `lines` answers a Propose. The states of every request that was made for lines."""
    asked, reply = [], None
    rule = make_puct(1.0, 1e12, **rule)
    search = simulate(graph, starts, make_request(2, 1.0, 1.0, 0, 8), rule, depth=9, leaves=leaves)
    while True:
        try:
            request = search.send(reply)
            if isinstance(request, Propose):
                asked.append(request.states)
                if budget is not None and len(asked) > budget:
                    search.throw(BudgetSpent("policy_calls"))
            reply = [lines(state) for state in request.states] if isinstance(request, Propose) else [
                0.5 if state.endswith("a") else -0.5 for state in request.states]  # fmt: skip
        except (StopIteration, BudgetSpent):
            return asked


def plant_letters(length=4):
    """A graph with the root drawn from, and how lines are answered in it: a and b, equally likely."""
    said = Sayings(_="a.5 b.5")
    graph = make_graph(Letters("zz", length), "", False, True, "logprob")
    graph.root.value = 0.0
    expand = draw(graph, [graph.root], make_request(2, 1.0, 1.0, 0, 8))
    next(expand)
    lines = lambda state: [said.complete("a", 0.5), said.complete("b", 0.5)]  # noqa: E731
    assert isinstance(expand.send([lines("")]), Value)
    with pytest.raises(StopIteration):
        expand.send([0.5, -0.5])
    return graph, lines


def list_edges(graph):
    return [edge for node in graph.nodes.values() for edge in node.edges]


@pytest.mark.parametrize("leaves", [1, 2, 5, 50])
@pytest.mark.parametrize("virtual_loss", [0.0, 1.0, 3.0])
def test_every_simulation_backs_up_once_and_virtual_loss_leaves_no_trace(leaves, virtual_loss):
    graph, lines = plant_letters()
    asked = play(graph, repeat([(None, graph.root)], 40), leaves, lines, virtual_loss=virtual_loss)
    assert graph.root.visits == 40 == sum(edge.followed for edge in graph.root.edges)
    assert all(edge.pending == 0 for edge in list_edges(graph))
    assert all(len(states) <= leaves and len(set(states)) == len(states) for states in asked)
    for node in graph.nodes.values():
        if node.draws and node is not graph.root:
            assert node.visits == 1 + sum(edge.followed for edge in node.edges)
    drawn = {node.state for node in graph.nodes.values() if node.draws} - {""}
    assert sorted(state for states in asked for state in states) == sorted(drawn)
    backups = [event for event in graph.tree.events if event[0] == "backup" and event[1] == 0]
    assert len(backups) == 40
    ends = sum(event[0] == "select" and event[1] == 0 for event in graph.tree.events)
    assert ends == 40


def test_virtual_loss_sends_the_next_simulation_elsewhere():
    """a (.5) is better than b (-.5) by far. c = 1, priors 1/2; the first simulation ends at a, the second waits there.

    3. One is lost at a: (.5 - 1) / 2 + .5 sqrt(2) / 3 = -.014; b: -.5 + .5 sqrt(2) = .207. b, which is new.
    4. a: -.25 + .5 sqrt(3) / 3 = .039; b: -.5 + .5 sqrt(3) / 2 = -.067. A second one waits at a.
    5. a: (.5 - 2) / 3 + .5 sqrt(4) / 4 = -.25; b: -.5 + .5 sqrt(4) / 2 = 0. The third waits at b.
    """
    asked = {}
    for leaves in (1, 3):
        graph, lines = plant_letters()
        asked[leaves] = play(graph, repeat([(None, graph.root)], 5), leaves, lines)
    assert asked[1] == [("a",), ("aa",), ("aaa",)]
    assert asked[3] == [("a", "b"), ("aa",)]  # of those that waited at a, the second finds the best child visited
    assert [edge.followed for edge in graph.root.edges] == [3, 2]


@pytest.mark.parametrize("spent", [0, 1, 2])
def test_a_spent_budget_takes_virtual_losses_back(spent):
    graph, lines = plant_letters()
    play(graph, repeat([(None, graph.root)], 40), 3, lines, budget=spent)
    assert all(edge.pending == 0 for edge in list_edges(graph))
    assert graph.root.visits == sum(edge.followed for edge in graph.root.edges) < 40


def test_parallel_leaves_need_fewer_rounds_for_as_many_simulations():
    policy, problems = FakePolicy(skill=0.5), [(3, 3, 8, 8), (2, 9, 10, 11), (1, 4, 8, 8)]
    depth = {}
    for leaves in (1, 8):
        found = run(Game24(), problems, mcts_rollout, policy, FakeCritic(policy), mode="rules", parameters={
            "simulations": 60, "num_paths": 1000, "width": 5, "leaves": leaves})  # fmt: skip
        assert all(one.tree.visits[0] == 60 for one in found)
        depth[leaves] = sum(one.cost.depth for one in found)
    assert depth[8] < depth[1] / 2


# ------------------------------------------------------------------------------------- noise
def test_sampling_mixes_noise_into_the_priors_and_leaves_them_as_they_were():
    policy, problem = Likeliest(skill=0.5, blur=1.0), (3, 3, 8, 8)
    critic = FakeCritic(policy)

    def explore(seed, **parameters):
        (found,) = run(Game24(), [problem], mcts_alpha, policy, critic, seed=seed, mode="rules",
                       parameters={"simulations": 30, "width": 8, "sample": True, **parameters})  # fmt: skip
        return found.tree

    noisy = [explore(seed).visits for seed in range(6)]
    assert len({tuple(visits) for visits in noisy}) > 1
    assert explore(3).visits == noisy[3]
    greedy = [explore(seed, sample=False).visits for seed in range(3)]
    assert greedy[0] == greedy[1] == greedy[2]  # the policy says the same every time: no chance is left
    tree = explore(3)
    root = [node for node in tree.children(0) if tree.prior[node] is not None]
    assert [tree.prior[node] for node in root] == pytest.approx([explore(0, sample=False).prior[node] for node in root])


def test_noise_of_no_weight_changes_no_simulation():
    """Only the moves are drawn then: the first move's simulations are those of the search without chance."""
    policy = Likeliest(skill=0.5, blur=1.0)
    trees = [run(Game24(), [(3, 3, 8, 8)], mcts_alpha, policy, FakeCritic(policy), mode="rules", parameters={
        "simulations": 30, "width": 8, "sample": sample, "root_noise_weight": 0.0, "depth": 1})[0].tree
        for sample in (False, True)]  # fmt: skip
    assert trees[0].visits == trees[1].visits


def test_dirichlet_noise_can_turn_the_first_choice():
    """All weight on noise that falls on one child: b is followed, although a has the larger prior and value."""
    rule, graph = make_puct(10.0, 1e12, noisy=(noisy := {})), plant_letters()[0]
    graph.root.visits = 4
    a, b = graph.root.edges
    assert rule(graph.root, [a, b]) is a
    noisy.update({a: 0.0, b: 1.0})
    assert rule(graph.root, [a, b]) is b


def test_moves_are_drawn_in_proportion_to_visits():
    from game24lab.search.puct import _draw_move

    graph, _ = plant_letters()
    a, b = graph.root.edges
    a.followed, b.followed = 3, 1
    rng = random.Random(0)
    assert sum(_draw_move([a, b], rng) is a for _ in range(2000)) / 2000 == pytest.approx(0.75, abs=0.04)
