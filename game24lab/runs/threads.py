"""How torch's threads wait for one another, so that processes which share a machine do not slow each other down.

It does not know who computes what, and must be called before torch is first imported.
"""

from __future__ import annotations

import os


def wait_briefly() -> None:
    """Let waiting threads spin for a moment and then sleep, here and in what is started from here.

    Torch's spin for long, and processes that share a machine then make each other many times slower. Asleep at once
    (OMP_WAIT_POLICY=PASSIVE) they are slow to wake, and training is a quarter slower alone: a short spin is both fast
    and fair (`game24lab bench busy`). Whoever has chosen OMP_WAIT_POLICY or GOMP_SPINCOUNT is left alone.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")
