"""`game24lab doctor --url`: what a server lacks is named, in the order in which a search would miss it."""

import contextlib

import pytest
from served import CompletionsServer

from game24lab.cli.main import main

pytest.importorskip("openai")
GOOD = {"tokens": ["token_id:5", "token_id:7"], "token_logprobs": [-0.5, -1.25]}
ALL_OK = ["server", "completions", "token ids", "logprobs", "usage", "seeds"]


@pytest.fixture
def serve():
    """Start a server whose answers are those of a function of the request's number; its address."""
    with contextlib.ExitStack() as stack:

        def start(answer):
            def respond(asked):
                assert asked["prompt"] == [1]
                assert asked["model"] == "tiny"
                return answer(len(server.requests))

            server = stack.enter_context(CompletionsServer(respond, refusal=404))
            return server.url

        yield start


def write(*logprobs, tokens=4):
    choices = [{"index": index, "text": "x", "finish_reason": "length", "logprobs": one}
               for index, one in enumerate(logprobs)]  # fmt: skip
    usage = {"usage": {"completion_tokens": tokens, "prompt_tokens": 1, "total_tokens": 1 + tokens}} if tokens else {}
    return {"choices": choices, **usage}


def look(capsys, *words):
    assert main(["doctor", "--url", *words]) == 0
    told = capsys.readouterr()
    *findings, _ = told.out.splitlines()  # the last is the verdict
    return [line.split(None, 1) for line in findings], told


def test_a_server_that_has_everything(serve, capsys):
    lines, told = look(capsys, serve(lambda asked: write(GOOD, GOOD)))
    assert [state for state, _ in lines] == ["ok"] * 6
    assert all(text.startswith(name) for (_, text), name in zip(lines, ALL_OK, strict=True))
    assert "serves tiny" in told.out
    assert "the server counts 4 sampled tokens, their ids are 4" in told.out


@pytest.mark.parametrize(("answer", "row", "state", "text"), [
    (lambda asked: {"error": {"message": "no such\nroute"}}, 1, "broken", "completions  of token ids: "),
    (lambda asked: write(GOOD), 1, "broken", "completions  1 came, 2 were asked for"),
    (lambda asked: write(None, None), 2, "broken", "sends no token ids"),
    (lambda asked: write(GOOD, {**GOOD, "tokens": ["a", "b"]}), 2, "broken", "sends no token ids"),
    (lambda asked: write(GOOD, {**GOOD, "token_logprobs": [-1.0, None]}), 3, "broken", "some are missing"),
    (lambda asked: write(GOOD, GOOD, tokens=5), 4, "broken", "counts 5 sampled tokens, their ids are 4"),
    (lambda asked: write(GOOD, GOOD, tokens=0), 4, "optional", "no count of its own"),
    (lambda asked: write(GOOD, {**GOOD, "tokens": [f"token_id:{asked}", "token_id:7"]}), 5, "optional", "gave other"),
])  # fmt: skip
def test_what_a_server_lacks_is_named(serve, capsys, answer, row, state, text):
    lines, told = look(capsys, serve(answer))
    line = told.out.splitlines()[row]
    assert line.startswith(state)
    assert text in line
    assert len(lines) == (row + 1 if row < 3 else 6), "it ends at what nothing works without"


def test_a_server_that_is_not_there_or_serves_something_else(serve, capsys):
    lines, _ = look(capsys, "http://127.0.0.1:9/v1")
    assert [state for state, _ in lines] == ["broken"]
    lines, _ = look(capsys, serve(lambda asked: write(GOOD, GOOD)), "--model", "large")
    assert "does not serve 'large' but tiny" in lines[0][1]
    assert main(["doctor", "--model", "large"]) == 2
    assert "give its --url too" in capsys.readouterr().err
