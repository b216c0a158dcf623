"""Whether the hub of models can be asked from here, known within three seconds.

Without it a hub id is asked for five times where there is no network, with pauses of a minute in all. It does not
know what a checkpoint holds, nor downloads one.
"""

from __future__ import annotations

import socket
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

SECONDS = 3.0  # for one attempt to connect; a name that no server resolves is known at once


def check_hub(checkpoint: str | Path) -> None:
    """ValueError where a hub id is neither in the hub's cache nor the hub within reach; a folder passes.

    An id of the cache is then read from there: the library is put off line, for it asks for each file again otherwise.
    Behind a proxy nothing is tried, and where the user has put the library off line (`HF_HUB_OFFLINE`) neither.
    """
    if Path(checkpoint).is_dir():
        return
    from huggingface_hub import constants, try_to_load_from_cache

    where = urlsplit(constants.ENDPOINT)
    if constants.HF_HUB_OFFLINE or {where.scheme, "all"} & set(urllib.request.getproxies()):
        return
    try:
        port = where.port or (80 if where.scheme == "http" else 443)
        socket.create_connection((where.hostname, port), timeout=SECONDS).close()
    except OSError as error:
        if not isinstance(try_to_load_from_cache(str(checkpoint), "config.json"), str):
            raise ValueError(f"checkpoint {checkpoint}: no such folder, not in the hub's cache, and {where.hostname} "
                             f"is out of reach ({error}); download it where there is a network, and name its folder"
                             ) from None  # fmt: skip
        constants.HF_HUB_OFFLINE = True
