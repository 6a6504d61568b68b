"""Items: what every dataset is made of, whatever its layout: recordings with what is known about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from hearwhy.types import Recording

Progress = Callable[[int, int], None]


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
        """Length in seconds, as the file's header has it."""
        ...

    def load(self, *, start_s: float = 0.0, duration_s: float | None = None) -> Recording:
        """Return the sound, or a span of it, in its own rate and channels; ValueError where it is damaged."""
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

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that there are, sorted; empty where none is known."""
        return tuple(sorted({item.label for item in self.items if item.label is not None}))

    def summary(self) -> str:
        """Return what there is and what was left out, with every name and reason, a line each."""
        minutes = sum(item.duration_s for item in self.items) / 60
        lines = [f"{self.layout}: {_some(len(self.items), 'recording')}, {minutes:.1f} minutes"]
        if self.labels:
            counts = Counter(item.label for item in self.items)
            lines[0] += f", {_some(len(self.labels), 'class', 'classes')}: "
            lines[0] += ", ".join(f"{label} {counts[label]}" for label in self.labels)
        n_groups = len({item.group for item in self.items})
        if n_groups < len(self.items):
            lines.append(f"they were cut from {_some(n_groups, 'source')}")
        if self.problems:
            lines.append(f"{len(self.problems)} left out:")
            lines += [f"  {name}: {reason}" for name, reason in self.problems]
        return "\n".join(lines)


def _some(n: int, thing: str, things: str | None = None) -> str:
    return f"{n} {thing if n == 1 else things or thing + 's'}"
