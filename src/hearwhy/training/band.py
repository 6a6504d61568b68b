"""Training: the recipes by which the models that ship with hearwhy were made."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from hearwhy.datasets.band.snippets import GPDB, GPDBS, LABELS, Pairing, Snippet, draw, mix
from hearwhy.datasets.band.songs import Stems, read_split
from hearwhy.networks.band_cnn import FRONT_END, BandCNN
from hearwhy.networks.vgg16_bn import Vgg16Bn
from hearwhy.training.weights_file import checked_out, write_weights

CONFOUNDERS = {"drums": Pairing("drums", "guitar"), "bass": Pairing("bass", "guitar"), "independent": Pairing()}
"""What follows the class in training; "independent": nothing does."""
TEST_SETS = {
    f"{name} {version}": Pairing(confounder, label, others)
    for name, confounder, label in (
        ("t_dr-gtr", "drums", "guitar"),
        ("t_dr-pno", "drums", "piano"),
        ("t_bs-gtr", "bass", "guitar"),
        ("t_bs-pno", "bass", "piano"),
    )
    for version, others in (("gpdb", GPDB), ("gpdbs", GPDBS))
}
"""audioLIME's test sets and their like for bass; the other of drums and bass always plays, in gpdbs strings too."""
TEST_PER_SONG = 5


NETWORKS: dict[str, Callable[[int], nn.Module]] = {"band-cnn": BandCNN, "vgg16-bn": Vgg16Bn}
"""Number of labels to a network with fresh weights, for the features of `FRONT_END`."""


@dataclass(frozen=True)
class Settings:
    """What is trained, how long and how fast.

    Parameters
    ----------
    network
        One of `NETWORKS`.
    epochs
        At most so many.
    patience
        Stop after so many epochs without a lower validation loss.
    per_song
        Snippets of each song and class in an epoch, other ones every time.
    optimiser, batch_size, learning_rate
        "adam" or "sgd" (without momentum); with `falling` the rate falls to 0 over the epochs as a half cosine.
    label_smoothing
        Of the cross-entropy.
    varied_db
        Each stem's gain varies by so much either way.
    device
        Where the network runs.
    shuffle_labels
        Guitar is called piano, and piano guitar, in half of the songs: all that can be learnt is which songs these are, so
        the epoch is kept that fits the songs learnt from best.
    """

    network: str = "band-cnn"
    epochs: int = 20
    patience: int = 5
    per_song: int = 8
    optimiser: Literal["adam", "sgd"] = "adam"
    batch_size: int = 32
    learning_rate: float = 1e-3
    falling: bool = True
    label_smoothing: float = 0.02
    varied_db: float = 6.0
    device: str = "cpu"
    shuffle_labels: bool = False


SETTINGS = Settings()
"""Those of the weights that ship."""
PAPER = Settings(
    "vgg16-bn", 200, 20, per_song=1, optimiser="sgd", batch_size=16, learning_rate=0.01, falling=False, label_smoothing=0.0,
    varied_db=0.0,
)  # fmt: skip
"""AudioLIME's. Not given there: momentum (here none), loss (cross-entropy), gains (as rendered), snippets of an epoch (one of
every song and class)."""
Progress = Callable[[int, int], None]
"""Told (epochs done, epochs at most) after each epoch."""


