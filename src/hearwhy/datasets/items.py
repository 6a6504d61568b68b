"""Items: what every dataset is made of, whatever its layout: recordings with what is known about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from hearwhy.types import Recording


class Item(Protocol):
    """One recording of a dataset: a clip, a song. Nothing is read before it is asked for."""

    @property
    def name(self) -> str:
        """What it is called; no two of a dataset are called the same."""
        ...

    @property
    def group(self) -> str:
        """What it was cut from: a song, a source recording. Items of one group are not independent."""
        ...

    @property
    def label(self) -> str | None:
        """What it is, where the dataset says so."""
        ...

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        ...

    def load(self, *, start_s: float = 0.0, duration_s: float | None = None) -> Recording:
        """Return the sound, or a span of it."""
        ...

    def stems(self, *, start_s: float = 0.0, duration_s: float | None = None) -> Mapping[str, Recording] | None:
        """Return its true sources, in its own rate and channels, which sum to what `load` returns; None: not known."""
        ...


@dataclass(frozen=True)
class Dataset:
    """The items of a folder and what was left out.

    Parameters
    ----------
    layout
        "slakh", "musdb18", "musdb18hq", "esc50", "folder" (a folder a class) or "files" (sound files without more).
    items
        In a fixed order.
    problems
        Name and reason of everything that was left out.
    """

    layout: str
    items: tuple[Item, ...]
    problems: tuple[tuple[str, str], ...] = ()
