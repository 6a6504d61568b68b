"""The local engine: every task in this process, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hearwhy.evaluate.work import Found, Job, Task, Worker


def run_local(job: Job, tasks: Iterable[Task]) -> Iterator[Found]:
    """Yield what is found about every task, unit by unit."""
    worker = Worker(job)
    for task in tasks:
        yield from worker.run(task)
