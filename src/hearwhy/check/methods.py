"""Methods: which of them may be trusted on a model, given what was found."""

from __future__ import annotations

from collections.abc import Sequence

from hearwhy.attribution import METHODS
from hearwhy.check.findings import Finding, Trust, Verdict
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.types import Classifier

NEEDS = {"score": "asks only for answers", "gradient": "follows the gradient", "network": "looks inside the network"}
RANK: dict[str, Trust] = {"failed": "not trusted", "not possible": "not possible", "warning": "with care"}
ORDER: tuple[Trust, ...] = ("not possible", "not trusted", "with care", "trusted")


def verdicts(findings: Sequence[Finding], classifier: Classifier) -> tuple[Verdict, ...]:
    """Return how far every method may be trusted, and why; the gravest finding that limits it decides."""
    opaque = not isinstance(classifier, SpectrogramClassifier)
    return tuple(
        Verdict(name, "not possible", "explains spectrograms; the model is no SpectrogramClassifier")
        if entry.asks == "network" and opaque
        else _verdict(name, entry.asks, findings)
        for name, entry in METHODS.items()
    )


def _verdict(name: str, asks: str, findings: Sequence[Finding]) -> Verdict:
    limiting = [f for f in findings if f.state in RANK and (asks in f.limits or name in f.limits)]
    if not limiting:
        return Verdict(name, "trusted", NEEDS[asks])
    trust = min((RANK[finding.state] for finding in limiting), key=ORDER.index)
    reasons = [finding.name for finding in limiting if RANK[finding.state] == trust]
    return Verdict(name, trust, f"{NEEDS[asks]}; see {', '.join(reasons)}")
