"""Tables: what was found, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from counting import (
    MAX_REFERENCE_STDERR,
    Spread,
    counted,
    global_agreement,
    groups,
    local_agreement,
    mean_sizes,
    shared_top,
    spearman,
    where,
    wins,
)
from setting import OURS, SCALES, SHAP
from working import Rows

SPOKEN = {"probability": "probabilities, as the tutorial", "log_odds": "log-odds, hearwhy's own scale"}
PAIRS = (("lime", "shap"), ("lime (paper)", "shap"), ("shap", "shap"), ("lime", "lime"), ("lime (paper)", "lime (paper)"))
METHODS = (*OURS, *SHAP)


def all_tables(found: dict[str, Rows], curves: dict[str, dict[str, Any]], errors: Rows) -> str:
    """Return all tables whose rows are there."""
    parts = ["# Tables\n\nWritten by `run.py`."]
    makers = {
        "scores": lambda: score_tables(found["scores"], curves), "references": lambda: reference_table(found["references"]),
        "anchors": lambda: anchor_table(found["anchors"]), "estimates": lambda: error_tables(errors),
        "beside": lambda: beside_tables(found["beside"]), "fills": lambda: fill_table(found["fills"]),
        "costs": lambda: cost_table(found["costs"]),
    }  # fmt: skip
    parts += [make() for kind, make in makers.items() if kind in found]
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def score_tables(rows: Rows, curves: dict[str, dict[str, Any]]) -> str:
    """Return what each network is right about, and whom it takes for whom."""
    lines = []
    for (network, called), some in groups(rows, lambda row: (row["network"], row["set"])).items():
        n, right = sum(row["clips"] for row in some), sum(row["clips"] for row in some if row["is_a"] == row["said"])
        about = curves[network]
        kept = f"{about['epoch']} of {about['epochs']}"
        lines.append((network, called, n, f"{100 * right / n:.1f} % ±{100 * _deviation(right, n):.1f}", kept))
    text = "## Scores\n\n± is the binomial standard error.\n\n" + table(
        ("network", "set", "clips", "right", "epoch kept"), lines
    )
    for network in ("ours", "band"):
        some = [row for row in rows if row["network"] == network]
        for called, of_set in groups(some, lambda row: row["set"]).items():
            text += (
                f"\n\n{network}, {called}: a row for what a clip is, a column for what the network says\n\n{_confusion(of_set)}"
            )
    return text


def _deviation(right: int, n: int) -> float:
    return (right / n * (1 - right / n) / n) ** 0.5


def _confusion(rows: Rows) -> str:
    labels = sorted({row["is_a"] for row in rows} | {row["said"] for row in rows})
    count = {(row["is_a"], row["said"]): row["clips"] for row in rows}
    return table(("", *labels), [(f"**{is_a}**", *(count.get((is_a, said), 0) or "" for said in labels)) for is_a in labels])


def reference_table(rows: Rows) -> str:
    """Return how well the references are known."""
    head = (
        "scale", "masks", "rows known to under 1 %", "its standard error, median (lowest to highest)",
        "error by a second draw of masks", "as it said itself", "kernel_shap of the same masks differs", "as it said itself",
    )  # fmt: skip
    text = (
        "## The references\n\n`regression_adjusted`, relative to the length of the values; a row is a clip and a class. Second "
    )
    text += "draws, where there are any: root mean square; kernel_shap: median.\n\n"
    return text + table(head, [_reference_cells(scale, where(rows, scale=scale)) for scale in SCALES])


def _reference_cells(scale: str, rows: Rows) -> tuple[object, ...]:
    twice = [row for row in rows if row["other_masks"] is not None]
    under = sum(row["stderr"] < MAX_REFERENCE_STDERR for row in rows)
    plain = [float(np.median([row[key] for row in rows])) for key in ("plain_difference", "plain_stderr")]
    second = [float(np.sqrt(np.mean([row[key] ** 2 for row in twice]))) for key in ("other_masks", "stderr") if twice]
    told = (f"{100 * number:.2f} %" for number in (second or [float("nan")] * 2) + plain)
    return (scale, rows[0]["masks"], f"{under} of {len(rows)}", _percent(Spread.of(row["stderr"] for row in rows)), *told)


def _percent(spread: Spread) -> str:
    return f"{100 * spread.median:.2f} % ({100 * spread.least:.2f} to {100 * spread.most:.2f})"


def anchor_table(rows: Rows) -> str:
    """Return the largest differences of what must be equal."""
    lines = []
    for (what, scale), some in groups(rows, lambda row: (row["what"], row["scale"])).items():
        lines.append((what, scale, len(some), f"{max(row['difference'] for row in some):.1e}"))
    text = "## What must be equal\n\nOur exact values against shap.ExactExplainer's on all masks of groups of coefficients, "
    text += "relative to the largest value; and the model's probabilities under a mask and for the tutorial's 40 values."
    return text + "\n\n" + table(("what", "scale", "clips", "largest difference"), lines)


def error_tables(errors: Rows) -> str:
    """Return the error curve."""
    known, rows_known, rows_all = counted(errors), _cases(counted(errors)), _cases(errors)
    text = "## The error curve\n\nRelative L2 error of the values of a clip and class; answering zero has 1. "
    text += f"Counted: {rows_known} of {rows_all} rows (clip, class, scale), those whose reference is known to under 1 %."
    head = (
        "masks",
        "method",
        "median",
        "10 to 90 %",
        "lowest to highest",
        "rows x seeds",
        "clips in which it beats both of shap's",
    )
    for scale in SCALES:
        lines = []
        for budget in sorted({row["masks"] for row in errors}):
            some = where(known, scale=scale, masks=budget)
            lines += [(budget, method, *_error_cells(some, method)) for method in METHODS]
        text += f"\n\n{SPOKEN[scale]}\n\n" + table(head, lines)
    gaps = [row["gap"] for row in errors if row["method"] in OURS]
    text += f"\n\nAdditivity: the sum of the values of each of our {len(gaps)} explanations misses f(clip) - f(removed) by at "
    return text + f"most {max(gaps):.1e} of the larger of the two."


def _cases(errors: Rows) -> int:
    return len({(row["clip"], row["target"], row["scale"]) for row in errors})


def _error_cells(rows: Rows, method: str) -> tuple[str, ...]:
    some = where(rows, method=method)
    if not some:
        return ("refuses so few", "", "", "", "")
    found = Spread.of(row["error"] for row in some)
    ranges = (f"{found.low:.3f} to {found.high:.3f}", f"{found.least:.3f} to {found.most:.3f}")
    return (f"**{found.median:.3f}**", *ranges, str(found.n), _beats(rows, method))


def _beats(rows: Rows, method: str) -> str:
    if method not in OURS:
        return ""
    won, of = wins(rows, method, tuple(SHAP))
    return f"{won} of {of}"


def beside_tables(rows: Rows) -> str:
    """Return how LIME and SHAP agree, and how each agrees with itself."""
    clips = len({row["clip"] for row in rows})
    text = f"## LIME beside SHAP\n\n{clips} clips; a method with itself is its stability: the same clip, other masks. Of one "
    text += "clip medians over clips (10 to 90 %); of the ranking of all clips medians over seeds."
    for scale in SCALES:
        lines = []
        for budget in sorted({row["masks"] for row in rows}):
            some = where(rows, scale=scale, masks=budget)
            for first, second in PAIRS:
                ranks, tops = local_agreement(some, first, second)
                over = global_agreement(some, first, second)
                pair = f"{first}, other seeds" if first == second else f"{first} and {second}"
                lines.append((budget, pair, _ranged(ranks), _ranged(tops), *(f"{over[key].median:.2f}" for key in over)))
        head = ("masks", "pair", "one clip: rank correlation", "one clip: share of the top 5", "all clips: rank correlation",
                "share of the top 5", "share of the top 20")  # fmt: skip
        text += f"\n\n{SPOKEN[scale]}\n\n" + table(head, lines)
    return text + "\n\n" + _tops(rows)


def _ranged(spread: Spread) -> str:
    return f"{spread.median:.2f} ({spread.low:.2f} to {spread.high:.2f})"


def _tops(rows: Rows) -> str:
    lines = []
    for scale in SCALES:
        some = where(rows, scale=scale, masks=max(row["masks"] for row in rows))
        means = mean_sizes(some)
        for method in ("shap", "lime"):
            size = np.mean([sizes for (name, _), sizes in means.items() if name == method], axis=0)
            order = np.argsort(-size)
            held = [f"{100 * size[order[:n]].sum() / size.sum():.0f} %" for n in (4, 20)]
            lines.append((scale, method, ", ".join(f"{i} ({size[i]:.3g})" for i in order[:10]), *held))
    text = "Coefficients with the largest mean |value| over clips and classes\n\n"
    return text + table(("scale", "method", "first ten", "of all sizes the first four", "the first twenty"), lines)


def fill_table(rows: Rows) -> str:
    """Return what the meaning of absent changes."""
    lines = []
    for fill, some in groups(rows, lambda row: row["fill"]).items():
        usual = {row["clip"]: row["values"] for row in where(rows, fill="mean")}
        pairs = [(row["values"], usual[row["clip"]]) for row in some]
        ranks, tops = Spread.of(spearman(*p) for p in pairs), Spread.of(shared_top(*p, 5) for p in pairs)
        removed = float(np.median([row["removed"] for row in some]))
        lines.append((fill, f"{removed:.3f}", some[0]["calls"], _ranged(ranks), _ranged(tops)))
    head = (
        "absent means",
        "probability with everything absent",
        "forward passes",
        "rank correlation with mean",
        "share of the top 5",
    )
    text = f"## What absent means\n\n`kernel_shap` on log-odds of the class that the model says, {rows[0]['masks']} masks, "
    text += f"{len(usual)} clips; medians (10 to 90 %). The background is the network's own, its training clips."
    return text + "\n\n" + table(head, lines)


def cost_table(rows: Rows) -> str:
    """Return calls and seconds."""
    lines = [
        (row["masks"], row["method"], row["calls"], f"{row['seconds']:.2f} s", f"{row['without_model']:.3f} s") for row in rows
    ]
    head = ("masks", "method", "forward passes", "processor time, 10 classes", "of which not the model's")
    return "## Cost\n\nOne clip, one thread.\n\n" + table(head, lines)
