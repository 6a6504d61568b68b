"""Cnn14, Cnn10, Cnn6 and a small network, trained on datasets in ESC-50's layout."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hearwhy import audio as sound
from hearwhy.classifiers.cnn14 import FRONT_ENDS, NETWORKS, WINDOW_S, fresh_network
from hearwhy.datasets.esc50 import Clip, Esc50, read_esc50
from hearwhy.front_ends import FrontEnd
from hearwhy.networks.cnn14 import SpectrogramCnn, load_panns
from hearwhy.training.augmentation import Augmentation
from hearwhy.training.fitting import Checkpoint, Examples, Progress, Protocol, fit, grade, logits_of
from hearwhy.training.weights_file import checked_out, checkpoint_path, write_weights
from hearwhy.types import Recording

FOLDS = {"train": (1, 2, 3), "validation": (4,), "test": (5,)}
"""ESC-50's own folds, used as the masked-spectrogram paper does."""
PROTOCOLS = {
    "ours": Protocol(
        epochs=60,
        batch_size=16,
        learning_rate=2e-3,
        weight_decay=0.02,
        falling=True,
        augmentation=Augmentation(freq_stripes=(2, 8), time_stripes=(2, 50), roll=True, mixup=0.3, tilt_db=6.0),
    ),
    "paper": Protocol(
        epochs=20, batch_size=32, learning_rate=1e-4, augmentation=Augmentation(freq_stripes=(1, 10), time_stripes=(1, 20))
    ),
}
"""Ours, that of the weights that ship, and the masked-spectrogram paper's."""
STORED_IN_HALF = ("esc-small",)
"""Networks whose convolutions are stored in half precision, to be small enough to ship."""


@dataclass(frozen=True)
class Plan:
    """What is trained, and how.

    Parameters
    ----------
    network
        One of `hearwhy.classifiers.cnn14.NETWORKS`.
    front_end
        "mel" (64 x 501 at 32 kHz) or "stft" (257 x 313 at 16 kHz), as in the masked-spectrogram paper.
    protocol
        "ours": AdamW, mixup, rolled and striped spectrograms, 60 epochs. "paper": Adam 1e-4, batches of 32, SpecAugment of
        10 frequencies and 20 frames, 20 epochs.
    epochs
        How often every clip is seen; None: as the protocol says.
    init
        PANNs' weights to begin with, for the networks that are theirs; the learning rate of "ours" is a tenth then.
    seed
        Of the first weights, the order of the clips, the augmentation and the dropout.
    device
        Where the network is trained.
    shuffle_labels
        Deal the labels of the clips learnt from at random, for comparison; the epoch is kept that fits those best.

    Raises
    ------
    ValueError
        There is no such network, front end or protocol; or not at least one epoch.
    """

    network: str
    front_end: str = "mel"
    protocol: str = "ours"
    epochs: int | None = None
    init: str | Path | None = None
    seed: int = 0
    device: str = "cpu"
    shuffle_labels: bool = False

    def __post_init__(self) -> None:
        choices = (("network", self.network, NETWORKS), ("front_end", self.front_end, FRONT_ENDS))
        for name, got, known in (*choices, ("protocol", self.protocol, PROTOCOLS)):
            if got not in known:
                raise ValueError(f"{name} is one of {', '.join(known)}; got {got!r}.")
        if self.epochs is not None and self.epochs < 1:
            raise ValueError(f"epochs must be at least 1; got {self.epochs}.")

    @property
    def settings(self) -> Protocol:
        """The protocol with what else is asked for."""
        protocol = PROTOCOLS[self.protocol]
        if self.init is not None and self.protocol == "ours":
            protocol = replace(protocol, learning_rate=protocol.learning_rate / 10)
        return protocol if self.epochs is None else replace(protocol, epochs=self.epochs)


