"""Answers: what a model said of masks, remembered so that none is asked twice: for a while, or on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.answers.question import content_of
from hearwhy.answers.shelf import FILE, Shelf
from hearwhy.types import Mask

__all__ = ["Answers", "Table", "answers_in", "content_of", "packed"]

MEMORY_BYTES = 2**28  # of answers in memory


class Table:
    """The answers to masks of one question: a model about one recording's components, listened to in one way."""

    def __init__(self, shelf: Shelf | None = None, question: str = "") -> None:
        self._row: dict[bytes, int] = {}
        self._answers = torch.zeros(0)
        self._shelf, self._question = shelf, question

    def missing(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        """Return the masks without an answer, each with the place where it stands first."""
        fresh = self._fresh(keys)
        if fresh and self._shelf is not None:
            found = self._shelf.read(self._question, list(fresh))
            if found:
                self._remember(list(found), torch.stack(list(found.values())))
            fresh = self._fresh(keys)
        return fresh

    def add(self, keys: Sequence[bytes], answers: Float[Tensor, "mask draw label"]) -> None:
        """Remember the answers to masks that were missing."""
        self._remember(keys, answers)
        if self._shelf is not None:
            self._shelf.write(self._question, keys, answers)

    def of(self, keys: Sequence[bytes]) -> Float[Tensor, "mask draw label"]:
        """Return the answers to masks, none of which is missing."""
        return self._answers[[self._row[key] for key in keys]]

    @property
    def n_bytes(self) -> int:
        """What the answers take in memory."""
        return self._answers.numel() * self._answers.element_size()

    def _fresh(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        fresh: dict[bytes, int] = {}
        for i, key in enumerate(keys):
            if key not in self._row:
                fresh.setdefault(key, i)
        return fresh

    def _remember(self, keys: Sequence[bytes], answers: Tensor) -> None:
        n = len(self._row)
        if n + len(keys) > len(self._answers):  # room for as many again, so that adding stays cheap
            grown = torch.empty(n + max(n, len(keys)), *answers.shape[1:])
            if n:
                grown[:n] = self._answers[:n]
            self._answers = grown
        self._answers[n : n + len(keys)] = answers
        self._row |= {key: n + i for i, key in enumerate(keys)}


class Answers:
    """What models said, shared by all who ask: other methods, other targets, the next run.

    A model is asked only about masks that it was never asked about. Remembered are its own numbers for each mask, by the
    content of the question (`content_of`). An answer may have been computed in another batch than it would be now, which
    changes it by no more than what `hearwhy check` calls the batch variance.

    Parameters
    ----------
    folder
        Where they are kept, in ``answers.sqlite``, for further runs: at most 1 GiB. Several processes may use it at once. None:
        in memory, 256 MiB at most.

    Attributes
    ----------
    n_remembered
        Forward passes that were not made, as they had been made before.

    Raises
    ------
    ValueError
        The file there is damaged, or not hearwhy's.
    OSError
        The folder cannot be written.

    Examples
    --------
    >>> answers = Answers()
    >>> table = answers.about("a question")
    >>> table.add([b"mask"], torch.ones(1, 1, 2))
    >>> answers.about("a question").missing([b"mask", b"other"])
    {b'other': 1}
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = None if folder is None else Path(folder)
        self._shelf = None if folder is None else Shelf(Path(folder) / FILE)
        self._tables: dict[str, Table] = {}
        self.n_remembered = 0

    def about(self, question: str) -> Table:
        """Return the answers to one question."""
        table = self._tables.pop(question, None) or Table(self._shelf, question)
        self._tables[question] = table  # asked last, forgotten last
        while len(self._tables) > 1 and sum(held.n_bytes for held in self._tables.values()) > MEMORY_BYTES:
            self._tables.pop(next(iter(self._tables)))
        return table

    def __str__(self) -> str:
        """How many answers it holds, and what they take."""
        if self._shelf is not None:
            return f"{self.folder} holds {self._shelf.n_answers()} answers, {self._shelf.n_bytes / 1e6:.1f} MB"
        return f"{sum(table.n_bytes for table in self._tables.values()) / 1e6:.1f} MB of answers in memory"


def answers_in(cache: Answers | str | Path | None) -> Answers | None:
    """Return the answers themselves, those that lie in a folder, or None."""
    return Answers(cache) if isinstance(cache, str | Path) else cache


def packed(mask: Mask) -> list[bytes]:
    """Return the masks (mask, component) as bytes, 8 components a byte.

    Examples
    --------
    >>> packed(torch.tensor([[True, False, True], [True, True, True]]))
    [b'\\xa0', b'\\xe0']
    """
    bits = np.packbits(mask.to(torch.bool).numpy(), axis=1)
    width, data = bits.shape[1], bits.tobytes()
    return [data[i : i + width] for i in range(0, len(data), width)]
