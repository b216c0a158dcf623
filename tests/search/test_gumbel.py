"""Gumbel search: a tree worked out by hand, the published program written anew, and its known traps."""

import math
import random

import pytest
from fake_models import FakeCritic, FakePolicy
from letters import Sayings, Table, label_end, list_events, search
from likeliest import Likeliest, TreeByTheBook, compare

from game24lab.search.engine import derive, run
from game24lab.search.gumbel import gumbel_mcts
from game24lab.tasks.numbers.task import Game24

PLAIN = {"gumbel_scale": 0.0, "gumbel_c_visit": 1.0, "gumbel_c_scale": 0.5, "prior": "logprob"}


# ------------------------------------------------------------------------------------- by hand
def test_halving_by_hand():
    """No noise; sigma(q) = (1 + max n) / 2 q. Four moves of P .4 .3 .2 .1, four considered, 8 simulations a move.

    Two rounds: 8 // (2 * 4) = 1 simulation of all four, then the best two get (8 - 4) // 2 = 2 each.
    1. All are new, and back up their values: .1 -.5 .3 .2. Scores ln P + sigma, where max n = 1: -.816 -1.704 -1.309
       -2.103. a and c are kept.
    2. a is drawn from (aa, ab: P 1/2), c too (ca, cb: 2/3 1/3). Below a: v = .1, no child is visited, so all are
       completed alike and the shares are the priors: aa, the first of equals, .6 goes up. c: ca, -.4.
       a: n = 2, W = .7; c: n = 2, W = -.1. Once more. Below a: mixed (.1 + 1 * .6) / 2 = .35, sigma (1 + 1) / 2 q:
       shares of .6 and .35: .562 .438, less 1 / 2: .062 .438: ab, .4. Below c: mixed (.3 - .4) / 2 = -.05; logits
       ln 2/3 - .4, ln 1/3 - .05: .585 .415; less 1 / 2 for ca: cb, .9.
       a: n = 3, W = 1.1; c: n = 3, W = .8. Scores, max n = 3: ln .4 + 2 * .367 = -.183; ln .2 + 2 * .267 = -1.076.
    The move a is made. Below it n = 1, 1 and both are considered: one round of 8 // 2 = 4 each. Then max n = 5:
    ln .5 + 3 * .6 against ln .5 + 3 * .4: aa, the answer.
    """
    policy = Sayings(_="a.4 b.3 c.2 d.1", a="a.5 b.5", c="a.6 b.3")
    values = {"a": 0.1, "b": -0.5, "c": 0.3, "d": 0.2, "aa": 0.6, "ab": 0.4, "ca": -0.4, "cb": 0.9}
    found = search(gumbel_mcts, policy, Table(**values), simulations=8, width=4, max_num_considered_actions=4, **PLAIN)
    tree = found.tree
    assert tree.label == ["-", "a", "b", "c", "d", "aa", "ab", "ca", "cb"]
    assert tree.followed == [0, 11, 1, 3, 1, 5, 5, 1, 1]
    assert tree.visits == [16, 11, 1, 3, 1, 5, 5, 1, 1]
    assert tree.total == pytest.approx([5.6, 5.1, -0.5, 0.8, 0.2, 3.0, 2.0, -0.4, 0.9])
    assert list_events(tree, "select")[:8] == ["-", "a", "-", "b", "-", "c", "-", "d"]
    assert (label_end(tree), found.stopped) == ("aa", "done")
    assert [(prompt, count) for prompt, count, _ in policy.asked] == [(">", 4), ("a>", 4), ("c>", 4)]
    assert found.cost.depth == 5  # one request served both a and c, one their children


