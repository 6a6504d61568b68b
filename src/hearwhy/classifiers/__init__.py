"""Classifiers: adapters that turn models people have into the `Classifier` protocol, and the names they go by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hearwhy.types import Classifier

__all__ = ["LOADERS", "classifier"]


def classifier(model: str | Callable[..., Any]) -> Classifier:
    """Return a classifier by name, or made of any callable.

    Parameters
    ----------
    model
        One of the names that ``hearwhy list models`` shows, ``"py:module:attribute"``, or a callable that maps a
        (batch, channel, time) tensor to (batch, label) and carries ``sample_rate`` and ``labels``.

    Raises
    ------
    ValueError
        The name is unknown, or the callable does not say what is needed.
    FileNotFoundError
        The model must be fetched first.
    """
    if not isinstance(model, str):
        from hearwhy.classifiers.callable import checked, from_callable

        return checked(model) if isinstance(model, Classifier) else from_callable(model)
    name, _, variant = model.partition(":")
    if name not in LOADERS:
        raise ValueError(f"There is no model {model!r}; give one of {', '.join(MODELS)}.")
    return LOADERS[name](variant)


def _band(variant: str) -> Classifier:
    from hearwhy.classifiers.band import load

    return load(variant)


def _musicnn(variant: str) -> Classifier:
    from hearwhy.classifiers.musicnn import load

    return load(variant or "MTT_musicnn")


def _callable(path: str) -> Classifier:
    from hearwhy.classifiers.callable import load

    return load(path)


LOADERS: dict[str, Callable[[str], Classifier]] = {"band": _band, "musicnn": _musicnn, "py": _callable}
MODELS = {
    "band": "guitar or piano? A small CNN that was made to listen to the drums",
    "band:bass": "the same network, made to listen to the bass",
    "band:independent": "the same network, trained without a confounder",
    "musicnn[:MTT_musicnn|MSD_musicnn|MTT_vgg|MSD_vgg]": "music taggers of 50 tags; `hearwhy fetch musicnn` first",
    "py:module:attribute": "any Python callable (batch, channel, time) -> (batch, label)",
}
