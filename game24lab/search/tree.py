"""The search tree: parallel lists, node index = order of expansion, and the log of events that replays the search.

Every algorithm fills one, sampling too (a star of chains). As in google-deepmind/mctx a tree is arrays, not objects.
It does not know tasks, models or algorithms; a position is a label, an expression and numbers here.

An event is `[kind, node, visits, total, sampled]`: the node's statistics right after it, and all tokens sampled so far.
`expand`: the node appears (one event a node, in the order of the indices). `evaluate`: its value became known.
`select`: a simulation passes through it (one a node of the path, root first). `backup`: its visits and total changed
(for every node of the position). `prune`: pruned. `stop`: the search ended, at the node it commits to (0: at none).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

from game24lab.runs.messages import condense
from game24lab.runs.nesting import check_nesting
from game24lab.tasks.task import Illegal

VERSION = 1
_FORMER = "unverified"  # what older trees call the mode "rules", see `search.modes`
_LARGEST = 2**53  # of whole numbers
_COUNTS = ("visits", "followed", "tokens")

STATUSES = ("open", "solved", "wrong", "illegal", "pruned", "unfinished")
EVENTS = ("select", "expand", "evaluate", "backup", "prune", "stop")

# Every list of nodes: its name, the JSON types its entries may have.
_COLUMNS: dict[str, tuple[type, ...]] = {
    "parent": (int,), "line": (str,), "label": (str,), "prior": (int, float, type(None)),
    "logprob": (int, float, type(None)), "value": (int, float, type(None)), "visits": (int,), "total": (int, float),
    "followed": (int,), "tokens": (int,), "status": (str,), "expression": (str,), "same": (int, type(None)),
    "reason": (str,), "truth": (bool, type(None)),
}  # fmt: skip


@dataclass
class Tree:
    """Parallel lists over nodes; node 0 is the root and every parent stands before its children.

    A node is one line sampled at its parent's position. Two nodes can stand for the same position: the later one names
    the first in `same`, and children hang under the first only. `visits` and `total` are those of the *position* and
    equal in all its nodes; `followed` is the node's own: how often a simulation took this very line.
    """

    parent: list[int] = field(default_factory=list)  # -1 for the root
    line: list[str] = field(default_factory=list)  # the line as sampled that led here, "" for the root
    label: list[str] = field(default_factory=list)  # the position in a few characters
    prior: list[float | None] = field(default_factory=list)  # normalised among siblings
    logprob: list[float | None] = field(default_factory=list)  # natural log, of the line (see add)
    value: list[float | None] = field(default_factory=list)  # the critic's value of the position, in [-1, 1]
    visits: list[int] = field(default_factory=list)  # N: simulations through the position
    total: list[float] = field(default_factory=list)  # W: sum of the values they backed up; Q = W / N
    followed: list[int] = field(default_factory=list)  # n: simulations through this line from this parent
    tokens: list[int] = field(default_factory=list)  # tokens sampled to get this line, duplicates of it included
    status: list[str] = field(default_factory=list)  # one of STATUSES
    expression: list[str] = field(default_factory=list)  # what has been built, "" where the task has no such thing
    same: list[int | None] = field(default_factory=list)  # the first node of an equal position, None if this is it
    reason: list[str] = field(default_factory=list)  # why illegal or wrong, "" otherwise
    truth: list[bool | None] = field(default_factory=list)  # whether a solution is still reachable; see annotate
    events: list[list] = field(default_factory=list)  # [kind, node, visits, total, tokens sampled so far]
    meta: dict[str, Any] = field(default_factory=dict)  # problem, strategy, parameters, mode, seed, answer, ...
    sampled: int = 0  # tokens sampled so far: the sum of `tokens`

    def __len__(self) -> int:
        return len(self.parent)

    def add(
        self,
        parent: int,
        line: str,
        label: str,
        *,
        prior: float | None = None,
        logprob: float | None = None,
        value: float | None = None,
        tokens: int = 0,
        status: str = "open",
        expression: str = "",
        same: int | None = None,
        reason: str = "",
    ) -> int:
        """Append a node, log its `expand` event and return its index.

        Where several lines came in one completion, the tokens and the log-probability of the whole completion stand at
        the node of its last line, and the nodes before it have 0 and None. A node that repeats a position (`same`)
        starts with that position's visits and total.
        """
        node = len(self.parent)
        if not -1 <= parent < node or (parent == -1) != (node == 0):
            raise ValueError(f"parent {parent} of node {node}: -1 for the root, an earlier node for all others")
        for name, entry in (
            ("parent", parent), ("line", line), ("label", label), ("prior", prior), ("logprob", logprob),
            ("value", value), ("visits", 0 if same is None else self.visits[same]),
            ("total", 0.0 if same is None else self.total[same]), ("followed", 0), ("tokens", tokens),
            ("status", status), ("expression", expression), ("same", same), ("reason", reason), ("truth", None),
        ):  # fmt: skip
            getattr(self, name).append(entry)
        self.sampled += tokens
        self.log("expand", node)
        return node

    def charge(self, node: int, tokens: int) -> None:
        """Add tokens to a node that stands already: a duplicate of its line was sampled."""
        self.tokens[node] += tokens
        self.sampled += tokens

    def count_tokens(self, status: str) -> int:
        """Tokens sampled to get the nodes of a status."""
        return sum(tokens for tokens, its in zip(self.tokens, self.status, strict=True) if its == status)

    def log(self, kind: str, node: int) -> None:
        """Append an event with the node's statistics as they are now."""
        self.events.append([kind, node, self.visits[node], self.total[node], self.sampled])

    def path(self, node: int) -> list[int]:
        """The nodes from the root to this one, both included."""
        nodes = [node]
        while self.parent[nodes[-1]] >= 0:
            nodes.append(self.parent[nodes[-1]])
        return nodes[::-1]

    def children(self, node: int) -> list[int]:
        """The children of a node in the order of their expansion; a repeated position shows those of the first."""
        first = self.same[node] if self.same[node] is not None else node
        return [child for child, parent in enumerate(self.parent) if parent == first]

    def q(self, node: int) -> float | None:
        """Mean backed-up value W / N; before the first visit the critic's value, None without one."""
        return self.total[node] / self.visits[node] if self.visits[node] else self.value[node]

    def annotate(self, task: Any, root: Any) -> Tree:
        """Fill `truth` by `task.truth` of the positions, replayed from the root state.

        Lines that lead to no position (illegal or cut off) stay None.
        """
        states = [root]
        for node in range(1, len(self)):
            legal = self.status[node] != "illegal"
            after = task.step(states[self.parent[node]], self.line[node]) if legal else None
            states.append(None if isinstance(after, Illegal) else after)
        self.truth = [None if state is None else task.truth(state) for state in states]
        return self

    def to_json(self) -> str:
        """One JSON object with a version; ValueError where a number is not finite."""
        data = {"version": VERSION, "meta": self.meta, **{name: getattr(self, name) for name in _COLUMNS},
                "events": self.events}  # fmt: skip
        return json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Tree:
        """Read `to_json`'s text; ValueError that says what is wrong with it."""
        try:
            data = json.loads(text)
        except RecursionError:
            raise ValueError("tree: nested too deeply") from None
        except ValueError as error:
            raise ValueError(f"tree: not JSON ({condense(error)})") from None
        try:
            check_nesting(data, None)
        except ValueError as error:
            raise ValueError(f"tree: {error}") from None
        if not isinstance(data, dict) or "version" not in data:
            raise ValueError("tree: must be a JSON object with a version")
        if data["version"] != VERSION:
            raise ValueError(f"tree: version {_show(data['version'])}, this program reads version {VERSION}")
        columns = {name: data.get(name) for name in _COLUMNS}
        for name, column in columns.items():
            if not isinstance(column, list) or len(column) != len(columns["parent"] or []) or not column:
                raise ValueError(f"tree: {name} must be a list with one entry per node")
            for node, entry in enumerate(column):
                below = name in _COUNTS and type(entry) is int and entry < 0
                if type(entry) not in _COLUMNS[name] or below or not _is_number_in_range(entry):
                    raise ValueError(f"tree: {name} of node {node} is {_show(entry)}")
        for node, parent in enumerate(columns["parent"]):
            status, same = columns["status"][node], columns["same"][node]
            if not -1 <= parent < node or (parent == -1) != (node == 0):
                raise ValueError(f"tree: node {node} has the parent {parent}")
            if status not in STATUSES:
                raise ValueError(f"tree: status of node {node} must be one of {', '.join(STATUSES)}, got "
                                 f"{_show(status)}")  # fmt: skip
            if same is not None and not 0 <= same < node:
                raise ValueError(f"tree: node {node} repeats the node {same}")
        events, meta = data.get("events"), data.get("meta")
        if not isinstance(meta, dict) or not isinstance(events, list):
            raise ValueError("tree: meta must be an object and events a list")
        _check_meta(meta)
        for event in events:
            if not _is_event(event, len(columns["parent"])):
                raise ValueError("tree: an event must be [kind, node, visits, total, sampled tokens so far], got "
                                 f"{_show(event)}")  # fmt: skip
        meta = {**meta, "mode": "rules"} if meta.get("mode") == _FORMER else meta
        return cls(**columns, events=events, meta=meta, sampled=sum(columns["tokens"]))


