"""A critic of one policy, taught by its own answers to training problems as the verifier judges them.

It reads positions, or whole chains too: a blind search needs the latter, for in a position a false step is not seen.
Right chains with one number changed are learnt from besides. This module does not know what the critic is for, and
learns nothing of the solver.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from game24lab.models.load_policy import load_policy
from game24lab.runs.checks import require
from game24lab.runs.run import write_atomically
from game24lab.training import critic, critic_data
from game24lab.training.falsified import falsify

TRAJECTORIES = "trajectories.parquet"  # in the critic's folder: the answers, see `critic_data.collect_trajectories`
_CHUNK = 256  # problems that are answered together
_KEPT = ["trajectory", "problem", "depth", "position", "text", "label", "truth", "solved", "ended", "view"]


def teach_critic(
    environment: Any, problems: Sequence[Any], policy: Path | str, output: Path | str, *, samples: int = 8,
    chains: bool = True, falsified: int = 20_000, epochs: float = 3.0, seed: int = 0, backend: str = "auto",
    trainer_args: Mapping[str, Any] | None = None, progress: bool = False,
) -> Path:  # fmt: skip
    """The checkpoint of a critic on the policy's trunk.

    Args:
        problems: training problems that the policy answers, `samples` times each, at temperature 1. Positions that a
            strict split keeps out are not learnt from.
        chains: it reads whole chains too, as the policy has said them.
        falsified: right chains with one number changed that are learnt from besides, see `falsified.falsify`.
        epochs: passes over all texts.
        backend: what samples, see `load_policy`.
        trainer_args: see `critic.CriticConfig`.

    What `output` holds already is not sampled nor trained again.
    """
    require("samples", samples, int, 1)
    output, split = Path(output), environment.split
    output.mkdir(parents=True, exist_ok=True)
    world, path, avoid = environment.task.believe(), output / TRAJECTORIES, split.forbidden if split.strict else ()
    if not path.exists():
        sampled = critic_data.collect_trajectories(
            environment.task, {str(policy): load_policy(policy, backend=backend)}, problems, samples=samples, keep=0,
            temperature=1.0, top_k=0, views=[world] * chains, avoid=avoid, chunk=_CHUNK,
            progress=progress)  # fmt: skip
        write_atomically(path, lambda draft: sampled[_KEPT].to_parquet(draft, index=False))
    rolled = pd.read_parquet(path)
    certain = critic_data.list_ends(environment.task, **environment.ends)
    if chains:
        right = critic_data.list_answers(rolled[(rolled["view"] == 1) & rolled["solved"]])["text"].unique()
        certain = pd.concat([certain, falsify(world, right, falsified, avoid=split.forbidden, seed=seed)],
                            ignore_index=True)  # fmt: skip
    config = critic.CriticConfig(policy=str(policy), epochs=epochs, seed=seed, trainer_args=trainer_args or {},
                                 reads="chains" if chains else "positions")  # fmt: skip
    return critic.train(config, rolled, output, certain)
