"""Beams worked out by hand; and the defects of reference codes, each as a test that it is not here."""

import pytest
from fake_models import FakeCritic, FakePolicy
from letters import Letters, Sayings, Table, label_end, list_events, search

from game24lab.search.beam import beam_search, bfs_v, dvts
from game24lab.search.engine import run
from game24lab.tasks.numbers.task import Game24

PUZZLES = [(4, 5, 6, 10), (1, 2, 4, 7), (3, 3, 8, 8), (2, 3, 5, 12)]
PLAIN = {"lookahead": 0}


# ------------------------------------------------------------------------------------- beam search
@pytest.mark.parametrize("mode", ["verified", "rules"])
def test_a_beam_by_hand(mode):
    """Four lines a step, the best 4 // 2 go on: b (.6) and a (.2), two lines each; c and d are given up."""
    policy = Sayings(_="a b c d", b="a b", a="a c")
    critic = Table(a=0.2, b=0.6, c=-0.4, d=0.1, ba=0.1, bb=0.5, aa=0.3, ac=0.9)
    found = search(beam_search, policy, critic, mode=mode, n=4, beam_width=2, **PLAIN)
    tree = found.tree
    assert tree.label == ["-", "a", "b", "c", "d", "ba", "bb", "aa", "ac"]
    assert tree.parent == [-1, 0, 0, 0, 0, 2, 2, 1, 1]
    assert tree.status == ["open", "open", "open", "pruned", "pruned", "wrong", "solved", "wrong", "wrong"]
    assert list_events(tree, "select") == ["-", "-", "b", "-", "a"]
    assert list_events(tree, "prune") == ["c", "d"]
    assert policy.asked == [(">", 4, 0.8), ("b>", 2, 0.8), ("a>", 2, 0.8)]
    if mode == "rules":
        assert tree.value == [0.0, 0.2, 0.6, -0.4, 0.1, 0.1, 0.5, 0.3, 0.9]
        assert (label_end(tree), found.solved, found.candidates, found.correct) == ("ac", False, 4, 1)
        assert found.cost.critic_calls == 9
    else:
        assert tree.value[5:] == [-1.0, 1.0, -1.0, -1.0]
        assert (found.answer, found.solved, found.stopped) == ("bb", True, "solved")
        assert found.cost.critic_calls == 5  # ends are judged, not valued
    assert found.cost.depth == found.cost.policy_calls - 1 + (2 if mode == "verified" else 3)


def test_lines_are_dealt_out_evenly_to_those_that_go_on():
    policy = Sayings(_="a b c d e f g h", a="a", b="a", c="a", d="a")
    values = {"a": 0.9, "b": 0.8, "c": 0.7}
    search(beam_search, policy, Table(**values), n=8, beam_width=2, num_iterations=2, **PLAIN)
    assert policy.asked[1:] == [("a>", 2, 0.8), ("b>", 2, 0.8), ("c>", 2, 0.8), ("d>", 2, 0.8)]
    few = Sayings(_="a b c", a="a", b="a", c="a")
    search(beam_search, few, Table(**values), n=8, beam_width=2, filter_duplicates=True, **PLAIN)
    assert few.asked[1:] == [("a>", 3, 0.8), ("b>", 3, 0.8), ("c>", 2, 0.8)]


@pytest.mark.parametrize("merge", [True, False])
def test_duplicates_fill_the_beam_unless_they_are_filtered(merge):
    """Defect: duplicates by text or position; they are paid for in both cases, and are one node of the tree."""
    for filter_duplicates, asked in ((False, [("a>", 4)]), (True, [("a>", 2), ("b>", 2)])):
        policy = Sayings(_="a a b b", a="a", b="a")
        found = search(beam_search, policy, Table(a=0.5, b=0.2), merge=merge, n=4, beam_width=2,
                       filter_duplicates=filter_duplicates, **PLAIN)  # fmt: skip
        if merge:
            assert [(prompt, count) for prompt, count, _ in policy.asked[1:]] == asked
        assert sum(count for _, count, _ in policy.asked) == 8
        assert found.tree.label[:3] == ["-", "a", "b"]
        assert found.tree.tokens[:3] == [0, 2, 2]
        assert found.tree.status[2] == ("open" if filter_duplicates else "pruned")


