"""Summary: everything that the page and ``--json`` say, as one dictionary."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from hearwhy.report.case import Case, top
from hearwhy.report.caveats import as_json, findings
from hearwhy.report.grid import is_decibel
from hearwhy.report.interactions import Pairs
from hearwhy.report.verdict import nothing_present, verdict
from hearwhy.result import Attribution
from hearwhy.spectrum import ROWS

MAX_CELLS = 64  # rows of a summary: a spectrogram may have hundreds of cells
MAX_ANSWERS = 5  # labels of the answers to a mask
SLOPES = ("saliency", "smooth_grad", "guided_backprop")  # whose values are gradients
UNITS = {"log_odds": "log-odds", "logit": "logit", "probability": "probability"}
N_LABELS = 5  # labels shown of a prediction: what it competes with, not all 527


def summarise(attribution: Attribution) -> dict[str, Any]:
    """Return what the page says as a dictionary that JSON can hold; no number in it is NaN or infinite.

    Returns
    -------
    dict
        ``verdict``, ``caveats`` (kind, severity, text), ``passed``, ``prediction`` and ``components`` of the first target;
        ``targets`` holds the same for each one. Values are signed, in the unit of ``settings["scale"]``; levels in dB
        relative to the recording, None for silence; ``rank`` counts present components by value, 1 the most positive.
        Of vectors each component also has its ``feature_value`` in the recording, and mean (``usual``) and standard deviation
        (``spread``) over the clips of the background, None where they are not known, in ``unit``.
        Of a spectrogram ``map`` is what a mask of the map shows, and ``components`` holds at most the 64 strongest cells, none
        where every bin is one; else ``map`` is None.
    """
    targets = [summarise_target(Case(attribution, target)) for target in range(len(attribution.targets))]
    recording = attribution.recording
    return {
        **targets[0],
        "recording": {
            "name": recording.name,
            "duration_s": recording.duration_s,
            "sample_rate": recording.sample_rate,
            "channels": recording.audio.shape[0],
            "fingerprint": recording.fingerprint,
        },
        "n_calls": attribution.n_calls,
        "settings": plain(dict(attribution.settings)),
        "targets": targets,
    }


def summarise_target(case: Case) -> dict[str, Any]:
    """Return what there is to say about one target."""
    a, found = case.attribution, [as_json(finding) for finding in findings(case)]
    target = case.target
    return {
        "target": str(case.name),
        "verdict": "".join(verdict(case)),
        "caveats": [finding for finding in found if finding["severity"] != "passed"],
        "passed": [finding for finding in found if finding["severity"] == "passed"],
        "prediction": predictions(case),
        "components": components(case) if a.spectrum is None else cells(case),
        "parents": parents(case),
        "interactions": None if (pairs := Pairs.of(case)) is None else plain(pairs.as_json()),
        "map": None if a.spectrum is None else map_summary(case),
        "base": plain(float(a.base[target])),
        "score_full": plain(float(a.score_full[target])),
        "score_base": plain(float(a.score_base[target])),
        "fidelity": a.fidelity[target] if a.fidelity else None,
        "interaction_share": a.interaction_share[target] if a.interaction_share else None,
    }


def predictions(case: Case) -> dict[str, Any]:
    """Return the prediction before and after: as it is, without the strongest component, with everything removed."""
    a = case.attribution
    keep = _shown_labels(case)
    first = None if nothing_present(case) else case.first
    found: dict[str, Any] = {"as_is": label_row(a.probabilities, a.labels, keep)}
    if a.added is not None:
        found = {"without_added": label_row(a.added.probabilities, a.labels, keep), **found}
    if first is not None and first.without is not None and set(first.pieces) != set(case.added):
        row = label_row(first.without, a.labels, keep)
        found["without_first"] = {"component": str(first.name), "labels": row}
    if case.masked is not None:
        found["kept"], found["removed_by_mask"] = (label_row(row, a.labels, keep) for row in case.masked.probabilities[1:3])
    found["removed"] = label_row(a.removed, a.labels, keep)
    return found


def _shown_labels(case: Case) -> list[int]:
    """The target, what it is compared with, what is said before and after, then the most probable."""
    a = case.attribution
    rows = [a.probabilities, a.removed]
    first = case.first
    if first is not None and first.without is not None:
        rows.insert(1, first.without)
    if a.added is not None:
        rows.insert(0, a.added.probabilities)
    if case.masked is not None:
        rows += case.masked.probabilities[1:3]
    return likeliest(a.probabilities, [*case.parsed.plus, *case.parsed.minus, *(top(row) for row in rows)])


def likeliest(row: Tensor, chosen: list[int]) -> list[int]:
    """Return some labels and the most probable ones, as many as are shown of a prediction."""
    likely = sorted(range(len(row)), key=lambda i: -float(row[i]))
    return list(dict.fromkeys([*chosen, *likely]))[: max(N_LABELS, len(set(chosen)))]


def label_row(probabilities: Tensor, labels: tuple[str, ...], keep: list[int]) -> list[dict[str, Any]]:
    """Return the labels kept with their probabilities, the most probable first."""
    row = [{"label": labels[i], "probability": round(float(probabilities[i]), 6)} for i in keep]
    return sorted(row, key=lambda entry: -float(entry["probability"]))


def components(case: Case) -> list[dict[str, Any]]:
    """Return one row a component, in the order of the mask."""
    a, stderr, errors = case.attribution, case.stderr, case.errors95
    present = [i for i, absent in enumerate(case.absent) if not absent]
    ranks = {i: rank for rank, i in enumerate(sorted(present, key=lambda i: -case.values[i]), start=1)}
    rows = []
    for i, (name, value) in enumerate(zip(a.names, case.values, strict=True)):
        error = None if stderr is None else stderr[i]
        interval = None if error is None else [value - errors * error, value + errors * error]
        level = a.levels_db[i] if a.levels_db else None
        parent = None if a.parents is None else a.parents.names[a.parents.of[i]]
        rows.append({"name": name, "value": value, "stderr": error, "ci95": interval, "level_db": level,
                     "absent": case.absent[i], "rank": ranks.get(i), "parent": parent, "added": i in case.added,
                     **_of_feature(case, i)})  # fmt: skip
    return plain(rows)


def _of_feature(case: Case, i: int) -> dict[str, Any]:
    """Return what a component of vectors is in this recording and usually, beside what it adds; nothing of sounds."""
    standing = case.standing(i)
    if standing is None:
        return {}
    return {"feature_value": standing.value, "usual": standing.usual, "spread": standing.spread, "unit": standing.unit}


def parents(case: Case) -> list[dict[str, Any]] | None:
    """Return one row a part before any was split again: its value as one, and the sum of its pieces; None where none was."""
    names = case.attribution.names
    rows = [
        {"name": whole.name, "value": whole.value, "sum": whole.total, "pieces": [names[i] for i in whole.pieces]}
        for whole in case.split_again
    ]
    found: list[dict[str, Any]] = plain(rows)
    return found or None


def cells(case: Case) -> list[dict[str, Any]]:
    """Return one row a cell of a spectrogram, the 64 of largest size, in the order of the mask; none for single bins."""
    a, stderr, values, errors = case.attribution, case.stderr, case.values, case.errors95
    if case.looks_inside or a.spectrum is None or len(a.shape) > 1:
        return []
    present = [i for i, absent in enumerate(case.absent) if not absent]
    ranks = {i: rank for rank, i in enumerate(sorted(present, key=lambda i: -values[i]), start=1)}
    strongest = sorted(range(len(values)), key=lambda i: (case.absent[i], -abs(values[i])))[:MAX_CELLS]
    sizes = torch.bincount(a.spectrum.cell.flatten(), minlength=len(values)) / a.spectrum.cell.numel()
    rows = []
    for i in sorted(strongest):
        error = None if stderr is None else stderr[i]
        interval = None if error is None else [values[i] - errors * error, values[i] + errors * error]
        rows.append({"name": str(case.component(i)), "cell": i, "area": float(sizes[i]), "value": values[i], "stderr": error,
                     "ci95": interval, "absent": case.absent[i], "rank": ranks.get(i)})  # fmt: skip
    found: list[dict[str, Any]] = plain(rows)
    return found


def map_summary(case: Case) -> dict[str, Any]:
    """Return what there is to say about the map of a target, and of the mask that was made of it.

    ``unit`` is that of the values; ``area`` the share of the spectrogram that the mask keeps (a soft one's mean); ``answers``
    what the model says to the features ``as_is``, ``kept``, ``removed``, and to their sounds, None where there are none;
    ``chances`` the probability of the target in each of them.
    """
    masked, values = case.masked, case.attribution.map(case.target)
    told: dict[str, Any] = {"method": case.setting("method"), "unit": unit(case), "shape": list(values.shape),
                            "lowest": float(values.min()), "highest": float(values.max()),
                            "mask": None, "area": None, "chances": None, "answers": None, "metrics": None}  # fmt: skip
    if masked is not None:
        chances = {name: case.chance(row) for name, row in zip(ROWS, masked.probabilities, strict=True)}
        told |= {"mask": masked.line, "area": float(masked.mask.mean()), "chances": chances,
                 "answers": answers(case, MAX_ANSWERS), "metrics": dict(masked.metrics)}  # fmt: skip
    found: dict[str, Any] = plain(told)
    return found


def unit(case: Case) -> str:
    """Return the unit of the values of a map: the score's for every bin, of a slope the score's over a step of the features.

    Of cells it is what a whole cell adds, written into each of its bins. Whether values add up to the score is the method's
    affair: those of deep_shap and gradient_shap do, those of grad_cam and of slopes do not.
    """
    scale = UNITS[case.setting("scale", "log_odds")]
    if case.setting("method") in SLOPES:
        spectrum = case.attribution.spectrum
        decibels = spectrum is not None and is_decibel(spectrum.front_end)
        return f"{scale} per {'dB' if decibels else 'unit of the features'}"
    return scale


def answers(case: Case, n: int) -> dict[str, list[dict[str, Any]] | None]:
    """Return the model's answer to every row of `ROWS`, of the same labels: what is explained, what is said, the likeliest."""
    masked, labels = case.masked, case.attribution.labels
    if masked is None:
        return {}
    rows = [None if row.isnan().any() else row for row in masked.probabilities]
    said = [top(row) for row in rows if row is not None]
    keep = likeliest(masked.probabilities[0], [*case.parsed.plus, *case.parsed.minus, *said])
    keep = keep[: max(n, len(case.parsed.plus) + len(case.parsed.minus))]
    return {
        name: None if row is None else [{"label": labels[i], "probability": round(float(row[i]), 6)} for i in keep]
        for name, row in zip(ROWS, rows, strict=True)
    }


def plain(value: Any) -> Any:
    """Return `value` as JSON can hold it: tuples as lists, names as text, and None for what is not finite."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int)) else str(value)
