"""Problems to learn from by trial: prompts, and beside each the columns that rewards read.

It does not know of models, rewards or trainers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Problem:
    """A prompt, and what a reward must know of it besides."""

    prompt: str
    columns: Mapping[str, Any] = field(default_factory=dict)  # such as numbers; the same names in all problems


Progress = Callable[..., Iterable]  # such as tqdm
