"""The tree: parallel lists that survive JSON, a log that replays them, and files that are no trees."""

import json

import pytest

from game24lab.search.tree import Tree
from game24lab.tasks.numbers.task import Game24


def make_sample() -> Tree:
    """4 6 -> 24 (twice, by lines in both orders) and one illegal line."""
    tree = Tree()
    tree.add(-1, "", "4 6", value=0.5)
    tree.add(0, "6 * 4 = 24 (left: 24)", "24", prior=0.7, logprob=-0.3, tokens=9, status="solved")
    tree.add(0, "4 * 6 = 24 (left: 24)", "24", prior=0.3, logprob=-1.2, tokens=9, status="solved", same=1)
    tree.add(0, "4 + 6 = 11", "", logprob=-4.0, tokens=6, status="illegal", reason="4 + 6 is 10, not 11")
    return tree


def test_a_node_is_appended_with_its_event_and_its_tokens_counted():
    tree = make_sample()
    assert len(tree) == 4
    assert tree.sampled == 24 == sum(tree.tokens)
    assert [event[:2] for event in tree.events] == [["expand", node] for node in range(4)]
    assert [event[4] for event in tree.events] == [0, 9, 18, 24]
    tree.charge(1, 9)
    tree.log("stop", 1)
    assert tree.tokens[1] == 18
    assert tree.events[-1] == ["stop", 1, 0, 0.0, 33]


def test_paths_children_and_means():
    tree = make_sample()
    assert tree.path(3) == [0, 3]
    assert tree.children(0) == [1, 2, 3]
    assert tree.children(2) == tree.children(1) == []
    assert tree.q(0) == 0.5
    assert tree.q(1) is None
    tree.visits[0], tree.total[0] = 4, 1.0
    assert tree.q(0) == 0.25


def test_a_repeated_position_starts_with_what_is_known_of_it():
    tree = make_sample()
    tree.visits[1], tree.total[1] = 3, 1.5
    node = tree.add(0, "4*6", "24", same=1)
    assert (tree.visits[node], tree.total[node], tree.followed[node]) == (3, 1.5, 0)


def test_parents_stand_before_their_children():
    tree = Tree()
    with pytest.raises(ValueError, match="parent 0"):
        tree.add(0, "", "")
    tree.add(-1, "", "")
    for parent in (-1, 1, 2):
        with pytest.raises(ValueError, match=f"parent {parent}"):
            tree.add(parent, "", "")


def test_json_gives_the_same_tree_back_whatever_a_model_said():
    tree = make_sample()
    tree.add(0, 'a "quoted" </script>\u2028 line \\ \x00 ٣', "?", status="illegal", reason="no form")
    tree.meta = {"problem": [4, 6], "mode": "verified"}
    text = tree.to_json()
    assert Tree.from_json(text) == tree
    assert json.loads(text)["version"] == 1


def test_the_solver_speaks_in_truth_only_when_asked():
    tree = make_sample()
    task = Game24()
    assert tree.truth == [None] * 4
    tree.annotate(task, task.start((4, 6)))
    assert tree.truth == [True, True, True, None]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data.pop("version"), "version"),
        (lambda data: data.update(version=7), "version 7"),
        (lambda data: data.pop("line"), "line must be a list"),
        (lambda data: data["value"].pop(), "value must be a list"),
        (lambda data: data["parent"].__setitem__(1, 2), "node 1 has the parent 2"),
        (lambda data: data["parent"].__setitem__(1, "0"), "parent of node 1"),
        (lambda data: data["parent"].__setitem__(1, True), "parent of node 1"),
        (lambda data: data["status"].__setitem__(2, "won"), "status of node 2 must be .* got 'won'"),
        (lambda data: data["same"].__setitem__(2, 3), "repeats the node 3"),
        (lambda data: data["prior"].__setitem__(2, float("nan")), "prior of node 2"),
        (lambda data: data["events"].append(["explode", 0, 0, 0.0, 0]), "explode"),
        (lambda data: data["events"].append(["stop", 9, 0, 0.0, 0]), "stop"),
        (lambda data: data["events"].append(["stop", 0, 0, float("inf"), 0]), "stop"),
        (lambda data: data.pop("meta"), "meta must be"),
        (lambda data: [data[name].clear() for name in data if isinstance(data[name], list)], "one entry per node"),
    ],
)
def test_a_broken_file_is_named(change, reason):
    data = json.loads(make_sample().to_json())
    change(data)
    with pytest.raises(ValueError, match=reason):
        Tree.from_json(json.dumps(data))


@pytest.mark.parametrize(("place", "text", "reason"), [
    ('"visits":[0', '"visits":[1' + "0" * 400, "visits of node 0 is 1000"),
    ('"total":[0.0', '"total":[-1' + "0" * 400, "total of node 0 is -1000"),
    ('"tokens":[0', '"tokens":[9' + "0" * 16, "tokens of node 0 is 9000"),
    ('"visits":[0', '"visits":[-1', "visits of node 0 is -1"),
    ('"visits":[0', '"visits":[' + "1" * 5_000, "not JSON"),
    ('"prior":[null', '"prior":[1e999', "prior of node 0 is inf"),
    ('"prior":[null', '"prior":[NaN', "prior of node 0 is nan"),
    ('"prior":[null', '"prior":[1' + "0" * 400, "prior of node 0 is 1000"),
    ('"meta":{}', '"meta":{"a":NaN}', "meta holds nan, which is no number of JSON"),
    ('"meta":{}', '"meta":{"a":[{"b":-Infinity}]}', "meta holds -inf"),
    ('"meta":{}', '"meta":{"a":1e999}', "meta holds inf"),
    ('"meta":{}', '"meta":{"a":' + "[" * 5_000 + "]" * 5_000 + "}", "nested too deeply"),
    ('"meta":{}', '"meta":{"a":' + "[" * 200 + "]" * 200 + "}", "nested too deeply, .*; it must have at most 100"),
    ('"events":[["expand",0,0', '"events":[["expand",0,1' + "0" * 400, "an event must be"),
    ('"events":[["expand",0,0,0.0,0', '"events":[["expand",0,0,0.0,1' + "0" * 400, "an event must be"),
    ('"events":[["expand",0,0,0.0', '"events":[["expand",0,0,1' + "0" * 400, "an event must be"),
])  # fmt: skip
def test_numbers_that_nobody_can_draw_and_depths_that_nobody_can_walk(place, text, reason):
    whole = make_sample().to_json()
    assert whole.count(place) == 1
    with pytest.raises(ValueError, match=reason) as caught:
        Tree.from_json(whole.replace(place, text))
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '"tree"'])
def test_a_text_that_is_no_tree_is_named(text):
    with pytest.raises(ValueError, match="tree: "):
        Tree.from_json(text)


def test_a_number_that_is_not_finite_is_not_written():
    tree = make_sample()
    tree.total[0] = float("nan")
    with pytest.raises(ValueError, match="JSON"):
        tree.to_json()
