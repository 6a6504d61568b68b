"""The tutorial on MFCCs: its Conv2D-LSTM, trained on a folder of sounds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.classifiers.conv_lstm import FRONT_END
from hearwhy.components.background import Background
from hearwhy.datasets.items import Dataset, Item
from hearwhy.datasets.reading import read
from hearwhy.datasets.splitting import split
from hearwhy.networks.conv_lstm import ConvLstm
from hearwhy.training.fitting import Checkpoint, Examples, Progress, Protocol, fit, logits_of
from hearwhy.training.learning_curve import write_learning_curve
from hearwhy.training.weights_file import checked_out, checkpoint_path, write_weights
from hearwhy.types import Recording

FOLDS = {"train": ("1", "2", "3"), "validation": ("4",), "test": ("5",)}
"""ESC-50's own folds, where the dataset has them."""
N_VIEWS = 8  # windows of a clip that training chooses from
AUDIBLE_DB = 40.0  # a window softer than the clip's loudest by more is not learned from
ROLL_S = 0.1  # the tutorial's augmentation: every clip begins a tenth of a second later


def one_view(features: Tensor, labels: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return one of the windows of every clip, chosen at random."""
    chosen = torch.from_numpy(rng.integers(features.shape[1], size=len(features)))
    return features[torch.arange(len(features)), chosen], labels


PROTOCOLS = {
    "ours": Protocol(epochs=100, batch_size=32, learning_rate=1e-3, augmentation=one_view, l2=1e-4),
    "paper": Protocol(epochs=50, batch_size=128, learning_rate=1e-3, augmentation=one_view, l2=1e-4, best_by="loss"),
}


@dataclass(frozen=True, eq=False)
class Sets:
    """Who is learned from, who decides on the epoch, and who is looked at once at the end."""

    train: Sequence[Item]
    validation: Sequence[Item]
    test: Sequence[Item]


def train_conv_lstm(
    data: str | Path,
    out: str | Path,
    *,
    protocol: str = "ours",
    epochs: int | None = None,
    seed: int = 0,
    device: str = "cpu",
    resume: bool = False,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Train the MFCC tutorial's Conv2D-LSTM on sounds with labels and return its figures: accuracy in % on each set.

    The network hears the first second (44 frames) of what it is given: 40 MFCCs of pre-emphasised sound at 22.05 kHz. The
    weights file also holds what its features usually are over the training clips, for `hearwhy.components.vectors`.

    Parameters
    ----------
    data
        A folder a class, or ESC-50's layout.
    out
        The weights, a ``.safetensors`` file; figures and learning curve are written beside it as ``.json``, the curve also as
        ``.curve.csv`` and ``.curve.png``.
    protocol
        "ours": split by source recording (ESC-50's folds, where there are; else 64/16/20 %), in every epoch another audible
        second of each clip, batches of 32, and the epoch with the most validation clips right is kept. "paper": the
        tutorial's: a random 80/20 % (seed 42) in which clips of one source stand on both sides, every training clip rolled by a
        tenth of a second once, batches of 128, 50 epochs, and the epoch is chosen **on the test set**, which is leakage.
    epochs
        How often every clip is seen; None: as the protocol says.
    seed
        Of the first weights, the order of the clips and the dropout.
    device
        Where the network is trained.
    resume
        Go on with the training that ``OUT.state`` holds.
    progress
        Told (epochs done, epochs in all).

    Raises
    ------
    ValueError
        There is no such protocol, the sounds have no labels, `out` is no ``.safetensors`` file, or ``OUT.state`` does not fit
        `resume`.
    FileNotFoundError
        There is no such data.

    References
    ----------
    R. Midha, "SHAP feature importance in audio classification". Deviations of "paper": soxr's resampling in the place of
    kaiser_fast; Adam's epsilon is torch's; clips are rolled before the pre-emphasis, not after it (one sample differs).
    """
    out = checked_out(out)
    state = checkpoint_path(out, resume=resume)
    settings = _settings(protocol, epochs)
    dataset = read(data)
    labels, sets = tuple(sorted(_labels(dataset))), _sets(data, dataset, protocol, seed)
    learned = _views(sets.train, labels, protocol, seed)
    held_out = {name: _seconds(getattr(sets, name), labels) for name in ("validation", "test")}
    with torch.random.fork_rng(devices=[]):  # layers draw their first weights from torch's global generator
        torch.manual_seed(seed)
        network = ConvLstm(len(labels)).to(device)
    checkpoint = Checkpoint(state, _identity(dataset, settings, protocol, seed))
    sizes = (learned, held_out["validation"])
    best = fit(network, sizes, settings, seed=seed, checkpoint=checkpoint, progress=progress)
    train = _seconds(sets.train, labels)
    background = Background.of(train.features.mean(dim=2), seed=seed, source=f"{len(sets.train)} training clips")
    figures = {name: _percent(network, of_set) for name, of_set in {"train": train, **held_out}.items()}
    about = {
        "network": "conv-lstm", "labels": labels, "protocol": protocol, "epochs": settings.epochs, "epoch": best.epoch,
        "seed": seed, "accuracy_percent": figures, "clips": {name: len(items) for name, items in vars(sets).items()},
        "left_out": dict(dataset.problems), "background": background.source, "front_end": repr(FRONT_END),
        "curve": [dict(zip(("train_loss", "validation_accuracy", "validation_loss"), row, strict=True)) for row in best.curve],
    }  # fmt: skip
    write_weights({**network.state_dict(), **background.as_tensors()}, out, about)
    write_learning_curve(best.curve, out, kept=best.epoch, held_out="test" if protocol == "paper" else "validation")
    state.unlink()
    return figures


def _settings(protocol: str, epochs: int | None) -> Protocol:
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol is one of {', '.join(PROTOCOLS)}; got {protocol!r}.")
    if epochs is not None and epochs < 1:
        raise ValueError(f"epochs must be at least 1; got {epochs}.")
    chosen = PROTOCOLS[protocol]
    return chosen if epochs is None else replace(chosen, epochs=epochs)


def _labels(dataset: Dataset) -> set[str]:
    found = {item.label for item in dataset.items}
    if None in found or len(found) < 2:
        raise ValueError(
            f"These sounds have no labels to learn ({dataset.layout}); give a folder with a folder for each of two or more "
            "classes, or ESC-50's layout."
        )
    return {str(label) for label in found}


def _sets(data: str | Path, dataset: Dataset, protocol: str, seed: int) -> Sets:
    items = dataset.items
    if protocol == "paper":
        from sklearn.model_selection import train_test_split

        train, test = train_test_split(list(items), test_size=0.2, random_state=42)
        return Sets(train, test, test)
    if dataset.layout == "esc50":
        return Sets(
            **{name: [item for fold in folds for item in read(data, split=fold).items] for name, folds in FOLDS.items()}
        )
    return Sets(**split(dataset, test=0.2, validation=0.16, seed=seed))


def _heard(item: Item) -> Recording:
    """The clip as the front end takes it."""
    return sound.convert(item.load(), FRONT_END.sample_rate, 1)


def _seconds(items: Sequence[Item], labels: Sequence[str]) -> Examples:
    """The first second of every clip, which is what the network hears of it."""
    rows = torch.cat([FRONT_END(_heard(item).audio) for item in items])
    return Examples(rows, _numbers(items, labels), len(labels))


def _numbers(items: Sequence[Item], labels: Sequence[str]) -> Tensor:
    return torch.tensor([labels.index(str(item.label)) for item in items])


def _views(items: Sequence[Item], labels: Sequence[str], protocol: str, seed: int) -> Examples:
    """The windows of every clip that training chooses from, (clip, view, coefficient, frame)."""
    rows = [_rolled(item) if protocol == "paper" else _windows(item, seed + i) for i, item in enumerate(items)]
    return Examples(torch.stack(rows), _numbers(items, labels), len(labels))


def _rolled(item: Item) -> Float[Tensor, "1 coefficient frame"]:
    return FRONT_END(_heard(item).audio.roll(round(ROLL_S * FRONT_END.sample_rate), dims=1))


def _windows(item: Item, seed: int) -> Float[Tensor, "view coefficient frame"]:
    """Windows that begin anywhere in the clip, none of them much softer than its loudest."""
    features = replace(FRONT_END, length=None)(_heard(item).audio)[0]
    length = FRONT_END.length or features.shape[1]
    starts = torch.arange(max(1, features.shape[1] - length + 1))
    level = torch.stack([features[0, start : start + length].mean() for start in starts])
    level_db = level * FRONT_END.n_mels**-0.5  # coefficient 0 is the mean level in dB times the root of their number
    audible = starts[level_db >= level_db.max() - AUDIBLE_DB]
    chosen = audible[torch.from_numpy(np.random.default_rng(seed).integers(len(audible), size=N_VIEWS))]
    return torch.stack([FRONT_END.cut(features[None, :, start:])[0] for start in chosen])


def _identity(dataset: Dataset, settings: Protocol, protocol: str, seed: int) -> str:
    """Say what a training is of: one that goes on must be the same."""
    clips = hashlib.sha256(repr([(item.name, item.group, item.label) for item in dataset.items]).encode()).hexdigest()
    asked = {key: value for key, value in asdict(settings).items() if key != "augmentation"}
    return json.dumps({**asked, "protocol": protocol, "seed": seed, "clips": clips}, sort_keys=True)


def _percent(network: ConvLstm, of_set: Examples) -> float:
    right = (logits_of(network, of_set).argmax(dim=1) == of_set.labels).float().mean()
    return round(100 * float(right), 2)