# ------------------------------------------------------------------------------------- the published program, anew
class GumbelSearch(TreeByTheBook):
    """Danihelka et al. 2022 as ReSCALE runs it on TS-LLM's tree: the moves considered one after the other."""

    def __init__(self, problem, policy, critic, rng, simulations, width, considered, c_visit, c_scale):
        super().__init__(problem, policy, critic, width)
        self.rng, self.simulations, self.considered = rng, simulations, considered
        self.c_visit, self.c_scale = c_visit, c_scale
        (self.root.value,) = critic.score([self.task.text(self.root.state)])

    def sigma(self, node, q):
        return (self.c_visit + max(child.n for child in node.children)) * self.c_scale * q

    def choose_inside(self, node):
        visited = [child for child in node.children if child.n]
        visits = sum(child.n for child in node.children)
        mixed = node.value
        if visited:
            mass = sum(child.prior for child in visited)
            mixed += visits / mass * sum(child.prior * child.q for child in visited)
        mixed /= 1 + visits
        logits = [math.log(child.prior) + self.sigma(node, child.q if child.n else mixed) for child in node.children]
        whole = sum(math.exp(logit - max(logits)) for logit in logits)
        lags = [math.exp(logit - max(logits)) / whole - child.n / (1 + visits)
                for logit, child in zip(logits, node.children, strict=True)]  # fmt: skip
        return node.children[lags.index(max(lags))]

    def simulate(self, node):
        while not self.task.is_terminal(node.state) and node.n:
            if not node.children:
                self.expand(node)
            node = self.choose_inside(node)
        value = node.value
        while node is not None:
            node.n, node.w, node = node.n + 1, node.w + value, node.parent

    def move(self, node):
        if not node.children:
            self.expand(node)
        luck = {child.line: -math.log(-math.log(self.rng.random())) + math.log(child.prior) for child in node.children}

        def best(children, count, valued):
            return sorted(children, reverse=True, key=lambda child: luck[child.line]
                          + (self.sigma(node, child.q) if valued else 0))[:count]  # fmt: skip

        kept = best(node.children, min(self.considered, len(node.children), self.simulations), False)
        levels, left = int(math.log2(len(kept))), self.simulations
        for level in range(levels):
            kept = best(kept, max(2, len(kept) // 2), True) if level else kept
            each = left // ((levels - level) * len(kept))
            if not each and left >= len(kept):
                each = 1
            after = max(2, len(kept) // 2)
            last = level == levels - 1 or left - each * len(kept) < after
            each += (left - each * len(kept)) // len(kept) if last else 0
            for child in kept:
                for _ in range(each):
                    self.simulate(child)
            left -= each * len(kept)
            if last:
                break
        return best(kept, 1, True)[0]


@pytest.mark.parametrize(
    ("simulations", "width", "considered", "c_visit", "c_scale"),
    [(20, 12, 10, 50.0, 1.0), (40, 8, 8, 50.0, 0.02), (33, 20, 16, 5.0, 0.1), (6, 12, 10, 50.0, 0.01)],
)
@pytest.mark.parametrize("problem", [(2, 9, 10, 11), (3, 3, 8, 8)])
def test_moves_and_counts_are_those_of_the_reference(problem, simulations, width, considered, c_visit, c_scale):
    policy = Likeliest(skill=0.5, blur=1.0)
    critic = FakeCritic(FakePolicy(skill=0.5, blur=1.0), noise=2.0)
    rng = random.Random(derive(4, problem, "rng"))
    theirs = GumbelSearch(problem, policy, critic, rng, simulations, width, considered, c_visit, c_scale)
    node = theirs.root
    while not theirs.task.is_terminal(node.state):
        node = theirs.move(node)
    given = {"simulations": simulations, "width": width, "max_num_considered_actions": considered,
             "gumbel_c_visit": c_visit, "gumbel_c_scale": c_scale}  # fmt: skip
    (found,) = run(Game24(), [problem], gumbel_mcts, policy, critic, merge=False, mode="rules", seed=4,
                   parameters=given)  # fmt: skip
    compare(found.tree, theirs.tell())
    assert found.tree.label[found.tree.events[-1][1]] == Game24().label(node.state)


# ------------------------------------------------------------------------------------- its traps
@pytest.mark.parametrize("simulations", [1, 2, 3, 5])
def test_fewer_simulations_than_moves_considered_do_not_crash(simulations):
    """Defect: ReSCALE's code refuses, or fails on an empty list."""
    policy = FakePolicy(skill=1.0)
    (found,) = run(Game24(), [(4, 5, 6, 10)], gumbel_mcts, policy, FakeCritic(policy), mode="rules", parameters={
        "simulations": simulations, "width": 20, "max_num_considered_actions": 16})  # fmt: skip
    assert found.answer
    assert found.tree.visits[0] <= 3 * simulations


def test_one_move_alone_is_made_without_a_simulation():
    found = search(gumbel_mcts, Sayings(_="a", a="b"), Table(), simulations=9, width=3)
    assert found.tree.visits == [0, 0, 0]
    assert (label_end(found.tree), found.cost.policy_calls) == ("ab", 2)


def test_without_simulations_to_share_out_it_is_plain_sampling():
    """One move considered: the largest g + ln P, which is a draw from the policy (the Gumbel-max trick)."""
    firsts = []
    for seed in range(400):
        found = search(gumbel_mcts, Sayings(_="a.7 b.3", a="a", b="a"), Table(), seed=seed, width=2,
                       max_num_considered_actions=1, prior="logprob")  # fmt: skip
        firsts.append(label_end(found.tree)[0])
    assert firsts.count("a") / 400 == pytest.approx(0.7, abs=0.07)


def test_the_noise_is_the_seeds_and_nothing_else():
    policy = Likeliest(skill=0.5, blur=1.0)

    def explore(seed, **parameters):
        (found,) = run(Game24(), [(3, 3, 8, 8)], gumbel_mcts, policy, FakeCritic(policy), seed=seed, mode="rules",
                       parameters={"width": 12, "max_num_considered_actions": 4, **parameters})  # fmt: skip
        return found.tree.visits

    assert explore(1) == explore(1)
    assert len({tuple(explore(seed)) for seed in range(5)}) > 1
    assert len({tuple(explore(seed, gumbel_scale=0.0)) for seed in range(5)}) == 1


def test_a_large_scale_follows_the_values_and_a_scale_of_nothing_the_priors():
    values = {"a": -0.1, "b": 0.1, "aa": -0.2, "ab": 0.2, "ba": -0.3, "bb": 0.4}
    ends = {}
    for scale in (0.0, 5.0):
        given = {**PLAIN, "gumbel_c_scale": scale, "simulations": 8, "width": 2}
        policy = Sayings(_="a.6 b.4", a="a.6 b.4", b="a.6 b.4")
        ends[scale] = label_end(search(gumbel_mcts, policy, Table(**values), **given).tree)
    assert ends == {0.0: "aa", 5.0: "bb"}


def test_children_can_be_completed_by_what_the_critic_says_of_them():
    """Below a: ab is worth more by far, but the mixed value does not know it before its first visit."""
    said = {"_": "a.9 b.1", "a": "a.5 b.5", "b": "a.5 b.5"}
    values = {"a": 0.1, "b": 0.0, "aa": 0.0, "ab": 0.9}
    first = {}
    for complete in ("mixed", "critic"):
        given = {**PLAIN, "simulations": 4, "width": 2, "complete": complete}
        tree = search(gumbel_mcts, Sayings(**said), Table(**values), **given).tree
        selected = [label for label in list_events(tree, "select") if label in ("aa", "ab")]
        first[complete] = selected[0]
    assert first == {"mixed": "aa", "critic": "ab"}
