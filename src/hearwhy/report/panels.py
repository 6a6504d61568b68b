"""Panels: what the page shows of each target, and the sounds and pictures that panels share."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from hearwhy.report import layers, maps, sound, spectrogram, words
from hearwhy.report.case import Case, top
from hearwhy.report.caveats import findings
from hearwhy.report.crossed import Crossed
from hearwhy.report.grid import Grid
from hearwhy.report.interactions import Pairs
from hearwhy.report.rows import MAX_ROWS, Rows, whole_tracks
from hearwhy.report.summary import UNITS, plain, predictions
from hearwhy.report.verdict import verdict
from hearwhy.result import Attribution

MAX_PANELS = 60  # a page of every label of a large model would be read by nobody
N_LIVE = 6  # labels shown of the answer to a mix

__all__ = ["MAX_PANELS", "MAX_ROWS", "Shelf", "panels", "settings_rows", "sound_words"]


@dataclass(frozen=True, eq=False)
class Shelf:
    """The banks of sound, pictures and answers that the panels point to by number.

    Parameters
    ----------
    banks
        As they are, before they were fitted to the size of one page; levels are measured here.
    specs, encoded, sound_words
        What the page is told of each bank as fitted, its tracks as base64, and in words what was done to them.
    cases
        What the page is told of each attribution.
    """

    banks: list[sound.Bank]
    pictures: list[spectrogram.Picture | layers.Ground]
    specs: list[dict[str, Any]]
    encoded: list[list[str]]
    sound_words: list[str]
    cases: list[dict[str, Any]]

    @classmethod
    def of(cls, attributions: Sequence[Attribution], *, times: int = 1) -> Shelf:
        """Return what the attributions need, the same sound once, on a page that holds `times` as much sound in all."""
        keys, banks, pictures = [], [], []
        for attribution in attributions:
            key = _key(attribution)
            if key not in keys:
                keys.append(key)
                banks.append(_bank(attribution))
                pictures.append(_picture(attribution))
        fitted = sound.fit([Sharing(**vars(bank), times=times) for bank in banks])
        gains = [sound.common_gain(bank) for bank in fitted]
        encoded = [[sound.encode(t.audio, b.sample_rate, g) for t in b.tracks] for b, g in zip(fitted, gains, strict=True)]
        specs = [_spec(bank, gain, whole) for bank, gain, whole in zip(fitted, gains, banks, strict=True)]
        cases = [_case(attribution, keys.index(_key(attribution))) for attribution in attributions]
        said = [sound_words(bank, spec) for bank, spec in zip(fitted, specs, strict=True)]
        return cls(banks, pictures, specs, encoded, said, cases)


@dataclass(frozen=True, eq=False)
class Sharing(sound.Bank):
    """A bank that is made small enough for a page by itself, but stands there beside others of its size.

    Parameters
    ----------
    times
        How many there will be.
    """

    times: int = 1

    @property
    def n_samples(self) -> int:
        """Samples of all of them together."""
        return self.times * super().n_samples


def _bank(attribution: Attribution) -> sound.Bank:
    if attribution.spectrum is not None:
        return maps.bank(attribution)
    if attribution.answers is not None:
        return sound.mixing_bank(attribution)
    bank = sound.playing_bank(attribution)
    return replace(bank, tracks=(*bank.tracks, *_more_tracks(attribution)))


def _more_tracks(attribution: Attribution) -> list[sound.Track]:
    """Parts that were split again, and the recording without what was added, which a page that mixes makes itself."""
    tracks, added = whole_tracks(attribution), attribution.added
    if added is not None:
        as_it_is = [i for i in range(len(attribution.names)) if i not in added.components]
        tracks.append(sound.Track("as it is", attribution.parts[as_it_is].sum(dim=0)))
    return tracks


def _picture(attribution: Attribution) -> spectrogram.Picture | layers.Ground:
    """The recording as the model sees it, where that is what was explained."""
    spectrum = attribution.spectrum
    return spectrogram.picture(attribution.recording) if spectrum is None else layers.ground(spectrum, Grid.of(spectrum))


def _key(attribution: Attribution) -> str:
    """Same recording, same components: same sound. Where the page cannot mix, the sounds hang on the values too."""
    digest = hashlib.sha256(attribution.recording.fingerprint.encode())
    parts = None if attribution.spectrum is not None else sound.components_of(attribution)
    masks = [masked.mask for masked in attribution.masked]
    values = [] if attribution.answers is not None and attribution.spectrum is None else [attribution.values]
    bins = [] if attribution.spectrum is None else [attribution.spectrum.features, attribution.spectrum.cell]
    for tensor in [*([] if parts is None else [parts]), *values, *masks, *bins]:
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _spec(bank: sound.Bank, gain: float, whole: sound.Bank) -> dict[str, Any]:
    channels, length = bank.tracks[0].audio.shape
    return {"rate": bank.sample_rate, "channels": channels, "length": length, "gain": gain, "mixed": bank.mixed,
            "tracks": [track.key for track in bank.tracks], "gram": sound.gram(whole)}  # fmt: skip


def _case(attribution: Attribution, bank: int) -> dict[str, Any]:
    """Return names and answers; of many labels only those that the model ever says, or that are explained."""
    labels = _kept_labels(attribution)
    known = attribution.answers if attribution.spectrum is None else None  # cells of a spectrogram have no switches
    answers = None if known is None else [[round(row[i], 5) for i in labels] for row in known.tolist()]
    return {
        "bank": bank,
        "names": list(attribution.names) if attribution.spectrum is None else [],
        "labels": [attribution.labels[i] for i in labels],
        "full": [round(float(attribution.probabilities[i]), 5) for i in labels],
        "answers": answers,
        "verb": "says" if Case(attribution).exclusive else "hears",
    }


def _kept_labels(attribution: Attribution) -> list[int]:
    cases = [Case(attribution, target) for target in range(min(len(attribution.targets), N_LIVE))]
    explained = [i for case in cases for i in (*case.parsed.plus, *case.parsed.minus)]
    rows = attribution.probabilities[None] if attribution.answers is None else attribution.answers
    said = torch.bincount(rows.argmax(dim=1), minlength=len(attribution.labels))
    often = [i for i in torch.argsort(said, descending=True, stable=True).tolist() if said[i] > 0]
    likely = torch.argsort(rows.amax(dim=0), descending=True, stable=True).tolist()
    kept = dict.fromkeys([*explained, *often])
    return list(dict.fromkeys([*kept, *likely[:N_LIVE]]))[: max(N_LIVE, len(kept))]


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


def sound_words(bank: sound.Bank, spec: dict[str, Any]) -> str:
    """Say in words what was done to the sound for this page."""
    kind = f"{spec['rate'] / 1000:g} kHz, {'mono' if spec['channels'] == 1 else 'stereo'}, 16 bit"
    changes = f", for this page {' and '.join(bank.notes)}" if bank.notes else ""
    lowered = ""
    if spec["gain"] < 1:
        lowered = f" Everything plays {-20 * math.log10(spec['gain']):.1f} dB lower than stored, so that no mix clips."
    return f"Sound: {kind}{changes}. Levels are the recording's own; nothing is normalised.{lowered}"


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
