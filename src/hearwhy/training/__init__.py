"""Training: the recipes by which the models that ship with hearwhy, and ones like them, are made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hearwhy.training.band import evaluate_band_cnn, train_band_cnn
from hearwhy.training.esc50 import Plan, train_esc50
from hearwhy.training.fitting import Progress
from hearwhy.training.mfcc import train_conv_lstm
from hearwhy.training.separation import train_cerberus, train_ova

__all__ = ["RECIPES", "Plan", "evaluate_band_cnn", "options_of", "train", "train_band_cnn", "train_esc50"]


def train(
    recipe: str,
    data: str | Path,
    out: str | Path,
    *,
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Train a model by the recipe of a name and return its figures.

    Parameters
    ----------
    recipe
        One of `RECIPES`.
    data
        The folder of the data set.
    out
        The weights, a ``.safetensors`` file.
    options
        What is asked for by name; what is not stays as the recipe has it.
    progress
        Told (epochs done, epochs at most).

    Raises
    ------
    ValueError
        There is no such recipe, it has no such option, or as the recipe says.
    FileNotFoundError
        As the recipe says.
    """
    if recipe not in RECIPES:
        raise ValueError(f"There is no recipe {recipe!r}; give one of {', '.join(RECIPES)}.")
    options = options or {}
    known = options_of(recipe)
    unknown = [name for name in options if name not in known]
    if unknown:
        raise ValueError(f"The recipe {recipe} takes no {' and no '.join(unknown)}; it takes {', '.join(known)}.")
    return RECIPES[recipe](data, out, progress=progress, **options)


def options_of(recipe: str) -> tuple[str, ...]:
    """Return the names of what may be asked of a recipe.

    Examples
    --------
    >>> options_of("band-cnn")
    ('confounder', 'shuffle_labels', 'epochs', 'seed', 'device')
    """
    parameters = inspect.signature(RECIPES[recipe]).parameters.values()
    return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "progress")


def _esc50(network: str, summary: str) -> Callable[..., dict[str, float]]:
    def train_network(
        data: str | Path,
        out: str | Path,
        *,
        front_end: str = "mel",
        protocol: str = "ours",
        epochs: int | None = None,
        init: str | Path | None = None,
        resume: bool = False,
        shuffle_labels: bool = False,
        seed: int = 0,
        device: str = "cpu",
        progress: Progress | None = None,
    ) -> dict[str, float]:
        plan = Plan(
            network, front_end, protocol, epochs=epochs, init=init, seed=seed, device=device, shuffle_labels=shuffle_labels
        )
        return train_esc50(data, out, plan, resume=resume, progress=progress)

    train_network.__doc__ = f"{summary}\n\nData, options and errors are those of `train_esc50` and `Plan`."
    return train_network


RECIPES: dict[str, Callable[..., dict[str, float]]] = {
    "band-cnn": train_band_cnn,
    "cnn14": _esc50("cnn14", "Train PANNs' Cnn14 (80 million weights, for a GPU) on a dataset in ESC-50's layout."),
    "cnn10": _esc50("cnn10", "Train PANNs' Cnn10 (5 million weights) on a dataset in ESC-50's layout."),
    "cnn6": _esc50("cnn6", "Train PANNs' Cnn6 (5 million weights) on a dataset in ESC-50's layout."),
    "esc-small": _esc50("esc-small", "Train a small network (0.4 million weights) on a dataset in ESC-50's layout."),
    "conv-lstm": train_conv_lstm,
    "ova": train_ova,
    "cerberus": train_cerberus,
}
"""Recipe to the function (data, out, *, ...) -> figures that carries it out."""
