"""Look at a search while it runs, and end it when enough has been seen.

A watched algorithm is an algorithm like any other: same name, same parameters, same answers and same cost. It does not
know which algorithm it watches, who looks, or what is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import wraps
from typing import Any

from game24lab.search.engine import Algorithm
from game24lab.search.requests import BudgetSpent, Outcome, Request
from game24lab.search.sampling import ON_TREE
from game24lab.search.tree import Tree

STOPPED = "stopped"  # `Outcome.stopped` of a search that was ended by who looked


def watch(algorithm: Algorithm, look: Callable[[Tree], bool]) -> Algorithm:
    """The algorithm, whose tree is shown to `look` before each of its requests; True ends the search.

    It ends as one whose budget is spent: with the tree, the answer and the cost that it has. `look` may read the tree,
    and write `truth` and `meta` alone. An algorithm without a tree is never shown.
    """

    @wraps(algorithm)
    def watched(*given: Any, **named: Any) -> Generator[Request, list, Outcome]:
        trees: list[Tree] = []
        search = algorithm(*given, **named)
        before = ON_TREE.set(trees.append)
        try:
            request = next(search)
        except StopIteration as end:
            return end.value
        finally:
            ON_TREE.reset(before)
        while True:
            sent: Any
            advance: Callable[[Any], Request] = search.send
            try:
                if trees and look(trees[0]):
                    raise BudgetSpent(STOPPED)
                sent = yield request
            except BudgetSpent as spent:
                advance, sent = search.throw, spent
            try:
                request = advance(sent)
            except StopIteration as end:
                return end.value

    return watched
