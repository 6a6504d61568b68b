"""Background: what the features that a classifier is given usually are, over the recordings of a dataset."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.components.background import Background
from hearwhy.components.cells import padded, with_front_end
from hearwhy.datasets.items import Dataset, Item, Progress
from hearwhy.datasets.reading import read
from hearwhy.types import Classifier
from hearwhy.windowing import windows


def with_background_of(
    classifier: Classifier, data: str | Path | Dataset, *, seed: int = 0, progress: Progress | None = None
) -> SpectrogramClassifier:
    """Return the classifier with the background that a dataset's recordings make, for explanations of vectors.

    Of each recording its first window counts, or all of it where the classifier takes any length. The network is not asked.
    Recordings that cannot be read are left out; how many stands in the background's ``source``, which every result shows.

    Parameters
    ----------
    classifier
        A front end and a network.
    data
        A dataset's folder (`hearwhy.datasets.read`), or the dataset itself.
    seed
        Of k-means, which finds the typical recordings.
    progress
        Told (recordings read, recordings in all).

    Raises
    ------
    TypeError
        The classifier's front end cannot be seen.
    ValueError
        There are fewer than two recordings that can be read.
    """
    seen = with_front_end(classifier)
    dataset = data if isinstance(data, Dataset) else read(data)
    rows, problems = [], list(dataset.problems)
    for i, item in enumerate(dataset.items):
        try:
            rows.append(_values(seen, item))
        except (ValueError, OSError) as error:
            problems.append((item.name, str(error)))
        if progress is not None:
            progress(i + 1, len(dataset.items))
    if len(rows) < 2 and problems:
        raise ValueError(f"A background needs two recordings that can be read; {problems[0][0]} cannot: {problems[0][1]}")
    called = f"{len(rows)} recordings" if isinstance(data, Dataset) else f"{len(rows)} recordings of {Path(data).name}"
    called += f" ({len(problems)} could not be read)" if problems else ""
    values = torch.stack(rows) if rows else torch.zeros(0, seen.front_end.n_features)
    background = Background.of(values, seed=seed, source=called)
    return replace(seen, background=background, fingerprint=_fingerprint(seen, background))


def _values(classifier: SpectrogramClassifier, item: Item) -> Tensor:
    """The mean of every feature over the frames of a recording's first window."""
    recording = item.load(duration_s=classifier.window_s)
    audio = sound.resample(sound.remix(recording.audio, 1), recording.sample_rate, classifier.sample_rate)
    window = windows(audio.shape[-1], classifier)
    with torch.no_grad():
        return classifier.features(padded(audio[:, : window.length], window)[None])[0].mean(dim=1)


def _fingerprint(classifier: SpectrogramClassifier, background: Background) -> str | None:
    """Another background, another explanation."""
    if classifier.fingerprint is None:
        return None
    digest = hashlib.sha256(classifier.fingerprint.encode())
    for tensor in background.as_tensors().values():
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()[:16]