def test_equal_positions_meet_in_one_node_and_share_their_word():
    """ab and ba are one position: valued once, shown twice, and its lines are asked for in one prompt."""
    policy = Sayings(_="a b", a="b", b="a", ab="c d", ba="c d")
    critic = Table(ab=0.5, ba=0.1)
    found = search(beam_search, policy, critic, Letters("x", 3, bag=True), n=2, beam_width=1, **PLAIN)
    assert found.tree.label == ["-", "a", "b", "ab", "ba", "abc", "abd"]
    assert found.tree.same == [None, None, None, None, 3, None, None]
    assert policy.asked[-1] == ("ab>", 2, 0.8)
    assert found.cost.critic_calls == 6  # nothing, a, b, ab, abc, abd
    apart = search(beam_search, Sayings(_="a b", a="b", b="a", ab="c", ba="d"), critic, Letters("x", 3, bag=True),
                   merge=False, n=2, beam_width=1, **PLAIN)  # fmt: skip
    assert apart.tree.label == ["-", "a", "b", "ab", "ba", "abc", "bad"]
    assert apart.tree.same == [None] * 7
    assert apart.cost.critic_calls == 7


def test_every_aggregation_changes_the_answer():
    """Defect: a reference hard-codes "last" in its final choice. Chances, and what is made of them:

    a .9, aa .5   last .5   min .5   prod .45
    b .3, ba .8   last .8   min .3   prod .24
    c .6, ca .6   last .6   min .6   prod .36
    """
    critic = {"a": 0.8, "aa": 0.0, "b": -0.4, "ba": 0.6, "c": 0.2, "ca": 0.2}
    for name, answer in (("last", "ba"), ("min", "ca"), ("prod", "aa")):
        policy = Sayings(_="a b c", a="a", b="a", c="a")
        found = search(beam_search, policy, Table(**critic), n=3, beam_width=1, agg_strategy=name, **PLAIN)
        assert found.answer == answer


def test_every_aggregation_changes_who_goes_on():
    """Chances: a .9, aa .5 against b .6, bb .6: "last" and "min" keep bb, "prod" keeps aa (.45 against .36)."""
    for name, kept in (("last", "bb"), ("min", "bb"), ("prod", "aa")):
        policy = Sayings(_="a b", a="a", b="b", aa="a", bb="b", ab="a", ba="a")
        critic = Table(a=0.8, aa=0.0, b=0.2, bb=0.2)
        found = search(beam_search, policy, critic, Letters("x", 3), n=2, beam_width=1, num_iterations=2, **PLAIN,
                       agg_strategy=name)  # fmt: skip
        assert found.stopped == "done"
        assert policy.asked[-1] == (f"{kept}>", 1, 0.0)  # what is best is completed


@pytest.mark.parametrize("algorithm", [beam_search, dvts])
def test_lookahead_changes_the_selection_and_commits_to_one_line(algorithm):
    """Defect: lookahead is paid for and then ignored. b looks better, but a's greedy line leads further up."""
    values = {"a": 0.2, "b": 0.6, "aa": 0.9, "bc": -0.9, "ad": 0.3, "ba": 0.4}
    greedy = {"a": "a", "b": "c", "ad": "a", "ba": "a"}
    task = Letters("x", 3)
    for lookahead, kept, lines in ((0, "b", 2 + 2 + 1), (1, "a", 2 + 2 + 2 + 1)):
        policy = Sayings(greedy, _="a b", a="d", b="a", ad="a", ba="a")
        found = search(algorithm, policy, Table(**values), task, n=2, beam_width=2, lookahead=lookahead,
                       num_iterations=2)  # fmt: skip
        grown = [prompt for prompt, _, temperature in policy.asked if temperature]
        assert grown == [">", f"{kept}>"]
        assert found.cost.sampled_tokens == lines
        assert found.tree.status[found.tree.label.index("b" if lookahead else "a")] == "pruned"


def test_lookahead_judges_by_all_positions_ahead_where_the_aggregation_asks_for_it():
    """min over a .6, aa .55 and aab .9 is .55; over b .5, ba .95, bab .95 it is .5."""
    values = {"a": 0.2, "aa": 0.1, "aab": 0.8, "b": 0.0, "ba": 0.9, "bab": 0.9}
    greedy = {"a": "a", "aa": "b", "b": "a", "ba": "b"}
    for name, kept in (("last", "b"), ("min", "a"), ("prod", "b")):
        policy = Sayings(greedy, _="a b", a="d", b="d", ad="a", bd="a")
        search(beam_search, policy, Table(**values), Letters("x", 4), n=2, beam_width=2, lookahead=2,
               agg_strategy=name, num_iterations=2)  # fmt: skip
        assert [prompt for prompt, _, temperature in policy.asked if temperature] == [">", f"{kept}>"]


