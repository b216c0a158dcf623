"""Planes whose exchange rate is known."""

import numpy as np
import pandas as pd
from scipy.special import expit

from game24lab.scaling.plane import Plane

RATE = 1.4  # decades of thinking for one of training


def make_plane(rate=RATE, problems=80, seeds=2, noise=0.3, strategy="samples", mode="verified", seed=0):
    """Points whose accuracy depends on log10(training) and log10(thinking) alone, with problems of all hardness."""
    rng, rows, chances = np.random.default_rng(seed), [], []
    hardness = rng.normal(0, 1.5, problems)
    for place, training in enumerate(np.geomspace(1e11, 1e14, 7)):
        for one in range(seeds):
            luck = rng.normal(0, noise)
            for effort in (1, 4, 16, 64, 256):
                thinking = 1e6 * effort
                level = 1.1 * (rate * np.log10(training / 1e12) + np.log10(thinking / 1e7)) + luck
                rows.append((f"c{place}-{one}", f"s{place}", one, 1e6, strategy, mode, effort, training, thinking))
                chances.append(expit(level + hardness))
    columns = ("cell", "size", "seed", "budget", "strategy", "mode", "effort", "training", "thinking")
    return Plane(pd.DataFrame(rows, columns=list(columns)), np.array(chances))
