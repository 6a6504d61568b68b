"""The networks: trained by the setting, shipped, or untrained, each as a classifier of two seconds of sound."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from setting import Model, Setting
from torch import nn

import hearwhy
from hearwhy.classifiers.band import WINDOW_S, BandClassifier
from hearwhy.datasets.band.snippets import LABELS
from hearwhy.datasets.band.songs import Stems
from hearwhy.networks.band_cnn import FRONT_END
from hearwhy.training.band import TEST_SETS, evaluate_band_cnn, fit, fresh_network
from hearwhy.training.weights_file import write_weights

FIRST_UNTRAINED_SEED = 1000  # far from the seeds that are trained from


def weights_file(model: Model, folder: Path) -> Path:
    """Return where the weights of a trained network lie."""
    return folder / "weights" / f"{model.name}.safetensors"


def train(
    model: Model, songs: tuple[Sequence[Stems], Sequence[Stems]], setting: Setting, folder: Path,
    told: Callable[[int, int], None],
) -> None:  # fmt: skip
    """Train a network and write its weights, with the epoch that was kept and the seconds that it took."""
    started = time.perf_counter()
    network, epoch = fit(*songs, model.pairing, seed=model.run, settings=setting.training, progress=told)
    about = {"model": model.name, "epoch": epoch, "seconds": round(time.perf_counter() - started, 1)}
    write_weights(network.state_dict(), weights_file(model, folder), about)


def as_classifier(model: Model, setting: Setting, folder: Path) -> BandClassifier:
    """Return a network as a classifier, in eval mode, on the device of the setting."""
    if model.origin == "shipped":
        return hearwhy.classifier("band" if model.kind == "confounded" else f"band:{model.kind}")
    kind = setting.training.network
    if model.origin == "untrained":
        network = fresh_network(kind, FIRST_UNTRAINED_SEED + model.run)
    else:
        network = _read(kind, weights_file(model, folder))
    network.eval().requires_grad_(False)
    network.to(setting.training.device, memory_format=torch.channels_last)  # nearly twice as fast on a CPU
    return BandClassifier(FRONT_END, network, LABELS, layout="batch freq frame", window_s=WINDOW_S, name=model.name)


def _read(kind: str, path: Path) -> nn.Module:
    from safetensors.torch import load_file

    network = fresh_network(kind, 0)
    network.load_state_dict(load_file(path))
    return network


def accuracies(model: Model, songs: Sequence[Stems], setting: Setting, folder: Path) -> dict[str, float]:
    """Return the accuracy in % on every test set that concerns the network, measured once and kept in a file."""
    file = folder / "accuracy" / f"{model.name}.json"
    if not file.exists():
        sets = [name for name in TEST_SETS if _concerns(model, name)]
        device = "cpu" if model.origin == "shipped" else setting.training.device
        found = evaluate_band_cnn(as_classifier(model, setting, folder).network, songs, sets=sets, device=device)
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".unfinished")
        temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        temporary.replace(file)
    return json.loads(file.read_text(encoding="utf-8"))


def _concerns(model: Model, test_set: str) -> bool:
    confounder = "t_bs" if model.kind == "bass" else "t_dr"
    return test_set.startswith(confounder) and model.version in (None, test_set.split()[1])
