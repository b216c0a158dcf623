"""The floor: the entropy is that of the texts that are drawn, texts of another distribution are found out, and a
policy's excess is the mean loss on many samples less the entropy."""

import math
import random
from fractions import Fraction

import numpy as np
import pytest
import tiny_models
import torch
from fake_models import FakePolicy

from game24lab.models.load_policy import TransformersPolicy
from game24lab.scaling.floor import check_texts, measure_entropy, measure_excess, weigh_lines
from game24lab.tasks.numbers.solutions import make_solutions
from game24lab.tasks.numbers.task import Game24
from game24lab.tasks.problems import Sample
from game24lab.training.sft import RightPad, tokenize

PUZZLES = [(4, 5, 6, 10), (1, 2, 3, 4), (3, 3, 8, 8), (2, 2, 6, 12), (6, 6, 6, 6)]


def draw(count, seed=0, **options):
    return make_solutions(PUZZLES, count, held_out=[], highest=13, seed=seed, **options)


def draw_whole(count):
    """Whole solutions of 1 2 3 4."""
    samples = draw(count, core_share=1.0, opening_share=0.0, position_share=0.0)
    return [sample for sample in samples if sample.prompt == "Input: 1 2 3 4\n"]


def test_the_entropy_is_that_of_the_texts():
    """By counting: whole solutions of one puzzle, drawn many times."""
    whole = draw_whole(6000)
    counts = np.array(list({text: sum(s.completion == text for s in whole) for text in {s.completion for s in whole}}
                           .values()))  # fmt: skip
    shares = counts / counts.sum()
    counted = -(shares * np.log(shares)).sum()
    exact = measure_entropy((1, 2, 3, 4))
    assert exact == pytest.approx(counted, abs=0.15)
    assert exact > 2
    assert measure_entropy((3, 3, 8, 8)) == pytest.approx(0.0), "one solution only"
    assert measure_entropy((24,)) == 0
    assert sum(p for p, _ in weigh_lines((1, 2, 3, 4)).values()) == pytest.approx(1)


def test_stored_texts_follow_it():
    found = check_texts(draw(3000, opening_share=0.5, position_share=0.15))
    assert found.texts == 3000
    assert found.follows
    assert abs(found.surprise - found.expected) < 0.1
    assert found.deviation != 0
    assert 0.001 < found.p_value <= 1
    assert str(found).startswith("3,000 texts, 0 of them impossible: ")
    assert str(found).endswith("nothing speaks against it")


def test_texts_of_another_distribution_are_found_out():
    texts = draw(4000, opening_share=0.0)
    rng = random.Random(0)
    first = min(weigh_lines((1, 2, 3, 4)))
    biased = [one for one in texts if not one.prompt.startswith("Input: 1 2 3 4")
              or one.completion.startswith(first) or rng.random() < 0.5]  # fmt: skip
    assert check_texts(biased).p_value < 0.001
    assert not check_texts(biased).follows
    foreign = [*texts, Sample("Input: 4 5 6 10\n", "4 + 5 = 9 (left: 6 9 10)\n", True)]
    assert check_texts(foreign).foreign == 1
    assert not check_texts(foreign).follows
    with pytest.raises(ValueError, match="texts to check must be at least one"):
        check_texts([])


def test_the_excess_is_the_loss_above_the_floor():
    """A random model: its mean loss on thousands of drawn solutions, by the training code, is floor + excess."""
    model, tokenizer = tiny_models.make("qwen3")
    policy = TransformersPolicy(model, tokenizer)
    puzzle = (1, 2, 3, 4)
    table = measure_excess(Game24(), [puzzle, (3, 3, 8, 8)], policy)
    texts = draw_whole(1500)
    batch = RightPad(tokenizer.pad_token_id)(list(tokenize(texts, tokenizer)))
    with torch.no_grad():
        logits = model(input_ids=batch["input_ids"]).logits
    labels = batch["labels"][:, 1:]
    losses = torch.nn.functional.cross_entropy(logits[:, :-1].transpose(1, 2), labels, reduction="none")
    each = losses.sum(1).numpy()
    row = table.iloc[0]
    assert row["floor"] + row["excess"] == pytest.approx(each.mean(), abs=4 * float(each.std()) / math.sqrt(len(each)))
    assert row["tokens"] == pytest.approx((labels != -100).sum(1).float().mean().item(), rel=0.02)
    assert 0.8 * row["solutions"] <= len({s.completion for s in texts}) <= row["solutions"]
    assert table["solutions"].iloc[1] == 1
    assert (table["excess"] > 0).all()


class SolverPolicy(FakePolicy):
    """Says what the solver's distribution says: nothing is above the floor."""

    def open_reader(self):
        return self

    def score(self, prompts, lines, samplings):
        return np.array([[self.log(prompt, line)] for prompt, line in zip(prompts, lines, strict=True)])

    @staticmethod
    def log(prompt, line):
        head, *said = prompt.splitlines()
        text = said[-1].partition("left: ")[2].rstrip(")") if said else head.removeprefix("Input: ")
        position = tuple(int(word) if "/" not in word else Fraction(word) for word in text.split())
        return 0.0 if line is None else math.log(weigh_lines(position)[line + "\n"][0])


def test_the_solver_itself_is_at_the_floor():
    table = measure_excess(Game24(), PUZZLES, SolverPolicy(), chunk=2, write=lambda one: " ".join(map(str, one)))
    assert table["excess"].to_numpy() == pytest.approx(np.zeros(len(PUZZLES)), abs=1e-9)
    assert table["problem"].iloc[0] == "4 5 6 10"
    with pytest.raises(ValueError, match=r"problem .* has no solution"):
        measure_excess(Game24(), [(1, 1, 1, 1)], SolverPolicy())
