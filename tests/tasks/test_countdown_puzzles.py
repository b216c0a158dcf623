"""Rules of Countdown by their published names, what is held out, problems without end, and published files."""

import dataclasses
import json
import random
import re
from itertools import permutations

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from game24lab.tasks.environments import open_environment
from game24lab.tasks.numbers.countdown_files import read_countdown
from game24lab.tasks.numbers.countdown_puzzles import (
    ENDLESS,
    RULES,
    SIDES,
    HeldOut,
    Rules,
    draw_held_out,
    find_side,
    make_problem,
)
from game24lab.tasks.numbers.countdown_solutions import make_countdown_solutions
from game24lab.tasks.numbers.puzzles import NumberProblem
from game24lab.tasks.numbers.whole_numbers import can_make

PUBLISHED = {  # sizes, numbers, targets, whether all must be used, targets held out
    "stream_of_search": ((4,), 1, 99, 10, 100, True, 9),
    "countdown_3to4": ((3, 4), 1, 99, 10, 100, False, 0),
    "countdown_3": ((3,), 1, 99, 10, 100, True, 9),
    "countdown_4": ((4,), 1, 99, 10, 100, True, 9),
    "countdown_5": ((5,), 1, 99, 10, 100, True, 9),
    "countdown_6": ((6,), 1, 99, 10, 100, True, 9),
}
SOS = RULES["stream_of_search"]


def walk(numbers, **options):
    return numbers


# -------------------------------------------------------------------------------------------------------- rules
def test_the_rules_are_the_published_ones():
    found = {name: (rules.sizes, rules.low, rules.high, rules.lowest, rules.highest, rules.use_all,
                    len(rules.held_out_targets)) for name, rules in RULES.items()}  # fmt: skip
    assert found == PUBLISHED


@pytest.mark.parametrize(("options", "named"), [
    ({"sizes": ()}, "sizes must be an integer from 3 to 6, got 0"),
    ({"sizes": (7,)}, "sizes must be an integer from 3 to 6, got 7"),
    ({"low": 0}, "low must be an integer >= 1, got 0"),
    ({"high": 0}, "high must be an integer >= 1, got 0"),
    ({"lowest": 0}, "lowest must be an integer >= 1, got 0"),
    ({"highest": 9}, "highest must be an integer >= 10, got 9"),
    ({"target_share": 1.0}, "target_share must be a number from 0 to below 1, got 1.0"),
])  # fmt: skip
def test_rules_that_no_puzzle_keeps_are_named(options, named):
    with pytest.raises(ValueError, match=re.escape(named)):
        Rules(**options)


@pytest.mark.parametrize("name", [name for name in RULES if name not in ("countdown_5", "countdown_6")])
@pytest.mark.parametrize("side", SIDES)
def test_problems_keep_the_rules_and_their_side(name, side):
    rules = RULES[name]
    if not rules.list_targets(side):
        with pytest.raises(ValueError, match="leaves no targets on the side 'targets'"):
            make_problem(rules, side, 0, 0)
        return
    for index in range(25):
        problem = make_problem(rules, side, 5, index)
        assert len(problem.numbers) in rules.sizes
        assert list(problem.numbers) == sorted(problem.numbers)
        assert all(rules.low <= number <= rules.high for number in problem.numbers)
        assert rules.lowest <= problem.target <= rules.highest
        assert find_side(rules, problem.numbers, problem.target) == side
        assert can_make(problem.numbers, problem.target, rules.use_all)
        assert rules.use_all or problem.target not in problem.numbers


@pytest.mark.parametrize("size", [5, 6])
def test_long_problems_are_made_too(size):
    problem = make_problem(RULES[f"countdown_{size}"], "train", 0, 1)
    assert len(problem.numbers) == size
    assert can_make(problem.numbers, problem.target)


def test_a_problem_depends_on_seed_and_index_alone():
    forwards = [make_problem(SOS, "train", 3, index) for index in range(12)]
    assert [make_problem(SOS, "train", 3, index) for index in reversed(range(12))] == forwards[::-1]
    assert len(set(forwards)) == 12
    assert not set(forwards) & {make_problem(SOS, "train", 4, index) for index in range(12)}
    train = open_environment("countdown", held_out=1, seed=3).split.train
    assert (len(train), [*train[:12]], train[-ENDLESS]) == (ENDLESS, forwards, forwards[0])
    with pytest.raises(IndexError):
        train[ENDLESS]


def test_what_is_drawn_does_not_change():
    """Held-out sets that were reported once: these very problems."""
    assert sorted(SOS.held_out_targets) == [18, 32, 33, 42, 50, 59, 81, 87, 90]
    drawn = [str(problem) for problem in draw_held_out(SOS, 4, 0, SIDES[1:])]
    assert drawn == ["4 58 75 77 -> 25", "9 39 41 51 -> 33", "15 42 85 90 -> 32", "38 67 74 94 -> 49"]


