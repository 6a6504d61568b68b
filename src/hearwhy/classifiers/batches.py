"""Batches: models that take so many sounds at a time, given any number of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class BatchSizes:
    """How many sounds at a time a model takes.

    Parameters
    ----------
    smallest, largest
        At least and at most so many; `largest` None: as many as memory holds.
    """

    smallest: int = 1
    largest: int | None = None


def in_batches(run: Callable[[Tensor], Any], given: Tensor, sizes: BatchSizes, *, axis: int = 0) -> Any:
    """Return what a model says of any number of sounds, asked in batches of a size that it takes.

    The last batch is filled up by repeating its last sound, and the answers to the filling are dropped. A batch that fits
    is handed over as it is.

    Parameters
    ----------
    run
        The model: a batch to its answers, whose first axis is the batch (a tensor, or a dict, list or tuple of them).
    given
        What it takes, for every sound.
    sizes
        How many at a time.
    axis
        Where the batch stands in `given`.

    Examples
    --------
    >>> in_batches(lambda x: x * torch.tensor(float(len(x))), torch.ones(5, 1), BatchSizes(2, 2)).flatten()
    tensor([2., 2., 2., 2., 2.])
    """
    n = given.shape[axis]
    if sizes.smallest <= n <= (sizes.largest or n):
        return run(given)
    answers = []
    for chunk in given.split(sizes.largest or n, dim=axis):
        short = sizes.smallest - chunk.shape[axis]
        if short > 0:
            filling = chunk.narrow(axis, chunk.shape[axis] - 1, 1).expand(*_repeated(chunk, axis, short))
            chunk = torch.cat([chunk, filling], dim=axis)
        answers.append(run(chunk.contiguous()))
    return _joined(answers, n)


def _repeated(chunk: Tensor, axis: int, times: int) -> list[int]:
    return [times if at == axis else size for at, size in enumerate(chunk.shape)]


def _joined(answers: list[Any], n: int) -> Any:
    """The answers of several batches as those of one of `n`."""
    first = answers[0]
    if isinstance(first, Mapping):
        return {key: _joined([answer[key] for answer in answers], n) for key in first}
    if isinstance(first, list | tuple):
        return tuple(_joined(list(parts), n) for parts in zip(*answers, strict=True))
    if first.ndim == 0:
        return first  # whatever it is, it is no answer to a batch, and whoever asked says so
    return torch.cat([answer if isinstance(answer, Tensor) else torch.as_tensor(answer) for answer in answers])[:n]
