"""Counted randomness: numbers that depend on keys alone, never on what was drawn before or beside them.

It does not know of tokens, models or tries.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

GOLDEN = 0x9E3779B97F4A7C15


def mix(x: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014): one bit in flips half of the bits out."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def make_keys(seeds: Sequence[int], samples: Sequence[int], skips: Sequence[int] | None = None) -> np.ndarray:
    """One 64-bit key a row, from the seed of its prompt and its number among the prompt's samples.

    A row that skips t tokens goes on with the numbers that the row without would have had from token t on.
    """
    seeds = np.array([seed % 2**64 for seed in seeds], dtype=np.uint64)
    keys = mix(mix(seeds + np.uint64(GOLDEN)) + np.array(samples, dtype=np.uint64) * np.uint64(GOLDEN))
    return keys if skips is None else keys + np.array(skips, dtype=np.uint64) * np.uint64(GOLDEN)


def draw_uniform(keys: np.ndarray, step: int) -> np.ndarray:
    """A number in (0, 1) a row for token `step`: the middle of one of 2**23 equal parts, never an end."""
    bits = mix(keys + np.uint64((step + 1) * GOLDEN % 2**64))
    return ((bits >> np.uint64(41)).astype(np.float32) + np.float32(0.5)) * np.float32(2**-23)


def derive_keys(key: int | np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """A key for each child of a node of a trie, from the node's own key and the children's tokens (at least -1)."""
    return mix(np.asarray(key, np.uint64) + (tokens.astype(np.int64) + 2).astype(np.uint64) * np.uint64(GOLDEN))


def draw_gumbels(keys: np.ndarray) -> np.ndarray:
    """A standard Gumbel number for each key, of 53 random bits (the key itself is not used up: others come of it)."""
    bits = mix(keys ^ np.uint64(0xD1B54A32D192ED03))
    uniform = ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return -np.log(-np.log(uniform))
