"""`accelerate launch` with the configurations that ship: two processes end with the weights of one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import tiny_models
import torch

from game24lab.models.checkpoints import load_checkpoint
from game24lab.models.critic import load_critic
from game24lab.training import launch

ROOT = Path(__file__).parent.parent.parent
PUZZLES = ["4 5 6 10", "1 2 4 12", "3 3 8 8", "2 3 4 5", "1 1 4 6", "2 2 6 6", "3 5 7 9", "4 4 8 8"]
SHARED = {"steps": 3, "batch_size": 4, "evaluate_every": 0, "precision": "fp32"}
JOBS = {
    "sft": ({**SHARED, "optimizer": "adamw"}, [{"prompt": f"Input: {one}\n", "completion": f"{one[0]} + 1 = 3\n"}
                                               for one in PUZZLES]),
    "dpo": (SHARED, [{"prompt": f"Input: {one}\n", "chosen": "1 + 2 = 3\n", "rejected": f"1 + {one[0]} = 4\n"}
                     for one in PUZZLES]),
    "critic": ({"epochs": 2.0, "batch_size": 4, "held_out": 0.0, "precision": "fp32"},
               [{"text": f"Input: {one}\n", "visits": 4, "solved": place % 5} for place, one in enumerate(PUZZLES)]),
    "grpo": ({"steps": 2, "mini_batch": 2, "precision": "fp32", "evaluate_every": 0, "learning_rate": 1.0e-3,
              "rollouts": {"problems": 2, "num_generations": 4, "max_completion_length": 12}},
             [{"numbers": one} for one in PUZZLES]),
}  # fmt: skip
# All jobs in the processes of one launch, for starting them takes longer than training. The group lives to the end.
SCRIPT = """
import sys
from pathlib import Path
from game24lab.training import launch, loop

leave, loop.leave = loop.leave, lambda: None
for trainer in sys.argv[2:]:
    folder = Path(sys.argv[1])
    launch.train(trainer, folder / f"{trainer}.yaml", folder / f"{trainer}.jsonl", folder / "two" / trainer)
    assert loop.count_processes() == 2
leave()
"""


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """A folder with a job and its data for every trainer, and what one process makes of each."""
    folder = tmp_path_factory.mktemp("jobs")
    start = str(tiny_models.save("qwen3", folder / "start"))
    for trainer, (values, rows) in JOBS.items():
        values = {**values, "policy" if trainer == "critic" else "checkpoint": start}
        (folder / f"{trainer}.yaml").write_text(json.dumps(values))
        (folder / f"{trainer}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        launch.train(trainer, *(folder / f"{trainer}.{kind}" for kind in ("yaml", "jsonl")), folder / "one" / trainer)
    return folder


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_two_processes_end_as_one(jobs, tmp_path, kind):
    for file in [*jobs.glob("*.yaml"), *jobs.glob("*.jsonl")]:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file",
               str(ROOT / "params" / "accelerate" / f"{kind}.yaml"), "--num_processes", "2", "--mixed_precision", "no",
               "--main_process_port", "0", str(tmp_path / "script.py"), str(tmp_path), *JOBS]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE",
                                "ACCELERATE_USE_CPU": "true"}  # fmt: skip
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr[-3000:]
    for trainer in JOBS:
        one, two = jobs / "one" / trainer, tmp_path / "two" / trainer
        assert {path.name for path in (one / "checkpoint").iterdir()} == {
            path.name for path in (two / "checkpoint").iterdir()}  # fmt: skip
        weights = [_load(trainer, folder / "checkpoint") for folder in (one, two)]
        assert weights[0].keys() == weights[1].keys()
        begin = _load("sft", jobs / "start")
        assert any(not torch.equal(begin[name], weights[1][name]) for name in begin if name in weights[1]), trainer
        for name, tensor in weights[0].items():
            assert torch.allclose(tensor, weights[1][name], atol=1e-4), f"{trainer}: {name}"
        curves = [pd.read_parquet(folder / "training.parquet") for folder in (one, two)]
        pd.testing.assert_series_equal(curves[0]["loss"], curves[1]["loss"], rtol=1e-3, atol=1e-5)


def _load(trainer, folder):
    model = load_critic(folder).model if trainer == "critic" else load_checkpoint(folder)[0]
    return model.state_dict()