def test_an_illegal_line_ahead_leaves_a_path_where_it_stands():
    policy = Sayings({"a": "?", "b": "b"}, _="a b", a="b", b="b")
    found = search(beam_search, policy, Table(a=0.5, b=-0.5, bb=0.4), n=2, beam_width=2, lookahead=1)
    assert [prompt for prompt, _, temperature in policy.asked if temperature] == [">", "a>"]
    assert found.tree.status.count("illegal") == 1
    assert found.answer == "ab"


def test_greedy_lines_of_one_position_are_asked_for_and_paid_once():
    """Two lines ahead of ab by way of a were told when a was looked at: ab's own lookahead begins with a known line."""
    greedy = {"a": "b", "ab": "c", "abc": "d", "abd": "d"}
    policy = Sayings(greedy, _="a", a="b", ab="d")
    found = search(beam_search, policy, Table(), Letters("x", 5), n=1, beam_width=1, lookahead=2, num_iterations=3)
    asked = [prompt for prompt, _, temperature in policy.asked if not temperature]
    assert asked[:3] == ["a>", "ab>", "abc>"]
    assert found.saved.sampled_tokens == 1


def test_what_lies_ahead_can_end_a_verified_search():
    policy = Sayings({"a": "a", "b": "b"}, _="a b")
    found = search(beam_search, policy, Table(), mode="verified", n=2, beam_width=1, lookahead=1)
    assert (found.answer, found.stopped, found.cost.sampled_tokens) == ("bb", "solved", 4)


def test_the_search_ends_with_n_answers_or_goes_on_to_the_best():
    """a and bc are over early: two answers are enough, unless they are to be sorted; then bd goes on to the best."""
    said = {"_": "a b", "b": "c d", "bd": "a b"}
    critic = {"a": 0.1, "bc": 0.2, "bda": 0.3, "bdb": 0.8}
    task = Letters("bdb", 3, short=("a", "bc"))
    early = search(beam_search, Sayings(**said), Table(**critic), task, n=2, beam_width=1, **PLAIN)
    assert (early.answer, early.cost.sampled_tokens) == ("bc", 4)
    assert early.tree.status[early.tree.label.index("bd")] == "unfinished"
    late = search(beam_search, Sayings(**said), Table(**critic), task, n=2, beam_width=1, sort_completed=True, **PLAIN)
    assert (late.answer, late.solved, late.candidates, late.cost.sampled_tokens) == ("bdb", True, 4, 6)


def test_of_more_than_n_answers_the_first_n_count_unless_they_are_sorted():
    """Three end at once: .1, .2 and .9; the third is one too many for n = 2, as in the reference code."""
    said = {"_": "a b", "b": "c d"}
    critic = {"a": 0.1, "b": 0.0, "bc": 0.2, "bd": 0.9}
    task = Letters("bd", 2, short=("a",))
    for sort_completed, answer in ((False, "bc"), (True, "bd")):
        found = search(beam_search, Sayings(**said), Table(**critic), task, n=2, beam_width=1,
                       sort_completed=sort_completed, **PLAIN)  # fmt: skip
        assert found.answer == answer


def test_unfinished_is_not_illegal_and_nothing_is_divided_by_no_answers():
    """Defect: a line cut off by the token limit counts as an end; no completions at all divide by zero."""
    cut = search(beam_search, Sayings(_="?", finish="length"), Table(), n=2, beam_width=1)
    assert set(cut.tree.status[1:]) == {"unfinished"}
    assert (cut.outcome, cut.solved, cut.answer) == ("unfinished", False, "")
    illegal = search(beam_search, Sayings({"": "?"}, _="?"), Table(), n=2, beam_width=1)
    assert (illegal.outcome, illegal.tree.status) == ("illegal", ["open", "illegal"] + ["illegal"] * 1)


def test_iterations_bound_an_answer_and_what_is_left_is_finished_greedily():
    """Defect: a limit that is meant for an answer is applied to each step. Here: lines times tokens a line."""
    policy = Sayings({"aaa": "a"}, _="a", a="a", aa="a", aaa="a")
    found = search(beam_search, policy, Table(), Letters("aaaa", 4), n=2, beam_width=2, num_iterations=3, **PLAIN)
    assert policy.asked[-1] == ("aaa>", 1, 0.0)
    assert (found.answer, found.solved) == ("aaaa", True)


