"""What the study would cost beyond this machine: published decoders, their FLOPs, and hours of a GPU.

    python -m game24lab.scaling.beyond      # the table of docs/scaling.md

FLOPs are exact for the shapes; hours are them divided by what a GPU is assumed to reach, and nobody has measured them
here. This module does not know how such models are trained.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from game24lab.scaling.design import price_budget
from game24lab.scaling.flops import Shape, count_attended, count_forward

# Layers, width, heads, key-value heads, head width, feed-forward width, rows of the embedding: of their config.json.
QWEN = {
    "Qwen/Qwen2.5-0.5B": Shape(24, 896, 14, 2, 64, 4864, 151_936),
    "Qwen/Qwen2.5-1.5B": Shape(28, 1536, 12, 2, 128, 8960, 151_936),
    "Qwen/Qwen2.5-3B": Shape(36, 2048, 16, 2, 128, 11_008, 151_936),
    "Qwen/Qwen2.5-7B": Shape(28, 3584, 28, 4, 128, 18_944, 152_064),
}
UNTIED = ("Qwen/Qwen2.5-7B",)  # whose output matrix is not the embedding
PEAK = 989e12  # FLOPs a second of an H100 in bfloat16, dense, by its data sheet
REACHED = 0.35  # of that in training, assumed; 0.1 in generation by large batches
GENERATED = 0.1
TEXT, PROMPT = 60, 12  # tokens of a solution with its prompt, and of a prompt, by their tokenizer: about
GRAND = 1.19  # trunk and five branches, in tokens of the largest budget
TOKENS = (4e6, 8e6, 16e6, 32e6, 64e6)
PUZZLES, SAMPLES = 462, 1024  # for one pass over the held-out puzzles of every checkpoint


def tabulate_cost(
    tokens: Sequence[float] = TOKENS, *, peak: float = PEAK, reached: float = REACHED, generated: float = GENERATED
) -> pd.DataFrame:
    """A row a model: `model`, `parameters` (in layers), `training` (FLOPs of all budgets with one trunk), `thinking`
    (FLOPs of `SAMPLES` samples of each held-out puzzle by each of its checkpoints), `hours` of one GPU for both, and
    `memory`: GB of weights, gradients and AdamW's states in float32 with bfloat16 copies."""
    rows = []
    for name, shape in QWEN.items():
        training = float(price_budget(shape, GRAND * max(tokens), TEXT, 0.8))
        end = TEXT - 1
        sample = count_forward(shape, end - PROMPT, count_attended(PROMPT, end), end - PROMPT)
        prompt = count_forward(shape, PROMPT, count_attended(0, PROMPT), 1)
        thinking = len(tokens) * PUZZLES * float(prompt + SAMPLES * sample)
        hours = (training / (reached * peak) + thinking / (generated * peak)) / 3600
        whole = shape.matrices + shape.width * shape.vocabulary * (2 if name in UNTIED else 1)
        rows.append({"model": name, "parameters": shape.matrices, "training": training, "thinking": thinking,
                     "hours": hours, "memory": 18 * whole / 1e9})  # fmt: skip
    return pd.DataFrame(rows)


def write_table() -> str:
    """The same in Markdown, as docs/scaling.md has it."""
    lines = ["| model | in its layers | training FLOPs | thinking FLOPs | GPU hours | memory |",
             "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    lines += [f"| {row.model} | {row.parameters / 1e9:.2f} G | {row.training:.1e} | {row.thinking:.1e} | "
              f"{row.hours:.1f} | {row.memory:.0f} GB |" for row in tabulate_cost().itertuples()]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    print(write_table())
