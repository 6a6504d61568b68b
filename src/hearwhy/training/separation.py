"""The recipes ova and cerberus: networks that take songs apart, for explanations in sources."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hearwhy.datasets.band.presets import STEMS
from hearwhy.datasets.band.songs import read_split
from hearwhy.networks import mask_blstm, mask_unet
from hearwhy.separators.mask_inference import NETWORKS, Design, Separation
from hearwhy.training.fitting import Best, Checkpoint, Progress
from hearwhy.training.separation_figures import separation_table, summary
from hearwhy.training.separation_fitting import Schedule, fit_separation
from hearwhy.training.separation_songs import LONGEST_S, Songs, read_songs
from hearwhy.training.weights_file import checked_out, checkpoint_path, write_weights

SIZES: dict[tuple[str, str], dict[str, Any]] = {
    ("ova", "unet"): {"channels": [n // 2 for n in mask_unet.CHANNELS]},  # five such networks cost what one of Cerberus's does
    ("cerberus", "unet"): {"channels": list(mask_unet.CHANNELS)},
    ("ova", "blstm"): {"units": mask_blstm.UNITS, "layers": mask_blstm.LAYERS},
    ("cerberus", "blstm"): {"units": mask_blstm.UNITS, "layers": mask_blstm.LAYERS},
}
SCHEDULES = {"unet": Schedule(), "blstm": Schedule(epochs=100, batch_size=32, learning_rate=1e-3)}
"""How long and fast each network is trained where nothing is said."""


def train_ova(
    data: str | Path,
    out: str | Path,
    *,
    network: str = "unet",
    epochs: int | None = None,
    resume: bool = False,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> dict[str, float]:
    """Train one-vs-all separators, a mask-inference network for each of bass, drums, guitar, piano and strings.

    Their losses are added and none shares a weight, so each learns what it would alone; only the epoch that is kept is the best
    of them together. The rest is that of `train_cerberus`.

    Parameters
    ----------
    data, out, network, epochs, resume, seed, device, progress
        As of `train_cerberus`.

    Raises
    ------
    ValueError, FileNotFoundError
        As `train_cerberus`.

    References
    ----------
    V. Haunschmid, E. Manilow and G. Widmer, "audioLIME: listenable explanations using source separation", 2020, section 4;
    deviations as of `train_cerberus`, and strings have a network, too.
    """
    return _train(Design("ova", network, STEMS, False, {}), data, out, (epochs, seed, device, resume), progress)


def train_cerberus(
    data: str | Path,
    out: str | Path,
    *,
    network: str = "unet",
    epochs: int | None = None,
    resume: bool = False,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> dict[str, float]:
    """Train Cerberus, one network that separates bass, drums, guitar, piano and strings, clusters and transcribes.

    It learns from 2 s snippets of a song in which any of its stems play (each with a chance of 0.7), each up to 6 dB louder or
    softer, others in every epoch. The epoch is kept whose masks miss the truth least on the validation songs. The same seed,
    machine and number of threads give the same weights to the bit.

    Parameters
    ----------
    data
        Songs in Slakh2100's layout: what ``hearwhy data band`` rendered, or Slakh2100 itself, of which the songs that have all
        five stems are taken, 30 s of each. Where a stem has no MIDI file, the transcription head is left out, and the figures'
        file says so.
    out
        The weights, a ``.safetensors`` file; ``.json`` beside it has the figures of every mix, and the learning curve.
    network
        "unet" (small, for a CPU) or "blstm" (the published kind, 8 million weights and more, for a GPU).
    epochs
        How often every song is heard; None: 16 for the U-Net, 100 for the BLSTM.
    resume
        Go on with the training that ``OUT.state`` holds.
    seed
        Of the first weights and of every snippet.
    device
        Where the network is trained.
    progress
        Told (epochs done, epochs in all).

    Returns
    -------
    dict
        The number of weights, and over the test songs the mean SI-SDR of each source and what it gained over the mix, in dB, in
        audioLIME's mixes: guitar or piano with bass and drums (gpdb), and with strings (gpdbs).

    Raises
    ------
    ValueError
        There is no such network, `epochs` is below 1, `out` is no ``.safetensors`` file, a song is shorter than a snippet, or
        ``OUT.state`` does not fit `resume`.
    FileNotFoundError
        There are no such songs.
    ImportError
        mido, which reads MIDI files, is not installed.

    References
    ----------
    E. Manilow, P. Seetharaman and B. Pardo, "Simultaneous separation and transcription of mixtures with multiple polyphonic and
    percussive instruments", ICASSP 2020. Deviations: the "unet" in the place of BLSTMs; losses weighted 1 (masks), 0.1
    (clustering) and 0.1 (transcription); a hop of 512; snippets of one song's stems, with gains and drop-outs of our own.
    """
    return _train(Design("cerberus", network, STEMS, True, {}), data, out, (epochs, seed, device, resume), progress)


def _train(
    asked: Design, data: str | Path, out: str | Path, how: tuple[int | None, int, str, bool], progress: Progress | None
) -> dict[str, float]:
    epochs, seed, device, resume = how
    out = checked_out(out)
    state = checkpoint_path(out, resume=resume)
    schedule = _schedule(asked.network, epochs)
    design = replace(asked, sizes=SIZES[asked.recipe, asked.network])
    train, held_out = (read_songs(data, split, design) for split in ("train", "validation"))
    without = train.without or held_out.without
    if without:
        train, held_out = replace(train, rolls=None), replace(held_out, rolls=None)
    design = replace(design, transcribes=design.transcribes and not without)
    network = _fresh(design, seed).to(device)
    checkpoint = Checkpoint(state, _identity(design, schedule, seed, train))
    best = fit_separation(network, (train, held_out), schedule, seed=seed, checkpoint=checkpoint, progress=progress)
    del train, held_out  # the test songs need the room
    figures = _finish(design, network.cpu(), data, out, {**_about(best, schedule), "seed": seed, "without_midi": without})
    state.unlink()
    return figures


def _schedule(network: str, epochs: int | None) -> Schedule:
    if network not in NETWORKS:
        raise ValueError(f"network is one of {', '.join(NETWORKS)}; got {network!r}.")
    if epochs is not None and epochs < 1:
        raise ValueError(f"epochs must be at least 1; got {epochs}.")
    return SCHEDULES[network] if epochs is None else replace(SCHEDULES[network], epochs=epochs)


def _fresh(design: Design, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):  # layers draw their first weights from torch's global generator
        torch.manual_seed(seed)
        return design.build()


def _identity(design: Design, schedule: Schedule, seed: int, songs: Songs) -> str:
    """Say what a training is of: one that goes on must be the same."""
    lengths = {song.name: song.audio.shape[1] for song in songs.stems}
    return json.dumps([asdict(design), asdict(schedule), seed, lengths], sort_keys=True)


def _about(best: Best, schedule: Schedule) -> dict[str, Any]:
    curve = [{"train_loss": learned, "validation_loss": loss} for learned, _, loss in best.curve]
    return {**asdict(schedule), "epoch": best.epoch, "curve": curve}


def _finish(design: Design, network: nn.Module, data: str | Path, out: Path, about: dict[str, Any]) -> dict[str, float]:
    """Measure the network on the test songs, write the weights, and return the figures."""
    songs = read_split(data, "test", sample_rate=design.sample_rate, seconds=LONGEST_S, incomplete="skip")
    table = separation_table(Separation(design, network.eval()), songs)
    n_weights = sum(weight.numel() for weight in network.parameters())
    told = {**asdict(design), **about, "n_weights": n_weights, "n_test_songs": len(songs), "separation": table}
    write_weights(network.state_dict(), out, told)
    return {"n_weights": n_weights, **summary(table)}
