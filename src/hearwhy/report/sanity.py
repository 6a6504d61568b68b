"""The page of a sanity check: what was checked, with its numbers, and how explanations change as networks forget."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from hearwhy.report import html, words
from hearwhy.sanity.agreement import top
from hearwhy.sanity.findings import STATES, Finding, Sanity
from hearwhy.sanity.words import asked, headline

MAX_COLOURS = 7  # components with a colour of their own; the others share one
MAX_ROWS = 200  # recordings in the table
SIGNS = {"failed": "×", "warning": "!", "passed": "✓", "does not apply": "–"}
LINES = {"signed": "order of the values", "sizes": "order of their sizes"}


def report_sanity(found: Sanity, path: str | Path) -> Path:
    """Write one self-contained HTML file of a sanity check; it needs no script and no network.

    Parameters
    ----------
    found
        What to show.
    path
        The file to write, whole or not at all.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        `path` is a folder.
    """
    return html.write(path, lambda: page(found))


def page(found: Sanity) -> str:
    """Return the page as a string."""
    style = html.text("page.css") + html.text("sanity.css")
    details = {finding.name: finding.details for finding in found.findings}
    title = f"{found.about['method']} on {found.about['model']}"
    return html.environment().get_template("sanity.html.j2").render(
        title=title, style=Markup(style), policy=html.policy(style, ""), headline=headline(found), asked=asked(found.about),
        findings=[_finding(one) for one in found.findings if one.state != "does not apply"],
        skipped=[_finding(one) for one in found.findings if one.state == "does not apply"],
        curve=_curve(details.get("layer by layer", {}).get("curve")),
        choices=_choices(details.get("most important", {})),
        recordings=_recordings(found, details)[:MAX_ROWS], n_recordings=len(found.recordings),
        problems=found.problems, size=words.megabytes(len(style) + 20_000),
    )  # fmt: skip


def _finding(one: Finding) -> dict[str, Any]:
    kind = "warning" if one.state in ("failed", "warning") else "passed" if one.state == "passed" else "note"
    number = None if one.number is None else _minus(str(one.number))
    return {
        "kind": kind, "state": one.state, "rank": STATES.index(one.state), "sign": SIGNS[one.state], "name": one.name,
        "text": _minus(one.text), "number": number,
        "measure": one.measure, "p": None if one.p is None else f"{one.p:.2g}",
    }  # fmt: skip


def _minus(text: str) -> str:
    """Return text whose negative numbers have a true minus."""
    return re.sub(r"(?<![\w-])-(?=\d)", "\N{MINUS SIGN}", text)


def _curve(steps: Sequence[Mapping[str, Any]] | None) -> dict[str, Any] | None:
    """What is drawn of the cascade: lines through (x, y) in percent of the picture, and a row a step."""
    if not steps:
        return None
    lines = [{"kind": kind, "called": called, **_line(steps, kind)} for kind, called in LINES.items()]
    rows = [
        {"step": i, "layers": words.listing([name or "the model" for name in step["layers"]]),
         "signed": _number(step["signed"]), "sizes": _number(step["sizes"]), "levels": words.signed(step["from_levels"])}
        for i, step in enumerate(steps, start=1)
    ]  # fmt: skip
    levels = " ".join(_point(i, step["from_levels"], len(steps)) for i, step in enumerate(steps, start=1))
    return {"lines": lines, "levels": levels, "rows": rows}


def _line(steps: Sequence[Mapping[str, Any]], kind: str) -> dict[str, Any]:
    n, values = len(steps), [1.0, *(step[kind]["mean"] for step in steps)]
    ends = [[1.0, *(step[kind]["mean" if step[kind][end] is None else end] for step in steps)] for end in ("low", "high")]
    around = [_point(i, y, n) for i, y in enumerate(ends[1])] + [_point(i, y, n) for i, y in enumerate(ends[0])][::-1]
    points = [_point(i, y, n) for i, y in enumerate(values)]
    return {"points": " ".join(points), "band": " ".join(around), "dots": [point.split(",") for point in points]}


def _point(i: int, value: float, n: int) -> str:
    """Place of a rank correlation, -1 below and 1 above, at the middle of its column; the first column is the model itself."""
    return f"{100 * (i + 0.5) / (n + 1):.2f},{50 - 46 * value:.2f}"


def _number(mean: Mapping[str, Any]) -> str:
    middle = words.signed(mean["mean"])
    return middle if mean["low"] is None else f"{middle} [{words.signed(mean['low'])}, {words.signed(mean['high'])}]"


def _choices(details: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is drawn of the most important components: a bar for the model, and one for each untrained network."""
    if not details:
        return None
    names = list(details["names"])
    totals = {name: details["trained"][name] + sum(row["counts"][name] for row in details["networks"]) for name in names}
    shown = sorted((name for name in names if totals[name]), key=lambda name: -totals[name])[:MAX_COLOURS]
    rows = [{"called": "the model", "bar": _bar(details["trained"], shown)}]
    rows += [{"called": str(i), "bar": _bar(row["counts"], shown)} for i, row in enumerate(details["networks"], start=1)]
    others = len([name for name in names if totals[name]]) > len(shown)
    return {"rows": rows, "names": shown, "others": others, "table": _table(details, names)}


def _bar(counts: Mapping[str, int], shown: Sequence[str]) -> list[dict[str, Any]]:
    total, at, pieces = max(1, sum(counts.values())), 0.0, []
    others = sum(n for name, n in counts.items() if name not in shown)
    for colour, (name, n) in enumerate([*((name, counts[name]) for name in shown), ("others", others)]):
        if n:
            kind = "other" if name == "others" and colour == len(shown) else str(colour)
            pieces.append({"x": round(at, 3), "width": round(100 * n / total, 3), "colour": kind, "told": f"{name}: {n}"})
            at += 100 * n / total
    return pieces


def _table(details: Mapping[str, Any], names: Sequence[str]) -> list[list[str]]:
    model = ["the model", *(str(details["trained"][name]) for name in names), "", "", ""]
    rows = [
        [str(i), *(str(row["counts"][name]) for name in names), f"{row['entropy']:.2f}", f"{row['chi_square']:.1f}",
         f"{row['p']:.2g}"]
        for i, row in enumerate(details["networks"], start=1)
    ]  # fmt: skip
    return [["network", *names, "entropy (nats)", "chi-square", "p"], model, *rows]


def _recordings(found: Sanity, details: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a recording: what is most important, as it is and when something else is changed, and what is loudest."""
    changed = {name: _tops(details.get(name, {})) for name in ("second fill", "level")}
    return [
        {"name": row["name"], "span": row["span"], "target": row["target"], **_tops_of(row),
         **{name.split()[-1]: tops.get(row["name"]) for name, tops in changed.items()}}
        for row in found.recordings
    ]  # fmt: skip


def _tops_of(row: Mapping[str, Any]) -> dict[str, str | None]:
    if "values" not in row:
        return {"top": None, "loudest": None}
    import torch

    chosen, names = top(torch.tensor(row["values"])), row["components"]
    loudest = max(range(len(names)), key=lambda i: row["levels"][i])
    return {"top": "nothing" if chosen is None else names[chosen], "loudest": names[loudest]}


def _tops(details: Mapping[str, Any]) -> dict[str, str]:
    return {row["name"]: row["other_top"] or "nothing" for row in details.get("rows", ())}
