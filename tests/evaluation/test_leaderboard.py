"""The table to beat: leaks are refused all the way back, what is measured is what evaluation measures, the best are
those that need least, and the page is what the kept rows say."""

import json

import documented
import pytest
from fake_models import FakeCritic, FakePolicy

from game24lab.cli import main as cli
from game24lab.evaluation.leaderboard import GOAL, SETS, Candidate, check_leaks, find_leak, measure
from game24lab.models.locations import find_pretrained
from game24lab.models.origin import Origin, find_origin
from game24lab.report.leaderboard import keep, main, read_entries, write_leaderboard
from game24lab.runs.run import start_run
from game24lab.tasks.environments import open_environment


def make_origin(split="tot+tsllm", task="game24", starts=None):
    return Origin("03_sft", "abc", "", task, split, 0, starts or {})


def make_run(folder, name="03_sft", **parameters):
    """A run with a checkpoint, nothing in it; the checkpoint's folder."""
    with start_run(folder, name, {"output": str(folder), **parameters}):
        (folder / "checkpoint").mkdir()
    return folder / "checkpoint"


# ------------------------------------------------------------------------------------------------------------ leaks
@pytest.mark.parametrize(("split", "allowed"), [
    ("tot", ["901-1000"]), ("tsllm", ["1001-1362"]), ("tot+tsllm", list(SETS)), ("tot+tsllm+strict", list(SETS)),
    ("random", []), ("mine.txt", []),
])  # fmt: skip
def test_only_what_was_held_out_is_measured(split, allowed):
    assert [ranks for ranks in SETS if not find_leak({"policy": make_origin(split)}, ranks)] == allowed


def test_a_leak_anywhere_behind_a_model_is_a_leak():
    clean, leaky = make_origin(), make_origin("tot")
    later = make_origin(starts={"runs/x": make_origin(starts={"runs/y": leaky})})
    assert "trained with the split 'tot' (run abc), which does not hold 1001-1362 out" in find_leak(
        {"policy": clean, "critic": later}, "1001-1362")  # fmt: skip
    assert "the critic" in find_leak({"policy": clean, "critic": later}, "1001-1362")
    assert not find_leak({"policy": clean, "critic": later}, "901-1000")


def test_what_is_unknown_is_refused_and_so_is_another_game():
    assert "training data are unknown: it has no" in find_leak({"policy": None}, "901-1000")
    hub = make_origin(starts={"Qwen/Qwen3-0.6B": None})
    assert "unknown: something that it began from" in find_leak({"policy": hub}, "901-1000")
    assert "was trained on countdown" in find_leak({"policy": make_origin(task="countdown")}, "901-1000")
    with pytest.raises(ValueError, match="leaderboard 901-1000: the policy's training data are unknown"):
        check_leaks({"policy": None}, ["901-1000"])
    with pytest.raises(ValueError, match="ranks must be one of"):
        find_leak({"policy": hub}, "1-900")


def test_the_origin_of_a_checkpoint_is_that_of_its_run(tmp_path):
    first = make_run(tmp_path / "first", split="tot", seed=4)
    second = make_run(tmp_path / "second", "06_grpo", split="tot", policy=str(first))
    foreign = make_run(tmp_path / "foreign", split="tot", checkpoint="Qwen/Qwen3-0.6B")
    assert (find_origin(first).split, find_origin(first).seed, find_origin(first).starts) == ("tot", 4, {})
    assert find_origin(second).list_all()[1] == find_origin(first)
    assert find_origin(foreign).list_all()[1] is None
    assert find_origin(tmp_path) is None
    assert find_origin("owner/name") is None
    shipped = find_origin(find_pretrained("policy"))
    for name, policy in (("06_grpo", ""), ("12_expert_iteration", "shipped")):
        made = make_run(tmp_path / name, name, split="tot", policy=policy)
        (made / "search-0" / "round-1").mkdir(parents=True)
        assert find_origin(made / "search-0" / "round-1").list_all()[1] == shipped
    assert find_origin(make_run(tmp_path / "own", "12_expert_iteration", split="tot", policy="")).starts == {}


