"""Masking: what the model says of the part of a spectrogram that a mask keeps, as features and as the sound one hears."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.masks import make_mask, parse_mask
from hearwhy.metrics import evaluate
from hearwhy.result import Attribution
from hearwhy.spectrum import ROWS, Masked, Spectrum
from hearwhy.targets import parse_target, probabilities
from hearwhy.types import Recording

BATCH = 32  # spectrograms at a time


def ask_features(
    classifier: SpectrogramClassifier,
    features: Float[Tensor, "item freq frame"],
    *,
    device: str = "cpu",
    batch_size: int = BATCH,
) -> Float[Tensor, "item label"]:
    """Return the model's own numbers for spectrograms, mean over frames where it answers frame by frame."""
    with torch.inference_mode():
        rows = [classifier.answers(batch.to(device)).to("cpu", torch.float32) for batch in features.split(batch_size)]
    answers = torch.cat(rows)
    return answers if answers.ndim == 2 else answers.mean(dim=2)


def ask_sounds(
    classifier: SpectrogramClassifier, sounds: Float[Tensor, "item 1 time"], spectrum: Spectrum, *, device: str = "cpu",
    batch_size: int = BATCH,
) -> Float[Tensor, "item label"]:  # fmt: skip
    """Return the model's own numbers for sounds at the front end's rate, followed by silence up to the window."""
    filled = torch.nn.functional.pad(sounds, (0, spectrum.n_samples - sounds.shape[-1]))
    with torch.inference_mode():
        features = torch.cat([classifier.features(batch) for batch in filled.split(batch_size)])
    return ask_features(classifier, features, device=device, batch_size=batch_size)


def with_mask(attribution: Attribution, classifier: SpectrogramClassifier, line: str, *, device: str = "cpu") -> Attribution:
    """Return the attribution with what the model says of a mask of every target's map; costs 5 passes a target.

    Parameters
    ----------
    attribution
        Of a spectrogram.
    classifier
        The model that was explained.
    line
        A mask as ``hearwhy list masks`` names it, such as ``"top_k(k=0.3)"``.

    Raises
    ------
    ValueError
        There is no such mask, or the components are sounds.
    """
    parse_mask(line)
    found = tuple(_masked(attribution, classifier, line, target, device) for target in range(len(attribution.targets)))
    return replace(attribution, masked=found, n_calls=attribution.n_calls + len(ROWS) * len(found))


def _masked(attribution: Attribution, classifier: SpectrogramClassifier, line: str, target: int, device: str) -> Masked:
    spectrum, recording = attribution.spectrum, attribution.recording
    values = attribution.map(target)
    assert spectrum is not None
    mask = make_mask(line, values)
    given = torch.stack([spectrum.features, *spectrum.masked(mask)])
    answers = ask_features(classifier, given, device=device)
    sounds = sound_of(spectrum, recording, given[1:])
    if sounds is None:
        heard = torch.full((2, answers.shape[1]), math.nan)
    else:
        heard = ask_sounds(classifier, sounds, spectrum, device=device)
    rows = torch.cat([answers, heard])
    metrics = _metrics(rows, mask, values, attribution, classifier, target)
    return Masked(line, target, mask.to(torch.float32), probabilities(rows.double(), classifier.activation).float(), metrics)


def sound_of(spectrum: Spectrum, recording: Recording, features: Float[Tensor, "item freq frame"]) -> Tensor | None:
    """Return the sounds of masked features (item, 1, time); None where there is no way from such features to sound."""
    try:
        return spectrum.sound(recording, features)
    except TypeError:
        return None


def _metrics(
    rows: Tensor, mask: Tensor, values: Tensor, attribution: Attribution, classifier: SpectrogramClassifier, target: int
) -> dict[str, float | None]:
    label = parse_target(attribution.targets[target], attribution.labels).plus[0]
    given = {
        "logits": rows[:1], "logits_in": rows[1:2], "logits_out": rows[2:3], "mask": mask[None], "values": values[None],
        "target": torch.tensor([label]),
    }  # fmt: skip
    if not rows[3:].isnan().any():
        given |= {"heard_logits_in": rows[3:4], "heard_logits_out": rows[4:5]}
    found = evaluate(given, activation=classifier.activation)
    return {name: float(value[0]) if torch.isfinite(value[0]) else None for name, value in found.items()}
