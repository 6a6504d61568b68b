"""Absence: one clip explained under every meaning that "switched off" can have."""

from __future__ import annotations

from asked import Asked
from setting import COMPONENTS, Setting
from working import Rows

from hearwhy.attribution import METHODS
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.datasets.items import Item

FILLS = ("mean", "rows", "conditional", "silence")


def fill_rows(model: SpectrogramClassifier, item: Item, setting: Setting) -> dict[str, Rows]:
    """Return the values of the class that the model says, on log-odds, a fill a row."""
    rows = []
    for fill in FILLS:
        asked = Asked(model, item, COMPONENTS, fill)
        everything, _ = asked.ends("log_odds")
        said = int(everything.argmax())
        found = METHODS["kernel_shap"].function(
            asked.score("log_odds"), asked.shape, n_samples=max(setting.beside_budgets), seed=0
        )
        row = {
            "clip": item.name, "said": model.labels[said], "fill": fill, "masks": max(setting.beside_budgets),
            "removed": float(asked.ends("probability")[1][said]), "calls": asked.predict.n_calls,
            "values": found.values[said].tolist(),
        }  # fmt: skip
        rows.append(row)
    return {"fills": rows}
