"""Store: the file of everything that was found, written snippet by snippet, so that a killed run goes on where it stopped."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hearwhy.insight.question import Unit
from hearwhy.insight.rows import Explanation, Snippet
from hearwhy.insight.views import Insight

FILE = "insight.sqlite"
VERSION = 2
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE snippets (item TEXT NOT NULL, condition TEXT NOT NULL, number INTEGER NOT NULL, found TEXT NOT NULL,
    seconds REAL NOT NULL, PRIMARY KEY (item, condition, number)) WITHOUT ROWID;
CREATE TABLE silent (item TEXT NOT NULL, condition TEXT NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY (item, condition, number)) WITHOUT ROWID;
CREATE TABLE problems (item TEXT NOT NULL, condition TEXT NOT NULL, number INTEGER NOT NULL, problem TEXT NOT NULL,
    PRIMARY KEY (item, condition, number)) WITHOUT ROWID;
"""
Key = tuple[str, str, int]
"""Recording, condition and number of a snippet."""


class Store:
    """A file of findings that is being written.

    Parameters
    ----------
    path
        The file; made where there is none.
    question
        Everything that the findings depend on; must be what the file was begun with.
    about
        What else a reader must know.

    Raises
    ------
    ValueError
        It is no such file, or was begun with another question.
    """

    def __init__(self, path: Path, question: Mapping[str, Any], about: Mapping[str, Any]) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = _connect(path)
        with self._transaction():
            self._begin(json.loads(json.dumps(question)), about)

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

    def _begin(self, question: dict[str, Any], about: Mapping[str, Any]) -> None:
        if not self._file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            for statement in filter(None, (part.strip() for part in SCHEMA.split(";"))):
                self._file.execute(statement)
            begun = {"version": VERSION, "question": question, "about": about}
            self._file.executemany("INSERT INTO meta VALUES (?, ?)", [(k, json.dumps(v)) for k, v in begun.items()])
            return
        held = json.loads(_meta(self._file, self.path)["question"])
        changed = [key for key in {**held, **question} if held.get(key) != question.get(key)]
        if changed:
            told = "; ".join(f"{key} was {held.get(key)!r} and is {question.get(key)!r}" for key in changed)
            raise ValueError(f"{self.path.parent} holds explanations of another question ({told}); give another --out.")

    def done(self) -> set[Key]:
        """Return the snippets that need not be asked about again."""
        query = "SELECT item, condition, number FROM snippets UNION SELECT item, condition, number FROM silent"
        return {(item, condition, number) for item, condition, number in self._file.execute(query)}

    def first(self) -> Snippet | None:
        """Return one snippet that was explained before."""
        row = self._file.execute("SELECT found FROM snippets LIMIT 1").fetchone()
        return None if row is None else _snippet(row[0])

    def add(self, unit: Unit, found: Snippet | str | None, seconds: float = 0.0) -> None:
        """Write what was found about a snippet, what is wrong with it, or (None) that it is silent: all of it or nothing."""
        with self._transaction():
            self._file.execute("DELETE FROM problems WHERE item = ? AND condition = ? AND number = ?", unit.key)
            if found is None:
                self._file.execute("INSERT OR REPLACE INTO silent VALUES (?, ?, ?)", unit.key)
            elif isinstance(found, str):
                self._file.execute("INSERT OR REPLACE INTO problems VALUES (?, ?, ?, ?)", (*unit.key, found))
            else:
                told = json.dumps(asdict(found), allow_nan=False)
                self._file.execute("INSERT OR REPLACE INTO snippets VALUES (?, ?, ?, ?, ?)", (*unit.key, told, seconds))


def read_insight(path: str | Path, *, problems: tuple[tuple[str, str, str], ...] = ()) -> Insight:
    """Return what a file of findings, or the folder it lies in, holds.

    Parameters
    ----------
    path
        Where it lies.
    problems
        Recordings that could not even be read: recording, condition, what was wrong.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is no file of findings.
    """
    path = Path(path)
    path = path / FILE if path.is_dir() else path
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}. Make one with `hearwhy insight DATA --out {path.parent}`.")
    file = _connect(path)
    meta = _meta(file, path)
    found = [(_snippet(text), seconds) for text, seconds in file.execute(
        "SELECT found, seconds FROM snippets ORDER BY condition, item, number"
    )]  # fmt: skip
    failed = [(item, condition, problem) for item, condition, problem in file.execute(
        "SELECT item, condition, problem FROM problems ORDER BY condition, item, number"
    )]  # fmt: skip
    n_silent = file.execute("SELECT count(*) FROM silent").fetchone()[0]
    file.close()
    about = json.loads(meta["about"]) | json.loads(meta["question"])
    rows = tuple(snippet for snippet, _ in found)
    return Insight(about, rows, n_silent, (*problems, *failed), sum(seconds for _, seconds in found))


def forget(folder: Path) -> None:
    """Remove a file in which there is not one explanation, and its folder where nothing else lies in it."""
    for suffix in ("", "-wal", "-shm"):
        (folder / f"{FILE}{suffix}").unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def _connect(path: Path) -> sqlite3.Connection:
    try:
        file = sqlite3.connect(path, timeout=60, isolation_level=None)
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = NORMAL")  # in WAL a kill loses nothing; a power cut the last snippets at most
    except sqlite3.DatabaseError as error:
        raise ValueError(f"{path} is no file of `hearwhy insight` ({error}); give another folder.") from error
    return file


def _meta(file: sqlite3.Connection, path: Path) -> dict[str, str]:
    try:
        meta = dict(file.execute("SELECT key, value FROM meta"))
    except sqlite3.DatabaseError as error:
        raise ValueError(f"{path} is no file of `hearwhy insight` ({error}); give another folder.") from error
    if meta.get("version") != str(VERSION):
        raise ValueError(f"{path} has version {meta.get('version')} of the tables, and this hearwhy reads {VERSION}; "
                         "ask again into another folder.")  # fmt: skip
    return meta


def _snippet(text: str) -> Snippet:
    """Return a snippet as it was before it was written: lists become tuples again."""
    held = json.loads(text)
    explanations = tuple(Explanation(**_tuples(held_one)) for held_one in held.pop("explanations"))
    return Snippet(**_tuples(held), explanations=explanations)


def _tuples(held: dict[str, Any]) -> dict[str, Any]:
    return {key: _tuple(value) for key, value in held.items()}


def _tuple(value: Any) -> Any:
    return tuple(_tuple(item) for item in value) if isinstance(value, list) else value
