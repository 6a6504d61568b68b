"""The paper's two side claims: the residual is negligible, and the answer does not depend on the separator."""

from __future__ import annotations

import numpy as np
from counting import over_songs, paired, rank_agreement, residual_share, share
from explaining import RESIDUAL
from rows import Row, groups, is_confounded, where
from setting import METHODS
from tables import HOW, table


def of_residual(rows: list[Row], separations: list[Row]) -> str:
    """Return how loud the residual is, how much it counts, and whether leaving it out changes the answer."""
    lines = []
    mine = [row for row in where(rows, origin="trained", test_set="t_dr-pno", label="piano") if row["separation"] != "oracle"]
    for (how, kind, version), some in groups(mine, lambda r: (r["separation"], r["kind"], r["version"])).items():
        levels = [
            r["residual_db"] for r in where(separations, separation=how, version=version, test_set="t_dr-pno", label="piano")
        ]
        for method in METHODS:
            of_method = where(some, method=method)
            with_it = where(of_method, rest="part")
            pairs = paired(of_method, (how, "part"), (how, "drop"))
            same = [row | {"same": row["top"] == other["top"]} for row, other in pairs]
            lines.append((how, kind, version, method, f"{np.median(levels):.1f}", share(with_it, "top", RESIDUAL),
                          f"{np.mean([residual_share(row) for row in with_it]):.1f}" if with_it else "",
                          share(same, "same", True)))  # fmt: skip
    head = ("separator", "network", "version", "method", "its level against the mix, dB (median)", "it ranks first, %",
            "its share of all absolute values, %", "same most important part without it, %")  # fmt: skip
    return "## Side claim 1: the residual is negligible (pianos with drums, t_dr-pno)\n\n" + table(head, lines)


def of_agreement(rows: list[Row]) -> str:
    """Return how often a separator leads to the same answer as the true stems."""
    lines = []
    mine = where(rows, origin="trained", test_set="t_dr-pno", label="piano")
    for (kind, version, method), some in groups(mine, lambda r: (r["kind"], r["version"], r["method"])).items():
        for (how, residual), name in HOW.items():
            pairs = paired(some, ("oracle", "none"), (how, residual))
            if how == "oracle" or not pairs:
                continue
            firsts = [first for first, _ in pairs]
            same = over_songs([100.0 * (first["top"] == second["top"]) for first, second in pairs], firsts)
            ranks = over_songs([rank_agreement(first, second) for first, second in pairs], firsts)
            n_wrong = sum(is_confounded(first) for first in firsts)
            cells = ("too few songs", "") if same is None or ranks is None else (_inside(same, 1), _inside(ranks, 2))
            lines.append((kind, version, method, name, f"{len(pairs)} ({n_wrong})", *cells))
    head = ("network", "version", "method", "components", "snippets (taken for guitars)",
            "same most important part as with true stems, % (95 %, songs)", "rank correlation (95 %, songs)")  # fmt: skip
    return (
        "## Side claim 2: the answer does not depend on the separator (pianos with drums, t_dr-pno)\n\n"
        "The rank correlation is Spearman's, over the instruments that play. Where drums always win, agreement is no test: "
        "`independent` is.\n\n" + table(head, lines)
    )


def _inside(found, digits: int) -> str:  # type: ignore[no-untyped-def]
    return f"{float(found.mean):.{digits}f} [{float(found.low):.{digits}f}, {float(found.high):.{digits}f}]"
