"""Values: what the page shows of features: what each adds, what its value is and usually is, and what that is as sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from hearwhy.components.audible import Audible, heard
from hearwhy.report import sound, spectrogram, words
from hearwhy.report.bars import Axis, Bar, axis
from hearwhy.report.case import Case
from hearwhy.report.interactions import Pairs
from hearwhy.report.rows import MAX_ROWS
from hearwhy.report.standing import Standing
from hearwhy.report.summary import UNITS, components
from hearwhy.report.waterfall import Waterfall
from hearwhy.result import Attribution
from hearwhy.types import Recording

MIN_PLAYERS = 3  # features that can be heard however little room a page has for sound
NO_ROOM = "no room for its sound on this page"
FURTHEST = 3.0  # standard deviations to either side that the small scale of a value shows
SHORT = {"lower": "\N{MINUS SIGN}1 SD", "higher": "+1 SD", "alone": "alone"}
LONG = {"lower": "one standard deviation lower", "higher": "one standard deviation higher", "alone": "alone"}
RIPPLES = ("An MFCC is a ripple of the spectrum: mfcc 0 is the level, mfcc 1 the balance of low and high, and higher ones ever "
           "finer ripples of its colour.")  # fmt: skip


def as_heard(attribution: Attribution) -> Recording:
    """Return the recording as the features are made of it: mono, at their rate, no longer than they hear."""
    assert attribution.vector is not None
    rate, recording = attribution.vector.front_end.sample_rate, attribution.recording
    audio = heard(recording, attribution.vector.front_end)
    return Recording(audio[None], rate, recording.name, recording.history)


def voices(attribution: Attribution, *, room: int) -> tuple[Audible, ...]:
    """Return what each feature is as sound, those that add most first as long as there is room for their samples.

    Memory does not grow with the features: of those that find no room only a second is made, to learn whether there is one.
    """
    recording, vector = as_heard(attribution), attribution.vector
    assert vector is not None
    second = replace(recording, audio=recording.audio[:, : recording.sample_rate])
    length, found, n_heard = recording.audio.numel(), {}, 0
    left = room - length
    for i in attribution.values.abs().flatten(1).amax(dim=0).argsort(descending=True, stable=True).tolist():
        fits = n_heard < MIN_PLAYERS or 2 * length <= left
        told = vector.voice(recording if fits else second, i)
        found[i] = told if fits or not told.sounds else Audible({}, NO_ROOM)
        n_heard += bool(found[i].sounds)
        left -= len(found[i].sounds) * length
    return tuple(found[i] for i in range(len(found)))


def bank(attribution: Attribution, told: Sequence[Audible]) -> sound.Bank:
    """Return the recording as the model hears it, and what its features are as sound."""
    recording = as_heard(attribution)
    tracks = [sound.Track("recording", recording.audio)]
    tracks += [sound.Track(f"{key} {i}", audio[None]) for i, one in enumerate(told) for key, audio in one.sounds.items()]
    power = float(recording.audio.to(torch.float64).square().mean())
    return sound.Bank(tuple(tracks), recording.sample_rate, 0, power, ("as the model hears it",))


def panel(case: Case, playing: sound.Bank, told: Sequence[Audible]) -> dict[str, Any]:
    """Return what the page shows of features beside what it shows of every explanation."""
    rows, a = components(case), case.attribution
    for i, row in enumerate(rows):
        row |= {"index": i, "standing": case.standing(i), "voice": _voice(row["name"], i, told[i], playing)}
    ranked = sorted(rows, key=lambda row: (row["absent"], -abs(row["value"])))
    scale, duration_s = axis(rows), as_heard(a).duration_s
    return {
        "kind": "values",
        "axis": scale,
        "shown": _drawn(ranked[:MAX_ROWS], scale),
        "folded": _drawn(ranked[MAX_ROWS:], scale),
        "heard": any(key.startswith("lower") for key in (track.key for track in playing.tracks)),
        "known": any(row["standing"].usual is not None for row in rows),
        "waterfall": waterfall(case),
        "pairs": Pairs.of(case),
        "unit": UNITS[case.setting("scale", "log_odds")],
        "measure": UNITS[case.setting("scale", "log_odds")] if case.signed else "share",
        "switches": a.answers is not None,
        "part": None if a.recording.duration_s - duration_s < 0.05 else words.seconds(duration_s),
        "silent": not bool(playing.tracks[0].audio.any()),
        "about": RIPPLES if any(name.startswith("mfcc") for name in a.names) else "",
        "time_ticks": spectrogram.time_ticks(duration_s),
    }


def _drawn(rows: list[dict[str, Any]], scale: Axis) -> list[tuple[dict[str, Any], Bar, dict[str, Any] | None]]:
    """Rows, the most positive first, with their bars and where their values stand."""
    ordered = sorted(rows, key=lambda row: (row["absent"], -row["value"]))
    return [(row, scale.bar(row), place(row["standing"])) for row in ordered]


def _voice(name: str, i: int, told: Audible, playing: sound.Bank) -> dict[str, Any]:
    """Return the players of a feature, or why there is none."""
    keys, players = [track.key for track in playing.tracks], []
    for key in told.sounds:
        title = told.titles.get(key, "")
        spoken = f"{name} {LONG[key]}{f': {title}' if title else ''}"
        players.append({"tracks": [keys.index(f"{key} {i}")], "title": SHORT[key], "hint": title, "spoken": spoken})
    return {"players": players, "words": told.words}


def place(standing: Standing | None) -> dict[str, Any] | None:
    """Return where a value stands on a small scale of standard deviations, in percent; None where that is not known."""
    if standing is None or standing.distance is None:
        return None
    step, distance = 46 / FURTHEST, standing.distance
    x = 50 + step * max(-FURTHEST, min(FURTHEST, distance))
    return {"x": round(x, 2), "low": round(50 - step, 2), "width": round(2 * step, 2), "beyond": abs(distance) > FURTHEST}


def waterfall(case: Case) -> dict[str, Any] | None:
    """Return what the page draws of the way from what is usual to the recording; None where values add up to no score."""
    if not case.signed:
        return None
    found = Waterfall.of(case)
    scale = found.axis
    steps = [(step, found.bar(step), scale.percent(step.start), scale.percent(step.stop)) for step in found.steps]
    ends = {"base": found.base, "score": found.score}
    places = {f"x_{name}": scale.percent(end) for name, end in ends.items()}
    return {name: words.signed(end).lstrip("+") for name, end in ends.items()} | places | {"steps": steps}
