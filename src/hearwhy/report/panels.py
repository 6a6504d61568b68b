"""Panels: what the page shows of each target, and the sounds and pictures that panels share."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from hearwhy.report import sound, spectrogram, words
from hearwhy.report.bars import axis
from hearwhy.report.case import Case, top
from hearwhy.report.caveats import findings
from hearwhy.report.summary import components, plain, predictions
from hearwhy.report.verdict import verdict
from hearwhy.result import Attribution

MAX_PANELS = 60  # a page of every label of a large model would be read by nobody
MAX_ROWS = 12  # components that are listed; the others stand folded up below
N_LIVE = 6  # labels shown of the answer to a mix
UNITS = {"log_odds": "log-odds", "logit": "logit", "probability": "probability"}


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
    pictures: list[spectrogram.Picture]
    specs: list[dict[str, Any]]
    encoded: list[list[str]]
    sound_words: list[str]
    cases: list[dict[str, Any]]

    @classmethod
    def of(cls, attributions: Sequence[Attribution]) -> Shelf:
        """Return what the attributions need, the same sound once."""
        keys, banks, pictures = [], [], []
        for attribution in attributions:
            key = _key(attribution)
            if key not in keys:
                keys.append(key)
                banks.append(sound.playing_bank(attribution) if attribution.answers is None else sound.mixing_bank(attribution))
                pictures.append(spectrogram.picture(attribution.recording))
        fitted = sound.fit(banks)
        gains = [sound.common_gain(bank) for bank in fitted]
        encoded = [[sound.encode(t.audio, b.sample_rate, g) for t in b.tracks] for b, g in zip(fitted, gains, strict=True)]
        specs = [_spec(bank, gain, whole) for bank, gain, whole in zip(fitted, gains, banks, strict=True)]
        cases = [_case(attribution, keys.index(_key(attribution))) for attribution in attributions]
        said = [sound_words(bank, spec) for bank, spec in zip(fitted, specs, strict=True)]
        return cls(banks, pictures, specs, encoded, said, cases)

    @property
    def n_bytes(self) -> int:
        """Bytes of sound on the page."""
        return sum(len(track) for bank in self.encoded for track in bank)


def _key(attribution: Attribution) -> str:
    """Same recording, same components: same sound. Where the page cannot mix, the sounds hang on the values too."""
    digest = hashlib.sha256(attribution.recording.fingerprint.encode())
    parts = sound.components_of(attribution)
    if parts is not None:
        digest.update(parts.contiguous().numpy().tobytes())
    if attribution.answers is None:
        digest.update(attribution.values.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _spec(bank: sound.Bank, gain: float, whole: sound.Bank) -> dict[str, Any]:
    channels, length = bank.tracks[0].audio.shape
    return {"rate": bank.sample_rate, "channels": channels, "length": length, "gain": gain, "mixed": bank.mixed,
            "tracks": [track.key for track in bank.tracks], "gram": sound.gram(whole)}  # fmt: skip


def _case(attribution: Attribution, bank: int) -> dict[str, Any]:
    """Return names and answers; of many labels only those that the model ever says, or that are explained."""
    labels = _kept_labels(attribution)
    answers = (
        None if attribution.answers is None else [[round(row[i], 5) for i in labels] for row in attribution.answers.tolist()]
    )
    return {
        "bank": bank,
        "names": list(attribution.names),
        "labels": [attribution.labels[i] for i in labels],
        "full": [round(float(attribution.probabilities[i]), 5) for i in labels],
        "answers": answers,
        "verb": "says" if Case(attribution).exclusive else "hears",
    }


def _kept_labels(attribution: Attribution) -> list[int]:
    cases = [Case(attribution, target) for target in range(min(len(attribution.targets), N_LIVE))]
    explained = [i for case in cases for i in (case.label, case.against) if i is not None]
    rows = attribution.probabilities[None] if attribution.answers is None else attribution.answers
    said = torch.bincount(rows.argmax(dim=1), minlength=len(attribution.labels))
    often = [i for i in torch.argsort(said, descending=True, stable=True).tolist() if said[i] > 0]
    likely = torch.argsort(rows.amax(dim=0), descending=True, stable=True).tolist()
    kept = dict.fromkeys([*explained, *often])
    return list(dict.fromkeys([*kept, *likely[:N_LIVE]]))[: max(N_LIVE, len(kept))]


def panels(attributions: Sequence[Attribution], shelf: Shelf) -> tuple[list[dict[str, Any]], list[str]]:
    """Return what the page shows, one panel a target, and the targets for which there was no room."""
    every = [(i, Case(a, target)) for i, a in enumerate(attributions) for target in range(len(a.targets))]
    several = _tab_words(attributions)
    shown = [_panel(case, i, shelf) | {"tab": several(case)} for i, case in every[:MAX_PANELS]]
    return shown, [str(several(case)) for _, case in every[MAX_PANELS:]]


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
    a, number = case.attribution, shelf.cases[i]["bank"]
    rows = components(case)
    for index, row in enumerate(rows):
        row["index"] = index
    ordered = sorted(rows, key=lambda row: (row["absent"], -row["value"]))
    listed = _listed(ordered)
    scale = axis(listed)
    bank, found = shelf.banks[number], findings(case)
    return {
        "case": case,
        "verdict": verdict(case),
        "warnings": [finding for finding in found if finding[1] == "warning"],
        "notes": [finding for finding in found if finding[1] == "note"],
        "passed": [finding for finding in found if finding[1] == "passed"],
        "prediction": predictions(case),
        "said": a.labels[top(a.probabilities)],
        "axis": scale,
        "rows": [(row, scale.bar(row), _selection(str(row["index"]), bank)) for row in listed],
        "folded": [row for row in ordered if row not in listed],
        "unit": UNITS[case.setting("scale", "log_odds")],
        "switches": a.answers is not None,
        "presets": _presets(case, bank),
        "picture": shelf.pictures[number],
        "picture_number": number,
        "time_ticks": spectrogram.time_ticks(a.recording.duration_s),
        "sound_words": shelf.sound_words[number],
        "settings": settings_rows(case),
        "play": {"case": i, "target": str(case.name)},
    }


def _listed(ordered: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(ordered) <= MAX_ROWS:
        return ordered
    strongest = sorted((row for row in ordered if not row["absent"]), key=lambda row: -abs(row["value"]))[:MAX_ROWS]
    return [row for row in ordered if row in strongest]


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
    found.append({"name": "The recording", "level": 0.0, "tracks": whole})
    for keep, title in titles.items():
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
    rows |= {"model calls": f"{a.n_calls:,}", "score with nothing, with everything": f"{texts[0]}, {texts[1]}",
             "values + base sum to": words.signed(sum(case.values) + float(a.base[case.target]), 3)}  # fmt: skip
    return [(key.replace("_", " "), text) for key, text in rows.items()]


def _setting(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_setting(item)}" for key, item in value.items())
    return "; ".join(str(item) for item in value) if isinstance(value, list) else str(value)
