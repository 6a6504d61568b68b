"""Sounds of one clip of each class: what each method's mask keeps and removes, by hearwhy's way back and by the paper's."""

from __future__ import annotations

from pathlib import Path

import soundfile
import torch
from asking import Setting
from choosing import our_winners
from rows import read_rows
from scenes import Map, Stage
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.evaluate.maps import Scene
from hearwhy.front_ends.rendering import paper_inverse, render
from hearwhy.masks import make_mask


def write_sounds(setting: Setting, data: Path, noises: Path, out: Path) -> int:
    """Write ``sounds/CLASS/...wav`` (clean recordings, Mel-dB), and return how many there are.

    Levels are the recording's own: nothing is normalised, and samples are floats, so that nothing is clipped.
    """
    chosen = our_winners(read_rows(out))
    masks = chosen.get("corrected", chosen.get("text", {}))
    n_sounds = 0
    for scene, found in Stage(setting, data, noises).scenes(out, "mel", "clean"):
        folder = out / "sounds" / found[0].category
        folder.mkdir(parents=True, exist_ok=True)
        for name, audio in _sounds(scene, found, masks).items():
            soundfile.write(folder / f"{name}.wav", audio.numpy(), scene.spectrum.front_end.sample_rate, subtype="FLOAT")
            n_sounds += 1
    return n_sounds


def _sounds(scene: Scene, found: list[Map], masks: dict[tuple[str, ...], str]) -> dict[str, Tensor]:
    spectrum = scene.spectrum
    rate = spectrum.front_end.sample_rate
    whole = sound.resample(sound.remix(scene.recording.audio, 1), scene.recording.sample_rate, rate)
    filled = torch.nn.functional.pad(whole, (0, spectrum.n_samples - whole.shape[1]))
    length, own = whole.shape[1], spectrum.features[None]
    made = {
        "recording": whole[0],
        "everything-hearwhy": render(spectrum.front_end, filled, own, own)[0, :length],
        "everything-paper": paper_inverse(spectrum.front_end, filled, own)[0, :length],
    }
    for one in found:
        mask = masks.get(("mel", "clean", one.method), "bin")
        parts = torch.stack(spectrum.masked(make_mask(mask, one.values)))
        ways = {
            "hearwhy": render(spectrum.front_end, filled, own, parts),
            "paper": paper_inverse(spectrum.front_end, filled.expand(2, -1), parts),
        }
        for way, (kept, removed) in ways.items():
            made |= {f"{one.method}-{mask}-kept-{way}": kept[:length], f"{one.method}-{mask}-removed-{way}": removed[:length]}
    return made
