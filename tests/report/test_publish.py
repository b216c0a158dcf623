"""A run sent to the hub: what goes and what stays, cards that the hub can read, one line for every refusal. No network:
the hub is an object that takes notes."""

import importlib
import json
from pathlib import Path

import pandas as pd
import pytest
from huggingface_hub import DatasetCard, ModelCard
from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalTokenNotFoundError

from game24lab.cli import main as cli
from game24lab.models.origin import find_origin
from game24lab.report.publish import pack, send
from game24lab.runs.provenance import hide_paths
from game24lab.runs.run import start_run

http = importlib.import_module(HTTPError.__module__.partition(".")[0])  # httpx, whichever the hub's library takes
ROWS = pd.DataFrame({
    "strategy": ["greedy"] * 4, "algorithm": "greedy", "parameters": "{}", "mode": "rules", "seed": 0,
    "problem": ["1 2 3 4", "4 5 6 10", "3 3 8 8", "2 3 5 12"], "solved": [True, True, True, False],
    "outcome": ["solved"] * 3 + ["wrong value"], "sampled_tokens": [30, 40, 30, 40], "prompt_tokens": 10,
    "critic_tokens": 0, "policy_parameters": 1000, "critic_parameters": 0, "policy_calls": 1, "critic_calls": 0,
    "depth": 1, "seconds": 0.1, "saved_prompt_tokens": 0, "saved_sampled_tokens": 0, "saved_critic_tokens": 0,
})  # fmt: skip


class Hub:
    """Takes notes instead of a network; `refusal` is raised where something is sent."""

    def __init__(self, refusal=None):
        self.refusal, self.made, self.sent, self.files = refusal, [], [], {}

    def create_repo(self, repository, **options):
        if self.refusal:
            raise self.refusal
        self.made.append((repository, options))
        return f"https://hub.example/{repository}"

    def upload_folder(self, *, folder_path, **options):
        folder = Path(folder_path)
        self.sent.append(options)
        self.files = {path.relative_to(folder).as_posix(): path.read_bytes()
                      for path in folder.rglob("*") if path.is_file()}  # fmt: skip


def make_run(folder, architecture="Qwen3ForCausalLM", **parameters):
    """A finished run of a training, with things in it that are nobody's business."""
    parameters = {"output": str(folder), "task": "game24", "split": "tot", "steps": 5, "seed": 3, **parameters}
    run = start_run(folder, "03_sft", parameters)
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "config.json").write_text(json.dumps({"architectures": [architecture]}))
    (checkpoint / "model.safetensors").write_bytes(b"weights")
    (checkpoint / ".cache").write_text("hidden")
    (checkpoint / "elsewhere").symlink_to("/etc/hostname")
    (folder / "notebook.ipynb").write_text('{"says": "/home/somebody"}')
    run.write_records(ROWS)
    run.finish(result="Of 4 problems it solves 75 %.", training_tokens=1234)
    return run


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "run", source="/home/somebody/secret/rows.jsonl")


def test_a_model_goes_with_its_card_its_origin_and_what_was_measured(run):
    hub = Hub()
    parcel = pack(run.folder, "me/tiny")
    assert send(parcel, private=True, api=hub) == "https://hub.example/me/tiny"
    assert hub.made == [("me/tiny", {"repo_type": "model", "private": True, "exist_ok": True})]
    assert set(hub.files) == {"README.md", "config.json", "model.safetensors", "origin.json", "run/manifest.json",
                              "run/records.parquet"}  # fmt: skip
    assert hub.files["model.safetensors"] == b"weights"
    assert set(hub.files) == set(parcel.files)


def test_nothing_of_the_machine_goes(run):
    hub = Hub()
    send(pack(run.folder, "me/tiny"), api=hub)
    texts = b"".join(text for name, text in hub.files.items() if not name.endswith(".parquet"))
    session = run.manifest["sessions"][0]
    for secret in (str(run.folder.parent), "somebody", session["host"] + '"', "sessions", '"pid"'):
        assert secret.encode() not in texts, secret
    assert json.loads(hub.files["run/manifest.json"])["parameters"]["source"] == "secret/rows.jsonl"


