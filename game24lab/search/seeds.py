"""Seeds from the hash of anything, so that neighbouring numbers share nothing. It does not know who draws with them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def derive(*parts: Any) -> int:
    """A seed of 31 bits from the hash of some parts; never a sum, so that neighbouring seeds share nothing."""
    text = json.dumps(to_plain(parts), ensure_ascii=True)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") >> 1


def to_plain(value: Any) -> Any:
    """A value as JSON holds it; anything JSON does not know as its text, or as its `seed_parts` where it has them."""
    if isinstance(value, Mapping):
        return {str(key): to_plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(entry) for entry in value]
    if hasattr(value, "seed_parts"):
        return to_plain(value.seed_parts)
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
