"""Sound for the page: each waveform once, all under one gain, so that the page can mix them as the model heard them."""

from __future__ import annotations

import base64
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.report.case import gap_db
from hearwhy.report.words import seconds
from hearwhy.result import Attribution, Keep
from hearwhy.types import Recording

MAX_SAMPLES = 12_000_000  # on one page: about 15 MB of it, and 50 MB once decoded
RATES = (22_050, 16_000, 11_025, 8_000)  # tried in turn where a page would hold more
RATE_LIMITS = (8_000, 96_000)  # Hz that every browser must decode without resampling
FULL_SCALE = 2**15  # 16 bits: 98 dB, where the rounding of 8 parts stays over 85 dB below a full mix
KEEPS: tuple[Keep, ...] = ("positive", "negative", "rest")
MAX_HEARD_TARGETS = 4  # targets whose positive, negative and rest are embedded where the page cannot mix them itself
MAX_PLAYERS = 12  # components with a player of their own where there are too many to mix


@dataclass(frozen=True, eq=False)
class Track:
    """One sound to embed: its key names it within its bank, its audio is (channel, time)."""

    key: str
    audio: Float[Tensor, "channel time"]


@dataclass(frozen=True, eq=False)
class Bank:
    """The sounds of one recording: of its components where they can be mixed, else of what is worth hearing alone.

    Parameters
    ----------
    tracks
        What is embedded.
    sample_rate
        Of all of them, in Hz.
    mixed
        Whether the first tracks are the components, which may sound together in any mix.
    power
        Mean square of the recording: what levels are relative to.
    """

    tracks: tuple[Track, ...]
    sample_rate: int
    mixed: int
    power: float
    notes: tuple[str, ...] = ()

    @property
    def n_samples(self) -> int:
        """Samples to embed, channels counted one by one."""
        return sum(track.audio.numel() for track in self.tracks)

    def level_db(self, key: str) -> float | None:
        """Return the level of a track relative to the recording; None for silence or a track that is not there."""
        audio = next((track.audio for track in self.tracks if track.key == key), None)
        return None if audio is None else level_db(audio, self.power)


def level_db(audio: Tensor, power: float) -> float | None:
    """Return the RMS level relative to a mean square, in dB; None for silence."""
    own = float(audio.to(torch.float64).square().mean())
    return 10 * math.log10(own / power) if own > 0 and power > 0 else None


def components_of(attribution: Attribution) -> Tensor | None:
    """Return the waveforms of the components, (component, channel, time); None where they have none."""
    return None if attribution.vector is not None else attribution.parts


def mixing_bank(attribution: Attribution) -> Bank:
    """Return the components and, where they miss a part of it, the recording itself."""
    parts, recording = components_of(attribution), attribution.recording
    tracks = [] if parts is None else [Track(str(i), part) for i, part in enumerate(parts)]
    if parts is None or gap_db(attribution) is not None:
        tracks.append(Track("recording", recording.audio))
    return Bank(tuple(tracks), recording.sample_rate, 0 if parts is None else len(parts), _power(recording))


def playing_bank(attribution: Attribution) -> Bank:
    """Return the recording, the strongest components of the first target, and each side of each target."""
    recording, tracks = attribution.recording, [Track("recording", attribution.recording.audio)]
    if components_of(attribution) is not None:
        tracks += [Track(str(i), attribution.component_audio(i).audio) for i in strongest(attribution)]
        for target in range(min(len(attribution.targets), MAX_HEARD_TARGETS)):
            for keep in KEEPS:
                heard = attribution.listen(keep=keep, target=target)
                if heard is not None:
                    tracks.append(Track(f"{keep} {target}", heard.audio))
    return Bank(tuple(tracks), recording.sample_rate, 0, _power(recording))


def strongest(attribution: Attribution) -> list[int]:
    """Return the components that get a player where there are too many: the largest values of either sign."""
    values = attribution.values[0].flatten().abs().tolist()
    present = [i for i in range(len(values)) if not (attribution.absent and attribution.absent[i])]
    return sorted(present, key=lambda i: -values[i])[:MAX_PLAYERS]


