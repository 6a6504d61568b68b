"""Lists of everything there is to choose from, read from the places that hold it."""

from __future__ import annotations

from collections.abc import Callable


def _first_line(text: str | None) -> str:
    return (text or "").strip().splitlines()[0] if text else ""


def methods() -> dict[str, str]:
    """Return every attribution method and the first sentence of its docstring."""
    from hearwhy.attribution import METHODS

    return {name: _first_line(entry.function.__doc__) for name, entry in METHODS.items()}


def masks() -> dict[str, str]:
    """Return every way to make a mask of an attribution map."""
    from hearwhy.masks import MASKS

    return {name: _first_line(entry.function.__doc__) for name, entry in MASKS.items()}


def metrics() -> dict[str, str]:
    """Return every metric of a mask."""
    from hearwhy.metrics import METRICS

    where = {"heard_": "On the re-analysed sound: ", "_map": "Of the map: "}
    return {
        name: next((said for key, said in where.items() if key in name), "") + _first_line(entry.function.__doc__)
        for name, entry in METRICS.items()
    }


def components() -> dict[str, str]:
    """Return every kind of components."""
    from hearwhy.components import USAGE

    return USAGE


def fills() -> dict[str, str]:
    """Return every fill."""
    from hearwhy.components.fills import CELL_FILLS, FILLS
    from hearwhy.components.vectors import VECTOR_FILLS

    found = FILLS | {name: f"of cells: {text}" for name, text in CELL_FILLS.items()}
    return found | {
        name: f"{found[name]}; of vectors: {text}" if name in found else f"of vectors: {text}"
        for name, text in VECTOR_FILLS.items()
    }


def models() -> dict[str, str]:
    """Return every model that goes by a name."""
    from hearwhy.classifiers import MODELS

    return MODELS


def targets() -> dict[str, str]:
    """Return every way to say what is explained."""
    from hearwhy.targets import USAGE

    return USAGE


def descriptions() -> dict[str, str]:
    """Return every key of the TOML that describes a model file."""
    from hearwhy.classifiers.description import KEYS

    return KEYS


def separators() -> dict[str, str]:
    """Return every separator."""
    from hearwhy.separators import usage

    return usage()


def recipes() -> dict[str, str]:
    """Return every training recipe."""
    from hearwhy.training import RECIPES

    return {name: _first_line(function.__doc__) for name, function in RECIPES.items()}


LISTS: dict[str, Callable[[], dict[str, str]]] = {
    "methods": methods,
    "masks": masks,
    "metrics": metrics,
    "components": components,
    "fills": fills,
    "models": models,
    "targets": targets,
    "descriptions": descriptions,
    "separators": separators,
    "recipes": recipes,
}
