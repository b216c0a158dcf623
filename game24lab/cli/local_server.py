"""A server of completions on this machine's loopback, started for the time of a block: vLLM in its own environment.

It does not know what is asked of the server, nor how vLLM gets here.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

HOST = "127.0.0.1"
SECONDS = 600.0  # until it answers: vLLM imports and loads for a minute or two on a CPU
# a key-value cache of 1 GB (its default is most of the memory), no binding to cores, nothing from a hub
_ENVIRONMENT = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "HF_HUB_OFFLINE": "1",
                "VLLM_NO_USAGE_STATS": "1"}  # fmt: skip
_COUNTER = re.compile(r"^vllm:generation_tokens_total(?:\{[^}]*\})? (\S+)$", re.MULTILINE)


@contextlib.contextmanager
def start_server(
    python: str, checkpoint: str, log: Path, *, options: Sequence[str] = (), seconds: float = SECONDS
) -> Iterator[str]:
    """The address of a vLLM that serves a checkpoint in float32, under the name given here; it ends with the block.

    `python` is the interpreter that has vLLM (the command `vllm` of the package vllm-cpu does not start); all that the
    server prints goes to `log`. ValueError where it ends, or does not answer, within so many seconds; the message holds
    the last thing that it said.
    """
    port = _find_port()
    command = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", checkpoint, "--host", HOST,
               "--port", str(port), "--dtype", "float32", *options]  # fmt: skip
    # what this interpreter imports is not what that one shall import
    inherited = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                   env={**inherited, **_ENVIRONMENT}, start_new_session=True)  # fmt: skip
        try:
            _wait(process, f"http://{HOST}:{port}/health", seconds, log)
            yield f"http://{HOST}:{port}/v1"
        finally:
            _end(process)


def _find_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        return free.getsockname()[1]


def _wait(process: subprocess.Popen, address: str, seconds: float, log: Path) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise ValueError(f"the server ended with status {process.returncode} before it answered: {_quote(log)}")
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.5)
    raise ValueError(f"the server did not answer within {seconds:g} s: {_quote(log)}")


def _quote(log: Path) -> str:
    """The last line of a log that tells of an error, else its last line, and where all of it stands."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    told = [line for line in lines if re.search(r"\w*Error\b", line)] or lines or ["it said nothing"]
    return f"{told[-1][:200]} ({log})"


def _end(process: subprocess.Popen) -> None:
    """End a server and the processes that it has started."""
    for sign in (15, 9):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
            return


def count_generated(url: str) -> int | None:
    """The tokens that a vLLM server says it has generated since it started; None where it tells no such count."""
    try:
        with urllib.request.urlopen(url.removesuffix("/v1") + "/metrics", timeout=30) as answer:
            text = answer.read().decode("utf-8", "replace")
    except (urllib.error.URLError, OSError):
        return None
    found = _COUNTER.findall(text)
    return round(sum(map(float, found))) if found else None


def tell_version(python: str) -> str:
    """Name and version of the vLLM of an interpreter; ValueError where it has none."""
    code = "import importlib.metadata as m; " \
           "print(*next((d.name, d.version) for d in m.distributions() if d.name in ('vllm', 'vllm-cpu')))"
    told = f"server must be the interpreter of an environment with vLLM, got {python!r}, which"
    if shutil.which(python) is None:
        raise ValueError(f"{told} is not there")
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise ValueError(f"{told} has none")
    return done.stdout.strip()
