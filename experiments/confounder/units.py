"""Units: networks to train and songs to explain, each written to a file of its own, so that a killed run goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from explaining import Row, explanations
from models import accuracies, as_classifier, train, weights_file
from separating import quality, separated, take_apart
from setting import SEPARATIONS, Model, Place, Setting, asked, places
from working import do_all, say

from hearwhy.classifiers.band import WINDOW_S
from hearwhy.components.sources import sources
from hearwhy.datasets.band.snippets import LABELS, Snippet, draw
from hearwhy.datasets.band.songs import Stems, read_split
from hearwhy.networks.band_cnn import FRONT_END
from hearwhy.training.band import TEST_SETS

SONGS_A_UNIT = 5
SEED = 4  # of the snippets that are explained; 0 to 3 are taken in training and for accuracies


@dataclass(frozen=True)
class Job:
    """What every process knows: the setting, and where the songs, the separators and the results are."""

    setting: Setting
    data: Path
    out: Path
    separators: tuple[tuple[str, Path], ...] = ()

    def songs(self, split: str) -> list[Stems]:
        """Read a split of the data as mono stems of the rate that the networks hear."""
        setting = self.setting
        rate = FRONT_END.sample_rate
        return read_split(self.data, split, limit=setting.limit, sample_rate=rate, seconds=setting.seconds, incomplete="skip")


def train_models(job: Job, workers: int) -> None:
    """Train every network that is not there yet."""
    models = [model for model in job.setting.models if model.origin == "trained" and not weights_file(model, job.out).exists()]
    do_all(Training, job, models, workers, "networks trained")


def measure_models(job: Job, workers: int) -> None:
    """Measure the accuracy of every network that was trained, and of the shipped ones."""
    models = [model for model in job.setting.models if model.origin != "untrained"]
    lacking = [model for model in models if not (job.out / "accuracy" / f"{model.name}.json").exists()]
    do_all(Measuring, job, lacking, workers, "networks measured")


@dataclass(frozen=True)
class Unit:
    """Some songs of one test set and version."""

    test_set: str
    version: str
    first: int

    def file(self, out: Path) -> Path:
        """Return where its rows lie."""
        return out / "units" / f"{self.test_set}-{self.version}-{self.first:04d}.json"


def explain_all(job: Job, workers: int) -> list[Unit]:
    """Explain every snippet that is not explained yet, and return all units."""
    n_songs = len(list((job.data / "test").glob("Track*/metadata.yaml")))
    n_songs = min(n_songs, job.setting.limit or n_songs)
    units = [Unit(*place, first) for first in range(0, n_songs, SONGS_A_UNIT) for place in places().values()]
    do_all(Explaining, job, [unit for unit in units if not unit.file(job.out).exists()], workers, "groups of songs explained")
    return units


class Training:
    """Trains networks on songs that are read once."""

    def __init__(self, job: Job) -> None:
        self._job, self._songs = job, (job.songs("train"), job.songs("validation"))

    def __call__(self, model: Model) -> None:
        """Train one."""

        def told(epoch: int, epochs: int) -> None:
            say(f"  {model.name}: epoch {epoch} of at most {epochs}")

        train(model, self._songs, self._job.setting, self._job.out, told)


class Measuring:
    """Measures accuracies on test songs that are read once."""

    def __init__(self, job: Job) -> None:
        self._job, self._songs = job, job.songs("test")

    def __call__(self, model: Model) -> None:
        """Measure one network."""
        accuracies(model, self._songs, self._job.setting, self._job.out)


class Explaining:
    """Explains snippets of test songs with all networks that are asked about them."""

    def __init__(self, job: Job) -> None:
        self._job, self._songs = job, job.songs("test")
        self._models = [(model, as_classifier(model, job.setting, job.out)) for model in job.setting.models]

    def __call__(self, unit: Unit) -> None:
        """Explain a unit's songs and write its rows, all at once or not at all."""
        found: dict[str, list[Row]] = {"explanations": [], "separations": []}
        for number in range(unit.first, min(unit.first + SONGS_A_UNIT, len(self._songs))):
            for place, snippet, chance in self._snippets(unit, number):
                self._snippet(place, snippet, chance, found)
        file = unit.file(self._job.out)
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".unfinished")
        temporary.write_text(json.dumps(found), encoding="utf-8")
        temporary.replace(file)

    def _snippets(self, unit: Unit, number: int) -> Iterator[tuple[Place, Snippet, tuple[int, ...]]]:
        """Yield a song's snippets of a test set with where they stand, and the numbers that chance there hangs on."""
        name = f"{unit.test_set} {unit.version}"
        chance = (SEED, list(TEST_SETS).index(name), number)  # a song's snippets depend on it and the test set alone
        rng = np.random.default_rng(chance)
        plan = draw([self._songs[number]], TEST_SETS[name], rng, per_song=self._job.setting.per_song)
        chosen = rng.integers(len(plan))
        for i, snippet in enumerate(plan):
            place = Place(unit.test_set, unit.version, LABELS[snippet.label], bool(i == chosen))
            yield place, replace(snippet, song=number), (*chance, i)

    def _snippet(self, place: Place, snippet: Snippet, chance: tuple[int, ...], found: dict[str, list[Row]]) -> None:
        song = self._songs[snippet.song]
        where = {
            "test_set": place.test_set,
            "version": place.version,
            "song": song.name,
            "snippet": chance[-1],
            "label": place.label,
        }
        recording, true = take_apart(song, snippet, round(WINDOW_S * song.sample_rate))
        for number, how in enumerate(SEPARATIONS):
            models = [(model, classifier) for model, classifier in self._models if how in asked(model, place)]
            waves, rests = true, ("none",)
            if models and how != "oracle":
                waves, rests = separated(recording, how, dict(self._job.separators)[how]), ("part", "drop")
                found["separations"] += [where | {"separation": how} | row for row in quality(recording, true, waves)]
            parts = sources(recording, waves)
            for model, classifier in models:
                which = {"kind": model.kind, "run": model.run, "origin": model.origin, "separation": how}
                device = "cpu" if model.origin == "shipped" else self._job.setting.training.device
                rows = explanations(classifier, parts, rests, device, (*chance, number))
                found["explanations"] += [where | which | row for row in rows]
