"""Store: the file of results, written unit by unit, so that a killed run goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.datasets.esc50 import Clip, Esc50
from hearwhy.evaluate.answering import Key, Row
from hearwhy.evaluate.conditions import Condition
from hearwhy.evaluate.question import OF_BACKGROUND, MethodLine, Question, dataset_hash, file_hash
from hearwhy.evaluate.schema import BLOBS, NUMBERS, connect, packed, packed_map, unpacked_map
from hearwhy.evaluate.work import Ask, Found, Task


class Store:
    """A file of results that is being written; one process at a time.

    Parameters
    ----------
    path
        The file; made where there is none.
    dataset
        What is evaluated.

    Raises
    ------
    ValueError
        It is no file of results, or holds those of another dataset.
    """

    def __init__(self, path: Path, dataset: Esc50) -> None:
        self.path, self._file = path, connect(path, writing=True)
        with self._transaction():
            self._begin(dataset)
        self._recording = dict(self._file.execute("SELECT name, id FROM recordings"))

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *rest: object) -> None:
        self._file.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._file.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._file.execute("ROLLBACK")
            raise
        self._file.execute("COMMIT")

    def _begin(self, dataset: Esc50) -> None:
        digest = dataset_hash(dataset)
        held = self._file.execute("SELECT value FROM meta WHERE key = 'dataset'").fetchone()
        if held is None:
            self._file.execute("INSERT INTO meta VALUES ('dataset', ?)", (digest,))
            rows = [(clip.name, clip.fold, clip.category, clip.source) for clip in dataset.clips]
            self._file.executemany("INSERT INTO recordings (name, fold, category, source) VALUES (?, ?, ?, ?)", rows)
        elif held[0] != digest:
            raise ValueError(
                f"{self.path} holds results of another dataset (or its table has changed since); give another --out."
            )

    def add_condition(self, condition: Condition) -> int:
        """Return a condition's number; ValueError where another one of that name is held."""
        noise = None if condition.noise is None else condition.noise.name
        digest = None if condition.noise is None else file_hash(condition.noise)
        held = self._file.execute("SELECT id, noise_hash, snr_db FROM conditions WHERE name = ?", (condition.name,)).fetchone()
        if held is None:
            row = (condition.name, noise, digest, condition.snr_db)
            with self._transaction():
                cursor = self._file.execute("INSERT INTO conditions (name, noise, noise_hash, snr_db) VALUES (?, ?, ?, ?)", row)
            return int(cursor.lastrowid or 0)
        if held[1:] != (digest, condition.snr_db):
            raise ValueError(
                f"{self.path} holds a condition {condition.name} with another noise or level; give it another name."
            )
        return int(held[0])

    def add_model(self, name: str, fingerprint: str, classifier: SpectrogramClassifier) -> int:
        """Return a model's number."""
        held = self._file.execute("SELECT id FROM models WHERE fingerprint = ?", (fingerprint,)).fetchone()
        if held is not None:
            return int(held[0])
        row = (name, fingerprint, json.dumps(classifier.labels), classifier.activation)
        with self._transaction():
            cursor = self._file.execute("INSERT INTO models (name, fingerprint, labels, activation) VALUES (?, ?, ?, ?)", row)
        return int(cursor.lastrowid or 0)

    def gradient_check(self, model: int) -> dict[str, Any] | None:
        """Return what is known about the slope of a model; None: it was not examined."""
        held = self._file.execute("SELECT gradient_check FROM models WHERE id = ?", (model,)).fetchone()[0]
        return None if held is None else json.loads(held)

    def set_gradient_check(self, model: int, found: dict[str, Any]) -> None:
        """Note what was found about the slope of a model."""
        with self._transaction():
            self._file.execute("UPDATE models SET gradient_check = ? WHERE id = ?", (json.dumps(found), model))

    def add_question(self, model: int, method: MethodLine, question: Question, activation: str, background: str) -> int:
        """Return the number of what is asked of a model with a method: everything that its maps depend on."""
        options = json.dumps([method.name, *method.options])
        relative = background if method.name in OF_BACKGROUND else ""
        components = question.components if method.entry.asks != "network" else ""
        key = (model, question.protocol, options, question.scale(method, activation), components, question.seed, relative)
        columns = ("model", "protocol", "options", "scale", "components", "seed", "background")
        where = " AND ".join(f"{column} = ?" for column in columns)
        held = self._file.execute(f"SELECT id FROM questions WHERE {where}", key).fetchone()
        if held is not None:
            return int(held[0])
        with self._transaction():
            cursor = self._file.execute(
                f"INSERT INTO questions ({', '.join(columns)}, method) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*key, method.line)
            )
        return int(cursor.lastrowid or 0)

    def task(
        self,
        clip: Clip,
        condition: tuple[int, Condition],
        model: int,
        methods: Sequence[tuple[int, MethodLine]],
        question: Question,
    ) -> Task | None:
        """Return what is still to be asked about a recording; None: nothing."""
        recording, wanted = self._recording[clip.name], question.rows()
        answered = self._file.execute(
            "SELECT target FROM answers WHERE recording = ? AND condition = ? AND model = ?", (recording, condition[0], model)
        ).fetchone()
        asks = [self._ask((recording, condition[0], number), method, wanted, question.heard) for number, method in methods]
        missing = tuple(ask for ask in asks if ask is not None)
        if answered is not None and not missing:
            return None
        return Task(clip.path.resolve(), condition[1], None if answered is None else int(answered[0]), missing)

    def _ask(self, unit: tuple[int, int, int], method: MethodLine, wanted: list[Key], heard: bool) -> Ask | None:
        sounds = [key for key in wanted if not key[1]] if heard else []
        held = self._file.execute(
            "SELECT id FROM units WHERE recording = ? AND condition = ? AND question = ?", unit
        ).fetchone()
        if held is None:
            return Ask(method, None, tuple(wanted), tuple(sounds))
        known = {
            (mask, control): (features, sound)
            for mask, control, features, sound in self._file.execute(
                "SELECT mask, control, logits_in IS NOT NULL, heard_in IS NOT NULL FROM masks WHERE unit = ?", held
            )
        }
        features = tuple(key for key in wanted if not known.get(key, (0, 0))[0])
        left = tuple(key for key in sounds if not known.get(key, (0, 0))[1])
        return Ask(method, int(held[0]), features, left) if features or left else None

    def with_maps(self, task: Task) -> Task:
        """Return a task with the maps that were made before, which are read only when its turn comes."""
        return replace(task, asks=tuple(replace(ask, values=self._map(ask.unit)) for ask in task.asks))

    def _map(self, unit: int | None) -> Tensor | None:
        if unit is None:
            return None
        return unpacked_map(*self._file.execute("SELECT map, n_freq, n_frames FROM units WHERE id = ?", (unit,)).fetchone())

    def add(self, found: Found, condition: int, model: int, questions: dict[str, int]) -> None:
        """Write what was found about one unit, all of it or nothing.

        Raises
        ------
        ValueError
            The recording is not the one of that name that other results are about.
        """
        recording = self._recording[found.clip]
        spot = (recording, found.condition, model, found.method or "")
        with self._transaction():
            self._check_recording(recording, found)
            if found.problem is not None:
                self._file.execute("INSERT OR REPLACE INTO problems VALUES (?, ?, ?, ?, ?)", (*spot, found.problem))
                return
            self._file.execute("DELETE FROM problems WHERE recording = ? AND condition = ? AND model = ? AND method = ?", spot)
            if found.ends is not None:
                row = (recording, condition, model, found.target, *(packed(numbers) for numbers in found.ends))
                self._file.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            if found.method is not None:
                self._add_unit((recording, condition, questions[found.method]), found)

    def _check_recording(self, recording: int, found: Found) -> None:
        if found.fingerprint is None:
            return
        held = self._file.execute("SELECT fingerprint FROM recordings WHERE id = ?", (recording,)).fetchone()[0]
        if held is None:
            self._file.execute("UPDATE recordings SET fingerprint = ? WHERE id = ?", (found.fingerprint, recording))
        elif held != found.fingerprint:
            raise ValueError(f"{found.clip} has changed since {self.path} was begun; give another --out.")

    def _add_unit(self, key: tuple[int, int, int], found: Found) -> None:
        if found.values is not None:
            row = (*key, found.target, packed_map(found.values), *found.values.shape, found.n_calls, found.seconds)
            self._file.execute(
                "INSERT INTO units (recording, condition, question, target, map, n_freq, n_frames, n_calls, seconds) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", row,
            )  # fmt: skip
        unit = self._file.execute("SELECT id FROM units WHERE recording = ? AND condition = ? AND question = ?", key).fetchone()
        columns = (*BLOBS, *NUMBERS)
        updates = ", ".join(f"{name} = coalesce(excluded.{name}, {name})" for name in columns)
        self._file.executemany(
            f"INSERT INTO masks (unit, mask, control, {', '.join(columns)}) VALUES ({', '.join('?' * (3 + len(columns)))}) "
            f"ON CONFLICT DO UPDATE SET {updates}",
            [(unit[0], *_row(row)) for row in found.rows],
        )

    def problems(self) -> list[tuple[str, str, str, str]]:
        """Return every unit that could not be asked: recording, condition, method ("": the recording itself), and why."""
        return list(
            self._file.execute(
                "SELECT name, condition, method, problem FROM problems JOIN recordings ON recording = id "
                "ORDER BY id, condition, method"
            )
        )


def _row(row: Row) -> Iterable[Any]:
    yield from (row.mask, row.control)
    for name in BLOBS:
        numbers: Tensor | None = row.logits.get(name)
        yield None if numbers is None else packed(numbers)
    yield from (row.numbers.get(name) for name in NUMBERS)