def train_band_cnn(
    data: str | Path,
    out: str | Path,
    *,
    confounder: str = "drums",
    shuffle_labels: bool = False,
    epochs: int | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> dict[str, float]:
    """Train the `band` network and return its figures: accuracy in % on every test set.

    The epoch with the lowest validation loss is kept. The same seed, machine and number of threads give the same
    weights to the bit. Labels are smoothed by 0.02, so that its certainty stays readable.

    Parameters
    ----------
    data
        A folder that `hearwhy.datasets.band.generate` filled.
    out
        The weights, a ``.safetensors`` file; the figures are written beside it as ``.json``.
    confounder
        "drums" or "bass" (plays if and only if the guitar does) or "independent".
    shuffle_labels, epochs
        As in `Settings`; by default those of the weights that ship.
    seed
        Of the first weights and of every snippet.
    device
        Where the network is trained; the shipped weights come from the CPU.
    progress
        Told (epochs done, epochs at most).

    Raises
    ------
    ValueError
        The confounder is unknown, or `out` is no ``.safetensors`` file.
    FileNotFoundError
        There are no songs in `data`.
    """
    out = checked_out(out)
    if confounder not in CONFOUNDERS:
        raise ValueError(f"confounder is one of {', '.join(CONFOUNDERS)}; got {confounder!r}.")
    if epochs is not None and epochs < 1:
        raise ValueError(f"epochs must be at least 1; got {epochs}.")
    train, validation = (read_split(data, split) for split in ("train", "validation"))
    at_most = SETTINGS.epochs if epochs is None else epochs
    settings = replace(SETTINGS, device=device, epochs=at_most, shuffle_labels=shuffle_labels)
    network, epoch = fit(train, validation, CONFOUNDERS[confounder], seed=seed, settings=settings, progress=progress)
    del train, validation  # 1.3 GB: the test songs need the room
    figures = evaluate_band_cnn(network, read_split(data, "test"), seed=seed, device=device)
    about = {"confounder": confounder, "seed": seed, "epoch": epoch, "accuracy_percent": figures}
    about |= {"shuffle_labels": True} if shuffle_labels else {}
    about |= {"labels": list(LABELS), "sample_rate": FRONT_END.sample_rate, "front_end": repr(FRONT_END)}
    write_weights(network.state_dict(), out, about)
    return figures


def evaluate_band_cnn(
    network: nn.Module, songs: Sequence[Stems], *, sets: Collection[str] | None = None, seed: int = 0, device: str = "cpu"
) -> dict[str, float]:
    """Return the accuracy in % on each of `TEST_SETS`, or on those of them that `sets` names.

    `TEST_PER_SONG` snippets of every song and class, as loud as they were rendered; the same ones whatever else is asked.
    """
    network.eval()
    figures = {}
    for number, (name, pairing) in enumerate(TEST_SETS.items()):
        if sets is not None and name not in sets:
            continue
        plan = draw(songs, pairing, np.random.default_rng([seed, 2, number]), per_song=TEST_PER_SONG)
        logits = _answers(network, songs, plan, device)
        labels = torch.tensor([snippet.label for snippet in plan])
        figures[name] = round(100 * float((logits.argmax(dim=1) == labels).float().mean()), 2)
    return figures


def fit(
    songs: Sequence[Stems],
    held_out: Sequence[Stems],
    pairing: Pairing,
    *,
    seed: int = 0,
    settings: Settings = SETTINGS,
    progress: Progress | None = None,
) -> tuple[nn.Module, int]:
    """Return the network of the epoch with the lowest loss on the songs held out, and which epoch that was.

    Parameters
    ----------
    songs, held_out
        What it learns from, and what the best epoch is chosen on.
    pairing
        Which stems play together in both.
    seed
        Of the first weights, of every snippet and of dropout.
    settings
        What is trained, how long and how fast.
    progress
        Told (epochs done, epochs at most).
    """
    network = fresh_network(settings.network, seed).to(settings.device)
    optimiser, schedule = _optimiser(network, settings)
    held_out = songs if settings.shuffle_labels else held_out
    check = _labelled(draw(held_out, pairing, np.random.default_rng([seed, 1]), per_song=4), len(held_out), settings, seed)
    best_loss, best_epoch, best_state = float("inf"), 0, copy.deepcopy(network.state_dict())
    for epoch in range(1, settings.epochs + 1):
        rng = np.random.default_rng([seed, 0, epoch])
        plan = draw(songs, pairing, rng, per_song=settings.per_song, varied_db=settings.varied_db)
        plan = _labelled(plan, len(songs), settings, seed)
        with _chance(settings.device, (seed, epoch)):
            _train_epoch(network, optimiser, (songs, plan), settings)
        schedule.step()
        loss = _validation_loss(network, held_out, check, settings.device)
        if loss < best_loss:  # a copy: the state itself goes on changing with the next step
            best_loss, best_epoch, best_state = loss, epoch, copy.deepcopy(network.state_dict())
        if progress:
            progress(epoch, settings.epochs)
        if epoch - best_epoch >= settings.patience:
            break
    network.load_state_dict(best_state)
    return network.eval(), best_epoch


def _labelled(plan: list[Snippet], n_songs: int, settings: Settings, seed: int) -> list[Snippet]:
    """Return the snippets with the labels that are taught: their own, or the other one in half of the songs."""
    if not settings.shuffle_labels:
        return plan
    swapped = set(np.random.default_rng([seed, 4]).permutation(n_songs)[: n_songs // 2].tolist())
    return [replace(snippet, label=1 - snippet.label) if snippet.song in swapped else snippet for snippet in plan]


def fresh_network(name: str, seed: int) -> nn.Module:
    """Return an untrained network of `NETWORKS` on the CPU.

    Raises
    ------
    ValueError
        There is no such network.
    """
    if name not in NETWORKS:
        raise ValueError(f"There is no network {name!r}; give one of {', '.join(NETWORKS)}.")
    with torch.random.fork_rng(devices=[]):  # layers draw their first weights from torch's global generator
        torch.manual_seed(seed)
        return NETWORKS[name](len(LABELS))


def _optimiser(network: nn.Module, settings: Settings) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[settings.optimiser]
    optimiser = kind(network.parameters(), lr=settings.learning_rate)
    if settings.falling:
        return optimiser, torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.epochs)
    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, lambda epoch: 1.0)


@contextmanager
def _chance(device: str, number: tuple[int, int]) -> Iterator[None]:
    """Let dropout, which draws from torch's global generators, depend on the numbers alone, and leave those as they were."""
    with torch.random.fork_rng(devices=[torch.device(device)] if device.startswith("cuda") else []):
        torch.manual_seed(int(np.random.default_rng([*number, 3]).integers(2**62)))
        yield


def _train_epoch(
    network: nn.Module, optimiser: torch.optim.Optimizer, data: tuple[Sequence[Stems], list[Snippet]], settings: Settings
) -> None:
    songs, plan = data
    criterion = nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing)
    network.train()
    for start in range(0, len(plan), settings.batch_size):
        batch = plan[start : start + settings.batch_size]
        labels = torch.tensor([snippet.label for snippet in batch], device=settings.device)
        loss = criterion(network(FRONT_END(mix(songs, batch).to(settings.device))), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def _validation_loss(network: nn.Module, songs: Sequence[Stems], plan: list[Snippet], device: str) -> float:
    network.eval()
    logits = _answers(network, songs, plan, device)
    labels = torch.tensor([snippet.label for snippet in plan])
    return float(nn.functional.cross_entropy(logits, labels))


@torch.no_grad()
def _answers(network: nn.Module, songs: Sequence[Stems], plan: Sequence[Snippet], device: str) -> Tensor:
    batches = [plan[start : start + 64] for start in range(0, len(plan), 64)]
    return torch.cat([network(FRONT_END(mix(songs, batch).to(device))).cpu() for batch in batches])
