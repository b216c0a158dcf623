"""No test hangs on the clock: how long something takes says how busy the machine is, not whether the code is right."""

import ast
from pathlib import Path

import pytest
from hypothesis import settings

LEAST = 600  # seconds that a test waits for another process before it gives up
TESTS = sorted(Path(__file__).parent.rglob("test_*.py"))
_WAITING = ("run", "communicate", "check_output", "check_call")


def test_hypothesis_has_no_deadline():
    assert settings().deadline is None
    assert settings(max_examples=3).deadline is None


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_whatever_is_waited_for_has_time(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        for keyword in node.keywords:
            said = f"{path.name}, line {node.lineno}"
            if name in _WAITING and keyword.arg == "timeout" and isinstance(keyword.value, ast.Constant):
                assert keyword.value.value >= LEAST, said
            if name == "settings" and keyword.arg == "deadline":
                assert keyword.value.value is None, said


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_no_clock_is_held_against_a_limit_that_a_busy_machine_breaks(path):
    """`assert time.perf_counter() - begin < 1`, and waiting until less than LEAST seconds from now."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        clocks = [call for call in ast.walk(node) if isinstance(call, ast.Call)
                  and ast.unparse(call.func) in ("time.time", "time.monotonic", "time.perf_counter")]  # fmt: skip
        if isinstance(node, ast.Assert) and any(isinstance(part, ast.Sub) for part in ast.walk(node)):
            assert not clocks, f"{path.name}, line {node.lineno}"
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and clocks:
            for number in ast.walk(node):
                if isinstance(number, ast.Constant):
                    assert number.value >= LEAST, f"{path.name}, line {node.lineno}"