# ------------------------------------------------------------------------------------- DVTS
def test_subtrees_share_neither_nodes_nor_samples():
    """Both subtrees say a and b and keep a: two nodes of each. One prompt a> gives four lines, dealt out in order."""
    policy = Sayings(_="a b a b", a="a b c d")
    found = search(dvts, policy, Table(a=0.5, b=0.1, ac=0.4), n=4, beam_width=2, **PLAIN)
    tree = found.tree
    assert tree.label == ["-", "a", "b", "a", "b", "aa", "ab", "ac", "ad"]
    assert tree.parent == [-1, 0, 0, 0, 0, 1, 1, 3, 3]
    assert tree.status[:5] == ["open", "open", "pruned", "open", "pruned"]
    assert tree.same == [None] * 9
    assert policy.asked == [(">", 4, 0.8), ("a>", 4, 0.8)]
    assert (found.answer, found.candidates) == ("ac", 4)
    assert found.saved.critic_calls == 2  # a and b in the second subtree: one position, one word of the critic
    shared = search(beam_search, Sayings(_="a b a b", a="a b c d"), Table(a=0.5, b=0.1), n=4, beam_width=2, **PLAIN)
    assert shared.tree.label == ["-", "a", "b", "aa", "ab", "ac", "ad"]


@pytest.mark.parametrize("merge", [True, False])
def test_no_node_belongs_to_two_subtrees(merge):
    """Every subtree keeps one child a level: of its beam_width samples a level all other nodes are pruned or ends."""
    for puzzle in PUZZLES:
        (found,) = run(Game24(), [puzzle], dvts, FakePolicy(skill=1.0), FakeCritic(), mode="rules", merge=merge,
                       parameters={"n": 12, "beam_width": 4, **PLAIN})  # fmt: skip
        tree = found.tree
        inner = [node for node in range(1, len(tree)) if node in tree.parent]
        assert len(inner) <= 3 * 2  # three subtrees, two levels below the root that go on
        assert len({tree.parent[node] for node in inner if tree.parent[node]}) == len(inner) // 2
        assert tree.sampled == found.cost.sampled_tokens


def test_a_subtree_is_done_when_its_best_child_is_an_end():
    """Subtree one: a (.6, an end) beats b; two: c (.5) beats d (.2, an end) and goes on alone."""
    policy = Sayings(_="a b c d", c="a b")
    task = Letters("x", 2, short=("a", "d"))
    found = search(dvts, policy, Table(a=0.6, b=0.1, c=0.5, d=0.2, ca=0.1, cb=0.3), task, n=4, beam_width=2, **PLAIN)
    assert [prompt for prompt, _, _ in policy.asked] == [">", "c>"]
    assert (found.answer, found.candidates) == ("a", 4)


def test_one_subtree_of_one_is_a_beam_of_one():
    policy = FakePolicy()
    settings = {"mode": "rules", "parameters": {"n": 4, "beam_width": 4}}
    one, other = (run(Game24(), PUZZLES, algorithm, policy, FakeCritic(), **settings)
                  for algorithm in (dvts, beam_search))  # fmt: skip
    assert [found.tree.line for found in one] == [found.tree.line for found in other]


# ------------------------------------------------------------------------------------- BFS-V
def test_bfs_v_by_hand():
    """Two places. Level one: a (.5) is an end and takes a place; b (.2) goes on alone, c is given up.

    Level two: of ba (.9) and bb (.3) one place is left: ba.
    """
    policy = Sayings(_="a b c", b="a b c")
    task = Letters("ba", 2, short=("a",))
    found = search(bfs_v, policy, Table(a=0.5, b=0.2, c=0.1, ba=0.9, bb=0.3), task, beam_size=2, width=3)
    assert found.tree.label == ["-", "a", "b", "c", "ba", "bb", "bc"]
    assert list_events(found.tree, "prune") == ["c"]
    assert (found.answer, found.solved, found.candidates) == ("ba", True, 4)
    low = search(bfs_v, Sayings(_="a b c", b="a b c"), Table(a=0.95, b=0.2, c=0.1, ba=0.9), task, beam_size=2, width=3)
    assert low.answer == "a"
    one = search(bfs_v, Sayings(_="a b c"), Table(a=0.5, b=0.2), task, beam_size=1, width=3)
    assert (one.answer, one.cost.sampled_tokens) == ("a", 3)


def test_bfs_v_stops_at_its_depth_and_completes_the_best():
    policy = Sayings({"ab": "bb"}, _="a b", a="a b", b="a b")
    found = search(bfs_v, policy, Table(a=0.5, ab=0.7), Letters("x", 4), beam_size=2, width=2, depth=2)
    assert policy.asked[-1] == ("ab>", 1, 0.0)
    assert found.outcome == "unfinished"
    assert found.tree.status[found.tree.label.index("aa")] == "unfinished"
