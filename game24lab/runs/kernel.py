"""The process of a headless notebook: an IPython kernel that ends with the command that has started it, always.

Run as a script with the number of a pipe's reading end, then what a kernel takes. The writing end is the command's
alone, so that the pipe closes when the command is gone, however it went: killed, too. Then the kernel ends at once, and
all processes of its group. (ipykernel's own look at its parent begins late, misses a parent that went before it, and
leaves the kernel's children.) This module does not know of notebooks.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import threading

# Run in the kernel: tqdm and transformers draw their bars as text, which can be handed on, and not as widgets; and all
# on one line, for a page has no cursor that could go up to the bar around a bar.
TEXT_BARS = ("import sys, tqdm.std; sys.modules['tqdm.autonotebook'] = tqdm.std; "
             "tqdm.std.tqdm.moveto = lambda bar, lines: None; "
             "get_ipython().config.pop('IPKernelApp', None); del sys, tqdm")  # fmt: skip


def is_told(record: logging.LogRecord) -> bool:
    """False for one complaint: at its end ipykernel flushes its output once more, when the socket may be closed."""
    from zmq.error import ZMQError

    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, ZMQError) and error.errno == errno.ENOTSOCK)


def follow(lifeline: int) -> None:
    """Wait until the pipe closes, then kill this process's group where it leads one, else this process."""
    while os.read(lifeline, 1):
        pass
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def main() -> None:
    """Follow the pipe named by the first argument, and be a kernel."""
    lifeline = int(sys.argv.pop(1))
    os.set_inheritable(lifeline, False)
    threading.Thread(target=follow, args=(lifeline,), daemon=True, name="lifeline").start()
    del sys.path[0]  # this file's folder, whose modules must not shadow others

    from ipykernel import kernelapp

    logging.getLogger("tornado.general").addFilter(is_told)  # where pyzmq logs
    kernelapp.launch_new_instance()


if __name__ == "__main__":
    main()
