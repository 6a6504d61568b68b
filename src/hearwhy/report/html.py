"""The page: one file that shows, plays and asks; nothing in it is fetched from anywhere."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hearwhy.report import spectrogram, words
from hearwhy.report.panels import Shelf, panels
from hearwhy.result import Attribution

_TEMPLATES = Path(__file__).parent / "templates"


def report(attributions: Sequence[Attribution], path: str | Path) -> Path:
    """Write one self-contained HTML file that shows, plays and questions one or several attributions.

    Sound that attributions share is embedded once. Components, up to 8, can be switched on and off: the page plays the
    mix and shows what the model itself answered to it. Above 8, the strongest have players of their own. The model is not
    asked again, and the page needs no network.

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
    path, found = Path(path), list(attributions)
    if not found:
        raise ValueError("A report needs at least one attribution; got none.")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give the file to write, such as {path / 'index.html'}.")
    _write(path, page(found))
    return path


def page(attributions: Sequence[Attribution]) -> str:
    """Return the page as a string."""
    shelf = Shelf.of(attributions)
    shown, left_out = panels(attributions, shelf)
    style = _text("page.css") + "".join(_picture_rule(i, picture) for i, picture in enumerate(shelf.pictures))
    script = _text("page.js")
    data = {"banks": shelf.specs, "cases": shelf.cases, "panels": [panel["play"] for panel in shown]}
    return environment().get_template("page.html.j2").render(
        title=_title(attributions),
        panels=shown,
        left_out=left_out,
        shelf=shelf,
        style=Markup(style),  # our own text; what came from files enters through the template or the JSON below
        script=Markup(script),
        policy=_policy(style, script),
        data=safe_json(data),
        size=words.megabytes(shelf.n_bytes + len(style) + len(script)),
    )  # fmt: skip


def _title(attributions: Sequence[Attribution]) -> str:
    names = list(dict.fromkeys(attribution.recording.name for attribution in attributions))
    start = words.shared_start(names)
    return f"{start.rstrip()}, {len(names)} parts of it" if start else words.listing(names)


def _picture_rule(i: int, picture: spectrogram.Picture) -> str:
    data = base64.b64encode(spectrogram.png(picture)).decode()
    return f".picture-{i}{{background-image:url(data:image/png;base64,{data})}}\n"


def _policy(style: str, script: str) -> str:
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
    made.filters.update(probability=words.probability, signed=words.signed, decibel=words.decibel)
    made.tests["name"] = lambda piece: isinstance(piece, words.Name)
    return made


def _text(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


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
