"""Pairs: what is kept is right, what is chosen leads from there to a right end, what is rejected is the model's own."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from game24lab.tasks.numbers.arithmetic import make_state, reachable
from game24lab.tasks.numbers.chains import STYLES, judge_chain, write_chain
from game24lab.tasks.numbers.preference_pairs import FAULTS, Pair, list_named, make_pair, make_pairs
from game24lab.tasks.numbers.search_traces import continue_in_order, list_moves, search_at_random, search_in_order
from game24lab.tasks.numbers.steps import write_line
from game24lab.tasks.tags import add_tags

PUZZLES = [(4, 5, 6, 10), (1, 2, 3, 4), (3, 3, 8, 8), (1, 5, 5, 5), (2, 2, 6, 12), (1, 11, 11, 13), (6, 6, 6, 6),
           (4, 9, 10, 13), (1, 2, 7, 7)]  # fmt: skip
LINES = (
    "7 - 4 = 3 (left: 1 2 3)\n"
    "3 - 2 = 1 (left: 1 1)\n"
    "3 + 2 = 5 (left: 1 5)\n"
    "roll back (left: 1 2 4 7)\n"
    "7 + 4 = 11 (left: 1 2 11)\n"
    "11 + 1 = 12 (left: 2 12)\n"
    "12 * 2 = 24 (left: 24)\n"
    "reach 24: 7 + 4 = 11, 11 + 1 = 12, 12 * 2 = 24\n"
    "reach 24! expression: (7 + 4 + 1) * 2\n"
).splitlines(keepends=True)
NUMBERS = (1, 2, 4, 7)


def write(numbers, style, seed):
    rng = random.Random(seed)
    search = search_in_order(numbers, rng) if style == "sound" else search_at_random(numbers, rng)
    return write_chain(numbers, search, style)


def pair(text, **options):
    return make_pair(NUMBERS, text, random.Random(0), **options)


@pytest.mark.parametrize("style", STYLES)
def test_nothing_is_wrong_with_what_the_solver_writes(style):
    for seed, numbers in enumerate(PUZZLES):
        assert make_pair(numbers, write(numbers, style, seed), random.Random(0), style=style) is None


def damage(text, rng):
    """A chain as a model may write it: a line changed, lost, repeated or moved, the end cut off."""
    lines = text.splitlines(keepends=True)
    place = rng.randrange(len(lines))
    kind = rng.choice(["digit", "lose", "repeat", "swap", "cut", "cut within", "stop", "more", "back"])
    if kind == "digit":
        spots = [i for i, sign in enumerate(lines[place]) if sign.isdigit()]
        spot = rng.choice(spots)
        lines[place] = lines[place][:spot] + rng.choice("0123456789") + lines[place][spot + 1 :]
    elif kind == "lose":
        del lines[place]
    elif kind == "repeat":
        lines.insert(place, lines[place])
    elif kind == "swap":
        other = rng.randrange(len(lines))
        lines[place], lines[other] = lines[other], lines[place]
    elif kind == "more":
        lines.append(lines[place])
    elif kind == "back":
        lines.insert(place, rng.choice(lines))
    elif kind in ("cut", "stop"):
        del lines[place:]
    text = "".join(lines)
    return text[: rng.randrange(len(text))] if kind == "cut within" else text


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(STYLES), st.integers(0, 10**9), st.booleans())
def test_pairs_of_damaged_chains(style, seed, ended):
    rng = random.Random(seed)
    numbers = rng.choice(PUZZLES)
    text = damage(write(numbers, style, seed), rng)
    prompt = f"Input: {' '.join(map(str, numbers))}\n"
    found = make_pair(numbers, text, rng, style=style, ended=ended, most_lines=10_000)
    if found is None:
        return
    assert found.fault in FAULTS
    assert found.chosen_ends
    kept = found.prompt.removeprefix(prompt)
    assert kept != found.prompt
    assert text.startswith(kept + found.rejected)
    assert text == kept + found.rejected or not ended
    assert found.chosen != found.rejected
    assert not found.rejected or found.chosen.split("\n")[0] != found.rejected.split("\n")[0]
    better = judge_chain(numbers, kept + found.chosen, style=style)
    assert better.solved
    assert (better.first_wrong, better.first_unsound) == (None, None), kept + "|" + found.chosen
    assert make_pair(numbers, kept + found.chosen, rng, style=style) is None
    short = make_pair(numbers, text, rng, style=style, ended=ended, most_lines=2)
    assert found.chosen.startswith(short.chosen)
    assert short.chosen.count("\n") <= 2
    assert short.chosen_ends == (found.chosen.count("\n") <= 2)
    assert found.rejected.startswith(short.rejected)


def test_a_search_goes_on_where_it_stands():
    """After any number of its moves, the rest of a search in order is what the whole search did next."""
    for numbers in PUZZLES:
        search = search_in_order(numbers, random.Random(0))
        for cut in range(len(search)):
            trail = [(make_state(numbers), set())]
            for visit in search[:cut]:
                del trail[visit.depth :]
                trail[-1][1].add(visit.left)
                trail.append((visit.left, set()))
            assert continue_in_order(trail, random.Random(0)) == search[cut:]
    assert continue_in_order([(make_state((24,)), ())], random.Random(0)) == ()


def test_a_wrong_line():
    text = "".join([*LINES[:4], "7 + 4 = 12 (left: 1 2 12)\n", "12 * 2 = 24 (left: 1 24)\n"])
    found = pair(text, ended=False, most_lines=100)
    assert found == Pair("Input: 1 2 4 7\n" + "".join(LINES[:4]), found.chosen, "".join(text.splitlines(True)[4:]),
                         True, False, "wrong")  # fmt: skip
    assert found.chosen.endswith("reach 24! expression: (7 + 4 + 1) * 2\n")
    assert not found.chosen.startswith("roll back"), "the chain has gone back by itself"


def test_a_living_position_abandoned():
    text = "".join([*LINES[:5], "roll back (left: 1 2 4 7)\n", "7 - 2 = 5 (left: 1 4 5)\n"])
    found = pair(text)
    assert found.fault == "unsound"
    assert found.prompt.endswith(LINES[4])
    assert found.rejected.startswith("roll back")
    assert judge_chain(NUMBERS, "".join(LINES[:5]) + found.chosen).solved


def test_a_chain_that_lost_its_way():
    """Unfinished, every line right and sound, but it entered a dead position where a living one stands first."""
    moves = list_moves(make_state(NUMBERS))
    place, alive = next((i, move) for i, move in enumerate(moves) if reachable(move[1]))
    dead = next(move for move in moves[place:] if not reachable(move[1]))
    found = pair(write_line(*dead) + "\n", ended=False)
    assert (found.fault, found.prompt, found.rejected_ends) == ("out of order", "Input: 1 2 4 7\n", False)
    before = next(move for move in moves[:place] if not reachable(move[1]))
    assert pair(write_line(*before) + "\n", ended=False) is None
    assert pair(write_line(*alive) + "\n", ended=False) is None


def test_a_chain_that_ends_without_an_answer():
    found = pair("".join(LINES[:6]), ended=True)
    assert (found.fault, found.rejected, found.rejected_ends) == ("no answer", "", True)
    assert found.chosen == "".join(LINES[6:])
    assert pair("".join(LINES[:6]), ended=False) is None


def test_what_follows_an_answer_is_rejected():
    found = pair("".join(LINES) + "1 + 1 = 2 (left: 2)\n")
    assert (found.chosen, found.chosen_ends) == ("", True)
    assert found.rejected == "1 + 1 = 2 (left: 2)\n"


def test_a_wrong_answer_at_the_goal():
    wrong = "reach 24! expression: (7 - 4 + 1) * 2\n"
    found = pair("".join([*LINES[:8], wrong]))
    assert (found.fault, found.chosen) == ("wrong", LINES[8])
    assert pair("".join([*LINES[:7], wrong])).chosen == "".join(LINES[7:]), "the recap, too, where there was none"


def test_many_chains():
    bad, good = ("".join([*LINES[:4], "7 + 4 = 12 (left: 1 2 12)\n"]), "".join(LINES))
    chains = [(NUMBERS, bad, False), (NUMBERS, good, True), (NUMBERS, bad, False), (NUMBERS, bad, True)]
    pairs = make_pairs(chains, keep=0.5, seed=1)
    assert [pair.rejected_ends for pair in pairs] == [False, True], "each once, and none of a chain without a fault"
    assert pairs == make_pairs(chains[:1] + chains[3:], keep=0.5, seed=1)


def test_tags_and_bad_arguments():
    assert pair(add_tags("".join(LINES[:5]) + "reach 24! expression: 1\n")) is None
    with pytest.raises(ValueError, match=r"style must be .*got 'v4'"):
        pair("", style="v4")
    with pytest.raises(ValueError, match="most_lines must be an integer >= 1, got 0"):
        pair("", most_lines=0)
    with pytest.raises(ValueError, match="puzzle 1 1 1 1: 24 cannot be made"):
        make_pair((1, 1, 1, 1), "", random.Random(0))


@given(st.text(max_size=200))
def test_any_text(text):
    for style in STYLES:
        found = pair(text, style=style, most_lines=1000)
        assert found is None or judge_chain(NUMBERS, found.prompt.partition("\n")[2] + found.chosen, style=style).solved


def test_a_strict_split_leaves_out_pairs_that_name_what_it_keeps_apart():
    """In the prompt, on the chosen side or on the rejected one, where it may be claimed falsely."""
    wrong = [*LINES[:3], "roll back (left: 3 5 9)\n", *LINES[4:]]
    pairs = make_pairs([(NUMBERS, "".join(wrong), True)])
    assert len(pairs) == 1
    for named, where in (((1, 2, 3), "prompt"), ((3, 5, 9), "rejected")):
        assert " ".join(map(str, named)) in getattr(pairs[0], where)
        assert make_pairs([(NUMBERS, "".join(wrong), True)], avoid={make_state(named)}) == []
    (chosen,) = {position for position in list_named(pairs[0].chosen) if len(position) == 3} - set(
        list_named(pairs[0].prompt + pairs[0].rejected)
    ) or {make_state(NUMBERS)}
    assert make_pairs([(NUMBERS, "".join(wrong), True)], avoid={chosen}) == []
    assert make_pairs([(NUMBERS, "".join(wrong), True)], avoid={make_state((3, 5, 8))}) == pairs


@given(st.sampled_from(STYLES), st.sampled_from(PUZZLES), st.integers(0, 10**6))
@settings(deadline=None, max_examples=40)
def test_all_positions_of_a_search_are_named_in_every_style(style, numbers, seed):
    rng = random.Random(seed)
    search = search_in_order(numbers, rng) if style == "sound" else search_at_random(numbers, rng)
    named = set(list_named(write_chain(numbers, search, style)))
    if style != "solution":  # which tells the way to the end alone
        assert {visit.left for visit in search if len(visit.left) > 1} <= named
    judged = judge_chain(numbers, write_chain(numbers, search, style), style=style)
    assert {line.left for line in judged.lines if line.kind == "move"} <= named


@given(st.text())
@settings(deadline=None)
def test_no_text_is_too_strange_to_be_looked_through(text):
    list_named(text + "left: " + text)
