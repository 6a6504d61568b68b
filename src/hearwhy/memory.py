"""Memory: how many items a batch may hold before memory costs more than the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

REUSED_BYTES = 20 * 2**20
"""Largest tensor of a batch on the CPU. glibc asks the system anew for every block from 32 MiB on, and the system clears it
page by page, so that a convolutional network takes up to four times as long an item; a step may need half as much again."""


class Largest(TorchFunctionMode):
    """Notes how large the largest tensor is that is made within it: what a model makes of a batch, step by step.

    It sees the steps that are written in Python, and of a compiled model only what it is given and what it answers.

    Examples
    --------
    >>> import torch
    >>> with Largest() as largest:
    ...     _ = torch.ones(10, 4).repeat(1, 8).sum(dim=1)
    >>> largest.n_bytes
    1280
    """

    def __init__(self) -> None:
        super().__init__()
        self.n_bytes = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Take one step and look at what it made."""
        made = func(*args, **(kwargs or {}))
        outputs = made if isinstance(made, tuple | list) else (made,)
        sizes = [one.numel() * one.element_size() for one in outputs if isinstance(one, Tensor)]
        self.n_bytes = max(self.n_bytes, *sizes, 0)
        return made


def fitting(largest_bytes: int, n_items: int, most: int) -> int:
    """Return how many items a batch may hold so that no tensor outgrows what is reused: 1 to `most`.

    Parameters
    ----------
    largest_bytes
        Of the largest tensor that a batch of `n_items` made.
    n_items
        Items in that batch.
    most
        More than so many are never asked for.

    Examples
    --------
    >>> fitting(9 * 2**20, 1, most=64)
    2
    """
    an_item = max(1, -(-largest_bytes // n_items))
    return max(1, min(most, REUSED_BYTES // an_item))
