"""The moments of a search, read from the event log of its tree, and the tree as it was at any of them.

The log is a list of differences: playing the first k events gives the tree as it was then. Events that belong together
(the nodes of one selection, the lines of one draw) are one moment. The viewer (`viewer/replay.js`) follows the same
rules. This module does not know how a tree is drawn or searched.
"""

from __future__ import annotations

from dataclasses import dataclass

from game24lab.search.tree import Tree


@dataclass(frozen=True)
class Moment:
    """A run of events of one kind; `end` events have been played when it is over."""

    kind: str  # one of search.tree.EVENTS
    end: int
    sampled: int  # tokens that the search had sampled by then


def list_moments(tree: Tree) -> list[Moment]:
    """The moments in order. The lines that appear under one parent, or each under the one before, are one moment.

    A tree without a log has one moment a node.
    """
    moments: list[Moment] = []
    last = -1  # the node that appeared before
    for at, (kind, node, _, _, sampled) in enumerate(list_events(tree), 1):
        apart = not moments or moments[-1].kind != kind
        if kind == "expand":
            apart = apart or not tree.events or tree.parent[node] not in (tree.parent[last], last)
            last = node
        if not apart:
            moments.pop()
        moments.append(Moment(kind, at, sampled))
    return moments


def find_moment(tree: Tree, budget: int) -> Moment:
    """The last moment at which at most `budget` tokens had been sampled; at least the start. ValueError below 0."""
    if type(budget) is not int or budget < 0:
        raise ValueError(f"budget must be a number of sampled tokens >= 0, got {budget!r}")
    moments = list_moments(tree)
    if budget >= moments[-1].sampled:
        return moments[-1]
    return next((moment for moment in reversed(moments) if moment.sampled <= budget), moments[0])


def play(tree: Tree, end: int) -> Tree:
    """The tree after its first `end` events: the nodes there were, with the statistics they had.

    A node's `followed` counts the selections through it; what a node cost is known for the whole search only. After
    all events it is the tree itself. ValueError for fewer than one event or more than there are.
    """
    events = list_events(tree)
    if type(end) is not int or not 1 <= end <= len(events):
        raise ValueError(f"end must be a number of events from 1 to {len(events)}, got {end!r}")
    if end == len(events):
        return tree
    nodes = max(node for kind, node, *_ in events[:end] if kind == "expand") + 1 if tree.events else end
    then = Tree(**{name: list(getattr(tree, name)[:nodes]) for name in _LISTS}, meta=dict(tree.meta))
    then.events, then.sampled = [list(event) for event in tree.events[:end]], events[end - 1][4]
    if not tree.events:
        return then
    then.visits, then.total, then.followed = [0] * nodes, [0.0] * nodes, [0] * nodes
    known, pruned = set(), set()
    for kind, node, visits, total, _ in events[:end]:
        then.visits[node], then.total[node] = visits, total
        if kind == "select":
            then.followed[node] += 1
            pruned.discard(node)
        elif kind == "evaluate":
            known.add(node)
        elif kind == "prune":
            pruned.add(node)
    for node in range(nodes):
        first = node if then.same[node] is None else then.same[node]
        if node not in known and first not in known:
            then.value[node] = None
        if then.status[node] == "pruned" and node not in pruned:
            then.status[node] = "open"
    return then


def count_passed(tree: Tree) -> list[int]:
    """How often the search went on through each node: `followed`, or where no node has one, its selections."""
    if any(tree.followed):
        return tree.followed
    passed = [0] * len(tree)
    for kind, node, *_ in tree.events:
        passed[node] += kind == "select"
    return passed


_LISTS = ("parent", "line", "label", "prior", "logprob", "value", "visits", "total", "followed", "tokens", "status",
          "expression", "same", "reason", "truth")  # fmt: skip


def list_events(tree: Tree) -> list:
    """The log of a tree; of one without a log, an event for each node, in the order of the nodes."""
    if tree.events:
        return tree.events
    sampled, events = 0, []
    for node in range(len(tree)):
        sampled += tree.tokens[node]
        events.append(["expand", node, tree.visits[node], tree.total[node], sampled])
    return events
