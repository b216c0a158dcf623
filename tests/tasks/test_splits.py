"""Splits: never a puzzle on both sides, the same on every machine, and extra roots that leak nothing."""

import dataclasses
import json
import pickle
import random

import pytest

from game24lab.tasks.numbers.arithmetic import legal_steps, make_state, reachable
from game24lab.tasks.numbers.puzzles import list_solvable
from game24lab.tasks.numbers.rankings import find_bucket
from game24lab.tasks.numbers.solutions import make_solutions
from game24lab.tasks.numbers.splits import (
    SPLITS,
    Split,
    list_behind,
    make_split,
    pick_held_out,
    pick_train,
    sample_roots,
)
from game24lab.tasks.numbers.task import Game24


@pytest.mark.parametrize(
    ("name", "train", "held_out"), [("tot", 1262, 100), ("tsllm", 1000, 362), ("tot+tsllm", 900, 462)]
)
def test_the_published_splits(name, train, held_out):
    split = make_split(name)
    assert (len(split.train), len(split.held_out)) == (train, held_out)
    assert sorted(split.train + split.held_out) == list(list_solvable())
    buckets = {"tot": {"901-1000"}, "tsllm": {"1001-1362"}, "tot+tsllm": {"901-1000", "1001-1362"}}[name]
    assert {find_bucket(puzzle) for puzzle in split.held_out} == buckets


def test_a_random_split_depends_on_seed_and_puzzle_alone():
    split = make_split("random", seed=1)
    assert split == make_split("random", seed=1)
    assert sorted(split.train + split.held_out) == list(list_solvable())
    assert len(split.held_out) == 158  # about a tenth, the same on every machine
    assert split.held_out[:3] == ((1, 1, 2, 8), (1, 1, 2, 9), (1, 1, 3, 8))
    assert set(make_split("random", seed=1, share=0.05).held_out) < set(split.held_out)
    overlap = set(split.held_out) & set(make_split("random", seed=2).held_out)
    assert len(overlap) < 40  # about a tenth of a tenth


