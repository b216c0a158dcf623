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
from safetensors.torch import load_file

from game24lab.training import launch, loop, session, sft

ROOT = Path(__file__).parent.parent.parent
PUZZLES = ["4 5 6 10", "1 2 4 12", "3 3 8 8", "2 3 4 5", "1 1 4 6", "2 2 6 6", "3 5 7 9", "4 4 8 8"]
SHARED = {"steps": 3, "batch_size": 4, "evaluate_every": 0, "precision": "fp32"}
JOBS = {
    "sft": ({**SHARED, "optimizer": "adamw", "trainer_args": {"save_steps": 1}},
            [{"prompt": f"Input: {one}\n", "completion": f"{one[0]} + 1 = 3\n"} for one in PUZZLES]),
    "dpo": (SHARED, [{"prompt": f"Input: {one}\n", "chosen": "1 + 2 = 3\n", "rejected": f"1 + {one[0]} = 4\n"}
                     for one in PUZZLES]),
    "critic": ({"epochs": 2.0, "batch_size": 4, "held_out": 0.0, "precision": "fp32"},
               [{"text": f"Input: {one}\n", "visits": 4, "solved": place % 5} for place, one in enumerate(PUZZLES)]),
    "grpo": ({"steps": 2, "mini_batch": 2, "precision": "fp32", "evaluate_every": 0, "learning_rate": 1.0e-3,
              "rollouts": {"problems": 2, "num_generations": 4, "max_completion_length": 12}},
             [{"numbers": one} for one in PUZZLES]),
}  # fmt: skip
# All jobs in the processes of one launch, for starting them takes longer than training. The group lives to the end.
# accelerate divides the weights of GPUs alone, though torch does it on a CPU too: it is told that these are GPUs.
SCRIPT = """
import os, sys
from pathlib import Path
from accelerate.state import PartialState
from accelerate.utils import DistributedType

begin = PartialState.__init__

def begin_sharded(self, *given, **options):
    begin(self, *given, **options)
    if self.distributed_type == DistributedType.MULTI_CPU:
        self._shared_state["distributed_type"] = self.distributed_type = DistributedType.MULTI_GPU

if os.environ.get("ACCELERATE_USE_FSDP") == "true":
    PartialState.__init__ = begin_sharded
from game24lab.training import launch, loop, saving

def save_and_die(self, *given):
    save(self, *given)
    if self.state.global_step == int(os.environ["DIES"]):
        os._exit(3)

if "DIES" in os.environ:
    save, saving.Resumable._save_checkpoint = saving.Resumable._save_checkpoint, save_and_die
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


def run_two(jobs, folder, kind, trainers, **environment):
    """All jobs by two processes, into `two` of a folder."""
    for file in [*jobs.glob("*.yaml"), *jobs.glob("*.jsonl")]:
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file",
               str(ROOT / "params" / "accelerate" / f"{kind}.yaml"), "--num_processes", "2", "--mixed_precision", "no",
               "--main_process_port", "0", str(folder / "script.py"), str(folder), *trainers]  # fmt: skip
    environment |= os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE",
                                 "ACCELERATE_USE_CPU": "true"}  # fmt: skip
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800)


@pytest.mark.parametrize(("kind", "trainers"), [("ddp", list(JOBS)), ("fsdp", ["sft", "dpo"])])
def test_two_processes_end_as_one(jobs, tmp_path, kind, trainers):
    """The first training is killed at its second step and goes on."""
    killed = run_two(jobs, tmp_path, kind, trainers[:1], DIES="2")
    assert killed.returncode != 0
    assert loop.find_resume_point(tmp_path / "two" / trainers[0]).name == "checkpoint-2", killed.stderr[-3000:]
    done = run_two(jobs, tmp_path, kind, trainers)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "goes on at step 2" in done.stdout
    for trainer in trainers:
        one, two = jobs / "one" / trainer, tmp_path / "two" / trainer
        assert {path.name for path in (one / "checkpoint").iterdir()} == {
            path.name for path in (two / "checkpoint").iterdir()}  # fmt: skip
        weights = [load_file(folder / "checkpoint" / "model.safetensors") for folder in (one, two)]
        assert weights[0].keys() == weights[1].keys()
        begin = load_file(jobs / "start" / "model.safetensors")
        assert any(not torch.equal(begin[name], weights[1][name]) for name in begin if name in weights[1]), trainer
        rough = 1e-3 if trainer == "critic" else 1e-4  # Muon turns its matrices in bfloat16
        for name, tensor in weights[0].items():
            assert torch.allclose(tensor, weights[1][name], atol=rough), f"{trainer}: {name}"
        curves = [pd.read_parquet(folder / "training.parquet") for folder in (one, two)]
        pd.testing.assert_series_equal(curves[0]["loss"], curves[1]["loss"], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("trainer", "message"), [
    ("critic", "the critic must hold whole weights in every process, whose value head is asked outside the trunk"),
    ("grpo", "GRPO must hold whole weights in every process, which sample answers by them"),
    ("sft", "FSDP must have GPUs, got processes of NO"),
    ("dpo", "DEEPSPEED must have GPUs, got processes of NO"),
])  # fmt: skip
def test_what_accelerate_would_leave_out_is_refused(jobs, tmp_path, monkeypatch, capsys, trainer, message):
    """On a CPU it trains by DDP without a word, whatever was asked for."""
    monkeypatch.setattr(loop, "find_plugin", lambda: "DEEPSPEED" if "DEEPSPEED" in message else "FSDP")
    monkeypatch.setattr(session, "find_plugin", loop.find_plugin)
    files = [str(jobs / f"{trainer}.{kind}") for kind in ("yaml", "jsonl")]
    assert launch.main([trainer, *files, str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out" / "checkpoint").exists()


def test_muon_needs_whole_matrices(jobs, tmp_path, monkeypatch):
    monkeypatch.setattr(sft, "is_sharded", lambda: True)
    config = sft.SFTConfig(checkpoint=str(jobs / "start"), steps=1, batch_size=1, precision="fp32")
    with pytest.raises(ValueError, match="optimizer must be 'adamw' with FSDP"):
        sft.train(config, [("Input: 1 2 3 4\n", "1 + 2 = 3\n")], tmp_path)
