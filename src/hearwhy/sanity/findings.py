"""Findings: what each check says of a model and a method, in a number and in a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hearwhy.sanity.agreement import Mean

State = Literal["passed", "warning", "failed", "does not apply"]
STATES: tuple[State, ...] = ("failed", "warning", "passed", "does not apply")


@dataclass(frozen=True, eq=False)
class Finding:
    """One check of a model and a method.

    Parameters
    ----------
    name
        What was checked.
    state
        "passed", "warning", "failed", or "does not apply", with the reason in `text`.
    text
        What was found, and what it means.
    number
        The measured number, with an interval where it is a mean over sampled units.
    measure
        What the number is.
    p
        P value of the check's test, where it has one.
    details
        Everything behind it, as plain values: curves, counts, a row a recording.
    """

    name: str
    state: State
    text: str
    number: Mean | None = None
    measure: str = ""
    p: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as a dictionary of plain values."""
        number = None if self.number is None else self.number.as_json()
        return {
            "name": self.name, "state": self.state, "measure": self.measure, "number": number,
            "p": None if self.p is None else float(f"{self.p:.4g}"), "text": self.text, "details": dict(self.details),
        }  # fmt: skip


def without(name: str, reason: str) -> Finding:
    """Return that a check does not apply, and why."""
    return Finding(name, "does not apply", reason)


@dataclass(frozen=True, eq=False)
class Sanity:
    """What was checked, on what, and what was found.

    Parameters
    ----------
    about
        Model, method, components, target, fills, scale, seed, and how many of everything.
    recordings
        A row a recording: name, group, span, target, components, levels in dB, values.
    findings
        What was found.
    problems
        Recordings that could not be explained, and why.
    """

    about: Mapping[str, Any]
    recordings: tuple[Mapping[str, Any], ...]
    findings: tuple[Finding, ...]
    problems: tuple[tuple[str, str], ...] = ()

    def __getitem__(self, name: str) -> Finding:
        """Return the finding of that name."""
        return next(finding for finding in self.findings if finding.name == name)

    def describe(self) -> str:
        """Return everything as text, at most 80 columns wide."""
        from hearwhy.sanity.words import describe

        return describe(self)

    def as_json(self) -> dict[str, Any]:
        """Return everything as a dictionary of plain values."""
        return {
            "about": dict(self.about),
            "recordings": [dict(row) for row in self.recordings],
            "findings": [finding.as_json() for finding in self.findings],
            "problems": [{"name": name, "problem": problem} for name, problem in self.problems],
        }
