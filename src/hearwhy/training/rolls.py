"""Piano rolls: which keys are held when, read from MIDI files."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor

from hearwhy.classifiers.extras import need
from hearwhy.networks.mask_heads import KEYS, LOWEST_KEY


def held_notes(path: Path) -> list[tuple[float, float, int]]:
    """Return the notes of a MIDI file as (start in s, stop in s, MIDI number), in the order in which they stop."""
    mido = need("mido", extra="band", what="Reading MIDI files")
    now = 0.0
    struck: dict[tuple[int, int], float] = {}
    notes: list[tuple[float, float, int]] = []
    for message in mido.MidiFile(path):  # its iterator follows the changes of tempo; times are in seconds
        now += message.time
        if message.type not in ("note_on", "note_off"):
            continue
        key = (message.channel, message.note)
        if key in struck:
            notes.append((struck.pop(key), now, message.note))
        if message.type == "note_on" and message.velocity:
            struck[key] = now
    return notes + [(start, now, note) for (_, note), start in struck.items()]


def roll(path: Path, n_frames: int, *, frame_s: float, start_s: float = 0.0) -> Bool[Tensor, "key frame"]:
    """Return which of a piano's keys (`KEYS` from `LOWEST_KEY` on) are held in which frame.

    A note is held from the frame nearest to its start up to the one nearest to its stop, and for one frame at least.

    Parameters
    ----------
    path
        A MIDI file.
    n_frames, frame_s
        How many frames, and the time from one to the next in seconds.
    start_s
        Where frame 0 is in the file.
    """
    held = torch.zeros(KEYS, n_frames, dtype=torch.bool)
    for start, stop, note in held_notes(path):
        first = round((start - start_s) / frame_s)
        last = max(first + 1, round((stop - start_s) / frame_s))
        if last > 0 and LOWEST_KEY <= note < LOWEST_KEY + KEYS:
            held[note - LOWEST_KEY, max(0, first) : last] = True
    return held
