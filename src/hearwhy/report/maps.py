"""Maps: what the page shows of the map of a spectrogram: the picture, its mask to hear, and the model's answers to both."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from hearwhy import audio
from hearwhy.metrics import METRICS
from hearwhy.report import layers, sound, spectrogram, words
from hearwhy.report.bars import axis
from hearwhy.report.case import Case
from hearwhy.report.summary import UNITS, answers, cells, unit
from hearwhy.result import Attribution

MAX_ROWS = 12  # cells that are listed
MAX_PLAYERS = 24  # cells that can be heard, of all targets together
N_LABELS = 4  # columns of the table of answers
TITLES = {"as_is": "The recording", "kept": "Features that the mask keeps", "removed": "Features that it removes",
          "heard_kept": "Sound of what it keeps", "heard_removed": "Sound of what it removes"}  # fmt: skip


def bank(attribution: Attribution) -> sound.Bank:
    """Return what can be heard: the recording as the model hears it, what masks keep and remove, and the strongest cells."""
    spectrum, recording = attribution.spectrum, attribution.recording
    assert spectrum is not None
    rate = spectrum.front_end.sample_rate
    heard = audio.resample(audio.remix(recording.audio, 1), recording.sample_rate, rate)
    tracks = [sound.Track("recording", heard)]
    for target in range(min(len(attribution.targets), sound.MAX_HEARD_TARGETS)):
        found = attribution.heard_masks(target)
        tracks += [sound.Track(f"{name} {target}", made.audio) for name, made in found.items()]
    if len(tracks) > 1 or not attribution.masked:
        tracks += _cell_tracks(attribution)
    return sound.Bank(tuple(tracks), rate, 0, float(heard.to(torch.float64).square().mean()), ("as the model hears it",))


def _cell_tracks(attribution: Attribution) -> list[sound.Track]:
    """The strongest cells of each target alone, everything else at the floor."""
    cases = [Case(attribution, target) for target in range(min(len(attribution.targets), sound.MAX_HEARD_TARGETS))]
    chosen = dict.fromkeys(row["cell"] for case in cases for row in strongest(case) if not row["absent"])
    try:
        return [sound.Track(f"cell {i}", attribution.component_audio(i).audio) for i in [*chosen][:MAX_PLAYERS]]
    except TypeError:  # no way from such features to sound
        return []


def strongest(case: Case) -> list[dict[str, Any]]:
    """Return the cells that are listed, the most positive first; none where every bin has a value of its own."""
    rows = sorted(cells(case), key=lambda row: (row["absent"], -abs(row["value"])))[:MAX_ROWS]
    return sorted(rows, key=lambda row: (row["absent"], -row["value"]))


def panel(case: Case, heard: sound.Bank) -> dict[str, Any]:
    """Return what the page shows of a map beside what it shows of every explanation."""
    assert case.attribution.spectrum is not None and case.grid is not None
    a, masked = case.attribution, case.masked
    rows = strongest(case)
    scale, drawn = axis(rows), layers.layers(a.map(case.target), masked)
    keys = [track.key for track in heard.tracks]
    return {
        "kind": "map",
        "grid": case.grid,
        "time_ticks": spectrogram.time_ticks(case.grid.duration_s),
        "layers": drawn,
        "legend": _legend(drawn),
        "map_unit": unit(case),
        "value_unit": UNITS[case.setting("scale", "log_odds")],
        "masked": masked,
        "area": None if masked is None else words.share(float(masked.mask.mean())),
        "answers": [(TITLES[name], row) for name, row in answers(case, N_LABELS).items()],
        "metrics": metrics(case),
        "presets": _presets(case, heard),
        "axis": scale,
        "cells": [(row, scale.bar(row), [keys.index(key)] if (key := f"cell {row['cell']}") in keys else None) for row in rows],
        "n_cells": len(a.names),
        "silent": masked is not None and bool(masked.probabilities[3:].isnan().any()),
    }


def _legend(drawn: layers.Layers) -> dict[str, str]:
    positive, negative = drawn.signs
    return {
        "low": words.significant(-drawn.full) if negative else "0",
        "high": words.significant(drawn.full) if positive or not negative else "0",
        "kind": "both" if positive == negative else "positive" if positive else "negative",
    }


def _presets(case: Case, heard: sound.Bank) -> list[dict[str, Any]]:
    keys = [track.key for track in heard.tracks]
    found = [{"name": "The recording", "level": 0.0, "tracks": [0]}]
    for name, title in (("kept", "What the mask keeps"), ("removed", "What it removes")):
        key = f"{name} {case.target}"
        if key in keys:
            found.append({"name": title, "level": heard.level_db(key), "tracks": [keys.index(key)]})
    return found


def metrics(case: Case) -> list[dict[str, str]]:
    """Return every metric of the mask: what it measures in words, its direction and its value."""
    return [] if case.masked is None else [_metric(name, value) for name, value in case.masked.metrics.items()]


def _metric(name: str, value: float | None) -> dict[str, str]:
    entry = METRICS[name]
    title = _first_sentence(entry.function)
    of = "of the sound that is heard" if name.startswith("heard_") else "of the map" if name.endswith("_map") else ""
    number = "–" if value is None or not math.isfinite(value) else f"{value:.4g}".replace("-", "\N{MINUS SIGN}")
    direction = "higher is better" if entry.higher_is_better else "lower is better"
    return {"name": name, "title": title, "of": of, "direction": direction, "value": f"{number} {entry.unit}".strip()}


def _first_sentence(function: Callable[..., Any]) -> str:
    """Python drops docstrings where it is asked to optimise; the name stands for itself then."""
    return (function.__doc__ or "").partition("\n\n")[0].partition(". ")[0].strip().rstrip(".")
