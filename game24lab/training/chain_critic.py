"""A critic of whole chains for the policy that rounds have ended with, for a search that no rule helps.

The critics of rounds read positions, in which a false step is not seen. This one learns from the policy's own answers
at its word, as the verifier judges them, and from right ones with one number changed. It does not know the rounds, and
learns nothing of the solver.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from game24lab.models.load_policy import load_policy
from game24lab.runs.checks import require
from game24lab.runs.run import write_atomically
from game24lab.training import critic, critic_data
from game24lab.training.falsified import falsify

_TRAJECTORIES = "trajectories.parquet"
_CHUNK = 256  # problems that are answered together
_READ = ["trajectory", "problem", "depth", "position", "text", "label", "truth", "solved", "ended", "view"]


def teach_chains(
    environment: Any, problems: Sequence[Any], policy: Path | str, output: Path | str, *, samples: int = 8,
    falsified: int = 20_000, epochs: float = 3.0, seed: int = 0, progress: bool = False,
) -> Path:  # fmt: skip
    """The checkpoint of a critic on the policy's trunk that reads chains.

    Args:
        problems: training problems that the policy answers, `samples` times each, at temperature 1.
        falsified: right answers with one number changed that are learnt from besides, see `falsified.falsify`.
        epochs: passes over all texts.

    What `output` holds already is not sampled nor trained again. ValueError where no answer makes a legal move.
    """
    require("samples", samples, int, 1)
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    world, path = environment.task.believe(), output / _TRAJECTORIES
    if not path.exists():
        sampled = critic_data.collect_trajectories(
            environment.task, {str(policy): load_policy(policy)}, problems, samples=samples, keep=0, temperature=1.0,
            top_k=0, views=[world], chunk=_CHUNK, progress=progress)  # fmt: skip
        write_atomically(path, lambda draft: sampled[_READ].to_parquet(draft, index=False))
    rolled = critic_data.require_moves(pd.read_parquet(path))
    right = critic_data.list_answers(rolled[(rolled["view"] == 1) & rolled["solved"]])["text"].unique()
    certain = pd.concat([critic_data.list_ends(environment.task, **environment.ends),
                         falsify(world, right, falsified, seed=seed)], ignore_index=True)  # fmt: skip
    config = critic.CriticConfig(policy=str(policy), epochs=epochs, reads="chains", seed=seed)
    return critic.train(config, rolled, output, certain)
