"""The `band` set: songs composed and rendered here, every instrument on its own, so that what is heard is known.

A musical husky against wolf: guitar or piano, and a third instrument that follows the class in training. `composer`
writes the notes, `generator` renders them, `songs` reads what lies on disk, `snippets` mixes what a network is trained
and tested on.
"""

from hearwhy.datasets.band.composer import SPLITS, STEMS, compose
from hearwhy.datasets.band.generator import generate

__all__ = ["SPLITS", "STEMS", "compose", "generate"]
