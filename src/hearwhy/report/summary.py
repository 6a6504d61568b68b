"""Summary: everything that the page and ``--json`` say, as one dictionary."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from hearwhy.report.case import Z95, Case, top
from hearwhy.report.caveats import as_json, findings
from hearwhy.report.verdict import nothing_present, verdict
from hearwhy.result import Attribution

N_LABELS = 5  # labels shown of a prediction: what it competes with, not all 527


def summarise(attribution: Attribution) -> dict[str, Any]:
    """Return what the page says as a dictionary that JSON can hold; no number in it is NaN or infinite.

    Returns
    -------
    dict
        ``verdict``, ``caveats`` (kind, severity, text), ``passed``, ``prediction`` and ``components`` of the first target;
        ``targets`` holds the same for each one. Values are signed, in the unit of ``settings["scale"]``; levels in dB
        relative to the recording, None for silence; ``rank`` counts present components by value, 1 the most positive.
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
        "components": components(case),
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
    first = None if nothing_present(case) else a.top(case.target)
    found: dict[str, Any] = {"as_is": _row(a.probabilities, a.labels, keep)}
    if first is not None and a.without is not None:
        found["without_first"] = {"component": a.names[first], "labels": _row(a.without[first], a.labels, keep)}
    found["removed"] = _row(a.removed, a.labels, keep)
    return found


def _shown_labels(case: Case) -> list[int]:
    """The target, what it is compared with, what is said before and after, then the most probable."""
    a = case.attribution
    rows = [a.probabilities, a.removed]
    first = a.top(case.target)
    if first is not None and a.without is not None:
        rows.insert(1, a.without[first])
    chosen = [case.label, *([] if case.against is None else [case.against]), *(top(row) for row in rows)]
    chosen += sorted(range(len(a.labels)), key=lambda i: -float(a.probabilities[i]))
    return list(dict.fromkeys(chosen))[: max(N_LABELS, len(set(chosen[:5])))]


def _row(probabilities: Tensor, labels: tuple[str, ...], keep: list[int]) -> list[dict[str, Any]]:
    row = [{"label": labels[i], "probability": round(float(probabilities[i]), 6)} for i in keep]
    return sorted(row, key=lambda entry: -float(entry["probability"]))


def components(case: Case) -> list[dict[str, Any]]:
    """Return one row a component, in the order of the mask."""
    a, stderr = case.attribution, case.stderr
    present = [i for i, absent in enumerate(case.absent) if not absent]
    ranks = {i: rank for rank, i in enumerate(sorted(present, key=lambda i: -case.values[i]), start=1)}
    rows = []
    for i, (name, value) in enumerate(zip(a.names, case.values, strict=True)):
        error = None if stderr is None else stderr[i]
        interval = None if error is None else [value - Z95 * error, value + Z95 * error]
        level = a.levels_db[i] if a.levels_db else None
        rows.append({"name": name, "value": value, "stderr": error, "ci95": interval, "level_db": level,
                     "absent": case.absent[i], "rank": ranks.get(i)})  # fmt: skip
    return plain(rows)


def plain(value: Any) -> Any:
    """Return `value` as JSON can hold it: tuples as lists, names as text, and None for what is not finite."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int)) else str(value)
