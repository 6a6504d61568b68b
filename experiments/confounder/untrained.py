"""Figure 3 in numbers: what networks hold most important before they learn, and whether training changes it."""

from __future__ import annotations

import numpy as np
from counting import entropy, permutation
from rows import Row, groups, where
from setting import METHODS, VERSIONS
from tables import table

from hearwhy.datasets.band.presets import STEMS

CHOSEN = (*STEMS, "none", "tie")


def snippets_of_figure_3(rows: list[Row], version: str, method: str = "lime") -> tuple[list[Row], list[Row]]:
    """Return the explanations by untrained networks, and by the confounded ones of the same snippets, with true stems."""
    mine = where(rows, test_set="t_dr-pno", version=version, separation="oracle", method=method)
    fresh = where(mine, origin="untrained")
    chosen = {(row["song"], row["snippet"]) for row in fresh}
    trained = [row for row in where(mine, origin="trained", kind="confounded") if (row["song"], row["snippet"]) in chosen]
    return fresh, trained


def of_untrained(rows: list[Row]) -> str:
    """Return each network's choices with their entropy, and trained against untrained networks."""
    lines, tests = [], []
    for version in VERSIONS:
        for name, side in zip(("untrained", "confounded"), snippets_of_figure_3(rows, version), strict=True):
            lines += [(version, name, run, *_choices(some)) for run, some in groups(side, lambda row: row["run"]).items()]
        tests += [_test(version, method, *snippets_of_figure_3(rows, version, method)) for method in METHODS]
    head = ("version", "network", "run", "says guitar", *CHOSEN, "entropy, nats", "is the loudest part, %")
    head_2 = ("version", "method", "trained, %", "untrained, %", "difference (95 %, networks)", "p (permutation of networks)",
              "entropy over all untrained, nats", "loudest part, %")  # fmt: skip
    return (
        "## Figure 3: ten networks without training, one snippet of every test song (t_dr-pno, true stems)\n\n"
        "How often each part is most important for what the network itself says (`lime`). Uniform over two parts has "
        "an entropy of 0.69 nats, over three 1.10, over four 1.39.\n\n" + table(head, lines) + "\nDrums most important, in % "
        "of the snippets in which drums play; the network is the unit.\n\n" + table(head_2, [line for line in tests if line])
    )


def _choices(rows: list[Row]) -> list[object]:
    tops = [row["top"] for row in rows]
    guitars = sum(row["predicted"] == "guitar" for row in rows)
    follows = 100 * np.mean([row["top"] == row["loudest"] for row in rows])
    return [guitars, *(tops.count(name) for name in CHOSEN), f"{entropy(tops):.2f}", f"{follows:.0f}"]


def _test(version: str, method: str, fresh: list[Row], trained: list[Row]) -> tuple[str, ...]:
    shares = [
        [
            100 * np.mean([row["top"] == "drums" for row in some])
            for some in groups(_with_drums(side), lambda r: r["run"]).values()
        ]
        for side in (trained, fresh)
    ]
    if not all(shares):
        return ()
    found = permutation(*shares)
    loudest = 100 * np.mean([row["loudest"] == "drums" for row in _with_drums(fresh)])
    sides = (f"{np.mean(side):.1f} (from {min(side):.0f} to {max(side):.0f})" for side in shares)
    return (version, method, *sides, f"{found.difference:.1f} [{found.low:.1f}, {found.high:.1f}]", f"{found.p:.3g}",
            f"{entropy(row['top'] for row in fresh):.2f}", f"{loudest:.0f}")  # fmt: skip


def _with_drums(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["drums"] is not None]
