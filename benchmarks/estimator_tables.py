"""What the rows of `estimators.py` say: tables in Markdown, and a figure of errors against calls."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

Row = dict[str, str]
Cell = tuple[str, str]  # kind of game, masks
START, END = "<!-- written by benchmarks/estimators.py --table -->", "<!-- end -->"
NAMES = {
    "games-8": "games, 8", "games-12": "games, 12", "games-16": "games, 16", "sums-35": "sums, 35", "sums-40": "sums, 40",
    "sums-100": "sums, 100", "band-12": "band, 12", "band-16": "band, 16", "band-36": "band, 36", "musicnn-10": "musicnn, 10",
}  # fmt: skip
FIGURE = "games-16"
DRAWN_ONLY = {(FIGURE, "64"), (FIGURE, "1600")}  # cells that the figure and the ratios show well enough
DRAWN = {  # estimator: colour and line
    "kernel_shap": ("#c2410c", "-"), "regression_adjusted": ("#7c2d12", "-"), "permutation": ("#f59e0b", "-"),
    "shap KernelExplainer": ("#1d4ed8", "--"), "shap PermutationExplainer": ("#60a5fa", "--"),
    "captum KernelShap": ("#047857", ":"), "captum ShapleyValueSampling": ("#34d399", ":"),
}  # fmt: skip


def write(rows: list[Row], page: Path) -> None:
    """Put the tables between their marks on the page, and the figure beside it."""
    text = page.read_text() if page.exists() else f"# Estimators\n\n{START}\n{END}\n"
    before, after = text.split(START)[0], text.split(END)[1]
    page.write_text(f"{before}{START}\n\n" + "\n".join(tables(rows)) + f"\n\n{END}{after}")
    draw(rows, page.with_name("estimators.png"))


def tables(rows: list[Row]) -> Iterator[str]:
    """The ratios that matter, then errors, ranks and seconds, a column for each kind of game and number of masks."""
    found = {key: [r for r in rows if (r["kind"], r["masks"], r["estimator"]) == key] for key in keys(rows)}
    cells = sorted({key[:2] for key in found}, key=lambda cell: (list(NAMES).index(cell[0]), int(cell[1])))
    names = list(dict.fromkeys(key[2] for key in sorted(found, key=lambda key: order(key[2]))))
    yield from ratios(found, cells)
    cells = [cell for cell in cells if cell not in DRAWN_ONLY]
    yield "\n**Squared error over the squared size of the true values**: medians (and the least and greatest of a game).\n"
    yield from pivot(found, cells, names, errors, counts=True)
    yield "\n**Rank correlation** (Spearman, medians): with the true values / between two seeds.\n"
    yield from pivot(found, cells, names, ranks)
    yield "\n**Milliseconds of one core** an estimate, medians, the game's own included (it takes next to none).\n"
    yield from pivot(found, [cell for cell in cells if cell[0] != "band-36"], names, milliseconds)


def keys(rows: list[Row]) -> list[tuple[str, str, str]]:
    return list(dict.fromkeys((r["kind"], r["masks"], r["estimator"]) for r in rows))


def order(name: str) -> tuple[bool, bool, str]:
    """Ours first, LIME last."""
    return ("lime" in name.lower(), name[:4] in ("capt", "shap"), name)


def middle(rows: list[Row], what: str) -> float:
    return statistics.median(float(r[what]) for r in rows if r[what])


def errors(rows: list[Row]) -> str:
    games = [middle([r for r in rows if r["game"] == game], "error") for game in dict.fromkeys(r["game"] for r in rows)]
    return f"{middle(rows, 'error'):.2g}" + (f" ({min(games):.2g} to {max(games):.2g})" if len(games) > 1 else "")


def ranks(rows: list[Row]) -> str:
    between = f"{middle(rows, 'between'):.2f}" if any(r["between"] for r in rows) else "–"
    return f"{middle(rows, 'rank'):.2f} / {between}"


def milliseconds(rows: list[Row]) -> str:
    return f"{1000 * middle(rows, 'seconds'):.0f}"


def pivot(
    found: dict[tuple[str, str, str], list[Row]], cells: list[Cell], names: list[str], say: Callable[[list[Row]], str],
    *, counts: bool = False,
) -> Iterator[str]:  # fmt: skip
    yield "| | " + " | ".join(f"{NAMES[kind]}: {masks}" for kind, masks in cells) + " |"
    yield "|---|" + "---|" * len(cells)
    if counts:
        yield "| *games x seeds* | " + " | ".join(f"*{runs(found[(*cell, 'kernel_shap')])}*" for cell in cells) + " |"
    for name in names:
        yield f"| {name} | " + " | ".join(say(found[(*cell, name)]) if (*cell, name) in found else "" for cell in cells) + " |"


def runs(rows: list[Row]) -> str:
    return f"{len({r['game'] for r in rows})} x {len({r['seed'] for r in rows})}"


def ratios(found: dict[tuple[str, str, str], list[Row]], cells: list[Cell]) -> Iterator[str]:
    """Ours over KernelShap and KernelExplainer, medians; of the settings of the latter the one that does best."""
    yield "| components: masks | kernel_shap over captum | kernel_shap over shap | regression_adjusted over shap |"
    yield "|---|---|---|---|"
    for cell in cells:
        error = {name: middle(found[(*cell, name)], "error") for kind, masks, name in found if (kind, masks) == cell}
        best = min(value for name, value in error.items() if name.startswith("shap Kernel"))
        adjusted = f"{error['regression_adjusted'] / best:.2f}" if "regression_adjusted" in error else ""
        own = error["kernel_shap"]
        yield f"| {NAMES[cell[0]]}: {cell[1]} | {own / error['captum KernelShap']:.2f} | {own / best:.2f} | {adjusted} |"


def draw(rows: list[Row], file: Path) -> None:
    """Median errors of sixteen components against calls, both axes logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axes = figure.subplots()
    here = [r for r in rows if r["kind"] == FIGURE]
    budgets = sorted({r["masks"] for r in here}, key=int)
    games = set.intersection(*({r["game"] for r in here if r["masks"] == masks} for masks in budgets))  # the same all along
    for name, (colour, line) in DRAWN.items():
        mine = [r for r in here if r["estimator"] == name and r["game"] in games]
        each = [[r for r in mine if r["masks"] == masks] for masks in budgets]
        calls, missed = [middle(rs, "n_calls") for rs in each], [middle(rs, "error") for rs in each]
        axes.loglog(calls, missed, line, color=colour, marker="o", markersize=4, label=name)
    axes.set(xlabel="calls of the model", ylabel="squared error, relative", title=f"16 components, games x seeds: {runs(mine)}")
    axes.set_xticks([int(masks) for masks in budgets])
    axes.xaxis.set_major_formatter("{x:.0f}")
    axes.minorticks_off()
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(file, dpi=110)
