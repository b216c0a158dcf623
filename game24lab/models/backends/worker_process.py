"""A policy in a worker process on a device of its own, to which weights are sent.

A trainer and its rollouts then have a device each, as with TRL's vLLM server, but with the decoding of this package: a
prompt's samples are those of the backend `transformers`. It does not know what trains, nor when weights change.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
import weakref
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from game24lab.models.backends.transformers_policy import TransformersPolicy
from game24lab.models.checkpoints import load_checkpoint
from game24lab.models.policy import Job, Row, Sampling, TextPolicy, describe

_PATIENCE = 10.0  # seconds that a worker is given to end by itself


class ApartPolicy(TextPolicy):
    """A copy of a model in another process. `update` takes over the weights that the model has now."""

    name = "transformers"
    seeding = TransformersPolicy.seeding
    looks = True

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, device: str = "cpu") -> None:
        """`device`: torch's name of it, e.g. "cpu" or "cuda:1". ValueError for one that is not there."""
        check_device(device)
        dtype = str(model.dtype).removeprefix("torch.")
        super().__init__(tokenizer, describe(model, tokenizer), device, dtype, "asked for")
        folder = tempfile.mkdtemp(prefix="game24lab-")
        try:
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            context = get_context("spawn")  # a fork would inherit locks of threads that it does not have
            self._pipe, theirs = context.Pipe()
            arguments = (theirs, folder, device, dtype, torch.get_num_threads())
            worker = context.Process(target=_serve, args=arguments, daemon=True, name="game24lab rollouts")
            worker.start()
            theirs.close()
            self._worker: BaseProcess = worker
            weakref.finalize(self, _end, self._pipe, worker)
            self._receive()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def update(self, model: PreTrainedModel) -> None:
        """Take over the weights of a model of the same shape."""
        packed = io.BytesIO()
        torch.save({name: value.detach().cpu() for name, value in model.state_dict().items()}, packed)
        self._ask("update", packed.getvalue())

    def _sample(self, jobs: list[Job], sampling: Sampling, stops: frozenset[int], stop_line: bool) -> list[list[Row]]:
        return self._ask("sample", (jobs, sampling, stops, stop_line, torch.is_autocast_enabled("cuda")))

    def _ask(self, what: str, content: Any) -> Any:
        try:
            self._pipe.send((what, content))
        except OSError:
            raise self._report_dead_worker() from None
        return self._receive()

    def _receive(self) -> Any:
        try:
            fine, found = self._pipe.recv()
        except (EOFError, OSError):
            raise self._report_dead_worker() from None
        if not fine:
            raise found
        return found

    def _report_dead_worker(self) -> RuntimeError:
        """The error to raise where the worker has ended."""
        self._worker.join(_PATIENCE)
        return RuntimeError(f"the process of the rollouts on {self.device} has ended (exit code "
                            f"{self._worker.exitcode}); see its last lines on stderr. Started again, the run goes on "
                            "from its resume point")  # fmt: skip


def check_device(device: str) -> None:
    """ValueError for a device that is not there."""
    known = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if device not in known:
        raise ValueError(f"device must be one of {', '.join(known)} here, got {device!r}")


def _end(pipe: Connection, worker: BaseProcess) -> None:
    pipe.close()  # the worker reads the end of it
    worker.join(_PATIENCE)
    if worker.is_alive():
        worker.terminate()


def _serve(pipe: Connection, folder: str, device: str, dtype: str, threads: int) -> None:
    """The worker: answer until the other end is closed, which a parent that was killed does too."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(threads)
    try:
        model, tokenizer = load_checkpoint(folder, dtype=getattr(torch, dtype))
        policy = TransformersPolicy(model.to(device), tokenizer)
    except Exception as error:
        return pipe.send((False, error))
    pipe.send((True, None))
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            asked = pipe.recv()
            try:
                reply = True, _do(policy, *asked)
            except Exception as error:
                reply = False, error
            pipe.send(reply)


def _do(policy: TransformersPolicy, what: str, content: Any) -> Any:
    if what == "update":
        policy.model.load_state_dict(torch.load(io.BytesIO(content), weights_only=True))
        return policy.prefixes.forget()
    *asked, half = content
    with torch.autocast("cuda", torch.bfloat16, half and policy.device == "cuda"):
        return policy._sample(*asked)
