"""Token-level credit: an advantage is applied to the first wrong line alone where it is negative.

Plain GRPO gives every token the advantage of the whole completion, so right lines before a mistake and all lines after
it are penalised too. With an exact judge of single lines the penalty can go to the wrong line alone, as in step-wise
preferences (Lai et al. 2024, arXiv 2406.18629) and per-step credit (Setlur et al. 2024, arXiv
2406.14532), which estimate what is exact here. It does not know what texts mean, nor how they are judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

CREDITS = ("answer", "line")
Span = tuple[int, int]  # from and up to


def find_tokens(decode: Callable[[Sequence[int]], str], ids: Sequence[int], characters: Span) -> Span:
    """The tokens of a completion that cover a span of characters; `decode` is monotone in the number of ids.

    From the first token whose text ends after `characters[0]` up to the one whose text reaches `characters[1]`.
    """

    def count(length: int) -> int:
        """The fewest tokens whose text has this length."""
        low, high = 0, len(ids)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if len(decode(ids[:middle])) >= length else (middle + 1, high)
        return low

    begin, end = characters
    return max(0, count(begin + 1) - 1), count(end)


def credit_lines(advantages: torch.Tensor, width: int, faults: Sequence[Span | None]) -> torch.Tensor:
    """Advantages of tokens (completions, width) from those of completions (completions,).

    Without a fault all tokens of a completion have its advantage. With one, a negative advantage is applied to the
    tokens of the fault only; a positive one to every other token.
    """
    spread = advantages[:, None].repeat(1, width)
    for row, fault in enumerate(faults):
        if fault is not None:
            inside = torch.zeros(width, dtype=torch.bool, device=spread.device)
            inside[fault[0] : fault[1]] = True
            spread[row, ~inside if advantages[row] < 0 else inside] = 0.0
    return spread