# ------------------------------------------------------------------------------------------------------ held out
def test_a_tenth_of_targets_and_of_other_puzzles_is_held_out():
    rng, sides = random.Random(0), dict.fromkeys(SIDES, 0)
    for _ in range(20_000):
        numbers, target = [rng.randint(1, 99) for _ in range(4)], rng.randint(10, 100)
        sides[find_side(SOS, numbers, target)] += 1
    assert sides["targets"] / 20_000 == pytest.approx(9 / 91, abs=0.01)
    assert sides["puzzles"] / (20_000 - sides["targets"]) == pytest.approx(0.1, abs=0.01)


@given(st.lists(st.integers(1, 99), min_size=4, max_size=4), st.integers(10, 100))
@settings(max_examples=100, deadline=None)
def test_the_order_of_numbers_changes_no_side(numbers, target):
    (side,) = {find_side(SOS, order, target) for order in permutations(numbers)}
    assert all(((order, target) in HeldOut(SOS)) == (side != "train") for order in permutations(numbers))


def list_positions(sample):
    """All positions that a sample begins with or shows, with the target of its prompt."""
    numbers, target = re.fullmatch(r"Input: ([0-9 ]+) Target: ([0-9]+)\n", sample.prompt).groups()
    shown = [numbers, *re.findall(r"left: ([0-9 ]+)\)", sample.completion)]
    return [(tuple(map(int, one.split())), int(target)) for one in shown]


@pytest.mark.parametrize("name", ["stream_of_search", "countdown_3to4", "countdown_3"])
def test_no_sample_shows_what_is_held_out(name):
    world = open_environment("countdown", split=name, held_out=60)
    samples = world.sft_samples(3_000, walk, position_share=0.5)
    seen = {position for sample in samples for position in list_positions(sample)}
    assert not [position for position in seen if position in world.split.forbidden]
    assert not seen & {(problem.numbers, problem.target) for problem in world.held_out}
    assert {target for _, target in seen} <= set(world.split.rules.list_targets("train"))
    asked = {(problem.numbers, problem.target) for problem in world.split.train[:300]}
    assert not asked & {(problem.numbers, problem.target) for problem in world.held_out}
    assert not [one for one in asked if one in world.split.forbidden]


def test_other_seeds_and_rules_hold_out_the_same():
    one = open_environment("countdown", held_out=40, seed=1)
    for name, seed in (("stream_of_search", 2), ("countdown_4", 3)):
        other = open_environment("countdown", split=name, held_out=5, seed=seed)
        assert all((problem.numbers, problem.target) in other.split.forbidden for problem in one.held_out)


def test_targets_and_puzzles_can_be_asked_alone():
    both = open_environment("countdown", held_out=40).held_out
    for side in SIDES[1:]:
        world = open_environment("countdown", split=f"stream_of_search:{side}", held_out=40)
        assert {find_side(SOS, problem.numbers, problem.target) for problem in world.held_out} == {side}
        assert world.split.name == f"stream_of_search:{side}"
        assert sum(find_side(SOS, problem.numbers, problem.target) == side for problem in both) == 20
    assert len(set(both)) == 40


# ------------------------------------------------------------------------------------------------------- samples
@pytest.mark.parametrize("name", ["stream_of_search", "countdown_3to4", "countdown_5"])
def test_samples_are_legal_beginnings_of_solutions(name):
    world = open_environment("countdown", split=name, held_out=1)
    samples = world.sft_samples(200, walk, position_share=0.3, opening_share=0.4)
    for sample in samples:
        state = world.task.read(sample.prompt)
        for line in sample.completion.splitlines():
            state = world.task.step(state, line)
            assert world.task.truth(state)
        assert world.task.verdict(state).solved == sample.ends
    lines = [len(sample.completion.splitlines()) for sample in samples]
    assert {1, 2, 3} <= set(lines)
    assert samples == world.sft_samples(200, walk, position_share=0.3, opening_share=0.4)
    assert samples != dataclasses.replace(world, seed=1).sft_samples(200, walk, position_share=0.3, opening_share=0.4)
    others = world.sft_samples(200, walk, position_share=0.3, opening_share=0.4, seed=1)
    assert others != samples, "each training of a study has texts of its own"