def test_what_a_model_began_from_is_told_without_its_place(tmp_path):
    make_run(tmp_path / "run", policy="/home/somebody/runs/06_grpo/checkpoint")
    origin = json.loads(pack(tmp_path / "run", "me/tiny").files["origin.json"])
    assert origin["starts"] == {"06_grpo/checkpoint": None}


def test_a_published_checkpoint_says_where_it_comes_from(run, tmp_path):
    hub = Hub()
    send(pack(run.folder, "me/tiny"), api=hub)
    fetched = tmp_path / "fetched"
    for name, text in hub.files.items():
        (fetched / name).parent.mkdir(parents=True, exist_ok=True)
        (fetched / name).write_bytes(text)
    assert find_origin(fetched) == find_origin(run.folder / "checkpoint")
    assert find_origin(fetched).split == "tot"


def test_the_card_is_what_the_hub_reads_and_holds_the_numbers(run):
    card = ModelCard(pack(run.folder, "me/tiny", "apache-2.0").files["README.md"])
    assert (card.data.license, card.data.library_name, card.data.pipeline_tag) == ("apache-2.0", "transformers",
                                                                                   "text-generation")  # fmt: skip
    (result,) = card.data.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_type) == ("accuracy", 0.75, "game24")
    assert "| `greedy` | `greedy` | rules | 4 | 1 | 75.0 % [" in card.text
    assert "--checkpoint me/tiny" in card.text
    assert run.id in card.text
    assert "Of 4 problems it solves 75 %." in card.text
    assert not ModelCard(pack(run.folder, "me/tiny").files["README.md"]).data.base_model


@pytest.mark.parametrize(("algorithm", "parameters", "told"), [
    ("best_of_n", {"n": 64, "choose": "logprob", "batch": 8}, "`best_of_n`: `n=64`, `choose=logprob`"),
    ("mcts", {"simulations": 800}, "`mcts`: `simulations=800`"),
    ("greedy", {"max_tokens": 256}, "`greedy`"),
    ("sample", {"budget": 4096, "temperature": 0.7}, "`sample`: `budget=4096`, `temperature=0.7`"),
])  # fmt: skip
def test_the_card_says_what_an_arm_is_whatever_it_is_called(tmp_path, algorithm, parameters, told):
    run = make_run(tmp_path / "run")
    run.write_records(ROWS.assign(strategy="samples", algorithm=algorithm, parameters=json.dumps(parameters)))
    assert f"| `samples` | {told} | rules |" in ModelCard(pack(run.folder, "me/tiny").files["README.md"]).text


def test_what_a_model_began_from_and_what_it_is_stand_in_the_card(tmp_path):
    make_run(tmp_path / "a", checkpoint="Qwen/Qwen3-0.6B")
    make_run(tmp_path / "b", architecture="Qwen3ForSequenceClassification")
    assert ModelCard(pack(tmp_path / "a", "me/a").files["README.md"]).data.base_model == "Qwen/Qwen3-0.6B"
    critic = ModelCard(pack(tmp_path / "b", "me/b").files["README.md"])
    assert critic.data.pipeline_tag == "text-classification"
    assert "--critic critic" in critic.text


@pytest.mark.parametrize("folder", ["/models/03_sft/checkpoint", "03_sft/checkpoint", "~/me/model", "runs/model"])
def test_a_folder_that_a_model_began_from_is_not_taken_for_a_model_of_the_hub(tmp_path, folder):
    """Of an absolute path the card shows the end alone, which may read like `owner/name`."""
    make_run(tmp_path / "run", architecture="Qwen3ForSequenceClassification", policy=folder)
    assert not ModelCard(pack(tmp_path / "run", "me/b").files["README.md"]).data.base_model


