"""Crossed: the values of a product of two divisions, sources by times say, as a table with the sums of its rows and columns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from hearwhy.report.case import Case

MAX_CROSSED = 24  # rows or columns; more cannot be read


@dataclass(frozen=True)
class Crossed:
    """Values laid out as two divisions cross.

    Parameters
    ----------
    columns
        Names across.
    rows
        ``name``, ``cells`` (value, share of the largest, whether it is absent) and their ``sum``.
    sums
        Of every column.
    """

    columns: tuple[str, ...]
    rows: list[dict[str, Any]]
    sums: list[float]

    @staticmethod
    def of(case: Case) -> Crossed | None:
        """Return the table of a case; None where its components are no product of two, or too many to be read."""
        shape, a = case.attribution.shape, case.attribution
        if len(shape) != 2 or min(shape) < 2 or max(shape) > MAX_CROSSED or a.spectrum is not None:
            return None
        names = _names(tuple(a.names), shape)
        if names is None:
            return None
        full, n = max(abs(value) for value in case.values) or 1.0, shape[1]
        rows = []
        for i, name in enumerate(names[0]):
            cells = [
                {"value": case.values[k], "share": abs(case.values[k]) / full, "absent": case.absent[k]}
                for k in range(i * n, (i + 1) * n)
            ]
            rows.append({"name": name, "cells": cells, "sum": sum(case.values[i * n : (i + 1) * n])})
        return Crossed(names[1], rows, [sum(case.values[j::n]) for j in range(n)])


def _names(names: tuple[str, ...], shape: tuple[int, ...]) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """What stands before and behind the " / " of the names; None where they are not made of two that way."""
    n = shape[1]
    for at in (match.start() for match in re.finditer(" / ", names[0])):
        second = tuple(name[at + 3 :] for name in names[:n])
        first = tuple(name.removesuffix(f" / {second[0]}") for name in names[::n])
        if tuple(f"{a} / {b}" for a in first for b in second) == names:
            return first, second
    return None