def test_a_file_of_puzzles_is_held_out(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text("10 6 5 4\n3 3 8 8\n4 5 6 10\n1 5 5 5 5\n")
    split = make_split(str(file))
    assert split.held_out == ((1, 5, 5, 5, 5), (3, 3, 8, 8), (4, 5, 6, 10))
    assert len(split.train) == 1360
    assert split.is_held_out((6, 10, 4, 5))
    assert not split.is_held_out((1, 1, 4, 6))
    assert make_state((4, 5, 6, 10)) in split.forbidden


@pytest.mark.parametrize(
    ("text", "message"),
    [("4 5 6 ten\n", "line 1: .*'ten' is no integer"), ("1 1 1 1\n", "1 1 1 1 cannot make 24"),
     ("", "must hold puzzles, .*, got none")],
)
def test_a_bad_file_is_refused(tmp_path, text, message):
    file = tmp_path / "mine.txt"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        make_split(str(file))


def test_bad_names_and_shares_are_refused(tmp_path):
    for name in ("ToT", "", str(tmp_path)):
        with pytest.raises(ValueError, match=r"split must be one of random, tot, tsllm, tot\+tsllm or the path"):
            make_split(name)
    for share in (0, 1, -0.1, float("nan"), "0.1"):
        with pytest.raises(ValueError, match=r"share .*between 0 and 1"):
            make_split("random", share=share)


def test_a_leak_cannot_be_built():
    with pytest.raises(ValueError, match="split mine: 4 5 6 10 is both held out and for training"):
        Split("mine", ((10, 6, 5, 4), (1, 1, 4, 6)), ((4, 5, 6, 10),))
    with pytest.raises(ValueError, match="'x' is no integer"):
        Split("mine", ((1, 2, "x"),), ())


@pytest.mark.parametrize("name", SPLITS)
def test_splits_pickle_and_go_through_json(name):
    split = make_split(name)
    assert split.is_held_out(split.held_out[0])
    assert pickle.loads(pickle.dumps(split)) == split
    assert Split(**json.loads(json.dumps(dataclasses.asdict(split)))) == split


@pytest.mark.parametrize("target", [24, 23, 36])
def test_extra_roots_are_never_a_held_out_multiset_whatever_the_target(target):
    held_out = make_split("tot+tsllm").held_out
    roots = sample_roots(random.Random(0), 400, 1, 13, 4, held_out, target)
    assert len(set(roots)) == 400
    assert not set(roots) & set(held_out)
    assert all(reachable(make_state(root), target) and root == tuple(sorted(root)) for root in roots)
    assert roots == sample_roots(random.Random(0), 400, 1, 13, 4, held_out, target)
    # the exclusion is by multiset: what is given unsorted is excluded too
    assert roots == sample_roots(random.Random(0), 400, 1, 13, 4, {puzzle[::-1] for puzzle in held_out}, target)


@pytest.mark.parametrize("size", [3, 5, 6])
def test_extra_roots_of_other_counts(size):
    roots = sample_roots(random.Random(0), 20, 2, 40, size)
    assert all(len(root) == size and root[0] >= 2 and root[-1] <= 40 for root in roots)


def test_all_there_are_can_be_drawn_and_no_more():
    everything = sample_roots(random.Random(0), 1362, 1, 13, exclude=())
    assert sorted(everything) == list(list_solvable())
    assert sample_roots(random.Random(0), 0) == ()
    with pytest.raises(ValueError, match=r"count 16: only 0 roots of 1\.\.13 that make 24 were found"):
        sample_roots(random.Random(0), 16, 1, 13, 4, exclude=list_solvable())
    with pytest.raises(ValueError, match=r"count 6: 4 numbers in 1\.\.2 make 5 multisets"):
        sample_roots(random.Random(0), 6, 1, 2)
    with pytest.raises(ValueError, match="size must be 3 to 6 numbers, got 2"):
        sample_roots(random.Random(0), 6, size=2)
    with pytest.raises(ValueError, match="must hold, got 0 and 13"):
        sample_roots(random.Random(0), 6, 0, 13)


def test_picking_held_out_puzzles():
    split = make_split("tsllm")
    some = pick_held_out(split, 20)
    assert len(some) == 20 == len(set(some))
    assert set(some) < set(split.held_out)
    assert some == pick_held_out(split, 20)
    assert max(puzzle[0] for puzzle in some) > 1  # not simply the first ones
    assert pick_held_out(split, 10_000) == split.held_out
    with pytest.raises(ValueError, match="held_out 0"):
        pick_held_out(split, 0)


def test_picking_training_puzzles():
    split = make_split("tot")
    assert pick_train(split, 0) == split.train == pick_train(split, 10_000)
    some = pick_train(split, 20)
    assert len(some) == 20 == len(set(some))
    assert set(some) < set(split.train)
    assert some == pick_train(split, 20) != pick_train(make_split("tot", seed=1), 20)
    with pytest.raises(ValueError, match="puzzles must be an integer >= 0, got -1"):
        pick_train(split, -1)


# ------------------------------------------------------------------------------------------------------ strict splits
def test_a_strict_split_forbids_every_position_behind_a_held_out_puzzle():
    loose, strict = make_split("tot"), make_split("tot+strict")
    assert (strict.train, strict.held_out) == (loose.train, loose.held_out)
    assert not loose.strict
    assert strict.strict
    assert loose.forbidden == frozenset(loose.held_out)
    behind = {after for puzzle in strict.held_out for _, after in legal_steps(make_state(puzzle))}
    assert strict.forbidden == frozenset(strict.held_out) | behind
    assert {len(position) for position in strict.forbidden} == {3, 4}


def test_list_behind_goes_down_to_three_numbers_whatever_the_length():
    for puzzle in ((1, 2), (1, 2, 3)):
        assert not list_behind([puzzle])
    deep = list_behind([(1, 2, 3, 4, 5)])
    assert {len(position) for position in deep} == {3, 4}
    assert make_state((3, 3, 4, 5)) in deep  # 1 + 2
    assert make_state((6, 4, 5)) in deep  # 1 + 2, and its 3 plus the other


def test_solutions_of_a_strict_split_neither_begin_at_nor_pass_a_forbidden_position():
    split, task = make_split("tot+tsllm+strict"), Game24()
    samples = make_solutions(split.train, 3000, held_out=split.forbidden, fraction_share=0.2, core_share=0.5, seed=1)
    for sample in samples:
        state = task.read(sample.prompt)
        assert state.left not in split.forbidden
        for line in sample.completion.splitlines():
            state = task.step(state, line)
            assert state.left not in split.forbidden
    assert any(len(task.read(sample.prompt).left) == 3 for sample in samples)


def test_a_strict_split_of_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match=r"split must be one of .* got 'tut\+strict'"):
        make_split("tut+strict")
