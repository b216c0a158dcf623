"""Beyond this machine: the page holds what the command writes, every configuration is one that its library reads."""

import documented
import pytest
from accelerate.commands.config.config_args import load_config_from_file

from game24lab.runs.notebook import read_overrides
from game24lab.scaling.beyond import QWEN, tabulate_cost, write_table
from game24lab.training.launch import _make_config
from game24lab.training.schedules import find_cooldown
from game24lab.training.sft import SFTConfig

FOLDER = documented.ROOT / "params" / "accelerate"


def test_the_page_holds_the_table():
    assert f"\n\n{write_table()}\n\n" in documented.read("docs/scaling.md")


def test_shapes_are_of_their_names():
    for name, shape in QWEN.items():
        billions = float(name.partition("-")[2].rstrip("B"))
        whole = shape.matrices + shape.width * shape.vocabulary * (1 if billions < 4 else 2)
        assert whole / 1e9 == pytest.approx(billions, rel=0.12)
    assert tabulate_cost()["hours"].is_monotonic_increasing


@pytest.mark.parametrize(("name", "kind"), [("ddp", "MULTI_GPU"), ("fsdp", "FSDP"), ("zero2", "DEEPSPEED")])
def test_configurations_are_read_by_accelerate(name, kind):
    config = load_config_from_file(str(FOLDER / f"{name}.yaml"))
    assert config.distributed_type == kind
    assert config.mixed_precision == "bf16"
    assert config.num_processes == 8


def test_trunk_and_branch_fit_each_other():
    trunk, branch = (read_overrides(FOLDER / f"{name}.yaml") for name in ("trunk", "branch"))
    keep, begin = trunk.pop("keep"), branch.pop("begin")
    first, last = (_make_config(SFTConfig, values, "job") for values in (trunk, branch))
    assert first.horizon == last.horizon == last.steps
    assert begin == f"runs/trunk/points/{find_cooldown(last.steps, last.cooldown)}"
    assert max(keep) == first.steps == find_cooldown(last.steps)
