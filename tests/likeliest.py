"""A policy without chance, a tree for reference programs, and what they are compared by: counts and sums by path."""

import math
from dataclasses import dataclass, field

import pytest
from fake_models import FakeCompletion, FakePolicy, read_prompt, tokenize

from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.task import Illegal


class Likeliest(FakePolicy):
    """Says the n likeliest lines of a position, as far as there are n; no random number is needed to follow it."""

    def generate(self, prompts, n, **_):
        answers = []
        for prompt, count in zip(prompts, n, strict=True):
            best = sorted(self.moves(read_prompt(prompt)), key=lambda option: -option[1])[:count]
            best += best[:1] * (count - len(best))
            answers.append([FakeCompletion(line, (1,) * len(tokenize(line)), (math.log(chance),), "stop")
                            for line, chance in best])  # fmt: skip
        return answers


def compare(tree, theirs):
    """Hold a tree against {path of lines: (visits, sum of values)}: all but illegal lines and a last resort's."""
    ours = {tuple(tree.line[node] for node in tree.path(place)[1:]): place for place in range(len(tree))
            if place == 0 or tree.prior[place] is not None}  # fmt: skip
    assert set(ours) == set(theirs)
    for path, place in ours.items():
        visits, total = theirs[path]
        assert tree.visits[place] == visits, path
        assert tree.total[place] == pytest.approx(total, abs=1e-9), path


@dataclass
class Twig:
    """A node of a reference program."""

    state: object
    parent: object = None
    line: str = ""
    prior: float = 1.0
    value: float = 0.0
    n: int = 0
    w: float = 0.0
    children: list = field(default_factory=list)

    @property
    def q(self):
        return self.w / self.n if self.n else self.value


class TreeByTheBook:
    """What reference programs of tree searches have in common: a plain tree of twigs, which draws lines and values."""

    def __init__(self, problem, policy, critic, width):
        self.task, self.policy, self.critic, self.width = Game24(), policy, critic, width
        self.root = Twig(self.task.start(problem))

    def expand(self, node):
        """The distinct legal lines of one draw as children, their shares of its chances, and their values."""
        (lines,) = self.policy.generate([self.task.text(node.state)], [self.width])
        chances = {}
        for line in lines:
            after = self.task.step(node.state, line.text)
            if not isinstance(after, Illegal) and line.text not in chances:
                chances[line.text] = math.exp(line.logprob / line.tokens)
                (value,) = self.critic.score([self.task.text(after)])
                node.children.append(Twig(after, node, line.text, 0.0, value))
        for child in node.children:
            child.prior = chances[child.line] / sum(chances.values())

    def tell(self):
        """Visits and sums by path, for `compare`."""
        told, stack = {}, [((), self.root)]
        while stack:
            path, node = stack.pop()
            told[path] = (node.n, node.w)
            stack += [((*path, child.line), child) for child in node.children]
        return told