def _is_event(event: Any, nodes: int) -> bool:
    if not isinstance(event, list) or len(event) != 5 or event[0] not in EVENTS:
        return False
    _, node, visits, total, sampled = event
    return (type(node) is type(visits) is type(sampled) is int and 0 <= node < nodes and type(total) in (int, float)
            and all(map(_is_number_in_range, (visits, total, sampled))))  # fmt: skip


def _is_number_in_range(entry: Any) -> bool:
    """Whether a number can be drawn: finite, and whole ones exact as the floats that viewers have. True for others."""
    if isinstance(entry, int):
        return abs(entry) <= _LARGEST
    return not isinstance(entry, float) or math.isfinite(entry)


def _check_meta(meta: dict) -> None:
    """ValueError for a number in it that is none: JSON has no NaN, but Python reads and writes it."""
    stack: list[Any] = [meta]
    while stack:
        entry = stack.pop()
        if isinstance(entry, float) and not math.isfinite(entry):
            raise ValueError(f"tree: meta holds {entry!r}, which is no number of JSON")
        stack += entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else ()


def _show(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # a whole number of more digits than Python writes
        return f"a whole number of {value.bit_length()} bits" if isinstance(value, int) else "too large a number"
    return text if len(text) <= 60 else f"{text[:57]}..."
