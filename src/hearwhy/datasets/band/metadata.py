"""Slakh2100's ``metadata.yaml``: nested mappings of plain values, written and read without a YAML library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

Value = str | int | float | bool
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None}


def write_metadata(path: Path, metadata: dict[str, Any]) -> None:
    """Write nested mappings of strings, numbers and truth values as YAML."""
    path.write_text("\n".join(_lines(metadata, "")) + "\n", encoding="utf-8")


def _lines(mapping: dict[str, Any], indent: str) -> list[str]:
    lines = []
    for key, value in mapping.items():
        if isinstance(value, dict):
            lines += [f"{indent}{key}:", *_lines(value, indent + "  ")]
        else:
            lines.append(f"{indent}{key}: {str(value).lower() if isinstance(value, bool) else value}")
    return lines


def read_metadata(path: Path) -> dict[str, Any]:
    """Return what a ``metadata.yaml`` of this layout says.

    It reads nested mappings by their indentation, and values as whole numbers, decimal numbers, true, false, null or
    text; that is all that Slakh2100's files hold. Lists and other YAML are refused.

    Raises
    ------
    ValueError
        A line is not ``key:`` or ``key: value``.
    """
    root: dict[str, Any] = {}
    open_at: list[tuple[int, dict[str, Any]]] = [(-1, root)]
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, colon, value = line.strip().partition(":")
        if not colon or key.startswith("-"):
            raise ValueError(f"{path}, line {number}: expected 'key: value', got {line.strip()!r}. Only mappings are read.")
        depth = len(line) - len(line.lstrip())
        while open_at[-1][0] >= depth:
            open_at.pop()
        if value.strip():
            open_at[-1][1][key] = _value(value.strip())
        else:
            open_at[-1][1][key] = {}
            open_at.append((depth, open_at[-1][1][key]))
    return root


def _value(text: str) -> Value | None:
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
