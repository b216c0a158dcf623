"""A policy without chance, and what a reference program can be compared with: counts and sums by path."""

import math

import pytest
from fake_models import FakeCompletion, FakePolicy, read_prompt, tokenize


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
