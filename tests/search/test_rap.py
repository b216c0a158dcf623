"""RAP: a tree worked out by hand, the published program written anew, and its ways to add up and to choose."""

import math
from dataclasses import dataclass, field
from statistics import fmean

import pytest
from fake_models import FakeCritic, FakePolicy
from letters import Letters, Sayings, Table, label_end, list_events, search
from likeliest import Likeliest, compare

from game24lab.search.engine import run
from game24lab.search.rap import rap
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.task import Illegal

SAID = {"_": "a b", "a": "a b", "b": "a b"}
VALUES = {"_": 0.7, "a": 0.2, "b": -0.2, "aa": 0.1, "ab": -0.5, "ba": 0.3, "bb": 0.9}


# ------------------------------------------------------------------------------------- by hand
@pytest.mark.parametrize("calc_q", ["mean", "max"])
def test_five_paths_by_hand(calc_q):
    """Sums of rewards, w = 1.

    1. The root is drawn from, a is the better child and drawn from, aa is better than ab: an end. Rewards .2 .1: a
       path's sum .3 goes to root and a, .1 to aa.
    2. N = 1: no exploration. a (.3 against -.2), aa: the same again; two draws were enough.
    3. N = 2: a: .3 + sqrt(ln 2 / 2) = .889; b, which has its reward for Q: -.2 + sqrt(ln 2) = .633. aa.
    4. N = 3: a: .3 + sqrt(ln 3 / 3) = .905; b: -.2 + sqrt(ln 3) = .848. aa: .705 against .548.
    5. N = 4: a: .889; b: -.2 + sqrt(ln 4) = .977. b is drawn from, bb the better child: -.2 + .9 = .7.
    """
    for output_strategy, end in (("max_reward", "bb"), ("max_visit", "aa"), ("follow_max", "aa")):
        policy = Sayings(**SAID)
        found = search(rap, policy, Table(**VALUES), Letters("bb"), n_iters=5, width=2, calc_q=calc_q,
                       output_strategy=output_strategy)  # fmt: skip
        tree = found.tree
        assert tree.label == ["-", "a", "b", "aa", "ab", "ba", "bb"]
        assert tree.visits == [5, 4, 1, 4, 0, 0, 1]
        assert tree.followed == [0, 4, 1, 4, 0, 0, 1]
        root = 5 * 0.7 if calc_q == "max" else 4 * 0.3 + 0.7  # W, so that W / N is Q
        assert tree.total == pytest.approx([root, 1.2, 0.7, 0.4, 0, 0, 0.9])
        assert "".join(list_events(tree, "select")) == "-aaa" * 4 + "-bbb"
        assert (label_end(tree), found.solved, found.stopped) == (end, end == "bb", "done")
        assert [prompt for prompt, _, _ in policy.asked] == [">", "a>", "b>"]


def test_verified_ends_are_worth_their_verdict():
    found = search(rap, Sayings(**SAID), Table(**VALUES), Letters("ba"), mode="verified", width=2, n_iters=9)
    assert (found.answer, found.solved, found.stopped) == ("ba", True, "solved")
    values = dict(zip(found.tree.label, found.tree.value, strict=True))
    assert values == {"-": 0.7, "a": 0.2, "b": -0.2, "aa": -1.0, "ab": -1.0, "ba": 1.0, "bb": -1.0}


# ------------------------------------------------------------------------------------- the published program, anew
@dataclass
class Twig:
    """A node of the reference below."""

    state: object
    reward: float = 0.0
    line: str = ""
    children: list | None = None
    returns: list = field(default_factory=list)


