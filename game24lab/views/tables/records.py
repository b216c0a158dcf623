"""Tables as records: rows with Python's own values, and None for what is missing.

It does not know what a table is about, nor how one is shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd


def plain(value: Any) -> Any:
    """As JSON takes it: tables as lists of rows, Python's own numbers, and None for one that is not finite."""
    if isinstance(value, pd.DataFrame):
        value = value.to_dict("records")
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if value is pd.NA or (isinstance(value, float) and not math.isfinite(value)) else value


def list_records(table: Any) -> list[dict[str, Any]]:
    """The rows of a DataFrame (a named index becomes columns), of a list of mappings, or of facts by name.

    A mapping or a Series has a row each of its entries, with `name` and `value`.
    """
    if isinstance(table, pd.Series):
        table = table.to_dict()
    if isinstance(table, Mapping):
        return [{"name": str(name), "value": plain(value)} for name, value in table.items()]
    if isinstance(table, pd.DataFrame) and any(name is not None for name in table.index.names):
        table = table.reset_index()
    return plain(table if isinstance(table, pd.DataFrame) else list(table))
