"""Tables 2 and 3 with the published numbers beside ours, the controls, and how good the separators are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from counting import over_songs, share
from explaining import RESIDUAL
from rows import Row, groups, is_confounded, where
from setting import METHODS, VERSIONS

PUBLISHED_ACCURACY = {
    ("t_dr-gtr", "gpdb"): "99.87 ±0.28", ("t_dr-pno", "gpdb"): "12.58 ±2.98",
    ("t_dr-gtr", "gpdbs"): "99.24 ±0.69", ("t_dr-pno", "gpdbs"): "4.58 ±2.71",
}  # fmt: skip
PUBLISHED_DRUMS = {
    ("oracle", "none", "gpdb"): "99.90 ±0.29", ("oracle", "none", "gpdbs"): "99.41 ±0.90",
    ("cerberus", "part", "gpdb"): "99.90 ±0.29", ("cerberus", "part", "gpdbs"): "99.90 ±0.30",
    ("ova", "drop", "gpdb"): "100.00 ±0.00", ("ova", "drop", "gpdbs"): "99.89 ±0.31",
    ("ova", "part", "gpdb"): "99.61 ±0.65", ("ova", "part", "gpdbs"): "99.60 ±0.50",
}  # fmt: skip
HOW = {
    ("oracle", "none"): "oracle", ("cerberus", "part"): "Cerberus + res", ("cerberus", "drop"): "Cerberus",
    ("ova", "drop"): "OVA", ("ova", "part"): "OVA + res",
}  # fmt: skip
"""What each separation is called, in the order of the table."""
LEAST_IMPROVEMENT_DB = 5.0


def table(head: Sequence[str], lines: Sequence[Sequence[Any]]) -> str:
    """Return a Markdown table."""
    every = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in every) + "\n"


def of_accuracies(figures: list[Row]) -> str:
    """Return table 2, with the controls and the weights that ship."""
    lines = []
    for (kind, origin), some in groups(figures, lambda row: (row["kind"], row["origin"])).items():
        for (test_set, version), rows in groups(some, lambda row: (row["test_set"], row["version"])).items():
            each = [row["accuracy"] for row in rows]
            spread = f" ±{np.std(each, ddof=1):.2f}" if len(each) > 1 else ""
            theirs = PUBLISHED_ACCURACY.get((test_set, version), "") if kind == "confounded" else ""
            lines.append((kind, origin, len(each), test_set, version, theirs, f"{np.mean(each):.2f}{spread}"))
    head = ("network", "weights", "runs", "test set", "version", "published", "ours")
    return "## Table 2: accuracy in %\n\n" + table(head, lines)


def of_drums(rows: list[Row], separations: list[Row]) -> str:
    """Return table 3: how often drums are most important where they made a piano a guitar."""
    lines = []
    mine = [row for row in where(rows, kind="confounded", origin="trained", test_set="t_dr-pno") if is_confounded(row)]
    for version in VERSIONS:
        for (how, residual), name in HOW.items():
            some = where(mine, version=version, separation=how, rest=residual)
            ours = [share(where(some, method=method), "top", "drums") for method in METHODS]
            blind = [share(where(some, method="lime"), key, "drums") for key in ("loudest", "guess")]
            theirs = PUBLISHED_DRUMS.get((how, residual, version), "not given")
            lines.append((version, name, drum_gain(separations, how, version), theirs, *ours, *blind))
    head = (
        "version",
        "components",
        "drums' SI-SDR gained, dB",
        "published",
        "lime (paper)",
        "shapley",
        "loudest part",
        "by lot",
    )
    return (
        "## Table 3: drums most important, in % of the pianos with drums that are taken for guitars (t_dr-pno)\n\n"
        "Ties count as wrong, and parts that are not there never rank. All masks. `lime` as published, on the probability; "
        "`shapley` on the log-odds. The last two columns know nothing of the network.\n\n" + table(head, lines)
    )


def drum_gain(separations: list[Row], how: str, version: str) -> str:
    """Return by how much a separator improves the drums, over the snippets of table 3, and whether that is little."""
    if how == "oracle":
        return "true stems"
    some = where(separations, separation=how, version=version, source="drums", test_set="t_dr-pno", label="piano")
    found = over_songs([row["improvement"] for row in some], some)
    if found is None:
        return "too few songs"
    little = "" if float(found.mean) >= LEAST_IMPROVEMENT_DB else f", less than {LEAST_IMPROVEMENT_DB:g}"
    return f"{float(found.mean):.2f} [{float(found.low):.1f}, {float(found.high):.1f}]{little}"


CONTROLS = (("independent", "t_dr-pno", "drums"), ("bass", "t_bs-pno", "bass"), ("bass", "t_dr-pno", "bass"))
"""Kind, test set, and the part whose share stands for the answers that know nothing."""


def of_controls(rows: list[Row]) -> str:
    """Return the same for networks that were not confounded, or by the bass; a method that always says drums fails here."""
    lines = []
    for kind, test_set, confounder in CONTROLS:
        mine = [row for row in where(rows, kind=kind, test_set=test_set, label="piano") if row["origin"] != "untrained"]
        for key, some in groups(mine, lambda r: (r["origin"], r["version"], r["separation"], r["rest"])).items():
            lines.append((kind, key[0], test_set, key[1], HOW[key[2:]], *_of_control(some, confounder)))
    head = ("network", "weights", "test set", "version", "components", "wrong", "wrong: drums", "wrong: bass",
            "all", "all: drums", "all: bass", "loudest part", "by lot")  # fmt: skip
    return (
        "## Controls: drums and bass most important, in % of the pianos in which both play\n\n"
        "`lime` / `shapley`. `wrong`: taken for a guitar; `all`: whatever the network says. The last two columns are of the "
        "confounder (drums for `independent`, bass for `bass`) among all.\n\n" + table(head, lines)
    )


def _of_control(rows: list[Row], confounder: str) -> list[str]:
    cells = []
    for part in ([row for row in rows if is_confounded(row)], rows):
        cells.append(str(len(where(part, method="lime"))))
        for stem in ("drums", "bass"):
            found = [share(where(part, method=method), "top", stem) for method in METHODS]
            cells.append(" / ".join(f"{one.mean:.1f}" for one in found) if part else "")
    return cells + [f"{share(where(rows, method='lime'), key, confounder).mean:.1f}" for key in ("loudest", "guess")]


def of_context(rows: list[Row]) -> str:
    """Return how often drums are most important in each cell of the confusion matrix, true stems, published LIME."""
    mine = where(rows, kind="confounded", origin="trained", separation="oracle", method="lime")
    lines = []
    for (test_set, version, label, predicted), some in sorted(
        groups(mine, lambda row: (row["test_set"], row["version"], row["label"], row["predicted"])).items()
    ):
        play = label == ("piano" if test_set.endswith("-pno") else "guitar")
        counted = [share(some, "top", top) for top in ("drums", "none")]
        counted += [share(some, key, "drums") for key in ("loudest", "guess")]
        lines.append((test_set, version, label, predicted, "yes" if play else "no", *counted))
    head = ("test set", "version", "it is", "the network says", "drums play", "drums most important", "nothing speaks for it",
            "loudest part", "by lot")  # fmt: skip
    return (
        "## Right and wrong answers: true stems, `lime`, in %\n\nAll explained networks together (t_dr-gtr: run 0).\n\n"
        + table(head, lines)
    )


def of_separators(separations: list[Row]) -> str:
    """Return how good the separators are on the very snippets of table 3."""
    lines = []
    mine = where(separations, test_set="t_dr-pno", label="piano")
    for (how, version, source), some in groups(mine, lambda r: (r["separation"], r["version"], r["source"])).items():
        after, gained = (over_songs([row[key] for row in some], some) for key in ("si_sdr", "improvement"))
        if after is not None and gained is not None:
            inside = f"[{float(gained.low):.1f}, {float(gained.high):.1f}]"
            lines.append((how, version, source, f"{float(after.mean):.1f}", f"{float(gained.mean):.1f} {inside}", len(some)))
    head = ("separator", "version", "source", "SI-SDR, dB", "improvement, dB (95 %, songs)", "snippets")
    return f"## How good the separators are (pianos with drums, t_dr-pno)\n\nWithout a {RESIDUAL}.\n\n" + table(head, lines)
