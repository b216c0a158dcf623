"""Credit: which tokens of a completion its advantage rests on, where it is known at which line it went wrong.

Plain GRPO gives every token the advantage of the whole completion: right lines are blamed for a wrong one behind them,
and what follows a mistake is blamed for the mistake. With a judge of single lines the blame can rest where it belongs,
as in step-wise preferences (Lai et al. 2024, arXiv 2406.18629) and per-step credit (Setlur et al. 2024, arXiv
2406.14532), which have to estimate what is exact here. It does not know what texts mean, nor who judges them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

CREDITS = ("answer", "line")
Span = tuple[int, int]  # from and up to


def find_tokens(decode: Callable[[Sequence[int]], str], ids: Sequence[int], characters: Span) -> Span:
    """Which tokens of a completion hold some characters of its text; `decode` is monotone in the number of ids.

    The tokens from the one whose text ends behind `characters[0]` up to the one with which `characters[1]` is reached.
    """

    def count(length: int) -> int:
        """The fewest tokens whose text is so long."""
        low, high = 0, len(ids)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if len(decode(ids[:middle])) >= length else (middle + 1, high)
        return low

    begin, end = characters
    return max(0, count(begin + 1) - 1), count(end)


def rest_on_lines(advantages: torch.Tensor, width: int, faults: Sequence[Span | None]) -> torch.Tensor:
    """Advantages of tokens (completions, width) from those of completions (completions,).

    A completion without a fault gives its advantage to all its tokens. With one, a loss is borne by the tokens of the
    fault alone; of a gain they get nothing.
    """
    spread = advantages[:, None].repeat(1, width)
    for row, fault in enumerate(faults):
        if fault is not None:
            inside = torch.zeros(width, dtype=torch.bool, device=spread.device)
            inside[fault[0] : fault[1]] = True
            spread[row, ~inside if advantages[row] < 0 else inside] = 0.0
    return spread
