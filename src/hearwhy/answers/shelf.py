"""Shelf: the file of answers, which several processes may use at once and no crash leaves half-written."""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FILE = "answers.sqlite"
VERSION = 1
LIMIT_BYTES = 2**30  # of answers on disk; those to questions not asked for longest go first
AT_ONCE = 500  # masks looked up in one statement: SQLite takes at most 999 variables in old versions
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS questions (question TEXT PRIMARY KEY, draws INTEGER NOT NULL, labels INTEGER NOT NULL,
    used REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (question TEXT NOT NULL, mask BLOB NOT NULL, answer BLOB NOT NULL, digest INTEGER NOT NULL,
    PRIMARY KEY (question, mask)) WITHOUT ROWID;
PRAGMA user_version = {VERSION};
"""
SIZES = """
SELECT questions.question, sum(length(answer)) FROM questions JOIN answers USING (question) GROUP BY 1 ORDER BY used
"""


class Shelf:
    """A file of answers; each carries a digest, so that one that was damaged is asked again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.OperationalError) as error:
            raise OSError(f"{path.parent} cannot be written ({error}); give another folder for the cache.") from error
        with self._whole():
            self._begin()
            self._make_room()

    def _begin(self) -> None:
        version = self._file.execute("PRAGMA user_version").fetchone()[0]
        empty = not self._file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not empty and version != VERSION:
            raise ValueError(
                f"{self.path} holds answers of version {version}, and this hearwhy reads {VERSION}; remove it, and the model "
                "is asked again."
            )
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = NORMAL")  # in WAL a kill loses nothing; a power cut the last batch
        if empty:
            self._file.executescript(SCHEMA)

    @contextmanager
    def _whole(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise ValueError(f"{self.path} cannot be used ({error}); remove it, and the model is asked again.") from error

    def read(self, question: str, keys: Sequence[bytes]) -> dict[bytes, Tensor]:
        """Return the answers to those of the masks that have one."""
        found: dict[bytes, Tensor] = {}
        with self._whole():
            shape = self._file.execute("SELECT draws, labels FROM questions WHERE question = ?", (question,)).fetchone()
            for chunk in (keys[i : i + AT_ONCE] for i in range(0, len(keys), AT_ONCE)) if shape else ():
                places = ", ".join("?" * len(chunk))
                rows = f"SELECT mask, answer, digest FROM answers WHERE question = ? AND mask IN ({places})"
                for mask, answer, digest in self._file.execute(rows, (question, *chunk)):
                    if _digest(question, mask, answer) == digest and len(answer) == 4 * shape[0] * shape[1]:
                        found[mask] = torch.from_numpy(np.frombuffer(answer, "<f4").reshape(shape).astype(np.float32))
        return found

    def write(self, question: str, keys: Iterable[bytes], answers: Tensor) -> None:
        """Keep answers, all of them or none."""
        blobs = [answer.astype("<f4").tobytes() for answer in answers.numpy()]
        rows = [(question, key, blob, _digest(question, key, blob)) for key, blob in zip(keys, blobs, strict=True)]
        with self._whole():
            self._file.execute("BEGIN IMMEDIATE")
            try:
                about = (question, *answers.shape[1:], time.time())
                self._file.execute("INSERT OR REPLACE INTO questions VALUES (?, ?, ?, ?)", about)
                self._file.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", rows)
            except BaseException:
                self._file.execute("ROLLBACK")
                raise
            self._file.execute("COMMIT")

    def n_answers(self) -> int:
        """Return how many answers are kept."""
        with self._whole():
            return int(self._file.execute("SELECT count(*) FROM answers").fetchone()[0])

    @property
    def n_bytes(self) -> int:
        """Size of the file, with what is written beside it first."""
        parts = (self.path, self.path.with_name(f"{FILE}-wal"))
        return sum(part.stat().st_size for part in parts if part.exists())

    def _make_room(self) -> None:
        """Forget the questions not asked for longest until what is left is within the limit; the file is filled again."""
        rows = self._file.execute(SIZES).fetchall() if self.n_bytes > LIMIT_BYTES else []
        total = sum(size for _, size in rows)
        for question, size in rows:
            if total <= LIMIT_BYTES / 2:
                return
            self._file.execute("DELETE FROM answers WHERE question = ?", (question,))
            self._file.execute("DELETE FROM questions WHERE question = ?", (question,))
            total -= size


def _digest(question: str, mask: bytes, answer: bytes) -> int:
    return zlib.crc32(answer, zlib.crc32(mask, zlib.crc32(question.encode())))
