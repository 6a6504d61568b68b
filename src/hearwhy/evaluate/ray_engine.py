"""The Ray engine: one model per worker process, on this machine or a cluster; a lost worker's tasks are done again."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from hearwhy.classifiers.extras import need
from hearwhy.evaluate.work import Found, Job, Task, Worker, told

RETRIES = 3  # of a task whose worker is lost: what kills its worker every time is given up
AHEAD = 1  # tasks that wait at a worker while it works


class RayWorker:
    """A worker in a process of its own; its numbers are the local engine's, for it computes with as many threads."""

    def __init__(self, job: Job) -> None:
        torch.set_num_threads(job.threads)
        self._worker = Worker(job)

    def run(self, task: Task) -> list[Found]:
        """Return all that is found about a task."""
        return list(self._worker.run(task))

    def pid(self) -> int:
        """Return the number of its process."""
        return os.getpid()


def run_ray(
    job: Job, tasks: Iterable[Task], *, workers: int, seen: Callable[[list[int]], None] | None = None
) -> Iterator[Found]:
    """Yield what is found about every task, in whatever order it comes in.

    A running cluster is used where ``RAY_ADDRESS`` names one, otherwise one is started here and stopped at the end. Nothing
    is reported to anybody, and no dashboard is opened. The caller alone writes.

    Parameters
    ----------
    job, tasks
        What is done. A model that is no name must be importable where the workers run.
    workers
        How many processes, each with a model of its own.
    seen
        Told the processes' numbers once they run.

    Raises
    ------
    ImportError
        Ray is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # without it Ray announces, in a warning, that it will stop hiding GPUs from workers that asked for none
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray = need("ray", extra="ray", what="The engine ray")
    with _cluster(ray, workers):
        _check_size(ray, workers)
        share = _gpus(ray, job.device) / workers
        actor = ray.remote(max_restarts=-1, max_task_retries=RETRIES, num_cpus=1, num_gpus=min(1.0, share))(RayWorker)
        crew = [actor.remote(job) for _ in range(workers)]
        try:
            pids = ray.get([member.pid.remote() for member in crew])
            if seen is not None:
                seen(pids)
            yield from _spread(ray, crew, iter(tasks))
        finally:
            for member in crew:
                ray.kill(member)


def _spread(ray: Any, crew: list[Any], tasks: Iterator[Task]) -> Iterator[Found]:
    """Keep every worker busy; results are taken as they come."""
    waiting: dict[Any, tuple[Any, Task]] = {}

    def give(member: Any) -> None:
        task = next(tasks, None)
        if task is not None:
            waiting[member.run.remote(task)] = (member, task)

    for member in crew * (1 + AHEAD):
        give(member)
    while waiting:
        done, _ = ray.wait(list(waiting), num_returns=1)
        member, task = waiting.pop(done[0])
        give(member)
        try:
            yield from ray.get(done[0])
        except ray.exceptions.RayError as error:
            reason = f"its worker was lost {1 + RETRIES} times ({told(error).splitlines()[0]})"
            yield Found(task.clip, task.condition.name, problem=reason)


@contextmanager
def _cluster(ray: Any, workers: int) -> Iterator[None]:
    """Join the cluster that there is, or start one."""
    if ray.is_initialized():
        yield
        return
    paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    options: dict[str, Any] = {
        "runtime_env": {"env_vars": {"PYTHONPATH": paths, "RAY_USAGE_STATS_ENABLED": "0"}},
        "log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": False,
    }  # fmt: skip
    with warnings.catch_warnings():  # Ray's own: files it leaves to the garbage collector, and changes it announces
        warnings.simplefilter("ignore", ResourceWarning)
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"ray\b.*")
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"ray\b.*")
        try:
            ray.init(address="auto", **options)
        except ConnectionError:
            if os.environ.get("RAY_ADDRESS"):
                raise
            ray.init(address="local", num_cpus=workers, include_dashboard=False, **options)
    try:
        yield
    finally:
        ray.shutdown()


def _check_size(ray: Any, workers: int) -> None:
    n_cpus = int(ray.cluster_resources().get("CPU", 0))
    if workers > n_cpus:
        raise ValueError(f"The Ray cluster has {n_cpus} processors, one for each worker; got --workers {workers}.")


def _gpus(ray: Any, device: str) -> float:
    return float(ray.cluster_resources().get("GPU", 0)) if device.startswith("cuda") else 0.0