def test_solutions_are_drawn_evenly():
    """Of 1 2 3 -> 6 every sequence of moves is as likely as another."""
    rules = Rules(sizes=(3,), low=1, high=3, lowest=6, highest=6, target_share=0.0)
    samples = make_countdown_solutions(rules, 20_000, held_out=(), position_share=0, opening_share=0)
    counts = {}
    for sample in samples:
        if sample.prompt == "Input: 1 2 3 Target: 6\n":
            counts[sample.completion] = counts.get(sample.completion, 0) + 1
    total = sum(counts.values())
    assert len(counts) == 9  # 3 + 2 + 1 in three orders, 3 * 2 * 1 in three, and / 1 for * 1
    assert all(abs(count / total - 1 / 9) < 0.02 for count in counts.values())


@pytest.mark.parametrize("share", [-0.1, 1.1, "half"])
def test_bad_shares_are_named(share):
    with pytest.raises(ValueError, match="position_share must be a number from 0 to 1"):
        open_environment("countdown", held_out=1).sft_samples(2, walk, position_share=share)


# --------------------------------------------------------------------------------------------------------- files
ROWS = [{"nums": [44, 19, 35], "target": 98}, {"nums": [63, 95, 96], "target": 64}, {"nums": [35, 44, 19],
        "target": 98}]  # fmt: skip


def write(path, rows):
    if path.suffix == ".parquet":
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        path.write_text("\ufeff" * 0 + "".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".json"])
def test_published_files_are_read(tmp_path, suffix):
    path = write(tmp_path / f"rows{suffix}", ROWS)
    assert read_countdown(path) == (NumberProblem((19, 35, 44), 98), NumberProblem((63, 95, 96), 64))
    rows = [{"numbers": [3, 4, 6], "target": 13, "question": "Using the numbers ...", "answer": "3 + 4 + 6"}]
    assert read_countdown(write(tmp_path / f"gym{suffix}", rows)) == (NumberProblem((3, 4, 6), 13),)


def test_the_problems_of_a_file_are_asked_and_held_out(tmp_path):
    puzzles = [make_problem(RULES["countdown_3to4"], "train", 9, index) for index in range(20)]
    rows = [{"nums": list(problem.numbers)[::-1], "target": problem.target} for problem in puzzles]
    world = open_environment("countdown", split=f"countdown_3to4:{write(tmp_path / 'a.jsonl', rows)}", held_out=8)
    assert len(world.held_out) == 8
    assert set(world.held_out) <= set(puzzles)
    assert all((problem.numbers[::-1], problem.target) in world.split.forbidden for problem in puzzles)
    assert make_problem(RULES["countdown_3to4"], "train", 9, 3, frozenset(puzzles)) not in puzzles


@pytest.mark.parametrize(("text", "named"), [
    ('{"nums": [3, 4], "target": 0}', r"line 1: target must be an integer >= 1, got 0"),
    ('{"nums": [3, -4], "target": 7}', r"line 1: .*-4 is no integer from 1"),
    ('{"nums": [3, 4.5], "target": 7}', "is no integer from 1"),
    ('{"nums": [3, 4]}', "line 1: target must be an integer >= 1, got None"),
    ('{"nums": "3 4", "target": 7}', "nums must be a list of numbers, got '3 4'"),
    ('{"question": "?", "target": 7}', "nums must be a list of numbers, got columns question, target"),
    ('{"nums": [3, 4], "target": 7}\n[1, 2]', "line 2: a row must be an object with nums and target"),
    ('{"nums": [1, 2, 3, 4, 5, 6, 7], "target": 7}', "got 7"),
    ("{", "line 1: damaged"),
    ("", "it holds none"),
])  # fmt: skip
def test_damaged_files_are_named(tmp_path, text, named):
    (tmp_path / "rows.jsonl").write_text(text)
    with pytest.raises(ValueError, match=named) as error:
        read_countdown(tmp_path / "rows.jsonl")
    assert str(tmp_path / "rows.jsonl") in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("split", "held_out", "named"), [
    ("tot", 5, "split must be one of stream_of_search, countdown_3to4, countdown_3"),
    ("stream_of_serch", 5, "did you mean 'stream_of_search'"),
    ("stream_of_search:nowhere.jsonl", 5, "no such file nowhere.jsonl"),
    ("stream_of_search", 0, "held_out must be an integer >= 1, got 0"),
    ("countdown_3to4:targets", 5, "leaves no targets on the side 'targets'"),
])  # fmt: skip
def test_bad_splits_are_named(split, held_out, named):
    with pytest.raises(ValueError, match=re.escape(named)):
        open_environment("countdown", split=split, held_out=held_out)


def test_an_unsolvable_problem_of_a_file_is_named(tmp_path):
    path = write(tmp_path / "rows.jsonl", [{"nums": [1, 1, 1], "target": 99}])
    with pytest.raises(ValueError, match="problem 1 1 1 -> 99: the target cannot be made within"):
        open_environment("countdown", split=f"countdown_3to4:{path}", held_out=1)
