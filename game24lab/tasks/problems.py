"""What is learnt from: samples (a prompt and its completion) and problems (a prompt and the columns that rewards read).

It does not know of tasks, models, rewards or trainers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Progress = Callable[..., Iterable]  # such as tqdm


class Sample(NamedTuple):
    """One text to learn from."""

    prompt: str
    completion: str
    ends: bool = True  # False: more would follow, no end token is learnt


@dataclass(frozen=True)
class Problem:
    """A prompt, and what a reward must know of it besides."""

    prompt: str
    columns: Mapping[str, Any] = field(default_factory=dict)  # such as numbers; the same names in all problems
