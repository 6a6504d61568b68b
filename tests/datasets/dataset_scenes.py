"""Small copies of real layouts: Slakh2100's folders, MUSDB18-HQ's, and sound files of every kind."""

from __future__ import annotations

from pathlib import Path

import torch
import yaml

from hearwhy import audio as sound
from hearwhy.types import Recording

RATE = 44_100


def noise(seed: int, *, seconds: float = 0.5, rate: int = RATE, channels: int = 1, level: float = 0.05) -> Recording:
    generator = torch.Generator().manual_seed(seed)
    return Recording(level * torch.randn(channels, round(seconds * rate), generator=generator).clamp(-3, 3), rate)


def make_slakh_song(folder: Path, uuid: str, instruments: list[tuple], *, seconds: float = 0.5, gain: float = 1.0) -> Path:
    """A song as Slakh2100 has it; an instrument is (inst_class, program, rendered). ``mix.flac`` is the sum times `gain`."""
    stems, total = {}, torch.zeros(1, round(seconds * RATE))
    for number, (inst_class, program, was_rendered) in enumerate(instruments):
        stems[f"S{number:02d}"] = {
            "audio_rendered": was_rendered,
            "inst_class": inst_class,
            "integrated_loudness": -12.82074180245363 if number else float("-inf"),
            "is_drum": inst_class == "Drums",
            "midi_program_name": "Lead 8 (bass + lead)" if number else "Acoustic Grand Piano",
            "midi_saved": True,
            "plugin_name": "elektrik_guitar.nkm" if was_rendered else "None",
            "program_num": program,
        }
        if was_rendered:
            stem = noise(100 * len(instruments) + number, seconds=seconds)
            sound.write(stem, folder / "stems" / f"S{number:02d}.flac")
            total += sound.load(folder / "stems" / f"S{number:02d}.flac").audio  # as it was rounded
    sound.write(Recording(gain * total, RATE), folder / "mix.flac")
    metadata = {
        "UUID": uuid,
        "audio_dir": "stems",
        "lmd_midi_dir": f"lmd_matched/O/O/H/TROOHTB128F931F9DF/{uuid}.mid",
        "midi_dir": "MIDI",
        "normalization_factor": -13.0,
        "normalized": True,
        "overall_gain": 0.18270259567062658,
        "stems": stems,
        "target_peak": -1.0,
    }
    (folder / "metadata.yaml").write_text(yaml.safe_dump(metadata, default_flow_style=False))
    (folder / "MIDI").mkdir()
    (folder / "all_src.mid").write_bytes(b"MThd")
    return folder


FULL = [
    ("Piano", 0, True),
    ("Guitar", 30, True),
    ("Piano", 4, True),
    ("Drums", 128, True),
    ("Bass", 33, True),
    ("Strings", 40, True),
    ("Strings (continued)", 48, True),
    ("Sound Effects", 96, False),
]
NO_PIANO = [("Guitar", 30, True), ("Drums", 128, True), ("Bass", 33, True), ("Strings (continued)", 48, True)]


def make_slakh(root: Path) -> Path:
    """Slakh2100-redux in small: songs with and without a piano, and an omitted one made from the MIDI file of another."""
    make_slakh_song(root / "train" / "Track00001", "1a81ae092884234f3264e2f45927f00a", FULL)
    make_slakh_song(root / "train" / "Track00002", "2b81ae092884234f3264e2f45927f00b", NO_PIANO)
    make_slakh_song(root / "validation" / "Track01501", "3c81ae092884234f3264e2f45927f00c", FULL, gain=0.5)
    make_slakh_song(root / "test" / "Track01876", "4d81ae092884234f3264e2f45927f00d", FULL)
    make_slakh_song(root / "omitted" / "Track00003", "1a81ae092884234f3264e2f45927f00a", FULL)
    return root


def make_hq_song(folder: Path, stems: tuple[str, ...], *, seconds: float = 0.5) -> Path:
    """A song as MUSDB18-HQ has it: stereo WAV files; the mixture is their sum, rounded."""
    total = torch.zeros(2, round(seconds * RATE))
    for number, stem in enumerate(stems):
        recording = noise(number, channels=2, seconds=seconds)
        sound.write(recording, folder / f"{stem}.wav")
        total += recording.audio
    sound.write(Recording(total, RATE), folder / "mixture.wav")
    return folder
