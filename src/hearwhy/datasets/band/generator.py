"""The generator: composed songs rendered stem by stem into Slakh2100's folder layout.

``OUT/{train,validation,test}/TrackNNNNN/{metadata.yaml, MIDI/Sxx.mid, stems/Sxx.flac, mix.flac}``, 16 kHz mono. The
mix *is* the sum of the stems: the renders of single stems miss a joint render by about -50 dB, so a joint one would not
do.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.datasets.band.composer import SPLITS, Part, Song, compose
from hearwhy.datasets.band.metadata import read_metadata, write_metadata
from hearwhy.datasets.band.midi import write_midi
from hearwhy.datasets.band.presets import INST_CLASS
from hearwhy.types import Recording

VERSION = 1  # of the composer and the rendering: raise it when the same seed gives other songs
SAMPLE_RATE = 16_000
RENDER_RATE = 32_000  # the player resamples without a low-pass: what folds down lands above 8 kHz, and is filtered out
PLAYER_GAIN = 0.5
HIGHEST_PEAK = 0.5  # of the mix; below it 16-bit steps survive 24-bit FLAC to the bit, so that stems sum to the mix exactly
SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
INSTALL = "install them with: apt-get install fluidsynth fluid-soundfont-gm"
SHARES = {"train": 8, "validation": 2, "test": 5}

Progress = Callable[[int, int], None]
"""Told how many of how many songs are there."""


def generate(
    out: str | Path,
    *,
    n_songs: int = 300,
    seed: int = 0,
    workers: int = 1,
    soundfont: Path = SOUNDFONT,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Compose and render the `band` set into a folder; returns how many songs each split holds.

    Songs that are there already are kept, so a broken-off run is taken up again and a set can grow. Every song depends
    on nothing but (seed, split, index). About 2 s of one core and 2 MB a song.

    Parameters
    ----------
    out
        The folder to fill; made if it is not there.
    n_songs
        In all: 8 of 15 for training, 2 for validation, 5 for the tests, at least one each.
    seed
        Which songs.
    workers
        How many songs are rendered at a time.
    soundfont
        The General MIDI SoundFont; presets are named after FluidR3 GM's.
    progress
        Called with (songs there, songs in all) after each song.

    Raises
    ------
    FileNotFoundError
        FluidSynth or the SoundFont is not installed.
    ValueError
        Fewer than 3 songs or 1 worker are asked for, or the folder holds songs of another seed or version.
    RuntimeError
        FluidSynth failed; its message is given.
    """
    if n_songs < 3 or workers < 1:
        raise ValueError(f"n_songs must be at least 3, one a split, and workers at least 1; got {n_songs} and {workers}.")
    counts = split_sizes(n_songs)
    todo = [(split, index) for split in SPLITS for index in range(counts[split])]
    missing = [(split, index) for split, index in todo if not _is_there(song_folder(Path(out), split, index), seed)]
    if missing:
        _check_player(soundfont)
    if progress:
        progress(len(todo) - len(missing), len(todo))
    work = partial(_make, out=Path(out), seed=seed, soundfont=soundfont)
    with ThreadPoolExecutor(workers) as pool:  # threads: the work is done by FluidSynth's processes
        for done, _ in enumerate(pool.map(work, missing), start=1 + len(todo) - len(missing)):
            if progress:
                progress(done, len(todo))
    return counts


def split_sizes(n_songs: int) -> dict[str, int]:
    """Return how many of `n_songs` songs go into each split."""
    whole = sum(SHARES.values())
    sizes = {split: max(1, round(n_songs * SHARES[split] / whole)) for split in ("validation", "test")}
    return {"train": n_songs - sum(sizes.values()), **sizes}


def song_folder(out: Path, split: str, index: int) -> Path:
    """Return a song's folder; track numbers are unique over the splits, as in Slakh2100."""
    return out / split / f"Track{10_000 * SPLITS.index(split) + index + 1:05d}"


def _is_there(folder: Path, seed: int) -> bool:
    if not folder.is_dir():
        return False
    metadata = read_metadata(folder / "metadata.yaml")
    found = (metadata.get("seed"), metadata.get("generator_version"))
    if found != (seed, VERSION):
        raise ValueError(
            f"{folder} was made with seed {found[0]} by version {found[1]} of the generator, and seed {seed} by "
            f"version {VERSION} is asked for; give an empty folder."
        )
    return True


