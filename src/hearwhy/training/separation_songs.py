"""Songs to learn separation from: stems with their notes, and snippets in which any of them play, as loud as may be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.datasets.band.metadata import read_metadata
from hearwhy.datasets.band.presets import STEMS
from hearwhy.datasets.band.songs import Stems, read_split
from hearwhy.datasets.headers import read_header
from hearwhy.datasets.slakh import rendered
from hearwhy.separators.mask_inference import Design, features, scale
from hearwhy.training.rolls import roll

LONGEST_S = 30.0  # of each song, from its middle: all of a band song, and of Slakh2100's what memory holds
FRAMES = 64  # of a snippet: 2 s at a hop of 512
PLAYS = 0.7  # how often a stem plays: masks must learn to be 0
VARIED_DB = 6.0


@dataclass(frozen=True, eq=False)
class Batch:
    """Snippets as the network and its losses take them, scaled so that the mix has the magnitude of white noise with RMS 1."""

    sources: Complex[Tensor, "batch source freq frame"]
    features: Float[Tensor, "batch freq frame"]
    held: Bool[Tensor, "batch source key frame"] | None


@dataclass(frozen=True)
class Cut:
    """A snippet: of which song, from which frame on, and every stem's factor (0: it does not play)."""

    song: int
    frame: int
    gains: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Songs:
    """The songs of a split, with the keys held in every frame, or None and in `without` the path of a missing MIDI file."""

    stems: Sequence[Stems]
    rolls: Sequence[Bool[Tensor, "source key frame"]] | None
    without: str | None
    design: Design

    def draw(self, rng: np.random.Generator, per_song: int) -> list[Cut]:
        """Return `per_song` snippets of every song in random order; in each, any of its stems play."""
        cuts = []
        for number, song in enumerate(self.stems):
            for _ in range(per_song):
                playing = rng.random(len(STEMS)) < PLAYS
                playing[rng.integers(len(STEMS))] = True
                gains = playing * 10 ** (rng.uniform(-VARIED_DB, VARIED_DB, len(STEMS)) / 20)
                n_frames = 1 + (song.audio.shape[1] - self.length) // self.design.hop_length
                cuts.append(Cut(number, int(rng.integers(n_frames)), tuple(map(float, gains))))
        return [cuts[i] for i in rng.permutation(len(cuts))]

    @property
    def length(self) -> int:
        """Samples of a snippet: its first frame is centred on the first one, its last on the last."""
        return (FRAMES - 1) * self.design.hop_length

    def batches(self, cuts: Sequence[Cut], size: int) -> Iterator[Batch]:
        """Yield snippets, `size` at a time."""
        for start in range(0, len(cuts), size):
            yield self._batch(cuts[start : start + size])

    def _batch(self, cuts: Sequence[Cut]) -> Batch:
        design, hop = self.design, self.design.hop_length
        waves = []
        for cut in cuts:
            stems = self.stems[cut.song].audio[:, cut.frame * hop : cut.frame * hop + self.length]
            waves.append(stems * torch.tensor(cut.gains)[:, None])
        audio = torch.stack(waves)
        level = audio.sum(dim=1).square().mean(dim=1).sqrt()
        spectra = sound.stft(audio, design.n_fft, hop) / scale(level, design.n_fft)[:, None, None, None]
        held = None
        if self.rolls is not None:
            held = torch.stack([self.rolls[cut.song][..., cut.frame : cut.frame + FRAMES] for cut in cuts])
            held &= torch.tensor([cut.gains for cut in cuts])[..., None, None] > 0
        return Batch(spectra, features(spectra.sum(dim=1).abs()), held)


def read_songs(data: str | Path, split: str, design: Design) -> Songs:
    """Return the songs of a split; errors as in `hearwhy.datasets.band.songs.read_split`.

    Songs that lack one of the stems are skipped, with a warning that names them.
    """
    stems = read_split(data, split, sample_rate=design.sample_rate, seconds=LONGEST_S, incomplete="skip")
    short = [song.name for song in stems if song.audio.shape[1] < FRAMES * design.hop_length]
    if short:
        seconds = FRAMES * design.hop_length / design.sample_rate
        raise ValueError(f"a snippet is {seconds:.1f} s long, and {', '.join(short)} are shorter; leave them out.")
    rolls, without = [], None
    for song in stems if design.transcribes else ():
        found = _rolls(Path(data) / split / song.name, song.audio.shape[1], design)
        if isinstance(found, str):
            return Songs(stems, None, found, design)
        rolls.append(found)
    return Songs(stems, rolls if design.transcribes else None, without, design)


def _rolls(folder: Path, n_samples: int, design: Design) -> Tensor | str:
    """Return the keys that every stem of a song holds; the path of the first MIDI file that is missing."""
    files = rendered(folder, read_metadata(folder / "metadata.yaml"))
    duration_s = read_header(files[STEMS[0]][0]).duration_s
    timing = {
        "frame_s": design.hop_length / design.sample_rate,
        "start_s": max(0.0, (duration_s - LONGEST_S) / 2),
    }
    rows = []
    for stem in STEMS:
        paths = [folder / "MIDI" / f"{path.stem}.mid" for path in files[stem]]
        if missing := [path for path in paths if not path.is_file()]:
            return str(missing[0])
        n_frames = 1 + n_samples // design.hop_length
        rows.append(torch.stack([roll(path, n_frames, **timing) for path in paths]).any(dim=0))
    return torch.stack(rows)
