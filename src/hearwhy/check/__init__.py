"""Check: what a model is like, and which methods may be trusted on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from hearwhy.asking import Predict
from hearwhy.check import behaviour
from hearwhy.check.findings import Check, Finding, Speed, Verdict
from hearwhy.check.gradients import gradient
from hearwhy.check.methods import verdicts
from hearwhy.check.modules import module_uses
from hearwhy.check.speed import speeds
from hearwhy.check.subject import Subject, prepared, title
from hearwhy.trust import whole
from hearwhy.types import Classifier, Recording

__all__ = ["Check", "Finding", "Speed", "Verdict", "check"]

NOISE_S = 5.0
SHOWN = 5


def check(classifier: Classifier, recording: Recording | None = None, *, device: str = "cpu", seed: int = 0) -> Check:
    """Return what the model is like, and which methods may be trusted on it.

    Costs a hundred or so forward passes over one clip: the loudest stretch of the recording that is as long as the
    model takes (10 s where it takes any length).

    Parameters
    ----------
    classifier
        What is examined.
    recording
        What it is asked about; by default pink noise, to which what it says means little.
    device
        Where it runs.
    seed
        Seed of the noises that it is given.

    Raises
    ------
    ValueError
        The model's answer is not (batch, label), the recording is silent, or there is no such device.
    RuntimeError
        The model raised an error when it was asked about the recording.

    Examples
    --------
    >>> from hearwhy.classifiers import classifier
    >>> check(classifier("band")).trust("kernel_shap")
    'trusted'
    """
    recording = pink_noise(seed=seed) if recording is None else recording
    examined = prepared(classifier, recording, device=device, seed=seed)
    first = _first(examined, recording)
    finite = first.state != "failed"
    findings = (first, *_findings(examined)) if finite else (first,)
    return Check(
        about=_about(classifier),
        recording=f"{recording.name}, {recording.duration_s:.1f} s",
        clip=examined.span,
        prediction=_prediction(examined, recording) if finite else (),
        speed=speeds(examined),
        findings=findings,
        methods=verdicts(findings, classifier),
    )


def pink_noise(*, seed: int = 0, sample_rate: int = 44_100) -> Recording:
    """Return five seconds of noise with the same power in every octave, at -20 dB: as balanced as music is on average."""
    n = round(NOISE_S * sample_rate)
    spectrum = torch.fft.rfft(torch.randn(n, generator=torch.Generator().manual_seed(seed)))
    audio = torch.fft.irfft(spectrum / torch.arange(1, len(spectrum) + 1).sqrt(), n=n)
    return Recording(0.1 * audio / audio.square().mean().sqrt(), sample_rate, "pink noise")


def _first(examined: Subject, recording: Recording) -> Finding:
    """Ask once as every explanation does, so that a model that cannot be asked says so in the same words."""
    Predict(examined.classifier, whole(recording), device=examined.device).soft(torch.ones(1, 1))
    return behaviour.answers(examined)


def _findings(examined: Subject) -> Iterator[Finding]:
    repeats = behaviour.repeatable(examined)
    yield repeats
    yield behaviour.batch(examined, repeats.number or 0.0)
    yield behaviour.lengths(examined)
    yield behaviour.level(examined)
    yield behaviour.silence(examined)
    yield behaviour.position(examined)
    yield behaviour.polarity(examined)
    yield gradient(examined, repeats.number or 0.0)
    yield module_uses(examined)


def _prediction(examined: Subject, recording: Recording) -> tuple[tuple[str, float], ...]:
    predict = Predict(examined.classifier, whole(recording), device=examined.device)
    row = predict.probabilities(torch.ones(1, 1, dtype=torch.bool))[0]
    best = row.argsort(descending=True)[:SHOWN].tolist()
    return tuple((examined.classifier.labels[i], float(row[i])) for i in best)


def _about(classifier: Classifier) -> dict[str, Any]:
    return {
        "name": title(classifier),
        "labels": list(classifier.labels),
        "sample_rate": classifier.sample_rate,
        "channels": classifier.channels,
        "activation": classifier.activation,
        "window_s": classifier.window_s,
        "fingerprint": classifier.fingerprint,
    }
