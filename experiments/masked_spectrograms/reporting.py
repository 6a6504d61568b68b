"""Reporting: rows, tables, pictures and sounds from the answers that were kept; no mask is asked about again."""

from __future__ import annotations

from pathlib import Path

from accuracy import accuracies
from asking import Setting
from figures import draw_example
from rows import read_published, read_rows, write_rows
from sounding import write_sounds
from tables_text import n_clips, of_accuracies, of_agreement, of_all_masks, of_controls, of_published, of_winners

HEAD = """# Tables I to VI

Made by `run.py`. Published: means over 400 clips of ESC-50's fold 5, Cnn14 with AudioSet weights. Ours: {models}; clips by
{clips}. FF: what is lost where the mask is taken away; Fid-In: share of clips that keep their class; AI, AD, AG in per cent;
SPS and COMP of the mask. Controls stand among our rows and are never chosen. {note}
"""


def write_all(setting: Setting, data: Path, noises: Path, folder: Path, published: Path | None) -> None:
    """Write everything that is made of the answers."""
    rows = read_rows(folder / "out")
    write_rows(rows, folder)
    theirs = read_published(published) if published else []
    note = "" if theirs else "The published rows were not given (`--published`), so their numbers are not shown."
    parts = [
        HEAD.format(models=" and ".join(Path(name).name for name in setting.models.values()), clips=n_clips(rows), note=note),
        of_accuracies(accuracies(setting, data, noises, folder)),
        of_winners(rows, theirs),
        of_controls(rows),
    ]
    if theirs:
        parts += [of_published(theirs), of_agreement(rows, theirs)]
        (folder / "out" / "all_masks_published.md").write_text(of_all_masks(rows, theirs), encoding="utf-8")
    (folder / "tables.md").write_text("\n".join(parts), encoding="utf-8")
    (folder / "all_masks.md").write_text(of_all_masks(rows, None), encoding="utf-8")
    draw_example(setting, data, noises, folder)
    write_sounds(setting, data, noises, folder / "out")
