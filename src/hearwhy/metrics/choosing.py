"""Choosing one mask per method from a table of metrics, as published."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.masks.controls import CONTROLS

Rule = Literal["published", "text"]
SEVEN = ("ff", "ai", "ad", "ag", "fid_in", "sps", "comp")
_LOWER_IS_BETTER = frozenset({"ad", "comp"})


@dataclass(frozen=True)
class Choice:
    """The best row of a table.

    Parameters
    ----------
    row
        Its place among all rows given.
    score
        Geometric mean of its scaled metrics, 0 to 1.
    """

    row: int
    score: float


def choose(
    rows: Sequence[Mapping[str, Any]], *, rule: Rule = "published", table: Sequence[str] = ("features", "condition", "method")
) -> dict[tuple[Hashable, ...], Choice]:
    """The best mask of each table, a table being the rows of one method under one condition.

    Every row is scored by `mask_scores`; the highest score wins, of equal ones (0 is frequent) the higher plain mean of the
    scaled metrics, then the earlier row. Rows whose "mask" names a control (`CONTROLS`, with anything in brackets) neither
    enter the scaling nor can be chosen. Choosing on the recordings that are then reported flatters the winner: give the
    rows of a validation fold.

    Parameters
    ----------
    rows
        One mapping a row: the columns of `table`, "mask", and the metrics ``ff ai ad ag fid_in sps comp``, each a mean over
        recordings.
    rule
        "published": metrics are scaled over all rows given, as the published winners were. "text": over the row's own table, as
        that paper's text says.
    table
        Columns that name a table.

    Returns
    -------
    dict
        Table to its `Choice`.

    Raises
    ------
    ValueError
        No such rule, a column is missing, or a metric is not finite.

    References
    ----------
    Pak & Teryokhina 2025, section IV-A. Deviation: ties, and columns without a spread, which they do not mention.

    Examples
    --------
    >>> best = dict(ff=1, ai=9, ad=1, ag=9, fid_in=1, sps=1, comp=1)
    >>> worst = dict(ff=0, ai=0, ad=9, ag=0, fid_in=0, sps=0, comp=9)
    >>> rows = [dict(worst, method="lime", mask="sigmoid"), dict(best, method="lime", mask="binary")]
    >>> choose(rows, table=["method"])
    {('lime',): Choice(row=1, score=1.0)}
    """
    candidates = [i for i, row in enumerate(rows) if str(row.get("mask", "")).partition("(")[0] not in CONTROLS]
    missing = {key for i in candidates for key in (*table, "mask", *SEVEN) if key not in rows[i]}
    if missing:
        raise ValueError(
            f"Every row of the table needs {', '.join((*table, 'mask', *SEVEN))}; missing: {', '.join(sorted(missing))}."
        )
    keys = [tuple(rows[i][name] for name in table) for i in candidates]
    metrics = torch.tensor([[float(rows[i][name]) for name in SEVEN] for i in candidates], dtype=torch.float64)
    scores, means = mask_scores(metrics.reshape(-1, len(SEVEN)), keys, rule=rule)
    ranked = sorted(range(len(candidates)), key=lambda i: (-float(scores[i]), -float(means[i]), i))
    best = {keys[i]: i for i in reversed(ranked)}
    return {key: Choice(candidates[best[key]], float(scores[best[key]])) for key in dict.fromkeys(keys)}


def mask_scores(
    metrics: Float[Tensor, "row metric"], tables: Sequence[Hashable], *, rule: Rule = "published"
) -> tuple[Float[Tensor, " row"], Float[Tensor, " row"]]:
    """Geometric and plain mean of the seven metrics of each row, each scaled to [0, 1] with 1 the best.

    Degenerate: a metric that is the same in all rows it is scaled over has no say, and counts 1.

    Parameters
    ----------
    metrics
        ``ff ai ad ag fid_in sps comp``, in this order, (row, 7); `ad` and `comp` are turned round.
    tables
        The table each row belongs to.
    rule
        Scale over all rows ("published") or over those of the same table ("text").

    Returns
    -------
    tuple
        Two times (row,), 0 to 1.

    Raises
    ------
    ValueError
        No such rule, shapes do not fit, or a metric is not finite.
    """
    if rule not in ("published", "text"):
        raise ValueError(f"A mask is chosen by the rule 'published' or 'text'; got {rule!r}.")
    if metrics.shape != (len(tables), len(SEVEN)) or not torch.isfinite(metrics).all():
        raise ValueError(
            f"Choosing needs {len(SEVEN)} finite metrics for each of {len(tables)} rows; got {tuple(metrics.shape)}."
        )
    scaled = torch.empty_like(metrics)
    together: dict[Hashable, list[int]] = {}
    for i, table in enumerate(tables):
        together.setdefault(table if rule == "text" else None, []).append(i)
    for rows in together.values():
        low, high = metrics[rows].amin(0), metrics[rows].amax(0)
        spread = torch.where(high > low, high - low, 1.0)
        up = torch.where(high > low, (metrics[rows] - low) / spread, 1.0)
        down = torch.where(high > low, (high - metrics[rows]) / spread, 1.0)
        scaled[rows] = torch.where(torch.tensor([name in _LOWER_IS_BETTER for name in SEVEN]), down, up)
    return scaled.prod(1) ** (1 / len(SEVEN)), scaled.mean(1)
