"""The bar of a training: alone it stays, within the bar of a longer work it goes when the training ends."""

import re

import pytest
from tqdm import tqdm
from transformers import TrainerControl, TrainerState, TrainingArguments

from game24lab.training.loop import Progress


def train(folder):
    """What a trainer tells its bar."""
    bar, state = Progress(), TrainerState(max_steps=2, is_world_process_zero=True)
    told = TrainingArguments(folder), state, TrainerControl()
    bar.on_train_begin(*told)
    for state.global_step in (1, 2):
        bar.on_step_end(*told)
    bar.on_log(*told, logs={"loss": 0.5, "learning_rate": 1e-3})
    bar.on_train_end(*told)


@pytest.mark.parametrize("within", [True, False])
def test_a_bar_within_another_one_goes_when_it_ends(within, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tqdm, "moveto", lambda bar, lines: None)  # as in notebooks that run headless
    with tqdm(total=2, desc="rounds", leave=True, disable=not within) as rounds:
        for _ in range(2):
            train(tmp_path)
            rounds.update()
    said = capsys.readouterr().err
    assert "loss=0.500" in said
    assert "learning_rate" not in said
    left = [re.sub(r".*\r", "", line) for line in said.split("\n")]
    assert sum("training: 100%" in line for line in left) == 2 * (not within)