def test_rows_without_a_model_go_as_data_with_a_configuration_each(tmp_path):
    with start_run(tmp_path / "run", "02_traces", {"output": "x", "split": "tot"}) as run:
        run.write_records(ROWS)
        (run.folder / "records.jsonl").write_text("{}\n" * 4)
        (run.folder / "traces.jsonl").write_text("{}\n" * 3)
        (run.folder / "traces.card.json").write_text(json.dumps({"file": "traces.jsonl", "held_out": "tot"}))
    hub = Hub()
    send(pack(tmp_path / "run", "me/traces"), api=hub)
    assert hub.made[0][1]["repo_type"] == "dataset"
    assert set(hub.files) == {"README.md", "records.parquet", "traces.jsonl", "run/manifest.json"}
    card = DatasetCard(hub.files["README.md"].decode())
    assert [one["data_files"] for one in card.data.to_dict()["configs"]] == ["records.parquet", "traces.jsonl"]
    assert card.data.size_categories == "n<1K"
    assert "| `traces.jsonl` | 3 |" in card.text
    assert '"held_out": "tot"' in card.text


def test_a_dry_run_shows_every_file_and_sends_nothing(run, capsys, monkeypatch):
    monkeypatch.setattr("huggingface_hub.HfApi", lambda **options: pytest.fail("the hub is asked"))
    assert cli.main(["publish", str(run.folder), "--repo", "me/tiny", "--dry-run"]) == 0
    said = capsys.readouterr()
    for name in pack(run.folder, "me/tiny").files:
        assert f"\n{name} " in said.out
    assert "license: mit" in said.out
    assert "nothing was sent" in said.err


def test_the_command_sends_and_says_where(run, capsys, monkeypatch):
    hub = Hub()
    monkeypatch.setattr("huggingface_hub.HfApi", lambda **options: hub)
    assert cli.main(["publish", str(run.folder), "--repo", "me/tiny"]) == 0
    assert capsys.readouterr().out.endswith("https://hub.example/me/tiny\n")
    assert hub.sent


def refuse_by_the_hub(status):
    response = http.Response(status, request=http.Request("POST", "https://hub.example"))
    return HfHubHTTPError("no", response=response)


@pytest.mark.parametrize(("refusal", "complaint"), [
    (LocalTokenNotFoundError("none"), "nobody is logged in to the hub; run `hf auth login`"),
    (refuse_by_the_hub(403), "the hub refuses .*with a token that may write there"),
    (refuse_by_the_hub(500), r"the hub refuses \(no\)"),
    (http.ConnectError("no route"), "the hub cannot be reached"),
    (ConnectionError("no route"), "the hub cannot be reached"),
])  # fmt: skip
def test_refusals_of_the_hub_are_one_line(run, refusal, complaint):
    with pytest.raises((ValueError, ConnectionError), match=complaint):
        send(pack(run.folder, "me/tiny"), api=Hub(refusal))


def test_what_cannot_be_published_is_refused_before_anything_is_sent(run, tmp_path, capsys):
    start_run(tmp_path / "half", "03_sft", {"output": "x"})
    with start_run(tmp_path / "empty", "01_puzzles", {"output": "x"}):
        pass
    for folder, repository, complaint in [
        (tmp_path / "nowhere", "me/tiny", "no run here"), (tmp_path / "half", "me/tiny", "must be a finished run, got"),
        (tmp_path / "empty", "me/tiny", "must hold a checkpoint, a router or rows"),
        (run.folder, "tiny", "--repo must be OWNER/NAME, got 'tiny'"),
        (run.folder, "me/ti ny", "--repo must be OWNER/NAME"), (run.folder, "a/b/c", "--repo must be OWNER/NAME"),
    ]:  # fmt: skip
        assert cli.main(["publish", str(folder), "--repo", repository]) == 2
        said = capsys.readouterr()
        assert complaint in said.err
        assert said.err.count("\n") == 1
        assert said.out == ""


def test_paths_of_a_disk_are_cut_and_nothing_else():
    given = {"a": "/home/me/runs/x", "b": ["~/models/y", 3], "c": "runs/03_sft/checkpoint", "d": {"e": "owner/name"},
             "f": "/home", "g": "/"}  # fmt: skip
    assert hide_paths(given) == {"a": "runs/x", "b": ["models/y", 3], "c": "runs/03_sft/checkpoint",
                                 "d": {"e": "owner/name"}, "f": "home", "g": "/"}  # fmt: skip