class Reasoner:
    """MCTS of llm-reasoners as its code has it: every node keeps the list of what was added up from it on."""

    def __init__(self, problem, policy, critic, width, w_exp, cum_reward, calc_q):
        self.task, self.policy, self.critic = Game24(), policy, critic
        self.width, self.w_exp, self.cum_reward, self.calc_q = width, w_exp, cum_reward, calc_q
        self.root = Twig(self.task.start(problem))

    def expand(self, node):
        node.children = []
        (lines,) = self.policy.generate([self.task.text(node.state)], [self.width])
        for line in lines:
            after = self.task.step(node.state, line.text)
            if not isinstance(after, Illegal) and line.text not in {child.line for child in node.children}:
                (reward,) = self.critic.score([self.task.text(after)])
                node.children.append(Twig(after, reward, line.text))

    def uct(self, parent, node):
        q = self.calc_q(node.returns) if node.returns else node.reward
        return q + self.w_exp * math.sqrt(math.log(len(parent.returns)) / max(1, len(node.returns)))

    def iterate(self):
        path = [self.root]
        while path[-1].children:
            parent = path[-1]
            path.append(max(parent.children, key=lambda child, parent=parent: self.uct(parent, child)))
        while not self.task.is_terminal(path[-1].state):
            self.expand(path[-1])
            path.append(max(path[-1].children, key=lambda child: child.reward))
        for place, node in enumerate(path):
            rewards = [passed.reward for passed in path[max(1, place) :]]
            node.returns.append(self.cum_reward(rewards))

    def tell(self):
        told, stack = {}, [((), self.root)]
        while stack:
            path, node = stack.pop()
            count = len(node.returns)
            told[path] = (count, count * self.calc_q(node.returns) if count else 0.0)
            stack += [((*path, child.line), child) for child in node.children or []]
        return told


WAYS = {"sum": sum, "mean": fmean, "max": max, "last": lambda rewards: rewards[-1]}


@pytest.mark.parametrize("calc_q", ["mean", "max"])
@pytest.mark.parametrize("cum_reward", list(WAYS))
@pytest.mark.parametrize(("problem", "width", "w_exp"), [((2, 9, 10, 11), 4, 1.0), ((3, 3, 8, 8), 8, 0.3)])
def test_paths_and_counts_are_those_of_the_reference(problem, width, w_exp, cum_reward, calc_q):
    policy = Likeliest(skill=0.5, blur=1.0)
    critic = FakeCritic(FakePolicy(skill=0.5, blur=1.0), noise=2.0)
    theirs = Reasoner(problem, policy, critic, width, w_exp, WAYS[cum_reward], fmean if calc_q == "mean" else max)
    for _ in range(30):
        theirs.iterate()
    (found,) = run(Game24(), [problem], rap, policy, critic, merge=False, mode="rules", parameters={
        "n_iters": 30, "width": width, "w_exp": w_exp, "cum_reward": cum_reward, "calc_q": calc_q})  # fmt: skip
    compare(found.tree, theirs.tell())
    assert found.tree.visits[0] == 30


# ------------------------------------------------------------------------------------- its ways
def test_a_path_goes_on_by_reward_by_prior_or_evenly():
    values, firsts = {"a": 0.5}, {"max": [], "sample": [], "random": []}
    for strategy, ends in firsts.items():
        for seed in range(150):
            tree = search(rap, Sayings(_="b.9 a.1", a="a", b="a"), Table(**values), seed=seed, n_iters=1, width=2,
                          simulate_strategy=strategy, prior="logprob").tree  # fmt: skip
            ends.append(label_end(tree)[0])
    assert firsts["max"].count("a") == 150
    assert firsts["sample"].count("a") / 150 == pytest.approx(0.1, abs=0.08)
    assert firsts["random"].count("a") / 150 == pytest.approx(0.5, abs=0.12)


def test_a_dead_end_is_a_loss_and_is_passed_over():
    policy = Sayings(_="a b", a="?", b="a")
    found = search(rap, policy, Table(a=0.9, b=-0.9, ba=-0.9), n_iters=4, width=2)
    tree = found.tree
    assert tree.label == ["-", "a", "b", "", "ba"]
    assert tree.visits == [4, 1, 3, 0, 3]
    assert tree.total[:2] == pytest.approx([-1 + 3 * -1.8, -1])
    assert label_end(tree) == "ba"
