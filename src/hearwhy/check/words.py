"""Words: a check as text for a terminal of 80 columns."""

from __future__ import annotations

import textwrap

from hearwhy.check.findings import STATES, Check, Finding, Speed
from hearwhy.check.speed import fastest

WIDTH = 80
SHOWN = 12
ACTIVATIONS = {
    "softmax": "logits; softmax makes them probabilities of labels that exclude each other",
    "sigmoid": "logits; sigmoid makes each a probability of its own",
    "probability": "probabilities",
}


def describe(check: Check) -> str:
    """Return the check as text: the model, what it says, what was found, and which methods may be trusted."""
    blocks = [
        [f"{check.about['name']}: {_count(len(check.about['labels']), 'label')}"],
        _about(check),
        ["", "Findings"],
        [line for state in STATES for f in check.findings if f.state == state for line in _finding(f)],
        ["", "Methods"],
        [line for v in check.methods for line in _row(f"{v.trust:<13} {v.method}", v.why, indent=38)],
    ]
    return "\n".join(line for block in blocks for line in block)


def probability(p: float) -> str:
    """Return a probability with two digits, which never claim certainty."""
    return "> 0.99" if p > 0.995 else "< 0.01" if p < 0.005 else f"{p:.2f}"


def _about(check: Check) -> list[str]:
    about = check.about
    window = "any length" if about["window_s"] is None else f"{about['window_s']:.2f} s at a time"
    rows = {
        "labels": _labels(about["labels"]),
        "takes": f"{'mono' if about['channels'] == 1 else 'stereo'} sound at {about['sample_rate']} Hz, {window}",
        "answers": ACTIVATIONS[about["activation"]],
        "fingerprint": about["fingerprint"] or "none: nothing is cached on disk",
        "recording": check.recording,
        "says": ", ".join(f"{label} {probability(p)}" for label, p in check.prediction),
        "checked on": check.clip,
        "speed": _speed(check.speed),
    }
    return [line for name, text in rows.items() if text for line in _row(name, text, indent=15)]


def _labels(labels: list[str]) -> str:
    more = f" and {len(labels) - SHOWN} more" if len(labels) > SHOWN else ""
    return ", ".join(labels[:SHOWN]) + more


def _speed(speeds: tuple[Speed, ...]) -> str:
    if not speeds:
        return ""
    best = fastest(speeds)
    rows = ", ".join(f"{one.batch_size}: {one.ms:.3g}" for one in speeds)
    return f"ms an item, by items at a time: {rows}; best {best.batch_size} at a time"


def _finding(finding: Finding) -> list[str]:
    return _row(f"{finding.state:<13} {finding.name}", finding.text, indent=28)


def _row(name: str, text: str, *, indent: int) -> list[str]:
    start = f"  {name}".ljust(indent)
    return textwrap.wrap(text, WIDTH, initial_indent=start, subsequent_indent=" " * indent, break_on_hyphens=False) or [start]


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"