def _check_player(soundfont: Path) -> None:
    if shutil.which("fluidsynth") is None:
        raise FileNotFoundError(f"The program fluidsynth is not installed; it renders the songs. On Debian {INSTALL}.")
    if not soundfont.is_file():
        raise FileNotFoundError(f"There is no SoundFont {soundfont}; on Debian {INSTALL}.")


def _make(unit: tuple[str, int], *, out: Path, seed: int, soundfont: Path) -> None:
    split, index = unit
    song = compose(seed, split, index)
    folder = song_folder(out, split, index)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unfinished-") as temporary:
        made = Path(temporary) / folder.name
        gain = _render_song(song, made, soundfont)
        about = {"generator_version": VERSION, "seed": seed, "split": split, "index": index}
        write_metadata(made / "metadata.yaml", _metadata(song, gain, about))
        made.rename(folder)


def _render_song(song: Song, folder: Path, soundfont: Path) -> float:
    """Write MIDI files, stems and mix; returns the gain, common to all stems, that keeps the mix below its peak."""
    (folder / "MIDI").mkdir(parents=True)
    names = [f"S{number:02d}" for number in range(len(song.parts))]
    rendered = []
    for name, part in zip(names, song.parts, strict=True):
        write_midi(song, part, folder / "MIDI" / f"{name}.mid")
        rendered.append(_render(folder / "MIDI" / f"{name}.mid", soundfont, song.duration_s))
    stems = torch.stack(rendered)
    peak = float(stems.sum(dim=0).abs().max())
    gain = 1.0 if peak <= HIGHEST_PEAK else HIGHEST_PEAK * 0.999 / peak
    stems = torch.round(stems * gain * 2**15) / 2**15
    for name, stem in zip(names, stems, strict=True):
        sound.write(Recording(stem[None], SAMPLE_RATE), folder / "stems" / f"{name}.flac")
    sound.write(Recording(stems.sum(dim=0)[None], SAMPLE_RATE), folder / "mix.flac")
    return gain


def _render(midi: Path, soundfont: Path, duration_s: float) -> Tensor:
    """Return one part as FluidSynth plays it at a fixed gain, mono, exactly `duration_s` long."""
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "stem.wav"
        command = ["fluidsynth", "-ni", "-q", "-F", str(file), "-T", "wav", "-O", "float", "-r", str(RENDER_RATE)]
        command += ["-g", str(PLAYER_GAIN), "-R", "0", "-C", "0", "-o", "synth.dynamic-sample-loading=1"]
        done = subprocess.run([*command, str(soundfont), str(midi)], capture_output=True, text=True, check=False)
        if done.returncode or not file.is_file():
            raise RuntimeError(f"fluidsynth could not render {midi.name}: {done.stderr.strip() or done.stdout.strip()}")
        played = sound.load(file)
    mono = sound.resample(played.audio.mean(dim=0), RENDER_RATE, SAMPLE_RATE)
    length = round(duration_s * SAMPLE_RATE)
    return torch.nn.functional.pad(mono, (0, max(0, length - len(mono))))[:length]


def _metadata(song: Song, gain: float, about: dict[str, Any]) -> dict[str, Any]:
    keys = ("C", "C sharp", "D", "E flat", "E", "F", "F sharp", "G", "A flat", "A", "B flat", "B")
    return {
        "audio_dir": "stems",
        "midi_dir": "MIDI",
        "normalized": False,
        "overall_gain": round(gain, 6),
        "tempo": round(song.tempo, 3),
        "key": f"{keys[song.key]} {song.mode}",
        **about,
        "stems": {f"S{number:02d}": _about(part) for number, part in enumerate(song.parts)},
    }


def _about(part: Part) -> dict[str, Any]:
    return {
        "audio_rendered": True,
        "inst_class": INST_CLASS[part.stem],
        "is_drum": part.is_drum,
        "midi_program_name": part.preset.name,
        "midi_saved": True,
        "plugin_name": f"FluidR3 GM {part.preset.bank}:{part.preset.program}",
        "program_num": part.preset.program,
        "style": part.style,
        "volume": part.volume,
    }
