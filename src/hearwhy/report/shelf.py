"""Shelf: the sounds, pictures and answers that panels share, each kept once."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from hearwhy.components.audible import Audible
from hearwhy.report import layers, maps, sound, spectrogram, values
from hearwhy.report.case import Case
from hearwhy.report.grid import Grid
from hearwhy.report.rows import whole_tracks
from hearwhy.result import Attribution

N_LIVE = 6  # labels shown of the answer to a mix


@dataclass(frozen=True, eq=False)
class Shelf:
    """The banks of sound, pictures and answers that the panels point to by number.

    Parameters
    ----------
    banks
        As they are, before they were fitted to the size of one page; levels are measured here.
    voices
        What each feature is as sound, of banks of vectors; empty of the others.
    specs, encoded, sound_words
        What the page is told of each bank as fitted, its tracks as base64, and in words what was done to them.
    cases
        What the page is told of each attribution.
    """

    banks: list[sound.Bank]
    pictures: list[spectrogram.Picture | layers.Ground]
    voices: list[tuple[Audible, ...]]
    specs: list[dict[str, Any]]
    encoded: list[list[str]]
    sound_words: list[str]
    cases: list[dict[str, Any]]

    @classmethod
    def of(cls, attributions: Sequence[Attribution], *, times: int = 1) -> Shelf:
        """Return what the attributions need, the same sound once, on a page that holds `times` as much sound in all."""
        keys, banks, pictures, voices = [], [], [], []
        room = sound.MAX_SAMPLES // (times * len(attributions))
        for attribution in attributions:
            key = _key(attribution)
            if key not in keys:
                keys.append(key)
                voices.append(() if attribution.vector is None else values.voices(attribution, room=room))
                banks.append(_bank(attribution, voices[-1]))
                pictures.append(_picture(attribution))
        fitted = sound.fit([Sharing(**vars(bank), times=times) for bank in banks])
        gains = [sound.common_gain(bank) for bank in fitted]
        encoded = [[sound.encode(t.audio, b.sample_rate, g) for t in b.tracks] for b, g in zip(fitted, gains, strict=True)]
        specs = [_spec(bank, gain, whole) for bank, gain, whole in zip(fitted, gains, banks, strict=True)]
        cases = [_case(attribution, keys.index(_key(attribution))) for attribution in attributions]
        said = [sound_words(bank, spec) for bank, spec in zip(fitted, specs, strict=True)]
        return cls(banks, pictures, voices, specs, encoded, said, cases)


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


def _bank(attribution: Attribution, voices: Sequence[Audible]) -> sound.Bank:
    if attribution.spectrum is not None:
        return maps.bank(attribution)
    if attribution.vector is not None:
        return values.bank(attribution, voices)
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
    if attribution.vector is not None:
        return spectrogram.picture(values.as_heard(attribution))
    return spectrogram.picture(attribution.recording) if spectrum is None else layers.ground(spectrum, Grid.of(spectrum))


def _key(attribution: Attribution) -> str:
    """Same recording, same components: same sound. Where the page cannot mix, the sounds hang on the values too."""
    digest = hashlib.sha256(attribution.recording.fingerprint.encode())
    if (vector := attribution.vector) is not None:  # the strongest of the first are heard where there is no room for all
        digest.update(str(vector.described()).encode() + vector.spread.numpy().tobytes())
        return digest.hexdigest()
    parts = None if attribution.spectrum is not None else sound.components_of(attribution)
    masks = [masked.mask for masked in attribution.masked]
    found = [] if attribution.answers is not None and attribution.spectrum is None else [attribution.values]
    bins = [] if attribution.spectrum is None else [attribution.spectrum.features, attribution.spectrum.cell]
    for tensor in [*([] if parts is None else [parts]), *found, *masks, *bins]:
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
        "off": Case(attribution).usual,
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


def sound_words(bank: sound.Bank, spec: dict[str, Any]) -> str:
    """Say in words what was done to the sound for this page."""
    kind = f"{spec['rate'] / 1000:g} kHz, {'mono' if spec['channels'] == 1 else 'stereo'}, 16 bit"
    changes = f", for this page {' and '.join(bank.notes)}" if bank.notes else ""
    lowered = ""
    if spec["gain"] < 1:
        lowered = f" Everything plays {-20 * math.log10(spec['gain']):.1f} dB lower than stored, so that no mix clips."
    return f"Sound: {kind}{changes}. Levels are the recording's own; nothing is normalised.{lowered}"
