"""Sizes of models trained from scratch: presets by name, or a depth and a width such as "4x96".

A size is numbers alone: this module does not know how a model is made of them, nor what it costs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from game24lab.runs.checks import suggest

# One key-value head throughout: at these sizes reading the key-value cache takes the time of a long generation.
PRESETS: dict[str, Mapping[str, int]] = {
    "tiny": {"layers": 4, "width": 128, "heads": 4, "feed_forward": 384},
    "mini": {"layers": 4, "width": 128, "heads": 2, "feed_forward": 384},  # tiny for long texts: attention costs half
    "small": {"layers": 8, "width": 224, "heads": 7, "feed_forward": 672},
    "base": {"layers": 12, "width": 448, "heads": 7, "feed_forward": 1344},
}
# A ladder of sizes for scaling laws: 0.08 to 4.5 million parameters without embeddings. Below, the vocabulary is most.
LADDER = ("3x48", "3x64", "4x96", "4x128", "6x160", "8x224")
_NUMBERS = re.compile(r"([1-9][0-9]{0,2})x([1-9][0-9]{0,4})")
_HEAD = 32  # the largest width of a head in an explicit size


def read_size(size: str) -> Mapping[str, int]:
    """Layers, width, heads and feed-forward width of a preset, or of layers x width such as "4x96".

    In an explicit size the feed-forward width is three times the width, as in the presets, and heads have the largest
    even width up to 32 that divides it: "4x128" is `tiny` and "8x224" is `small`. ValueError for any other text, and
    for a width that no even width of a head divides.
    """
    if size in PRESETS:
        return PRESETS[size]
    match = _NUMBERS.fullmatch(size) if isinstance(size, str) else None
    if match is None:
        raise ValueError(f"size must be one of {', '.join(PRESETS)}, or layers x width such as 4x96, got "
                         f"{size!r}{suggest(size, PRESETS)}")  # fmt: skip
    layers, width = int(match[1]), int(match[2])
    head = next((part for part in range(_HEAD, 0, -2) if width % part == 0), None)
    if head is None:
        raise ValueError(f"size must have an even width, got {size!r}")
    return {"layers": layers, "width": width, "heads": width // head, "feed_forward": 3 * width}
