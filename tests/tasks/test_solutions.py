"""The corpus: every line is right, nothing held out is in it, equal arguments give equal text."""

from fractions import Fraction

import pytest

from game24lab.tasks.numbers.arithmetic import make_state
from game24lab.tasks.numbers.puzzles import list_solvable, read_problem
from game24lab.tasks.numbers.solutions import draw_fractions, list_whole, make_solutions
from game24lab.tasks.numbers.splits import make_split
from game24lab.tasks.numbers.task import Game24, Position
from game24lab.tasks.task import follow

SPLIT = make_split("tot")


def read(prompt):
    return make_state(Fraction(number) for number in prompt.removeprefix("Input: ").split())


def draw(count=3000, **changes):
    return make_solutions(SPLIT.train, count, **{"held_out": SPLIT.held_out, "highest": 16, **changes})


def test_every_sample_solves_or_is_a_live_opening():
    task, kinds = Game24(), set()
    for prompt, completion, ends in draw():
        root = Position((), (), read(prompt))
        state, wrong = follow(task, root, completion)
        assert wrong is None
        assert task.text(root) == prompt
        assert state.left == (24,) if ends else task.truth(state)
        kinds.add((len(root.left), ends))
    assert kinds == {(4, True), (4, False), (3, True), (2, True)}


def test_sixteen_puzzles_need_a_fraction():
    solvable = list_solvable()
    left_out = set(solvable) - set(list_whole(solvable))
    assert len(left_out) == 16
    assert {(3, 3, 8, 8), (1, 5, 5, 5), (2, 2, 13, 13), (1, 8, 12, 12)} <= left_out
    assert list_whole([(8, 3, 8, 3), (10, 4, 5, 6)]) == [(10, 4, 5, 6)]


def test_held_out_puzzles_never_appear():
    held_out = set(SPLIT.held_out)
    for sample in draw():
        assert read(sample.prompt) not in held_out
    with pytest.raises(ValueError, match="is held out and must not be trained on"):
        draw(held_out=SPLIT.train[:1])


def test_shares_are_kept():
    roots = [read(sample.prompt) for sample in draw(core_share=0.25, position_share=0.0)]
    core = sum(max(root) <= 13 for root in roots) / len(roots)
    assert core == pytest.approx(0.25, abs=0.03)  # n = 3000: more than three standard deviations
    assert all(len(root) == 4 for root in roots)
    assert not any(sample.ends for sample in draw(position_share=0.0, opening_share=1.0))


def test_prompts_with_fractions_before_or_behind_are_drawn_once_each():
    texts = draw_fractions(SPLIT.train, 200, held_out=SPLIT.held_out, highest=16)
    assert 100 < len(texts) == len(set(texts)) <= 200
    assert all(Game24().truth(Game24().read(text)) for text in texts)
    assert 0.2 < sum("/" in text for text in texts) / len(texts) < 0.8
    assert not any(read(text) in set(SPLIT.held_out) for text in texts)
    assert draw_fractions(SPLIT.train, 0, held_out=SPLIT.held_out) == []


def test_puzzles_that_need_a_fraction_are_taught():
    samples = make_solutions([(3, 3, 8, 8)], 5, held_out=[], highest=8)
    assert all("/3" in sample.completion for sample in samples)


def test_a_share_of_samples_makes_a_fraction_or_begins_with_one():
    """A search shows every position as a puzzle of its own: fractions must be met in prompts too."""
    task, samples = Game24(), draw(600, fraction_share=0.5)
    behind = [sample for sample in samples if "/" in sample.prompt]
    made = [sample for sample in samples if "/" in sample.completion.partition("(left:")[2].partition("\n")[0]
            and sample not in behind]  # fmt: skip
    assert len(made) / len(samples) == pytest.approx(0.25, abs=0.07)
    for prompt, completion, ends in made + behind:
        state, wrong = follow(task, Position((), (), read(prompt)), completion)
        assert wrong is None
        assert state.left == (24,) if ends else task.truth(state)
    assert len({len(read(sample.prompt)) for sample in made}) > 1
    assert {len(read(sample.prompt)) for sample in behind} == {2, 3}


def test_seeds():
    assert draw(200, seed=1) == draw(200, seed=1)
    assert draw(200, seed=1) != draw(200, seed=2)


def test_other_targets_and_sizes():
    for numbers, target in [((1, 2, 3), 9), ((2, 3, 5, 7, 11), 24), ((4, 4, 10, 10), 100)]:
        task, problem = Game24(), read_problem(numbers, target)
        for prompt, completion, _ in make_solutions([numbers], 5, held_out=[], highest=0, target=target,
                                                    position_share=0.0, opening_share=0.0):  # fmt: skip
            state, wrong = follow(task, task.start(problem), completion)
            assert wrong is None
            assert task.verdict(state).solved
            assert prompt == task.prompt(problem)


def test_bad_input():
    with pytest.raises(ValueError, match=r"core_share must be .* got 1\.5"):
        draw(core_share=1.5)
    with pytest.raises(ValueError, match=r"fraction_share must be .* got -1"):
        draw(fraction_share=-1)
    with pytest.raises(ValueError, match="none of the 1 can make 24"):
        make_solutions([(1, 1, 1, 1)], 5, held_out=[], highest=0)
