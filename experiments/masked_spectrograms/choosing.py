"""Which mask is best for each method: by the paper's two rules, and chosen on another fold than it is reported on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from asking import TEST, VALIDATION
from rows import Row, means

from hearwhy.masks import PAPER_MASKS
from hearwhy.metrics import choose

PLACES = (("stft", "clean"), ("mel", "clean"), ("mel", "white"), ("mel", "room"), ("mel", "horse"))
"""Tables II to VI, in the paper's order."""
METHODS = ("saliency", "grad_cam", "lime", "deep_shap")
TABLE = ("features", "condition", "method")
PUBLISHED_BEST = {
    ("stft", "clean"): ("topK_50_pos", "topK_50_pos", "bin", "topK_50_pos"),
    ("mel", "clean"): ("topK_50_pos", "bin", "bin", "sigmoid"),
    ("mel", "white"): ("topK_50_pos", "bin", "bin", "sigmoid"),
    ("mel", "room"): ("topK_50_pos", "bin", "bin", "sigmoid"),
    ("mel", "horse"): ("minmax", "bin", "bin", "sigmoid"),
}
"""Masks of tables II to VI, in the order of `METHODS`."""
N_CELLS = {"stft": 257 * 313, "mel": 64 * 501}


def of_mask(rows: Iterable[Row], protocol: str, fold: int, *, control: str = "") -> list[Row]:
    """Return the means of every mask (or of its control) under a protocol and on a fold, a row each."""
    some = [row for row in rows if (row["protocol"], row["fold"], row["control"]) == (protocol, fold, control)]
    return list(means(some, *TABLE, "mask").values())


def winners(table: Sequence[Row], rule: Any) -> dict[tuple[Any, ...], str]:
    """Return the mask that a rule chooses for every method under every condition."""
    return {place: table[choice.row]["mask"] for place, choice in choose(table, rule=rule, table=TABLE).items()}


def our_winners(rows: Iterable[Row]) -> dict[str, dict[tuple[Any, ...], str]]:
    """Return the masks chosen in each way: by the paper's rules on the reported fold, and on the validation fold."""
    rows = list(rows)
    published = [row for row in of_mask(rows, "paper", TEST) if row["mask"] in PAPER_MASKS]
    found = {"published": winners(published, "published"), "text": winners(published, "text")} if published else {}
    held_out = of_mask(rows, "corrected", VALIDATION)
    return found | ({"corrected": winners(held_out, "published")} if held_out else {})


def published_winners(published: Sequence[Row]) -> dict[str, dict[tuple[Any, ...], str]]:
    """Return the masks that the two rules choose from the published rows."""
    return {"published": winners(published, "published"), "text": winners(published, "text")}


def share_unmasked(row: Row) -> tuple[float, float]:
    """Return, twice, the share of clips on which a published ``topK_50_pos`` mask kept everything.

    A mask of ones scores 0 in COMP and SPS, one that keeps half of the cells ln(cells / 2) and 0.5; so the mean of either
    tells how many were of which kind.
    """
    return 1 - row["comp"] / math.log(N_CELLS[row["features"]] / 2), 1 - row["sps"] / 0.5
