"""The command that takes a recording apart, to hear its components before anything is explained."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hearwhy.cli.options import AsJson, Audio, Out, Quiet
from hearwhy.progress import say

if TYPE_CHECKING:
    from hearwhy.components.parts import Parts


def write_components(
    audio: Audio,
    components: Annotated[str, typer.Option("--components", help="See `hearwhy list components`.")],
    out: Out,
    reference: Annotated[
        Path | None,
        typer.Option("--reference", help="Folder of the true stems, named like the parts: say how close each part is."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Take a recording apart and write each component as a sound, to hear them before anything is explained."""
    from hearwhy import components as make_components
    from hearwhy import load
    from hearwhy.asking import check_recording
    from hearwhy.staging import check_folder
    from hearwhy.storage import save_components

    check_folder(out)  # before the work, not after it
    recording = load(audio)
    check_recording(recording)
    parts = make_components(components, recording)
    close = {} if reference is None else _against(parts, reference)
    files = [out / file for file in save_components(parts, out)]
    told = _told(parts, files, close, measured=reference is not None)
    if as_json:
        print(json.dumps(told, allow_nan=False))
    else:
        for line in _lines(told):
            say(line, quiet=quiet)


def _against(parts: Parts, folder: Path) -> dict[str, dict[str, Any]]:
    """SI-SDR and its improvement of every part that is called like a file of a folder."""
    from hearwhy.components.sources import fitting
    from hearwhy.metrics.separation import si_sdr, si_sdr_improvement
    from hearwhy.separators import stems

    recording = parts.recording
    true = {name.casefold(): fitting(recording, name, wave) for name, wave in stems(recording, folder).items()}
    found: dict[str, dict[str, Any]] = {}
    for name, wave in zip(parts.names, parts.audio, strict=True):
        if (stem := true.get(name.casefold())) is not None:
            gained = si_sdr_improvement(wave, stem, recording.audio)
            found[name] = {"si_sdr_db": _number(si_sdr(wave, stem)), "si_sdr_improvement_db": _number(gained)}
    if not found:
        raise ValueError(
            f"No part is called like a file of {folder}: there are the parts {', '.join(parts.names)} and the files "
            f"{', '.join(true)}; rename the files like the parts that they are the truth of."
        )
    return found


def _told(parts: Parts, files: list[Path], close: dict[str, dict[str, Any]], *, measured: bool) -> dict[str, Any]:
    rows = [
        {"name": name, "file": str(file), "level_db": _number(level), "absent": absent, **close.get(name, {})}
        for name, file, level, absent in zip(parts.names, files, parts.levels_db, parts.absent, strict=True)
    ]
    without = [name for name in parts.names if name not in close] if measured else []
    return {
        "components": parts.spec, "history": list(parts.recording.history), "gap_db": _number(parts.gap_db), "parts": rows,
        "without_reference": without,
    }  # fmt: skip


def _lines(told: dict[str, Any]) -> list[str]:
    lines = [*told["history"], *(_line(row, without=row["name"] in told["without_reference"]) for row in told["parts"])]
    if told["gap_db"] is not None and told["gap_db"] > -100:
        lines.append(f"What the parts miss of the recording: {told['gap_db']:.1f} dB")
    return lines


def _line(row: dict[str, Any], *, without: bool) -> str:
    level = "   -inf" if row["level_db"] is None else f"{row['level_db']:7.1f}"
    line = f"{level} dB  {row['name']}{'  (absent)' if row['absent'] else ''}  {row['file']}"
    if without:
        return f"{line}  no reference"
    if "si_sdr_db" not in row:
        return line
    if row["si_sdr_db"] is None:
        return f"{line}  the reference is silent"
    return f"{line}  SI-SDR {row['si_sdr_db']:.1f} dB, {row['si_sdr_improvement_db']:+.1f} dB against the mix"


def _number(value: float) -> float | None:
    """JSON has no NaN and no infinities."""
    return value if math.isfinite(value) else None
