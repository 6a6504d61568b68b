"""Datasets: recordings with what is known about them, one folder layout a module."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hearwhy.datasets.background import with_background_of
    from hearwhy.datasets.items import Dataset, Item
    from hearwhy.datasets.multitrack import mixture_gap
    from hearwhy.datasets.reading import checked, read
    from hearwhy.datasets.splitting import shares, split

__all__ = ["Dataset", "Item", "checked", "demo_song", "mixture_gap", "read", "shares", "split", "with_background_of"]
_HOME = {
    "Dataset": "items", "Item": "items", "checked": "reading", "mixture_gap": "multitrack", "read": "reading",
    "shares": "splitting", "split": "splitting", "with_background_of": "background",
}  # fmt: skip


def demo_song() -> Path:
    """Return the folder of the song that ships with hearwhy: ``mix.flac`` and ``stems/`` that add up to it.

    Eight seconds of a test song of the `band` set at 16 kHz: piano, drums, bass and strings, no guitar. ``README.md``
    in it says how it was made.
    """
    return Path(__file__).parent.parent / "demo_song"


def __getattr__(name: str) -> Any:
    if name not in _HOME:  # the rest needs torch, and finding the demo song does not
        raise AttributeError(f"hearwhy.datasets has no {name!r}; it has {', '.join(__all__)}.")
    return getattr(importlib.import_module(f"hearwhy.datasets.{_HOME[name]}"), name)
