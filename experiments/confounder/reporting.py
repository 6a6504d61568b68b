"""Reporting: rows, tables and figures from what was explained; nothing is asked again."""

from __future__ import annotations

from pathlib import Path

from claims import of_agreement, of_residual
from figures import confusion, untrained_networks
from rows import ACCURACY_KEYS, KEYS, SEPARATION_KEYS, read_accuracies, read_units, write_csv
from tables import of_accuracies, of_context, of_controls, of_drums, of_separators
from units import Job, Unit
from untrained import of_untrained

HEAD = """# Tables 2 and 3, controls, side claims, figure 3

Made by `run.py`. In brackets: how many snippets. ± is the standard deviation over networks. Published: Slakh2100, VGG16_bn, ten
runs. Ours: {networks}.
"""


def write_all(job: Job, units: list[Unit], folder: Path) -> None:
    """Write everything that is made of the rows."""
    rows, separations = read_units(units, job.out)
    figures = read_accuracies(job)
    write_csv(rows, KEYS, folder / "rows.csv.gz")
    write_csv(separations, SEPARATION_KEYS, folder / "separations.csv.gz")
    write_csv(figures, ACCURACY_KEYS, folder / "accuracy.csv")
    setting = job.setting
    networks = f"{setting.runs} confounded networks ({setting.training.network}), {setting.control_runs} of each control"
    parts = [
        HEAD.format(networks=networks), of_accuracies(figures), of_drums(rows, separations), of_controls(rows),
        of_context(rows), of_separators(separations), of_residual(rows, separations), of_agreement(rows), of_untrained(rows),
    ]  # fmt: skip
    (folder / "tables.md").write_text("\n".join(parts), encoding="utf-8")
    confusion(rows, folder / "figure_2.png")
    untrained_networks(rows, folder / "figure_3.png")
