"""Reading a file of results: what was asked and answered, as tensors that metrics take."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hearwhy.evaluate.schema import connect, unpacked, unpacked_map
from hearwhy.masks import ALL_MASKS, make_mask
from hearwhy.metrics import METRICS
from hearwhy.metrics import evaluate as compute
from hearwhy.types import Activation

IDENTITY, EMPTY = "identity", "empty"
_STORED = ("sps", "comp", "si_sdr", "log_spectral_distance")


@dataclass(frozen=True, eq=False)
class Group:
    """Everything that was asked of one model with one method under one condition.

    Parameters
    ----------
    about
        model, condition, protocol, method, seed, components, background: what tells groups apart in a table.
    activation, labels
        The model's.
    units, recordings
        Numbers of the units and of their recordings, in the order of the recordings.
    target, fold, source
        Of each unit.
    ends
        The model's numbers for X, silence, and X rounded, (unit, 3, label).
    """

    about: dict[str, Any]
    activation: Activation
    labels: tuple[str, ...]
    units: tuple[int, ...]
    target: Int[Tensor, " unit"]
    fold: tuple[int, ...]
    source: tuple[str, ...]
    ends: Float[Tensor, "unit 3 label"]


@dataclass(frozen=True, eq=False)
class Measured:
    """A mask's or control's metrics, (unit,) each, for the units (their places in the group) that have it."""

    mask: str
    control: str
    places: tuple[int, ...]
    metrics: dict[str, Tensor]


class Results:
    """A file of results, opened to be read.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is no file of results, or of another version.
    """

    def __init__(self, path: str | Path) -> None:
        self._file = connect(Path(path), writing=False)

    def __enter__(self) -> Results:
        return self

    def __exit__(self, *rest: object) -> None:
        self._file.close()

    def groups(self) -> Iterator[Group]:
        """Yield every group that has units."""
        for row in self._file.execute(
            "SELECT DISTINCT questions.id, condition, model, models.name, fingerprint, conditions.name, protocol, method, "
            "seed, components, background, scale, activation, labels FROM units JOIN questions ON question = questions.id "
            "JOIN models ON model = models.id JOIN conditions ON condition = conditions.id "
            "ORDER BY model, condition, protocol, questions.id"
        ).fetchall():
            question, condition, model, name, fingerprint, *rest = row
            keys = ("condition", "protocol", "method", "seed", "components", "background", "scale")
            about = {"model": name, "fingerprint": fingerprint, **dict(zip(keys, rest, strict=False))}
            yield self._group(about, (condition, question), model, rest[-2], tuple(json.loads(rest[-1])))

    def _group(
        self, about: dict[str, Any], key: tuple[int, int], model: int, activation: Activation, labels: tuple[str, ...]
    ) -> Group:
        rows = self._file.execute(
            "SELECT units.id, units.target, fold, source, logits, silence, rounded FROM units "
            "JOIN recordings ON recordings.id = units.recording "
            "JOIN answers ON answers.recording = units.recording AND answers.condition = units.condition AND answers.model = ? "
            "WHERE units.condition = ? AND question = ? ORDER BY units.recording", (model, *key),
        ).fetchall()  # fmt: skip
        units, target, fold, source, *ends = zip(*rows, strict=True)
        numbers = torch.stack([torch.stack([unpacked(blob) for blob in column]) for column in ends], dim=1)
        return Group(about, activation, labels, units, torch.tensor(target), fold, source, numbers)

    def measured(self, group: Group, metrics: Sequence[str]) -> list[Measured]:
        """Return the metrics of every mask and control of a group that can be computed."""
        places = {unit: place for place, unit in enumerate(group.units)}
        held: dict[tuple[str, str], list[sqlite3.Row]] = {}
        for start in range(0, len(group.units), 500):
            some = group.units[start : start + 500]
            cursor = self._file.execute(f"SELECT * FROM masks WHERE unit IN ({', '.join('?' * len(some))}) ORDER BY unit", some)
            columns = [column[0] for column in cursor.description]
            for values in cursor:
                row = dict(zip(columns, values, strict=True))
                held.setdefault((row["mask"], row["control"]), []).append(row)  # type: ignore[arg-type]
        order = {name: i for i, name in enumerate(ALL_MASKS)}
        keys = sorted(held, key=lambda key: (bool(key[1]), key[1], order.get(key[0], len(order)), key[0]))
        found = [self._measure(group, key, held, places, metrics) for key in keys]
        return [*found, *self._ends(group, metrics)]

    def _measure(
        self, group: Group, key: tuple[str, str], held: Any, places: dict[int, int], metrics: Sequence[str]
    ) -> Measured:
        rows = sorted(held[key], key=lambda row: places[row["unit"]])
        own = {row["unit"]: row for row in held.get((key[0], ""), [])}  # a control has the mask's own values
        at = [places[row["unit"]] for row in rows]
        given: dict[str, Any] = {"logits": group.ends[at, 0], "target": group.target[at]}
        for name, column in _LOGITS.items():
            if all(row[column] is not None for row in rows):
                given[name] = torch.stack([unpacked(row[column]) for row in rows])
        stored = {}
        for name in _STORED:
            source = [own.get(row["unit"], row) for row in rows] if name in ("sps", "comp") else rows
            if all(row[name] is not None for row in source):
                stored[name] = torch.tensor([row[name] for row in source], dtype=torch.float64)
        if {"sps_map", "comp_map"} & set(metrics):
            given["values"] = torch.stack([self._values(row["unit"]) for row in rows])
        return Measured(*key, tuple(at), _metrics(given, stored, group, metrics))

    def _values(self, unit: int) -> Tensor:
        return unpacked_map(*self._file.execute("SELECT map, n_freq, n_frames FROM units WHERE id = ?", (unit,)).fetchone())

    def mask(self, unit: int, line: str, *, protocol: Any = "corrected") -> Tensor:
        """Return a mask of a unit's map, made anew."""
        return make_mask(line, self._values(unit), protocol=protocol)

    def _ends(self, group: Group, metrics: Sequence[str]) -> list[Measured]:
        """Everything kept, and nothing kept: known from the answers to X and to silence."""
        whole = group.ends[:, 2 if group.about["protocol"] == "paper" else 0]
        silence, places = group.ends[:, 1], tuple(range(len(group.units)))
        shape = self._file.execute("SELECT n_freq, n_frames FROM units WHERE id = ?", group.units[:1]).fetchone()
        found = []
        for control, kept, removed in ((IDENTITY, whole, silence), (EMPTY, silence, whole)):
            mask = torch.full((len(places), *shape), control == IDENTITY)
            given = {"logits": group.ends[:, 0], "target": group.target, "logits_in": kept, "logits_out": removed, "mask": mask}
            found.append(Measured("", control, places, _metrics(given, {}, group, metrics)))
        return found

    def answered(self) -> list[dict[str, Any]]:
        """Return every answer to a recording: model, condition, fold, source, category and the label that is highest."""
        rows = self._file.execute(
            "SELECT models.name, fingerprint_of, conditions.name, fold, source, category, labels, logits FROM answers "
            "JOIN (SELECT id, name, labels, fingerprint AS fingerprint_of FROM models) models ON model = models.id "
            "JOIN conditions ON condition = conditions.id JOIN recordings ON recording = recordings.id "
            "ORDER BY model, condition, recording"
        )
        keys = ("model", "fingerprint", "condition", "fold", "source", "category")
        return [
            dict(zip(keys, row, strict=False)) | {"labels": json.loads(row[6]), "label": int(unpacked(row[7]).argmax())}
            for row in rows
        ]

    def failed_gradients(self) -> list[str]:
        """Return the names of models whose slope disagrees with finite differences."""
        rows = self._file.execute("SELECT name, gradient_check FROM models WHERE gradient_check IS NOT NULL")
        return [name for name, check in rows if not json.loads(check)["passed"]]

    def n_problems(self) -> int:
        """Return how many units could not be asked."""
        return int(self._file.execute("SELECT count(*) FROM problems").fetchone()[0])


_LOGITS = {"logits_in": "logits_in", "logits_out": "logits_out", "heard_logits_in": "heard_in", "heard_logits_out": "heard_out"}


def _metrics(given: dict[str, Any], stored: dict[str, Tensor], group: Group, metrics: Sequence[str]) -> dict[str, Tensor]:
    """Return the metrics of `metrics` that can be had, in their order."""
    possible = [n for n in metrics if n not in stored and set(METRICS[n].needs.values()) <= given.keys()]
    made = compute(given, possible, activation=group.activation, protocol=group.about["protocol"])
    return {name: stored[name] if name in stored else made[name] for name in metrics if name in stored or name in made}
