"""Donors: sounds mixed in that the recording does not have; what would the model say if drums were added?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.components.parts import Parts
from hearwhy.types import Recording

Donor = str | Path | Recording
"""A sound to mix in: a recording, a path, or a line "FILE@-6dB,loop" with its gain, repeated where it is shorter."""

ROUNDING_S = 0.01  # a donor that ends so little before the recording was as long before it was resampled


def with_donors(parts: Parts, donors: Mapping[str, Donor]) -> Parts:
    """Return parts of the recording with `donors` mixed in, each a part of its own, the last ones, called "added drums".

    `mix(ones)` is the recording plus the donors; with the donors off and everything else on it is the recording as it is
    (`Parts.as_it_is`). A donor is as loud as it is stored, times its gain; it is brought to the recording's rate and
    channels, and cut to its length. What was done, and how loud the donor is beside the recording, joins the history. No fill
    stands in for a donor: without it there is nothing more.

    Parameters
    ----------
    parts
        What the recording was taken apart into.
    donors
        Name to sound; see `Donor`.

    Raises
    ------
    ValueError
        A donor is silent, shorter than the recording and not to be repeated, or of channels that do not fit.
    FileNotFoundError
        There is no such file.

    Examples
    --------
    >>> import hearwhy, torch
    >>> from hearwhy.components import segments
    >>> tone, hum = (hearwhy.Recording(gain * torch.sin(torch.arange(8000) / 5), 8000) for gain in (0.5, 0.1))
    >>> with_donors(segments(tone, 2), {"hum": hum}).names
    ('0.00-0.50 s', '0.50-1.00 s', 'added hum')
    """
    recording, n = parts.recording, len(donors)
    joining = [_fitted(_parsed(donor), name, recording) for name, donor in donors.items()]
    waves = torch.stack([wave for wave, _ in joining])
    names = tuple(f"added {name}" for name in donors)
    if set(names) & set(parts.names):
        raise ValueError(f"There is a part {', '.join(set(names) & set(parts.names))} already; call what is added otherwise.")

    def spread(audio: Tensor) -> Tensor:
        return _with_silence(parts.spread(audio), n)

    return Parts(
        audio=torch.cat([parts.audio, waves]),
        recording=Recording(
            recording.audio + waves.sum(dim=0),
            recording.sample_rate,
            f"{recording.name} with {', '.join(donors)} added",
            (*recording.history, *(told for _, told in joining)),
        ),
        names=(*parts.names, *names),
        shape=(len(parts.names) + n,),
        spread=spread,
        spec=f"{parts.spec} + {' + '.join(names)}",
        fills=tuple(None if fill is None else _with_silence(fill, n) for fill in parts.fills),
        fill_names=parts.fill_names,
        parents=None if parts.parents is None else (*parts.parents, *names),
        added=(*parts.added, *donors),
        as_it_is=parts.as_it_is or recording,
    )


def _with_silence(rows: Tensor, n: int) -> Tensor:
    return torch.cat([rows, rows.new_zeros(n, *rows.shape[1:])])


@dataclass(frozen=True, eq=False)
class _Sound:
    recording: Recording
    gain_db: float = 0.0
    loop: bool = False


def _parsed(donor: Donor) -> _Sound:
    if isinstance(donor, Recording):
        return _Sound(donor)
    if isinstance(donor, Path):
        return _Sound(sound.load(donor))
    file, loop = donor.removesuffix(",loop"), donor.endswith(",loop")
    gained = re.fullmatch(r"(.+)@([+-]?\d+(?:\.\d+)?) ?dB", file)
    if not gained and re.search(r"@[^/]*dB$", file):
        raise ValueError(f"{donor!r} has no gain that can be read; write it as in drums.flac@-6dB.")
    path, gain_db = (gained[1], float(gained[2])) if gained else (file, 0.0)
    return _Sound(sound.load(path), gain_db, loop)


def _fitted(donor: _Sound, name: str, recording: Recording) -> tuple[Float[Tensor, "channel time"], str]:
    """Return a donor as it is mixed in, and in a sentence what was done to it."""
    given, (channels, time) = donor.recording, recording.audio.shape
    if len(given.audio) not in (1, channels) and channels != 1:
        raise ValueError(f"{given.name} has {len(given.audio)} channels and {recording.name} has {channels}; remix it first.")
    wave = sound.remix(given.audio, channels) * 10 ** (donor.gain_db / 20)
    wave = sound.resample(wave, given.sample_rate, recording.sample_rate)
    wave, cut = _of_length(wave, donor, time, recording)
    level = sound.level_db(wave)
    if level < sound.SILENCE_DB:
        raise ValueError(f"{given.name} is silent for the {recording.duration_s:.2f} s that would be added as {name}.")
    rates = (given.sample_rate, recording.sample_rate)
    done = [
        (channels == 1 < len(given.audio), "averaged to mono"),
        (len(given.audio) == 1 < channels, f"copied to {channels} channels"),
        (rates[0] != rates[1], f"resampled from {rates[0]} to {rates[1]} Hz"),
        (donor.gain_db != 0, f"{donor.gain_db:+g} dB"),
    ]
    steps = [f"added {name}: {given.name}", *cut, *(step for needed, step in done if needed)]
    return wave, ", ".join([*steps, f"{level - sound.level_db(recording.audio):+.1f} dB beside the recording"])


def _of_length(wave: Tensor, donor: _Sound, time: int, recording: Recording) -> tuple[Tensor, list[str]]:
    given, missing = donor.recording, time - wave.shape[1]
    if missing <= 0:
        return wave[:, :time], [f"its first {recording.duration_s:.2f} s"] * (missing < 0)
    if missing <= ROUNDING_S * recording.sample_rate:
        silence = f"followed by {1000 * missing / recording.sample_rate:.1f} ms of silence"
        return torch.nn.functional.pad(wave, (0, missing)), [silence]
    if not donor.loop:
        raise ValueError(
            f"{given.name} is {given.duration_s:.2f} s long and {recording.name} {recording.duration_s:.2f} s; give a longer "
            "one, or let it be repeated with FILE,loop."
        )
    return wave.repeat(1, -(-time // wave.shape[1]))[:, :time], [f"repeated to {recording.duration_s:.2f} s"]
