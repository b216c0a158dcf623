"""A checkpoint behind a server beside itself: what differs is found, and a server ends with whoever started it."""

import os
import stat
import sys

import pandas as pd
import pytest
from served import serve

from game24lab.cli import beside_server
from game24lab.cli.local_server import count_generated, start_server, tell_version
from game24lab.models.load_policy import load_policy
from game24lab.models.locations import find_pretrained
from game24lab.runs.run import read_run

pytest.importorskip("openai")
SHIPPED = str(find_pretrained("policy"))
FEW = ["--problems", "3", "--samples", "2", "--effort", "2"]


@pytest.fixture(scope="module")
def policy():
    return load_policy(SHIPPED, backend="transformers")


def test_strategies_and_agreement_through_a_server(policy, tmp_path, capsys):
    output = tmp_path / "run"
    words = [*FEW, "--pace", "2", "--strategies", "greedy", "beam_search", "mcts", "--output", str(output)]
    with serve(policy, name=SHIPPED) as server:
        assert beside_server.main(["--url", server.url, *words]) == 0
        asked = len(server.requests)
        assert beside_server.main(["--url", server.url, *words]) == 0, "a finished run is told again"
        assert len(server.requests) == asked
    table = pd.read_parquet(output / "records.parquet").set_index("arm")
    assert list(table.index) == ["greedy", "beam_search", "mcts", "mcts, blind", "mcts, verified",
                                 "game24lab solve mcts", "game24lab solve auto"]  # fmt: skip
    assert (table["problems"] == 3).all()
    assert (table["sampled_tokens"] >= table["server_tokens"]).all()
    assert table["sampled_tokens"]["greedy"] == table["server_tokens"]["greedy"] > 0
    facts = read_run(output).manifest["facts"]
    assert facts["gap"] < 1e-4
    assert facts["equal_greedy"] == facts["repeated"] == 1
    assert min(facts["pace_server"], facts["pace_memory"], facts["pace_generate"]) > 0
    said = capsys.readouterr().out
    assert "7 arms through a server on 3 puzzles" in said
    assert "for 2 x 64 greedy ones" in said


def test_log_probabilities_of_other_weights_are_told_apart(policy):
    prompts = ["Input: 4 5 6 10\n", "Input: 3 3 8 8\n"]
    said = policy.generate(prompts, 2, max_tokens=20, seeds=[1, 2])
    assert beside_server.measure_gap(SHIPPED, prompts, said) < 1e-4
    moved = [[type(one)(one.text, one.ids, tuple(value - 0.5 for value in one.logprobs), one.finish) for one in row]
             for row in said]  # fmt: skip
    assert beside_server.measure_gap(SHIPPED, prompts, moved) == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize(("words", "message"), [
    ([], "either a server's url or a program to serve must be given"),
    (["--url", "http://127.0.0.1:9/v1"], "server http://127.0.0.1:9/v1: server: "),
    (["--serve", "/nowhere/python"], "server must be the interpreter of an environment with vLLM"),
])  # fmt: skip
def test_bad_input_is_one_line(tmp_path, capsys, words, message):
    assert beside_server.main([*words, *FEW, "--output", str(tmp_path / "run")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def make_program(folder, body):
    """What stands for an interpreter with vLLM: a program that gets the words of its command line."""
    path = folder / "python"
    head = f"#!{sys.executable}\nimport http.server, sys, time\n"
    path.write_text(f"{head}port = int(sys.argv[sys.argv.index('--port') + 1])\n{body}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


HEALTHY = """
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'# TYPE x\\nvllm:generation_tokens_total{model_name="a"} 41.0\\n')
    def log_message(self, *words):
        pass
import os
print("process", os.getpid(), flush=True)
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def test_a_server_runs_for_a_block(tmp_path):
    log = tmp_path / "server.log"
    with start_server(make_program(tmp_path, HEALTHY), "folder", log) as url:
        assert count_generated(url) == 41
        process = int(log.read_text().split()[1])
        os.kill(process, 0)
    assert count_generated(url) is None
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


@pytest.mark.parametrize(("body", "message"), [
    ("print('loading')\nraise RuntimeError('no such instruction')\n", "ended with status 1 .*no such instruction"),
    ("time.sleep(60)\n", "did not answer within 2 s: it said nothing"),
])  # fmt: skip
def test_a_server_that_does_not_come_up_is_quoted(tmp_path, body, message):
    program = make_program(tmp_path, body)
    with pytest.raises(ValueError, match=message), start_server(program, "folder", tmp_path / "log", seconds=2):
        pass


def test_an_interpreter_without_vllm_is_refused():
    with pytest.raises(ValueError, match="which has none"):
        tell_version(sys.executable)


@pytest.mark.skipif("GAME24LAB_VLLM" not in os.environ, reason="GAME24LAB_VLLM names no interpreter that has vLLM")
def test_a_real_server(tmp_path):
    run = beside_server.compare(tmp_path / "run", serve=os.environ["GAME24LAB_VLLM"], problems=3, samples=2, effort=2)
    table, facts = run.read_records(), read_run(run.folder).manifest["facts"]
    assert (table["sampled_tokens"] >= table["server_tokens"]).all()
    assert (table["sampled_tokens"] == table["server_tokens"]).mean() > 0.7, "greedy lines are shared in a few arms"
    assert facts["gap"] < 1e-3
    assert facts["equal_greedy"] == facts["repeated"] == 1
