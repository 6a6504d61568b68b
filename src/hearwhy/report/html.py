"""The page: one file that shows, plays and asks; nothing in it is fetched from anywhere."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hearwhy.report import layers, spectrogram, words
from hearwhy.report.case import Case
from hearwhy.report.panels import MAX_PANELS, panels
from hearwhy.report.shelf import Shelf
from hearwhy.result import Attribution

_TEMPLATES = Path(__file__).parent / "templates"
STYLES = {"map": "map.css", "values": "values.css"}  # beyond page.css, by kind of panel


def report(attributions: Sequence[Attribution], path: str | Path) -> Path:
    """Write one self-contained HTML file that shows, plays and questions one or several attributions.

    Sound that attributions share is embedded once. Components, up to 8, can be switched on and off: the page plays the
    mix and shows what the model itself answered to it. Above 8, the strongest have players of their own. Values of features
    stand beside what is usual, with the clip as it sounds with each of them lower and higher, or filtered to it. The model is
    not asked again, and the page needs no network.

    Parameters
    ----------
    attributions
        One or more; each target of each gets a panel of its own, up to 60.
    path
        The file to write; its folder is made where it is missing. It is written whole or not at all.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        There is no attribution, or `path` is a folder.

    Examples
    --------
    >>> hearwhy.report([attribution], "out/index.html")  # doctest: +SKIP
    PosixPath('out/index.html')
    """
    found = list(attributions)
    if not found:
        raise ValueError("A report needs at least one attribution; got none.")
    return write(path, lambda: page(found))


def page(attributions: Sequence[Attribution]) -> str:
    """Return the page as a string."""
    sheets = Sheets()
    sheets.add(attributions)
    return render(_title(attributions), sheets)


@dataclass(eq=False)
class Sheets:
    """What stands on a page: panels, and all that they show, play and answer. Attributions are not kept.

    Parameters
    ----------
    panels
        ``html``, ``tab`` and what the script is told of each (``play``).
    left_out
        Targets for which there was no room.
    banks, tracks, cases, pictures
        What the script is told of each bank of sound, its tracks as base64, what it is told of each attribution, and the
        rules of style that hold the spectrograms; panels point to them by number.
    """

    panels: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    banks: list[dict[str, Any]] = field(default_factory=list)
    tracks: list[list[str]] = field(default_factory=list)
    cases: list[dict[str, Any]] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)

    def add(
        self,
        attributions: Sequence[Attribution],
        *,
        most: int = MAX_PANELS,
        times: int = 1,
        tab: Callable[[Case], str] | None = None,
    ) -> None:
        """Add a panel for each target of attributions that are shown together.

        Parameters
        ----------
        attributions
            One or more.
        most
            So many panels at most.
        times
            So many like these share the page, and the room for sound on it.
        tab
            What to call a panel; by default what sets it apart from the others of `attributions`.
        """
        shelf = Shelf.of(attributions, times=times)
        shown, left_out = panels(attributions, shelf, most=most)
        first_bank, first_case = len(self.banks), len(self.cases)
        for panel in shown:
            panel["picture_number"] += first_bank
            panel["play"]["case"] += first_case
            called = panel["tab"] if tab is None else tab(panel["case"])
            html = _panel_macro(panel["kind"])(panel | {"tab": called}, len(self.panels), times * len(shown))
            if panel["kind"] == "map":
                self.pictures.append(_layer_rules(len(self.panels), panel["layers"]))
            self.panels.append({"html": html, "tab": called, "play": panel["play"], "kind": panel["kind"]})
        self.left_out += left_out
        self.banks += shelf.specs
        self.tracks += shelf.encoded
        self.cases += [case | {"bank": case["bank"] + first_bank} for case in shelf.cases]
        self.pictures += [_picture_rule(first_bank + i, picture) for i, picture in enumerate(shelf.pictures)]


@dataclass(frozen=True, eq=False)
class Opening:
    """What stands above the panels of a timeline: HTML, style and script of its own, and what the script is told."""

    html: Markup
    style: str
    script: str
    data: dict[str, Any]


def render(title: str, sheets: Sheets, opening: Opening | None = None) -> str:
    """Return a page as a string."""
    kinds = {panel["kind"] for panel in sheets.panels}
    own = "".join(text(file) for kind, file in STYLES.items() if kind in kinds)
    style, script = text("page.css") + own + "".join(sheets.pictures), text("page.js")
    data: dict[str, Any] = {"banks": sheets.banks, "cases": sheets.cases, "panels": [p["play"] for p in sheets.panels]}
    if opening is not None:
        style, script, data = style + opening.style, script + opening.script, data | {"timeline": opening.data}
    n_bytes = sum(len(track) for bank in sheets.tracks for track in bank)
    return environment().get_template("page.html.j2").render(
        title=title,
        opening=opening,
        panels=sheets.panels,
        left_out=sheets.left_out,
        tracks=sheets.tracks,
        style=Markup(style),  # our own text; what came from files enters through the template or the JSON below
        script=Markup(script),
        policy=policy(style, script),
        data=safe_json(data),
        size=words.megabytes(n_bytes + len(style) + len(script)),
    )  # fmt: skip


def _panel_macro(kind: str) -> Any:
    template = {"components": "panel.html.j2", "map": "map.html.j2", "values": "values.html.j2"}[kind]
    return environment().get_template(template).module.panel  # type: ignore[attr-defined]


def _title(attributions: Sequence[Attribution]) -> str:
    names = list(dict.fromkeys(attribution.recording.name for attribution in attributions))
    start = words.shared_start(names)
    return f"{start.rstrip()}, {len(names)} parts of it" if start else words.listing(names)


def _picture_rule(i: int, picture: spectrogram.Picture | layers.Ground) -> str:
    if isinstance(picture, layers.Ground):
        place = f".picture-{i} .layers{{left:{picture.left}%;width:{picture.width}%}}\n"
        return f"{place}.picture-{i} .ground{{--stencil:{data_url(picture.stencil)}}}\n"
    return f".picture-{i}{{background-image:{data_url(spectrogram.png(picture))}}}\n"


def _layer_rules(i: int, drawn: layers.Layers) -> str:
    """Give the layers of a panel their pictures."""
    stencils = {"for": drawn.positive, "contra": drawn.negative, "cover": drawn.cover}
    rules = [f"#panel-{i} .{name}{{--stencil:{data_url(png)}}}\n" for name, png in stencils.items() if png is not None]
    return "".join(rules)


def data_url(png: bytes) -> str:
    """Return a picture as a style sheet may hold it."""
    return f"url(data:image/png;base64,{base64.b64encode(png).decode()})"


def policy(style: str, script: str) -> str:
    """Forbid everything but this very style, this very script and pictures that are part of the page."""
    own = f"script-src {_hash(script)}; style-src {_hash(style)}; img-src data:"
    return f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def safe_json(value: Any) -> Markup:
    """Return JSON that may stand inside a script element, whatever its strings hold."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


@cache
def environment() -> Environment:
    """Return the template environment: everything is escaped, and a forgotten variable is an error."""
    made = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined,
                       trim_blocks=True, lstrip_blocks=True)  # fmt: skip
    made.filters.update(probability=words.probability, signed=words.signed, decibel=words.decibel, share=words.share)
    made.tests["name"] = lambda piece: isinstance(piece, words.Name)
    return made


def text(name: str) -> str:
    """Return a file of the templates as it is."""
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def write(path: str | Path, make: Callable[[], str]) -> Path:
    """Write the page that `make` returns, whole or not at all, and return its path; a folder raises ValueError."""
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give the file to write, such as {path / 'index.html'}.")
    _write(path, make())
    return path


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(temporary).chmod(0o644)  # mkstemp makes it private, a result is not
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
