"""Figure 2's counterpart: one clip of the class dog, its maps, and what masks keep of it."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from asking import Setting
from choosing import METHODS, PLACES, our_winners
from PIL import Image
from rows import read_rows
from scenes import Stage, maps
from tables_text import NAMES, SEEN

from hearwhy.masks import make_mask

mpl.use("Agg")
from matplotlib import pyplot as plt  # it must be told first where to draw

CATEGORY = "dog"  # ESC-10 has no cat
LIMIT_BYTES = 400_000
DEFAULT = "bin"  # where no mask was chosen


def draw_example(setting: Setting, data: Path, noises: Path, folder: Path) -> None:
    """Write ``figure_2.png``: a row for each condition; the spectrogram, then a map and what its mask keeps per method."""
    stage, chosen = Stage(setting, data, noises), our_winners(read_rows(folder / "out"))
    masks = chosen.get("corrected", chosen.get("text", {}))
    rows = [(place, maps(folder / "out", *place, category=CATEGORY)) for place in PLACES]
    rows = [(place, found) for place, found in rows if found]
    if not rows:
        return
    figure, axes = plt.subplots(len(rows), 1 + 2 * len(METHODS), figsize=(19, 2.0 * len(rows)), squeeze=False)
    for line, (place, found) in zip(axes, rows, strict=True):
        _draw_row(line, place, found, masks, stage.scene(*place, found[0].clip))
    figure.suptitle(
        f"{found[0].clip}, class {CATEGORY}: maps (red: for, blue: against) and what the chosen mask keeps", size=11
    )
    figure.tight_layout(rect=(0, 0, 1, 0.98))
    _save(figure, folder / "figure_2.png")
    plt.close(figure)


def _draw_row(line, place, found, masks, scene) -> None:  # type: ignore[no-untyped-def]
    features = scene.spectrum.features
    shown = {"aspect": "auto", "origin": "lower", "interpolation": "nearest"}
    loud = {"vmin": float(features.max()) - 80, "vmax": float(features.max()), "cmap": "magma"}
    line[0].imshow(features, **shown, **loud)
    line[0].set_ylabel(f"{SEEN[place[0]]}\n{place[1]}")
    line[0].set_title("spectrogram", size=8)
    of_method = {one.method: one.values for one in found}
    for i, method in enumerate(METHODS):
        values, mask = of_method.get(method), masks.get((*place, method), DEFAULT)
        if values is None:
            continue
        most = float(values.abs().quantile(0.99)) or 1.0 if values.numel() < 1e7 else 1.0
        line[1 + 2 * i].imshow(values, **shown, vmin=-most, vmax=most, cmap="RdBu_r")
        line[1 + 2 * i].set_title(NAMES[method], size=8)
        kept, _ = scene.spectrum.masked(make_mask(mask, values))
        line[2 + 2 * i].imshow(kept, **shown, **loud)
        line[2 + 2 * i].set_title(mask, size=8)
    for axis in line:
        axis.set_xticks([])
        axis.set_yticks([])


def _save(figure, path: Path) -> None:  # type: ignore[no-untyped-def]
    """Save with a palette, in the highest resolution that stays under the limit."""
    for dpi in (90, 80, 70, 60, 50, 40):
        figure.savefig(path, dpi=dpi)
        with Image.open(path) as image:
            image.convert("RGB").quantize(96, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size < LIMIT_BYTES:
            return
