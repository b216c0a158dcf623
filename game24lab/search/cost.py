"""The cost of thinking: an additive value that counts every token, line and call a search caused.

It does not know who spends or who is charged; the engine fills it, evaluation adds it up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Cost:
    """What a search caused. Costs add field by field."""

    prompt_tokens: int = 0  # tokens of prompts forwarded through the policy
    sampled_tokens: int = 0  # tokens sampled from the policy: duplicates, illegal and discarded lines included
    sampled_lines: int = 0  # lines of the same samples: see `measure_texts`
    sampled_characters: int = 0  # characters of the same samples: what models of other tokenizers can be held against
    policy_calls: int = 0  # prompts answered by the policy (a batch of n prompts is n calls)
    critic_tokens: int = 0  # tokens forwarded through the critic
    critic_calls: int = 0  # positions scored by the critic
    depth: int = 0  # model calls that had to follow one another
    seconds: float = 0.0  # share of the time of the batches it took part in, the models' and tries'

    def __add__(self, other: Cost) -> Cost:
        if not isinstance(other, Cost):
            return NotImplemented
        return Cost(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Cost)))

    def flops(self, policy_parameters: int, critic_parameters: int = 0) -> float:
        """Forward FLOPs: two per non-embedding parameter and token (Kaplan et al. 2020)."""
        policy_tokens = self.prompt_tokens + self.sampled_tokens
        return 2.0 * (policy_tokens * policy_parameters + self.critic_tokens * critic_parameters)


def measure_texts(texts: Iterable[str]) -> tuple[int, int]:
    """Lines and characters of sampled texts, which do not depend on a tokenizer.

    Each text begins a line, be it empty, and each line end within it another; line ends are no characters, so that an
    answer weighs the same whether it came at once or line by line.
    """
    lines = characters = 0
    for text in texts:
        parts = text.splitlines()
        lines += max(1, len(parts))
        characters += sum(map(len, parts))
    return lines, characters
