"""Panels: what the page shows of each target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from hearwhy.report import maps, off, sound, spectrogram, values, words
from hearwhy.report.case import Case, top
from hearwhy.report.caveats import findings
from hearwhy.report.crossed import Crossed
from hearwhy.report.interactions import Pairs
from hearwhy.report.rows import Rows
from hearwhy.report.shelf import Shelf
from hearwhy.report.summary import UNITS, plain, predictions
from hearwhy.report.verdict import verdict
from hearwhy.result import Attribution

MAX_PANELS = 60  # a page of every label of a large model would be read by nobody


def panels(
    attributions: Sequence[Attribution], shelf: Shelf, *, most: int = MAX_PANELS
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return what the page shows, one panel a target, and the targets for which there was no room."""
    every = [(i, Case(a, target)) for i, a in enumerate(attributions) for target in range(len(a.targets))]
    several = _tab_words(attributions)
    shown = [_panel(case, i, shelf) | {"tab": several(case)} for i, case in every[:most]]
    return shown, [str(several(case)) for _, case in every[most:]]


def _tab_words(attributions: Sequence[Attribution]) -> Any:
    """Name panels by what sets them apart: recording, model, components, method, fill, target."""
    names = list(dict.fromkeys(a.recording.name for a in attributions))
    recordings, start = len(names) > 1, words.shared_start(names)
    targets = len({target for a in attributions for target in a.targets}) > 1
    different = [
        key for key in ("model", "components", "method", "fill") if len({str(a.settings.get(key)) for a in attributions}) > 1
    ]

    def tab(case: Case) -> str:
        said = [case.attribution.recording.name.removeprefix(start)] * recordings
        said += [str(case.setting(key)) for key in different]
        return " · ".join(said + [str(case.name)] * (targets or not said))

    return tab


def _panel(case: Case, i: int, shelf: Shelf) -> dict[str, Any]:
    number = shelf.cases[i]["bank"]
    shared = _shared(case, i, number, shelf)
    if case.attribution.spectrum is not None:
        return shared | maps.panel(case, shelf.banks[number])
    if case.attribution.vector is not None:
        own = values.panel(case, shelf.banks[number], shelf.voices[number])
        return shared | own | {"picture": shelf.pictures[number]}
    rows, bank = Rows.of(case), shelf.banks[number]
    return shared | {
        "kind": "components",
        "axis": rows.axis,
        "rows": [(row, rows.axis.bar(row), _heard(row, bank)) for row in rows.shown],
        "folded": rows.folded,
        "crossed": Crossed.of(case),
        "pairs": Pairs.of(case),
        "unit": UNITS[case.setting("scale", "log_odds")],
        "measure": UNITS[case.setting("scale", "log_odds")] if case.signed else "share",
        "switches": case.attribution.answers is not None,
        "presets": _presets(case, bank),
        "picture": shelf.pictures[number],
        "time_ticks": spectrogram.time_ticks(case.attribution.recording.duration_s),
    }


def _shared(case: Case, i: int, number: int, shelf: Shelf) -> dict[str, Any]:
    """Return what every kind of panel shows."""
    found, a = findings(case), case.attribution
    play = {"case": i, "target": str(case.name)}
    return {
        "case": case,
        "verdict": verdict(case),
        "warnings": [finding for finding in found if finding[1] == "warning"],
        "notes": [finding for finding in found if finding[1] == "note"],
        "passed": [finding for finding in found if finding[1] == "passed"],
        "prediction": predictions(case),
        "gone": off.headings(case),
        "added": None if a.added is None else words.listing(a.added.names),
        "said": a.labels[top(a.probabilities)],
        "picture_number": number,
        "sound_words": shelf.sound_words[number],
        "settings": settings_rows(case),
        "play": play if case.grid is None else play | {"span_s": case.grid.duration_s},
    }


def _heard(row: dict[str, Any], bank: sound.Bank) -> list[int] | None:
    """Return the tracks of a row; of a part that was split again those of its pieces, where the page mixes."""
    return row["components"] if row["kind"] == "whole" and bank.mixed else _selection(str(row["index"]), bank)


def _selection(key: str, bank: sound.Bank) -> list[int] | None:
    """Return the tracks that a button plays; None where the page has no such sound."""
    keys = [track.key for track in bank.tracks]
    return [keys.index(key)] if key in keys else None


def _presets(case: Case, bank: sound.Bank) -> list[dict[str, Any]]:
    """Return the players beside those of single components: name, level and which tracks sound."""
    a, found = case.attribution, []
    chosen = {"positive": case.positive, "negative": a.ranked("negative", case.target)}
    chosen["rest"] = [i for i in range(len(a.names)) if i not in case.positive]
    titles = {"positive": f"What speaks for {case.aim}", "negative": "What speaks against it", "rest": "The rest"}
    whole = _selection("recording", bank) or list(range(bank.mixed))
    if a.added is not None:
        kept = [i for i in range(bank.mixed) if i not in a.added.components] or _selection("as it is", bank)
        if kept:
            found.append({"name": "The recording as it is", "level": _level(bank, kept), "tracks": kept})
    name = "The recording" if a.added is None else f"With {words.listing(a.added.names)} added"
    found.append({"name": name, "level": 0.0, "tracks": whole})
    for keep, title in titles.items() if case.signed else ():
        tracks = chosen[keep] if bank.mixed else _selection(f"{keep} {case.target}", bank)
        if tracks and chosen[keep]:
            found.append({"name": title, "level": _level(bank, tracks), "tracks": tracks})
    return found


def _level(bank: sound.Bank, tracks: list[int]) -> float | None:
    return sound.level_db(torch.stack([bank.tracks[i].audio for i in tracks]).sum(dim=0), bank.power)


def settings_rows(case: Case) -> list[tuple[str, str]]:
    """Return what was chosen and done, for the fold at the end."""
    a = case.attribution
    rows = {"recording": a.recording.name, "length": words.seconds(a.recording.duration_s), "targets": words.listing(a.targets)}
    rows |= {str(key): _setting(value) for key, value in plain(dict(a.settings)).items() if value not in (None, "", [], {})}
    sums = (a.score_base, a.score_full, a.base)
    texts = [words.signed(float(number[case.target]), 3) for number in sums]
    rows |= {"model calls": f"{a.n_calls:,}", "score with nothing, with everything": f"{texts[0]}, {texts[1]}"}
    if case.signed and not case.looks_inside:  # of those only some methods' values add up to anything
        rows["values + base sum to"] = words.signed(sum(case.values) + float(a.base[case.target]), 3)
    return [(key.replace("_", " "), text) for key, text in rows.items()]


def _setting(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_setting(item)}" for key, item in value.items())
    return "; ".join(str(item) for item in value) if isinstance(value, list) else str(value)
