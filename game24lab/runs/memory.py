"""How much memory something took at its highest: beyond what was held before, or the whole process.

On a GPU torch counts it exactly; on a CPU it is the process's resident memory, which Linux keeps the highest mark of.
Elsewhere it is not known. It does not know what is measured.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def measure_memory(work: Callable[[], Any]) -> tuple[Any, float | None]:
    """What `work()` returns, and the bytes that it took at its highest; None where that cannot be told."""
    import torch  # here, so that reports and tables read what was measured without it

    gc.collect()  # garbage of before that is freed during the work would hide as much of what the work takes
    _give_back()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        found = work()
        return found, float(max(0, torch.cuda.max_memory_allocated() - before))
    before = _reset()
    found = work()
    highest = _read("VmHWM") if before is not None else None
    return found, None if highest is None else max(0.0, highest - before)


def reset_peaks() -> None:
    """Begin to look for the highest marks of `read_peaks` anew."""
    import torch

    _reset()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def read_peaks() -> dict[str, float]:
    """The highest marks of this process in bytes: `peak_host_bytes`, resident memory, and `peak_device_bytes`.

    Only what can be told: the first on Linux, the second on a GPU, of the current device.
    """
    import torch

    highest = _read("VmHWM")
    found = {} if highest is None else {"peak_host_bytes": highest}
    if torch.cuda.is_available():
        found["peak_device_bytes"] = float(torch.cuda.max_memory_allocated())
    return found


def _give_back() -> None:
    """Return freed pages to the system where it has glibc: what is taken from them would not be seen."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _reset() -> float | None:
    """Set the mark back to what is held now, in bytes; None where the system has no such mark."""
    try:
        _RESET.write_text("5", encoding="ascii")
    except OSError:
        return None
    return _read("VmRSS")


def _read(name: str) -> float | None:
    try:
        lines = _STATUS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    words = next((line.split() for line in lines if line.startswith(f"{name}:")), None)
    return float(words[1]) * 1024 if words and len(words) > 1 and words[1].isdigit() else None