def test_a_broken_origin_is_refused(tmp_path):
    for text in ("{", "[]", '{"notebook": 3}', "[" * 100_000):
        (tmp_path / "origin.json").write_text(text)
        with pytest.raises(ValueError, match=r"origin\.json: must say notebook, run"):
            find_origin(tmp_path)


def test_the_shipped_models_say_what_their_card_says():
    card = documented.read("game24lab/pretrained/README.md")
    for part in ("policy", "critic"):
        origin = find_origin(find_pretrained(part))
        assert f"{origin.run}, {origin.commit[:7]}" in card
        assert f"`{origin.split}`" in card
        check_leaks({part: origin}, list(SETS))
    assert find_origin(find_pretrained("critic")).list_all()[1] == find_origin(find_pretrained("policy"))


def test_the_shipped_models_of_countdown_say_what_their_card_says_and_are_no_entry():
    card = documented.read("game24lab/pretrained/countdown/README.md")
    environment = open_environment("countdown", held_out=1)
    policy, critic = (find_origin(find_pretrained(part, environment)) for part in ("policy", "critic"))
    for origin in (policy, critic):
        assert f"{origin.run}, {origin.commit[:7]}" in card
        assert (origin.task, origin.split) == ("countdown", "stream_of_search")
        with pytest.raises(ValueError, match="was trained on countdown"):
            check_leaks({"policy": origin}, list(SETS))
    assert list(critic.starts.values()) == [policy]


# ------------------------------------------------------------------------------------------------------- measuring
@pytest.fixture
def candidate():
    return Candidate("fake", FakePolicy(skill=6.0), FakeCritic(), {"policy": make_origin()})


def test_it_measures_the_published_puzzles_in_every_mode(candidate):
    arms = {"mcts": {"parameters": {"simulations": 4}}}
    rows = measure(candidate, list(SETS), arms=arms, modes=("rules", "verified"), problems=3, progress=False)
    assert [(row["ranks"], row["mode"]) for row in rows] == [(ranks, mode) for ranks in SETS
                                                             for mode in ("rules", "verified")]  # fmt: skip
    for row in rows:
        assert row["problems"] == 3
        assert row["low"] <= row["accuracy"] <= row["high"]
        assert row["parameters"] == candidate.policy.parameters + candidate.critic.parameters


def test_a_set_is_the_published_one_whole(candidate):
    rows = measure(candidate, ["901-1000"], arms={"greedy": {}}, modes=("verified",), progress=False)
    assert rows[0]["problems"] == 100


def test_measuring_goes_on_where_it_was_killed(candidate, tmp_path):
    settings = {"arms": {"greedy": {}}, "modes": ("rules",), "problems": 4, "progress": False,
                "find_path": lambda ranks: tmp_path / f"{ranks}.parquet"}  # fmt: skip
    first = measure(candidate, ["901-1000"], **settings)
    calls = len(candidate.policy.calls)
    assert calls
    assert measure(candidate, ["901-1000"], **settings) == first
    assert len(candidate.policy.calls) == calls


def test_a_leak_is_refused_before_anything_is_spent(candidate):
    leaky = Candidate("fake", None, None, {"policy": make_origin("random")})
    with pytest.raises(ValueError, match="does not hold 901-1000 out"):
        measure(leaky, ["901-1000"], arms={"greedy": {}}, progress=False)


# ------------------------------------------------------------------------------------------------------------ the page
def make_entry(name, ranks="901-1000", mode="blind", accuracy=0.95, parameters=1e6, flops=1e9, **more):
    return {"name": name, "ranks": ranks, "mode": mode, "arm": "mcts", "algorithm": "mcts", "problems": 100, "seeds": 1,
            "accuracy": accuracy, "low": accuracy - 0.05, "high": accuracy, "interval": "Wilson", "sampled_tokens": 50,
            "flops": flops, "parameters": parameters, "settings": "{}", "run": "r1", **more}  # fmt: skip


RUN = {"id": "r1", "start": "2026-11-28T00:00:00"}


