"""Conditions: how the recordings are heard, as they are or with noise at a stated level."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.one_line import split_list
from hearwhy.types import Recording

CLIP_S = 5.0  # seconds over which levels are measured, the length of ESC's clips


@dataclass(frozen=True)
class Condition:
    """Recordings as they are, or with a noise.

    Parameters
    ----------
    name
        What tables call it; "clean" is without noise.
    noise
        The sound file of the noise; None: recordings as they are.
    snr_db
        Level of the recording over the noise, in dB.
    """

    name: str = "clean"
    noise: Path | None = None
    snr_db: float | None = None

    def of(self, recording: Recording) -> Recording:
        """Return the recording under this condition; see `with_noise`."""
        if self.noise is None or self.snr_db is None:
            return recording
        return with_noise(recording, sound.load(self.noise), self.snr_db)


def parse_conditions(text: str) -> tuple[Condition, ...]:
    """Return the conditions of a line such as ``"clean,white=white.flac@3.52dB"``.

    Raises
    ------
    ValueError
        One of them says nothing that is known, or a name stands twice.
    FileNotFoundError
        There is no such noise.

    Examples
    --------
    >>> parse_conditions("clean")
    (Condition(name='clean', noise=None, snr_db=None),)
    """
    found = tuple(_parse(item) for item in split_list(text))
    names = [condition.name for condition in found]
    if not found or len(set(names)) < len(names):
        raise ValueError(f"Give one or more conditions of different names, as in clean,white=FILE@3.52dB; got {text!r}.")
    return found


def _parse(item: str) -> Condition:
    if item == "clean":
        return Condition()
    shape = re.fullmatch(r"([\w-]+)=(.+)@(-?\d+(?:\.\d+)?)dB", item)
    if not shape or shape[1] == "clean":
        raise ValueError(f"There is no condition {item!r}; give clean, or NAME=FILE@SNRdB as in white=white.flac@3.52dB.")
    path = Path(shape[2])
    if not path.is_file():
        raise FileNotFoundError(f"There is no noise {path} for the condition {shape[1]}. Give the path of a sound file.")
    return Condition(shape[1], path.resolve(), float(shape[3]))


def with_noise(recording: Recording, noise: Recording, snr_db: float) -> Recording:
    """Return five seconds of a recording with a noise, as the masked-spectrogram paper mixes them.

    Both mono (mean over channels), in the recording's rate, cut to 5 s or followed by silence; each divided by its root mean
    square over those 5 s; then ``g recording + (1 - g) noise`` with ``g = 1 / (1 + 10 ** (-snr_db / 20))``, 0.6 at 3.52 dB;
    then divided by its peak. A noise shorter than 5 s is repeated from its beginning.

    Parameters
    ----------
    recording, noise
        What is heard, and what disturbs it.
    snr_db
        Level of the one over the other, in dB.

    Raises
    ------
    ValueError
        One of them is silent.

    Examples
    --------
    >>> tone, hiss = (Recording(torch.rand(1, 40_000) - 0.5, 8000) for _ in range(2))
    >>> float(with_noise(tone, hiss, 3.52).audio.abs().max())
    1.0
    """
    n_samples, rate = round(CLIP_S * recording.sample_rate), recording.sample_rate
    heard = _fitted(sound.remix(recording.audio, 1), n_samples)
    steady = sound.resample(sound.remix(noise.audio, 1), noise.sample_rate, rate)
    steady = steady.repeat(1, -(-n_samples // steady.shape[1]))[:, :n_samples]
    share = 1 / (1 + 10 ** (-snr_db / 20))
    mixed = share * _unit(heard, recording.name) + (1 - share) * _unit(steady, noise.name)
    note = f"mixed with {noise.name}, {snr_db:g} dB below it over {CLIP_S:g} s, and divided by its peak"
    return Recording(mixed / mixed.abs().max(), rate, recording.name, (*recording.history, note))


def _fitted(audio: Float[Tensor, "1 time"], n_samples: int) -> Float[Tensor, "1 time2"]:
    return torch.nn.functional.pad(audio[:, :n_samples], (0, max(0, n_samples - audio.shape[1])))


def _unit(audio: Tensor, name: str) -> Tensor:
    level = audio.square().mean().sqrt()
    if sound.level_db(audio) < sound.SILENCE_DB:
        raise ValueError(f"{name} is silent, so no level over a noise can be set. Leave it out.")
    return audio / level
