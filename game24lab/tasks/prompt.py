"""A prompt as token ids: what a search inside an answer gives a policy instead of a text.

A text would be tokenised anew, and not always into the tokens that were sampled. It does not know of tokenizers, models
or backends.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Prompt:
    """Tokens to go on from: those of a prompt, and behind them those of an answer that has been begun.

    Token t of an answer is drawn with the number that belongs to its seed and to t, wherever the answer was cut.
    ValueError where there is nothing to go on from, or no room to go on.
    """

    ids: tuple[int, ...]
    written: int = 0  # so many of the last are the answer's; those before them begin other prompts too
    room: int | None = None  # at most so many tokens may follow; None: as many as the call allows

    def __post_init__(self) -> None:
        if not 0 <= self.written < len(self.ids):
            raise ValueError(f"prompt of {len(self.ids)} tokens, {self.written} of them the answer's: at least one "
                             "token before the answer is needed")  # fmt: skip
        if self.room is not None and self.room < 1:
            raise ValueError(f"room behind a prompt must be an integer >= 1, got {self.room!r}")

    @property
    def shared(self) -> int:
        """How many tokens stand before the answer."""
        return len(self.ids) - self.written
