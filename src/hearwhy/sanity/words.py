"""Words: what was checked as text for a terminal of 80 columns."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping
from typing import Any

from hearwhy.sanity.findings import STATES, Finding, Sanity, State

WIDTH = 80
_WORSE: dict[State, str] = {"warning": "with a warning", "failed": "failed"}
INDENT = 4


def describe(found: Sanity) -> str:
    """Return a table of the findings, and below it what each means."""
    rows = sorted(found.findings, key=lambda finding: STATES.index(finding.state))
    blocks = [
        wrapped(headline(found)),
        ["", *wrapped(asked(found.about))],
        ["", f"{'':<16}{'check':<21}{'number':<23}p", *(_row(finding) for finding in rows)],
        [line for finding in rows for line in ("", f"{finding.state}: {finding.name}", *_text(finding))],
        ["", *(line for name, why in found.problems for line in wrapped(f"left out: {name}: {why}"))] if found.problems else [],
    ]
    return "\n".join(line for block in blocks for line in block)


def headline(found: Sanity) -> str:
    """Return the outcome in one sentence."""
    counts = Counter(finding.state for finding in found.findings)
    asked_ = len(found.findings) - counts["does not apply"]
    start = f"{found.about['method']} on {found.about['model']}: {counts['passed']} of {asked_} checks passed"
    rest = [f"{counts[state]} {word}" for state, word in _WORSE.items() if counts[state]]
    return start + "".join(f", {part}" for part in rest) + "."


def asked(about: Mapping[str, Any]) -> str:
    """Return what was asked in one sentence."""
    n = about["n_recordings"]
    return (
        f"{n} recording{'s' * (n != 1)}, the loudest stretch of each that the model takes at a time, as {about['components']}; "
        f"target {about['target']}, {about['scale']}, {about['fill']} in the place of what is removed, seed {about['seed']}. "
        "Square brackets hold 95 % intervals."
    )


def _row(finding: Finding) -> str:
    number = "" if finding.number is None else str(finding.number)
    p = "" if finding.p is None else f"{finding.p:.2g}"
    return f"{finding.state:<16}{finding.name:<21}{number:<23}{p}".rstrip()


def _text(finding: Finding) -> list[str]:
    measure = [f"({finding.measure})"] if finding.measure else []
    return [line for text in (finding.text, *measure) for line in wrapped(text, INDENT)]


def wrapped(text: str, indent: int = 0) -> list[str]:
    """Return text as lines of at most 80 columns."""
    space = " " * indent
    return textwrap.wrap(text, WIDTH, initial_indent=space, subsequent_indent=space, break_on_hyphens=False)
