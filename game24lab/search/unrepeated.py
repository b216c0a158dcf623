"""Requests without replacement: the tries of one search, by position and settings, and what their lines cost.

Positions whose prompts are equal share forward passes, though each says its own lines; a prompt is charged once. This
module does not know how a trie finds its lines, nor who asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from game24lab.search.cost import measure_texts
from game24lab.search.requests import Complete, Lines, Propose, write_options


@dataclass(eq=False)
class Tries:
    """The tries of one search."""

    by_position: dict[tuple[Propose | Complete, Hashable], Any] = field(default_factory=dict)
    by_prompt: dict[tuple[Propose | Complete, Any], Any] = field(default_factory=dict)

    def find(
        self, policy: Any, kind: Propose | Complete, key: Hashable, text: Any, seed: int,
        list_allowed: Callable[[], Sequence[str]] | None = None,
    ) -> tuple[Any, bool]:  # fmt: skip
        """The trie of a position, and whether its prompt is new; ValueError for a policy that has no tries."""
        if (kind, key) in self.by_position:
            return self.by_position[kind, key], False
        if not hasattr(policy, "open_trie"):
            raise ValueError(f"policy {policy.name!r} cannot sample without replacement: sampling must be 'with'")
        other = self.by_prompt.get((kind, text))
        allowed = {"allowed": list_allowed()} if list_allowed and other is None else {}
        trie = policy.open_trie(text, seed, **write_options(kind), beside=other, **allowed)
        self.by_position[kind, key] = trie
        self.by_prompt.setdefault((kind, text), trie)
        return trie, other is None


@dataclass(frozen=True)
class Wish:
    """The next lines of one position of a search."""

    tries: Tries
    key: Hashable
    text: Any  # the prompt
    count: int
    seed: int  # of the position, in case it is new
    list_allowed: Callable[[], Sequence[str]] | None = None  # the lines that may be said; None: any


def draw_lines(
    policy: Any, kind: Propose | Complete, wishes: Sequence[Wish]
) -> tuple[list[Lines], list[dict[str, int]], float]:
    """The lines of each wish, what they cost in units of Cost, and the seconds of the model's passes; wishes of one
    trie are served in turn."""
    lines: dict[int, Lines] = {}
    prices: dict[int, dict[str, int]] = {}
    found = [wish.tries.find(policy, kind, wish.key, wish.text, wish.seed, wish.list_allowed)
             for wish in wishes]  # fmt: skip
    left, seconds = list(range(len(wishes))), 0.0
    while left:
        now = list({id(found[place][0]): place for place in reversed(left)}.values())
        drawn = policy.draw([found[place][0] for place in now], [wishes[place].count for place in now])
        seconds += sum(one.seconds for one in drawn)
        for place, one in zip(now, drawn, strict=True):
            (trie, new), (spoken, characters) = found[place], measure_texts(line.text for line in one.lines)
            lines[place] = Lines(one.lines, trie)
            prices[place] = {"prompt_tokens": policy.count(wishes[place].text) if new else 0, "policy_calls": 1,
                             "sampled_tokens": one.tokens, "sampled_lines": spoken,
                             "sampled_characters": characters}  # fmt: skip
        left = [place for place in left if place not in lines]
    return [lines[place] for place in range(len(wishes))], [prices[place] for place in range(len(wishes))], seconds
