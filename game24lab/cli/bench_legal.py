"""A benchmark: legal lines sampled by the tries of searches, beside constrained decoding by transformers.

It does not know how a comparison is printed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from transformers import AutoModelForCausalLM, AutoTokenizer

from game24lab.cli.race import Row, race
from game24lab.models.checkpoints import find_pretrained
from game24lab.models.load_policy import load_policy
from game24lab.models.trie import Allowed, Trie
from game24lab.search.seeds import derive
from game24lab.tasks.numbers.splits import make_split
from game24lab.tasks.numbers.task import Game24, Position

_LONGEST = 64  # tokens of a line at most


def bench_legal(puzzles: int = 362, samples: int = 16, repeats: int = 1) -> list[Row]:
    """Independent first lines of ranks 1001-1362, legal ones alone, by the policy that ships.

    The stock side is `generate` with `prefix_allowed_tokens_fn`; both look legal lines up in the same table, which each
    makes anew, and both pick tokens by their chances among the allowed ones. An illegal line on either side, or shares
    of lines that keep 24 within reach which are four standard deviations apart, are errors.
    """
    task, folder = Game24(), find_pretrained("policy")
    states = [task.start(problem) for problem in make_split("tsllm").held_out[:puzzles]]
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    policy: Any = load_policy(folder, backend="transformers", device="cpu")

    def stock() -> list[list[str]]:
        inputs = tokenizer([task.text(state) for state in states], return_tensors="pt", padding=True)
        begin, over = inputs["input_ids"].shape[1], [tokenizer.pad_token_id]
        tables = [Allowed(list(map(tuple, tokenizer([f"{line}\n" for line in task.legal_lines(state)],
                                                    add_special_tokens=False)["input_ids"]))) for state in states]
        out = model.generate(
            **inputs, do_sample=True, top_k=0, num_return_sequences=samples, max_new_tokens=_LONGEST,
            eos_token_id=sorted(policy.line_ends), pad_token_id=tokenizer.pad_token_id,
            prefix_allowed_tokens_fn=lambda row, ids: list(
                tables[row // samples].find(tuple(ids[begin:].tolist()))) or over,
        )  # fmt: skip
        texts = tokenizer.batch_decode(out[:, begin:], skip_special_tokens=True)
        return [[text.rstrip("\n") for text in texts[row : row + samples]] for row in range(0, len(texts), samples)]

    def ours() -> list[list[str]]:
        tries: list[Trie] = []
        for place, state in enumerate(states):
            prompt, first = task.text(state), derive(0, place)
            options = {"max_tokens": _LONGEST, "stop_line": True, "allowed": task.legal_lines(state)}
            tries.append(policy.open_trie(prompt, first, **options))
            tries += [policy.open_trie(prompt, first + sample, max_tokens=_LONGEST, beside=tries[-1])
                      for sample in range(1, samples)]  # fmt: skip
        texts = [drawn.lines[0].text for drawn in policy.draw(tries, [1] * len(tries))]
        return [texts[row : row + samples] for row in range(0, len(texts), samples)]

    policy.generate([task.text(states[0])], 1, max_tokens=4)
    (seconds, own), found = race([stock, ours], repeats)
    theirs, here = (_count_live(task, states, lines) for lines in found)
    total = len(states) * samples
    chance = (theirs + here) / 2 / total
    if abs(theirs - here) > 4 * math.sqrt(2 * total * chance * (1 - chance)):
        raise RuntimeError(f"legal: {here:,} of {total:,} lines keep 24 within reach beside {theirs:,}")
    return [Row("legal", f"{len(states)} puzzles, {samples} legal lines each", seconds, own,
                f"by tries, {here / total:.1%} keep 24 within reach; stock {theirs / total:.1%}")]  # fmt: skip


def _count_live(task: Game24, states: Sequence[Position], lines: Sequence[Sequence[str]]) -> int:
    """How many lines keep the target within reach; RuntimeError for one that is not legal."""
    live = 0
    for state, said in zip(states, lines, strict=True):
        known = {line: task.truth(after) for line in set(said) if isinstance(after := task.step(state, line), Position)}
        if missing := set(said) - set(known):
            raise RuntimeError(f"legal: {min(missing)!r} is no legal line")
        live += sum(known[line] for line in said)
    return live