def _power(recording: Recording) -> float:
    return float(recording.audio.to(torch.float64).square().mean())


def fit(banks: Sequence[Bank]) -> list[Bank]:
    """Return the banks small enough for one page: as they are, or in mono, at a lower rate, cut; each step is noted."""
    fitted = [_playable(bank) for bank in banks]
    if _total(fitted) > MAX_SAMPLES:
        fitted = [_mono(bank, "averaged to mono") for bank in fitted]
    for rate in RATES:
        if _total(fitted) > MAX_SAMPLES:
            fitted = [_resampled(bank, rate) if bank.sample_rate > rate else bank for bank in fitted]
    if _total(fitted) > MAX_SAMPLES:
        fitted = [_cut(bank, MAX_SAMPLES / _total(fitted)) for bank in fitted]
    return fitted


def _total(banks: Sequence[Bank]) -> int:
    return sum(bank.n_samples for bank in banks)


def _playable(bank: Bank) -> Bank:
    low, high = RATE_LIMITS
    if bank.tracks[0].audio.shape[0] > 2:
        bank = _mono(bank, f"{bank.tracks[0].audio.shape[0]} channels averaged to mono")
    if not low <= bank.sample_rate <= high:
        bank = _resampled(bank, low if bank.sample_rate < low else 48_000)
    return bank


def _mono(bank: Bank, note: str) -> Bank:
    if bank.tracks[0].audio.shape[0] == 1:
        return bank
    tracks = tuple(replace(track, audio=sound.remix(track.audio, 1)) for track in bank.tracks)
    return replace(bank, tracks=tracks, notes=(*bank.notes, note))


def _resampled(bank: Bank, rate: int) -> Bank:
    tracks = tuple(replace(track, audio=sound.resample(track.audio, bank.sample_rate, rate)) for track in bank.tracks)
    notes = tuple(note for note in bank.notes if not note.startswith("resampled"))
    return replace(bank, tracks=tracks, sample_rate=rate, notes=(*notes, f"resampled to {rate} Hz"))


def _cut(bank: Bank, share: float) -> Bank:
    length = max(1, int(bank.tracks[0].audio.shape[-1] * share))
    tracks = tuple(replace(track, audio=track.audio[:, :length]) for track in bank.tracks)
    return replace(bank, tracks=tracks, notes=(*bank.notes, f"cut to the first {seconds(length / bank.sample_rate)}"))


def common_gain(bank: Bank) -> float:
    """Return the gain, at most 1, under which no track and no mix of components clips.

    The loudest mix at an instant keeps exactly the components on one side of zero, so two sums cover all 2**n.
    """
    peak = max(float(track.audio.abs().max()) for track in bank.tracks)
    if bank.mixed:
        parts = torch.stack([track.audio for track in bank.tracks[: bank.mixed]])
        peak = max(peak, float(parts.clamp(min=0).sum(0).max()), float(-parts.clamp(max=0).sum(0).min()))
    return 1.0 if peak <= 0.999 else 0.999 / peak


def gram(bank: Bank) -> list[list[float]]:
    """Return mean products of the components relative to the recording: the level of any mix follows from them."""
    parts = [track.audio.flatten().to(torch.float64) for track in bank.tracks[: bank.mixed]]
    length = max(1, bank.tracks[0].audio.numel())
    scale = length * (bank.power or 1.0)
    return [[float(a @ b) / scale for b in parts] for a in parts]


def encode(audio: Tensor, sample_rate: int, gain: float) -> str:
    """Return samples times `gain` as base64 of a FLAC file of 16 significant bits."""
    # The container is 24 bits wide; FLAC stores the eight empty ones for nothing.
    rounded = torch.round(audio * gain * FULL_SCALE).clamp(-FULL_SCALE, FULL_SCALE - 1) / FULL_SCALE
    with tempfile.TemporaryDirectory() as folder:
        path = sound.write(Recording(rounded, sample_rate), Path(folder) / "track.flac")
        return base64.b64encode(path.read_bytes()).decode()
