"""Opens workers for a sweep: processes of this machine, a scheduler that is there, or a cluster's batch system.

All of it is Dask's (`distributed`, `dask-jobqueue`, `dask-kubernetes`), which are optional: the extra `cluster`. A
worker has one thread: work that is given two shares its cores with itself. Status pages listen on the loopback alone.
This module does not know what workers do.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from game24lab.runs.checks import require, require_one_of
from game24lab.runs.messages import condense

CLUSTERS = ("slurm", "lsf", "kubernetes")
DEATHS = 3  # of workers on one cell, after which it is given up
_CLASSES = {"slurm": ("dask_jobqueue", "SLURMCluster"), "lsf": ("dask_jobqueue", "LSFCluster"),
            "kubernetes": ("dask_kubernetes.operator", "KubeCluster")}  # fmt: skip
_PAGE = "127.0.0.1:0"  # of the status page, any free port
# Dask looks at its loops, threads and memory up to a hundred times a second, which a core of a small machine feels.
_QUIET: Mapping[str, Any] = MappingProxyType({
    "distributed.admin.tick.interval": "1s", "distributed.admin.system-monitor.interval": "2s",
    "distributed.worker.profile.enabled": False, "distributed.worker.memory.monitor-interval": "1s",
})  # fmt: skip


def load(module: str) -> Any:
    """A module of an optional package; ValueError that says what to install."""
    try:
        return importlib.import_module(module)
    except ImportError:
        package = module.partition(".")[0].replace("_", "-")
        extra = "" if package == "dask-kubernetes" else " (or 'pip install \"game24lab[cluster]\"')"
        raise ValueError(f"{package} is not installed: 'pip install {package}'{extra}") from None


@contextlib.contextmanager
def open_client(
    *, workers: int = 2, scheduler: str = "", cluster: str = "", options: Mapping[str, Any] | None = None,
    patience: float = 30.0,
) -> Iterator[Any]:  # fmt: skip
    """A client of `distributed` with workers behind it, which end with the block unless a scheduler was there before.

    scheduler: address of one that runs. cluster: one of `CLUSTERS`; `options` are its class's own, such as `queue`,
    `memory`, `walltime`. patience: seconds to wait for a scheduler.

    ValueError for a scheduler that does not answer, for options that a cluster does not take, and for packages that
    are missing.
    """
    require("workers", workers, int, 1)
    distributed = load("distributed")
    dask = load("dask")
    settings = {
        **_QUIET, "distributed.scheduler.allowed-failures": DEATHS - 1, "distributed.scheduler.work-stealing": False,
        "distributed.comm.timeouts.connect": f"{patience}s",
    }  # fmt: skip
    with dask.config.set(settings), contextlib.ExitStack() as stack:
        if scheduler:
            if cluster:
                raise ValueError(f"scheduler and cluster exclude one another, got {scheduler!r} and {cluster!r}")
            try:
                client = distributed.Client(scheduler, timeout=patience)
            except (OSError, ValueError) as error:
                raise ValueError(f"scheduler {scheduler} does not answer within {patience:g} s: "
                                 f"{condense(error)}") from None  # fmt: skip
            yield stack.enter_context(client)
            return
        if cluster:
            made = _open_cluster(cluster, dict(options or {}))
        else:
            made = distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=_PAGE,
                silence_logs=50,
            )  # fmt: skip
        stack.callback(made.close)
        if cluster:
            made.adapt(minimum=workers, maximum=workers)  # a job that has died is started anew
        yield stack.enter_context(distributed.Client(made))


def _open_cluster(cluster: str, options: dict[str, Any]) -> Any:
    require_one_of("cluster", cluster, CLUSTERS)
    module, name = _CLASSES[cluster]
    kind = getattr(load(module), name)
    if cluster == "kubernetes":
        usual: dict[str, Any] = {"name": "game24lab-sweep"}
    else:
        usual = {"cores": 1, "processes": 1, "memory": "4GB", "walltime": "24:00:00", "nanny": True,
                 "scheduler_options": {"dashboard_address": _PAGE}, "job_script_prologue": ["export OMP_NUM_THREADS=1"]}
    try:
        return kind(**{**usual, **options})
    except (TypeError, ValueError) as error:
        raise ValueError(f"cluster {cluster}: {condense(error)}") from None
