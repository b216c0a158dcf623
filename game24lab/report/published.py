"""Published numbers to stand beside ours: who reported what, on which puzzles, and how far that has been checked.

They were measured with other models, other tokenizers and partly other rules, so they are printed in a table of their
own and never drawn into our figures. It does not know of runs.
"""

from __future__ import annotations

from dataclasses import dataclass

TOT = "Tree of Thoughts, arXiv 2305.10601"
TSLLM = "TS-LLM, arXiv 2309.17179"


@dataclass(frozen=True)
class Published:
    """One reported point. `split` is ours of the same puzzles; `tokens` per problem are those of *their* tokenizer."""

    split: str
    source: str
    model: str
    setting: str
    accuracy: float  # 0 to 1
    tokens: str  # "" where not reported
    checked: str  # "read" in the paper, "recomputed" from published logs, "from memory, unverified"


PUBLISHED = (
    Published("tot", TOT, "GPT-4", "input-output prompt", 0.073, "", "read"),
    Published("tot", TOT, "GPT-4", "chain of thought", 0.04, "", "read"),
    Published("tot", TOT, "GPT-4", "chain of thought, self-consistency of 100", 0.09, "", "read"),
    Published("tot", TOT, "GPT-4", "chain of thought, pass@100", 0.49, "4.6k", "recomputed"),
    Published("tot", TOT, "GPT-4", "Tree of Thoughts, b = 1", 0.45, "", "read"),
    Published("tot", TOT, "GPT-4", "Tree of Thoughts, b = 5", 0.74, "5.5k", "read"),
    Published("tsllm", TSLLM, "Llama-2-7B", "greedy", 0.127, "76", "from memory, unverified"),
    Published("tsllm", TSLLM, "Llama-2-7B", "MCTS-alpha", 0.633, "412", "from memory, unverified"),
    Published("tsllm", TSLLM, "Llama-2-7B", "MCTS-rollout", 0.713, "670", "from memory, unverified"),
    Published("tsllm", "ReSCALE", "7B", "PUCT, best of its budgets", 0.867, "1.3k", "read"),
)


def find_published(splits: set[str]) -> list[Published]:
    """The points that were measured on the puzzles of these splits."""
    return [point for point in PUBLISHED if point.split in splits]