def train_esc50(
    data: str | Path, out: str | Path, plan: Plan, *, resume: bool = False, progress: Progress | None = None
) -> dict[str, float]:
    """Train a network on a dataset in ESC-50's layout and return its figures: accuracy in % on each set of folds.

    Folds 1 to 3 are learned from, fold 4 decides which epoch is kept (the most clips right, then the lowest loss), fold 5 is
    looked at once, at the end. Every clip is averaged to mono, resampled, cut or continued with silence to 5.0 s and divided
    by its peak. All spectrograms are held in memory (0.13 MB a clip; "stft" 0.32 MB). After every epoch everything is written
    to ``OUT.state``, so that a training that was killed can go on; it ends with the weights of one that was not. The same
    seed, machine and number of threads give the same weights to the bit. `EscSmall`'s convolutions are stored in half
    precision; the figures are those of the weights as they are stored.

    Parameters
    ----------
    data
        A folder in ESC-50's layout: `hearwhy.datasets.esc50`.
    out
        The weights, a ``.safetensors`` file; the figures are written beside it as ``.json``.
    plan
        What is trained, and how.
    resume
        Go on with the training that ``OUT.state`` holds.
    progress
        Told (epochs done, epochs in all).

    Raises
    ------
    ValueError
        `out` is no ``.safetensors`` file; the dataset lacks a fold; or ``OUT.state`` is there and `resume` is not asked for,
        or is not there and it is, or holds a training with other settings or clips.
    FileNotFoundError
        There is no such dataset, or no such weights to begin with.
    """
    out = checked_out(out)
    state = checkpoint_path(out, resume=resume)
    dataset = read_esc50(data)
    clips = {name: dataset.of_folds(*folds) for name, folds in FOLDS.items()}
    network, fresh = _first_network(plan, len(dataset.categories))
    sets = {name: examples(of_set, dataset.categories, FRONT_ENDS[plan.front_end]) for name, of_set in clips.items()}
    checkpoint = Checkpoint(state, _identity(plan, dataset))
    learned = (sets["train"], sets["validation"])
    if plan.shuffle_labels:
        learned = (_shuffled(sets["train"], plan.seed),) * 2
    best = fit(network, learned, plan.settings, seed=plan.seed, checkpoint=checkpoint, progress=progress)
    if plan.network in STORED_IN_HALF:
        _round_to_half(network)
    figures = {f"{name} ({_folds(FOLDS[name])})": _percent(network, of_set) for name, of_set in sets.items()}
    about = {
        **asdict(plan),
        "init": Path(plan.init).name if plan.init else None,
        "not_from_init": fresh,
        "epochs": plan.settings.epochs,
        "epoch": best.epoch,
        "labels": dataset.categories,
        "accuracy_percent": figures,
        "clips": {name: len(of_set) for name, of_set in clips.items()},
        "confusion_test": _confusion(network, sets["test"], len(dataset.categories)),
    }
    _save(network, out, about)
    state.unlink()
    return figures


def examples(clips: Sequence[Clip], categories: Sequence[str], front_end: FrontEnd) -> Examples:
    """Return the spectrogram of every clip's first five seconds, and the number of its category."""
    rows = [front_end(five_seconds(clip.load(), front_end.sample_rate))[0] for clip in clips]
    labels = torch.tensor([categories.index(clip.category) for clip in clips])
    return Examples(torch.stack(rows), labels, len(categories))


def _shuffled(clips: Examples, seed: int) -> Examples:
    """Return the same clips with their labels dealt at random."""
    order = torch.randperm(len(clips.labels), generator=torch.Generator().manual_seed(seed))
    return replace(clips, labels=clips.labels[order])


def five_seconds(recording: Recording, sample_rate: int) -> Float[Tensor, "1 time"]:
    """Return the recording as mono at that rate, cut after 5.0 s or continued with silence, as the paper does."""
    audio = sound.convert(recording, sample_rate, 1).audio[:, : round(WINDOW_S * sample_rate)]
    return nn.functional.pad(audio, (0, round(WINDOW_S * sample_rate) - audio.shape[1]))


def _first_network(plan: Plan, n_labels: int) -> tuple[SpectrogramCnn, tuple[str, ...]]:
    """Return the network as training begins, and the names of its weights that are not those of `plan.init`."""
    if plan.init is not None and plan.network == "esc-small":
        raise ValueError("PANNs has no network of the kind esc-small; leave --init out, or train cnn14, cnn10 or cnn6.")
    with torch.random.fork_rng(devices=[]):  # layers draw their first weights from torch's global generator
        torch.manual_seed(plan.seed)
        network = fresh_network(plan.network, plan.front_end, n_labels)
    fresh = () if plan.init is None else load_panns(network, plan.init)
    return network.to(plan.device), fresh


def _identity(plan: Plan, dataset: Esc50) -> str:
    """Say what a training is of: one that goes on must be the same."""
    clips = [(clip.name, clip.fold, clip.category) for clip in dataset.clips]
    init = hashlib.sha256(Path(plan.init).read_bytes()).hexdigest() if plan.init else None
    asked = {**asdict(plan), "init": init, "device": None, "settings": asdict(plan.settings)}
    return json.dumps({**asked, "clips": hashlib.sha256(repr(clips).encode()).hexdigest()}, sort_keys=True)


def _round_to_half(network: nn.Module) -> None:
    """Round the convolutions to what half precision can hold, before the figures are taken."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.data = layer.weight.data.half().float()


def _save(network: SpectrogramCnn, out: Path, about: Mapping[str, Any]) -> None:
    """Write the weights, and what they are as JSON inside and beside them."""
    tensors = dict(network.state_dict())
    if about["network"] in STORED_IN_HALF:
        tensors = {name: tensor.half() if tensor.ndim == 4 else tensor for name, tensor in tensors.items()}
    write_weights(tensors, out, about)


def _percent(network: nn.Module, of_set: Examples) -> float:
    return round(100 * grade(network, of_set)[0], 2)


def _folds(folds: Sequence[int]) -> str:
    return f"fold {folds[0]}" if len(folds) == 1 else f"folds {folds[0]}-{folds[-1]}"


def _confusion(network: nn.Module, of_set: Examples, n_labels: int) -> list[list[int]]:
    """Count clips: a row for what a clip is, a column for what the network says."""
    counts = torch.zeros(n_labels, n_labels, dtype=torch.int64)
    for is_a, said in zip(of_set.labels, logits_of(network, of_set).argmax(dim=1), strict=True):
        counts[is_a, said] += 1
    return counts.tolist()
