"""Rows: the components as a panel lists them: strongest first, pieces of one part under it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from hearwhy import audio
from hearwhy.report import sound
from hearwhy.report.bars import Axis, axis
from hearwhy.report.case import Case, Whole
from hearwhy.report.summary import components
from hearwhy.result import Attribution

MAX_ROWS = 12  # components that are listed; the others stand folded up below
SAME = 1e-3  # of a value: pieces that sum to a part but for that sum to it


@dataclass(frozen=True, eq=False)
class Rows:
    """What a panel lists.

    Parameters
    ----------
    shown
        Rows of the summary of components, and those of the parts that they are pieces of (``kind`` "whole"), in order.
    folded
        The weaker components, which stand folded up below.
    axis
        On which the values of all that is shown stand.
    """

    shown: list[dict[str, Any]]
    folded: list[dict[str, Any]]
    axis: Axis

    @staticmethod
    def of(case: Case) -> Rows:
        """Return the rows of a target."""
        rows = components(case)
        for index, row in enumerate(rows):
            row |= {"index": index, "kind": "component", "label": row["name"]}
        listed = _strongest(rows)
        shown = _ordered(listed) if case.attribution.parents is None else _under_parents(case, listed)
        return Rows(shown, [row for row in _ordered(rows) if row not in listed], axis(shown))


def _ordered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["absent"], -row["value"]))


def _strongest(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(rows) <= MAX_ROWS:
        return rows
    return sorted((row for row in rows if not row["absent"]), key=lambda row: -abs(row["value"]))[:MAX_ROWS]


def _under_parents(case: Case, listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Parts that were split again with their pieces below; a part that was not stands for itself."""
    wholes = [_whole(case, whole) for whole in case.split_again]
    shown: list[dict[str, Any]] = []
    for whole in _ordered(wholes):
        pieces = _ordered([row for row in listed if row["index"] in whole["components"]])
        if len(whole["components"]) == 1:
            shown += pieces
        elif pieces:
            shown += [whole, *(row | {"kind": "piece", "label": str(case.piece(row["index"]))} for row in pieces)]
    return shown


def _whole(case: Case, whole: Whole) -> dict[str, Any]:
    a, pieces = case.attribution, list(whole.pieces)
    level = audio.level_db(a.parts[pieces].sum(dim=0)) - audio.level_db(a.recording.audio)
    apart = abs(whole.total - whole.value) > SAME * max(abs(whole.value), abs(whole.total))
    return {"kind": "whole", "name": str(whole.name), "label": str(whole.name), "components": pieces,
            "index": f"whole-{whole.number}", "value": whole.value, "sum": whole.total if apart else None, "ci95": None,
            "absent": all(case.absent[i] for i in pieces), "added": False,
            "level_db": level if math.isfinite(level) else None}  # fmt: skip


def whole_tracks(a: Attribution) -> list[sound.Track]:
    """Return the sounds of the parts that were split again, for a page that cannot mix their pieces itself."""
    if a.parents is None:
        return []
    split = [(k, a.parents.pieces(k)) for k in range(len(a.parents.names))]
    return [sound.Track(f"whole-{k}", a.parts[pieces].sum(dim=0)) for k, pieces in split if len(pieces) > 1]
