"""Searches: what they visit are legal moves, what they abandon is dead, and the short cut is as good as the cutting."""

import random
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game24lab.tasks.numbers.arithmetic import legal_steps, make_state, reachable
from game24lab.tasks.numbers.puzzles import list_solvable
from game24lab.tasks.numbers.rankings import TSLLM_RANKS, list_published
from game24lab.tasks.numbers.search_traces import (
    LARGEST_TRIED,
    Abandoned,
    count_abandoned,
    list_moves,
    search_at_random,
    search_in_order,
)

PUZZLES = random.Random(0).sample(list_solvable(), 40)
numbers_and_target = st.tuples(st.lists(st.integers(1, 13), min_size=2, max_size=4), st.integers(-3, 30))


def check(numbers, search, target=24):
    """Every visit is a legal move from its parent, tried there once; the last one reaches the target."""
    trail = [(make_state(numbers), set())]
    for depth, step, left in search:
        assert 1 <= depth <= len(trail)
        del trail[depth:]
        state, tried = trail[-1]
        turned = type(step)(step.right, step.operator, step.left, step.result) if step.operator in "+*" else step
        move = next(move for move in (step, turned) if (move, left) in legal_steps(state))
        assert move not in tried
        tried.add(move)
        trail.append((left, set()))
    assert trail[-1][0] == (target,)


def account(numbers, search, target=24):
    return count_abandoned(numbers, [(visit.depth, visit.left) for visit in search], target)


@given(numbers_and_target, st.integers(0, 2**32), st.floats(0, 1), st.integers(0, 30))
@settings(deadline=None, max_examples=60)
def test_both_searches_are_legal_and_abandon_only_what_is_dead(puzzle, seed, keep, lines):
    numbers, target = puzzle
    searches = [
        search_in_order(numbers, random.Random(seed), target, keep),
        search_at_random(numbers, random.Random(seed), target, lines),
    ]
    for search in searches:
        assert (search is None) == (not reachable(make_state(numbers), target))
        if search is not None:
            check(numbers, search, target)
            found = account(numbers, search, target)
            assert found.positions == found.dead == len(search) - (len(numbers) - 1)
            assert found.exhausted <= found.wide <= found.positions


@given(numbers_and_target)
@settings(deadline=None, max_examples=40)
def test_a_search_in_order_exhausts_what_it_abandons(puzzle):
    numbers, target = puzzle
    search = search_in_order(numbers, random.Random(0), target)
    if search is not None:
        found = account(numbers, search, target)
        assert found.positions == found.dead
        assert found.wide == found.exhausted


def test_a_random_search_exhausts_little():
    rng = random.Random(0)
    totals = [sum(kind) for kind in zip(*(account(p, search_at_random(p, rng)) for p in PUZZLES), strict=True)]
    assert totals[0] == totals[1] > totals[2] > 10 * totals[3]


def test_moves_in_order_are_small_whole_numbers_and_each_leads_elsewhere():
    moves = list_moves(make_state((3, 3, 8, 8)))
    assert len({after for _, after in moves}) == len(moves)
    assert moves[-1][0].result == Fraction(8, 3), "the only way on needs a fraction, and comes last"
    assert all(step.result.denominator == 1 and 0 <= step.result <= 72 for step, _ in moves[:-1])


def test_few_puzzles_need_a_large_number_or_a_fraction():
    """What the comment at LARGEST_TRIED says."""
    def is_plain(number):
        return number.denominator == 1 and number <= LARGEST_TRIED

    searches = {puzzle: search_in_order(puzzle, random.Random(0)) for puzzle in list_solvable()}
    beyond = {puzzle for puzzle, search in searches.items() if not all(is_plain(visit.step.result) for visit in search)}
    assert len(searches) == 1362
    assert len(beyond) == 37
    assert beyond <= {tuple(sorted(puzzle)) for puzzle in list_published(*TSLLM_RANKS)}


@pytest.mark.parametrize("lines", [0, 4, 6, 11, 17])
def test_a_random_search_keeps_to_its_lines(lines):
    rng = random.Random(lines)
    for puzzle in PUZZLES:
        search = search_at_random(puzzle, rng, max_lines=lines)
        assert 3 <= len(search) <= max(3, lines - 1)  # and the answer's own line


def test_searches_are_reproducible_and_random_ones_differ():
    for search in (search_in_order, search_at_random):
        assert search((4, 5, 6, 10), random.Random(1)) == search((10, 6, 5, 4), random.Random(1))
    assert len({search_at_random((4, 5, 6, 10), random.Random(seed)) for seed in range(50)}) > 45
    assert search_in_order((1, 1, 1, 1), random.Random(0)) is search_at_random((1, 1, 1, 1), random.Random(0)) is None


def test_drawing_what_is_kept_equals_cutting_the_whole_search():
    """Against the published way, made in full: how many positions of each depth are kept, in the mean."""
    numbers, lines, tries, rng = (2, 4, 8), 6, 1500, random.Random(0)
    cut, drawn = Counter(), Counter()
    for _ in range(tries):
        cut.update(cut_in_full(numbers, rng, lines))
        drawn.update(visit.depth for visit in search_at_random(numbers, rng, max_lines=lines))
    for depth in (1, 2):
        assert drawn[depth] / tries == pytest.approx(cut[depth] / tries, abs=0.08)  # about four standard errors


def cut_in_full(numbers, rng, lines):
    """Depths of the positions that a random search keeps where its random leaves are deleted one by one."""
    nodes = []  # parent, depth, children, on the way to the solution

    def grow(state, parent, depth, alive):
        own = len(nodes)
        nodes.append([parent, depth, 0, alive])
        for _, after in rng.sample(legal_steps(state), len(legal_steps(state))):
            nodes[own][2] += 1
            grow(after, own, depth + 1, reachable(after))
            if reachable(after):
                break

    grow(make_state(numbers), None, 0, True)
    kept = len(nodes)  # the moves and the answer
    leaves = [node for node in nodes if not node[2] and not node[3]]
    while kept > lines and leaves:
        gone = leaves.pop(rng.randrange(len(leaves)))
        parent = nodes[gone[0]]
        gone[1], parent[2], kept = 0, parent[2] - 1, kept - 1
        if not parent[2] and not parent[3]:
            leaves.append(parent)
    return [depth for _, depth, _, _ in nodes if depth]


def test_what_was_abandoned_is_counted():
    state = make_state
    visits = [(1, state((10, 11, 13))), (2, state((1, 13))), (1, state((2, 11, 11)))]
    assert count_abandoned((1, 11, 11, 13), visits) == Abandoned(2, 2, 1, 0)
    alive = [(1, state((1, 2, 11))), (1, state((10, 11, 13)))]
    assert count_abandoned((1, 11, 11, 13), alive) == Abandoned(1, 0, 1, 0)
    assert count_abandoned((1, 2), []) == Abandoned(0, 0, 0, 0)
