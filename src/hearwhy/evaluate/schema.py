"""The tables of a file of results, and how numbers lie in it."""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

VERSION = 1
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE recordings (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, fold INTEGER NOT NULL, category TEXT NOT NULL,
    source TEXT NOT NULL, fingerprint TEXT);
CREATE TABLE conditions (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, noise TEXT, noise_hash TEXT, snr_db REAL);
CREATE TABLE models (id INTEGER PRIMARY KEY, name TEXT NOT NULL, fingerprint TEXT NOT NULL UNIQUE, labels TEXT NOT NULL,
    activation TEXT NOT NULL, gradient_check TEXT);
CREATE TABLE questions (id INTEGER PRIMARY KEY, model INTEGER NOT NULL REFERENCES models, protocol TEXT NOT NULL,
    method TEXT NOT NULL, options TEXT NOT NULL, scale TEXT NOT NULL, components TEXT NOT NULL, seed INTEGER NOT NULL,
    background TEXT NOT NULL, UNIQUE (model, protocol, options, scale, components, seed, background));
CREATE TABLE answers (recording INTEGER NOT NULL REFERENCES recordings, condition INTEGER NOT NULL REFERENCES conditions,
    model INTEGER NOT NULL REFERENCES models, target INTEGER NOT NULL, logits BLOB NOT NULL, silence BLOB NOT NULL,
    rounded BLOB NOT NULL, PRIMARY KEY (recording, condition, model)) WITHOUT ROWID;
CREATE TABLE units (id INTEGER PRIMARY KEY, recording INTEGER NOT NULL REFERENCES recordings,
    condition INTEGER NOT NULL REFERENCES conditions, question INTEGER NOT NULL REFERENCES questions, target INTEGER NOT NULL,
    map BLOB NOT NULL, n_freq INTEGER NOT NULL, n_frames INTEGER NOT NULL, n_calls INTEGER NOT NULL, seconds REAL NOT NULL,
    UNIQUE (recording, condition, question));
CREATE TABLE masks (unit INTEGER NOT NULL REFERENCES units ON DELETE CASCADE, mask TEXT NOT NULL, control TEXT NOT NULL,
    logits_in BLOB, logits_out BLOB, heard_in BLOB, heard_out BLOB, area REAL, sps REAL, comp REAL, si_sdr REAL,
    log_spectral_distance REAL, PRIMARY KEY (unit, mask, control)) WITHOUT ROWID;
CREATE TABLE problems (recording INTEGER NOT NULL REFERENCES recordings, condition TEXT NOT NULL, model INTEGER NOT NULL,
    method TEXT NOT NULL, problem TEXT NOT NULL, PRIMARY KEY (recording, condition, model, method)) WITHOUT ROWID;
"""
BLOBS = ("logits_in", "logits_out", "heard_in", "heard_out")
NUMBERS = ("area", "sps", "comp", "si_sdr", "log_spectral_distance")


def connect(path: Path, *, writing: bool) -> sqlite3.Connection:
    """Open a file of results, made where it is to be written and there is none.

    Raises
    ------
    FileNotFoundError
        There is none to read, or no folder to write it into.
    ValueError
        It is no file of results, or of another version.
    """
    if not path.exists() and not writing:
        raise FileNotFoundError(f"There is no file {path}. Make one with `hearwhy evaluate DATA --out {path}`.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} for {path.name}. Make it first.")
    try:
        file = sqlite3.connect(path, timeout=60, isolation_level=None)
        file.execute("PRAGMA foreign_keys = ON")
        if writing:
            file.execute("PRAGMA journal_mode = WAL")
            file.execute("PRAGMA synchronous = NORMAL")  # in WAL a kill loses nothing; a power cut the last units at most
            _make(file)
        version = file.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
    except sqlite3.DatabaseError as error:
        raise ValueError(f"{path} is no file of results of `hearwhy evaluate` ({error}); give another.") from error
    if version is None or version[0] != str(VERSION):
        raise ValueError(f"{path} has version {version and version[0]} of the tables, and this hearwhy reads {VERSION}; "
                         "evaluate into another file.")  # fmt: skip
    return file


def _make(file: sqlite3.Connection) -> None:
    file.execute("BEGIN IMMEDIATE")
    there = file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if not there:
        for statement in filter(None, (part.strip() for part in SCHEMA.split(";"))):
            file.execute(statement)
        file.execute("INSERT INTO meta VALUES ('version', ?)", (str(VERSION),))
    file.execute("COMMIT")


def packed(numbers: Tensor) -> bytes:
    """Return numbers as float32, least byte first."""
    return numbers.detach().to("cpu", torch.float32).contiguous().numpy().astype("<f4").tobytes()


def unpacked(blob: bytes) -> Float[Tensor, " number"]:
    """Return what `packed` wrote."""
    return torch.from_numpy(np.frombuffer(blob, "<f4").astype(np.float32))


def packed_map(values: Float[Tensor, "freq frame"]) -> bytes:
    """Return a map compressed without loss: float32, the first bytes of all values, then the second ones, and so on."""
    planes = np.frombuffer(packed(values), np.uint8).reshape(-1, 4).T
    return zlib.compress(planes.tobytes(), 1)


def unpacked_map(blob: bytes, n_freq: int, n_frames: int) -> Float[Tensor, "freq frame"]:
    """Return what `packed_map` wrote, to the bit."""
    planes = np.frombuffer(zlib.decompress(blob), np.uint8).reshape(4, -1)
    return unpacked(planes.T.tobytes()).reshape(n_freq, n_frames)
