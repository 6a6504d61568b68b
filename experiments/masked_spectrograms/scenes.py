"""Scenes: clips as a model is given them, with the maps that were made of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from asking import NOISES, SNR_DB, TEST, Round, Setting
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.evaluate.conditions import Condition
from hearwhy.evaluate.maps import Scene
from hearwhy.evaluate.schema import unpacked_map
from hearwhy.evaluate.work import load_model


@dataclass(frozen=True, eq=False)
class Map:
    """A method's map of a clip, and the scene that it is of."""

    clip: str
    category: str
    method: str
    values: Tensor


def maps(folder: Path, features: str, condition: str, *, category: str | None = None) -> list[Map]:
    """Return the maps of the first clip of every class (or of one class) of the test fold, corrected protocol."""
    file = Round(features, "corrected", TEST).file(folder)
    if not file.exists():
        return []
    with closing(sqlite3.connect(file)) as held:
        found = held.execute(
            "SELECT recordings.name, category, method, map, n_freq, n_frames FROM units "
            "JOIN recordings ON recordings.id = units.recording JOIN conditions ON conditions.id = units.condition "
            "JOIN questions ON questions.id = units.question WHERE conditions.name = ? ORDER BY recordings.id, questions.id",
            (condition,),
        ).fetchall()
    first: dict[str, str] = {}
    for name, of, *_ in found:
        first.setdefault(of, name)
    return [
        Map(name, of, method.partition("(")[0], unpacked_map(*packed))
        for name, of, method, *packed in found if first[of] == name and category in (None, of)
    ]  # fmt: skip


class Stage:
    """Makes scenes of clips, with each model loaded once."""

    def __init__(self, setting: Setting, data: Path, noises: Path) -> None:
        self.setting, self.data, self.noises = setting, data, noises
        self._models: dict[str, object] = {}

    def scene(self, features: str, condition: str, clip: str) -> Scene:
        """Return a clip under a condition, as a model is given it."""
        if features not in self._models:
            self._models[features] = load_model(self.setting.models[features], self.setting.device)
        noise = Condition() if condition == "clean" else Condition(condition, self.noises / NOISES[condition], SNR_DB)
        recording = noise.of(sound.load(self.data / "audio" / clip))
        return Scene.of(recording, self._models[features], device=self.setting.device, batch_size=16)

    def scenes(self, folder: Path, features: str, condition: str) -> Iterator[tuple[Scene, list[Map]]]:
        """Yield the first clip of every class, with the maps of it."""
        found = maps(folder, features, condition)
        for clip in dict.fromkeys(one.clip for one in found):
            yield self.scene(features, condition, clip), [one for one in found if one.clip == clip]
