"""Findings: what a check says of a model, in numbers and in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

State = Literal["passed", "warning", "failed", "not possible"]
Trust = Literal["trusted", "with care", "not trusted", "not possible"]
STATES: tuple[State, ...] = ("failed", "warning", "not possible", "passed")


@dataclass(frozen=True, eq=False)
class Finding:
    """One thing that was checked.

    Parameters
    ----------
    name
        What was looked at.
    state
        "passed", "warning", "failed", or "not possible": it could not be looked at.
    text
        What was found, and what it means for explanations.
    number
        The measured number, in the unit that `text` says.
    limits
        What it limits: what methods ask for ("score", "gradient", "network") and names of methods.
    """

    name: str
    state: State
    text: str
    number: float | None = None
    limits: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as a dictionary."""
        number = None if self.number is None else float(f"{self.number:.4g}")
        return {"name": self.name, "state": self.state, "number": number, "text": self.text, "limits": list(self.limits)}


@dataclass(frozen=True)
class Speed:
    """How long the model takes for a number of items at a time, in milliseconds an item."""

    batch_size: int
    ms: float


@dataclass(frozen=True)
class Verdict:
    """How far one method may be trusted on the model, and why."""

    method: str
    trust: Trust
    why: str


@dataclass(frozen=True, eq=False)
class Check:
    """What a model is, what it says of a recording, and what was found about it.

    Parameters
    ----------
    about
        Name, labels, sample_rate, channels, activation, window_s and fingerprint of the model.
    recording, clip
        What it was asked about, and the span that the checks used, in words.
    prediction
        Its most probable labels with their probabilities, at most five.
    speed
        Milliseconds an item, for each number of items at a time.
    findings
        What was found.
    methods
        How far each method may be trusted.
    """

    about: dict[str, Any]
    recording: str
    clip: str
    prediction: tuple[tuple[str, float], ...]
    speed: tuple[Speed, ...]
    findings: tuple[Finding, ...]
    methods: tuple[Verdict, ...]

    def __getitem__(self, name: str) -> Finding:
        """Return the finding of that name."""
        return next(finding for finding in self.findings if finding.name == name)

    def trust(self, method: str) -> Trust:
        """Return how far a method may be trusted."""
        return next(verdict.trust for verdict in self.methods if verdict.method == method)

    def describe(self) -> str:
        """Return everything as text, at most 80 columns wide."""
        from hearwhy.check.words import describe

        return describe(self)

    def as_json(self) -> dict[str, Any]:
        """Return everything as a dictionary of plain values."""
        return {
            "model": self.about,
            "recording": self.recording,
            "clip": self.clip,
            "prediction": [{"label": label, "probability": round(p, 6)} for label, p in self.prediction],
            "speed": [{"batch_size": s.batch_size, "ms_an_item": round(s.ms, 3)} for s in self.speed],
            "findings": [finding.as_json() for finding in self.findings],
            "methods": [{"method": v.method, "trust": v.trust, "why": v.why} for v in self.methods],
        }