def test_the_best_need_least_and_reach_the_goal(tmp_path):
    entries = [make_entry("small", parameters=1e5, flops=9e9), make_entry("quick", parameters=5e6, flops=1e6),
               make_entry("weak", accuracy=GOAL - 0.01, parameters=10, flops=10),
               make_entry("just", mode="rules", accuracy=GOAL),
               make_entry("nearest", mode="verified", accuracy=0.8, arm="mcts@simulations=16,verified"),
               make_entry("far", mode="verified", accuracy=0.2)]
    page = write_leaderboard({"runs": [RUN], "entries": entries})
    best = page.partition("## Ranks 901-1000")[2].partition("## Ranks")[0]
    assert "| blind | fewest parameters | small, `mcts` | 0.10M | 9.00 billion |" in best
    assert "| blind | fewest FLOPs | quick, `mcts` | 5.00M | 1 million |" in best
    assert "| rules | fewest parameters | just," in best
    assert "| verified | nobody yet; nearest | nearest, `mcts@simulations=16` |" in best
    assert "weak" not in best
    assert "far" not in best
    assert "weak" in page.partition("## All that was measured")[2]
    assert "| blind | not measured |" in page.partition("## Ranks 1001-1362")[2]


def test_kept_rows_replace_those_that_were_measured_before(tmp_path):
    path = tmp_path / "kept.json"
    keep(path, [make_entry("a", accuracy=0.5), make_entry("b")], RUN)
    keep(path, [make_entry("a", accuracy=0.9, run="r2")], {**RUN, "id": "r2"})
    kept = read_entries(path)
    assert {row["name"]: row["accuracy"] for row in kept["entries"]} == {"a": 0.9, "b": 0.95}
    assert [run["id"] for run in kept["runs"]] == ["r1", "r2"]
    keep(path, [make_entry("b", run="r2")], {**RUN, "id": "r2"})
    assert [run["id"] for run in read_entries(path)["runs"]] == ["r2"]
    path.write_text('{"title": "something else", "entries": []}')
    with pytest.raises(ValueError, match="must hold the rows of a leaderboard"):
        read_entries(path)


def test_the_page_of_the_repository_is_what_the_command_writes(tmp_path):
    kept = documented.ROOT / "reports" / "leaderboard.json"
    assert main([str(kept), str(tmp_path / "page.md")]) == 0
    assert (tmp_path / "page.md").read_text() == documented.read("docs/leaderboard.md"), "make results"


# ---------------------------------------------------------------------------------------------------------- the command
def test_the_command_refuses_leaks_in_one_line_before_it_loads_anything(tmp_path, capsys):
    leaky = make_run(tmp_path / "run", split="tot")
    (tmp_path / "plain").mkdir()
    for words, complaint in [
        ([str(leaky)], "does not hold 1001-1362 out"), ([str(tmp_path / "plain")], "training data are unknown"),
        (["--ranks", "1-900"], "--ranks must be one of"), (["--mode", "wild"], "--mode must be one of"),
        (["--seeds", "0"], "--seeds"), (["--problems", "3", "--keep", "x.json"], "--keep needs whole sets"),
    ]:  # fmt: skip
        assert cli.main(["leaderboard", *words, "--output", str(tmp_path / "out")]) == 2
        said = capsys.readouterr().err
        assert complaint in said
        assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_command_measures_and_keeps(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("game24lab.cli.solve.load_models", lambda *folders: (FakePolicy(skill=6.0), FakeCritic()))
    (tmp_path / "arms.yaml").write_text("arms:\n  greedy: {}\n")
    words = ["leaderboard", "--ranks", "901-1000", "--mode", "rules", "-f", "arms.yaml", "--keep", "kept.json"]
    assert cli.main(words) == 0
    assert "901-1000  rules  greedy  100" in capsys.readouterr().out
    (row,) = read_entries("kept.json")["entries"]
    (run,) = read_entries("kept.json")["runs"]
    assert (row["name"], row["problems"], row["run"]) == ("shipped", 100, run["id"])
    assert json.loads(json.dumps(run))["parameters"]["arms"] == {"greedy": {}}
    assert cli.main(words) == 0  # it is there already
    assert len(read_entries("kept.json")["entries"]) == 1

