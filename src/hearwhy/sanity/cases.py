"""Cases: the recordings that a model and a method are examined on, each cut to one window and taken apart."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.asking import Predict
from hearwhy.attribution import Entry
from hearwhy.check.subject import LONGEST_S, _loudest
from hearwhy.components import asks_for_stems
from hearwhy.components import components as make_components
from hearwhy.components.cells import AnyParts, Cells
from hearwhy.components.parts import Parts
from hearwhy.components.recipe import OTHER, filled
from hearwhy.datasets.items import Dataset, Item
from hearwhy.separators import stems as stem_files
from hearwhy.targets import chosen
from hearwhy.trust import whole
from hearwhy.types import Classifier, Recording

STEMS = "sources:stems"  # without a folder: the sources that the dataset itself knows
FOLDER = rf"(?<!\S){STEMS}=(.+?)(?=,residual=|\s+[*/]\s|$)"


@dataclass(frozen=True, eq=False)
class Case:
    """One recording, taken apart.

    Parameters
    ----------
    name, group
        Of the recording; cases of one group are not independent.
    span
        Which stretch of it was taken, in words.
    parts, other
        What is switched off, under the fill and under the second fill.
    target, rival
        What is explained, and the most probable label that it does not name.
    """

    name: str
    group: str
    span: str
    parts: AnyParts
    other: AnyParts
    target: str
    rival: str | None

    @cached_property
    def present(self) -> Bool[Tensor, " component"]:
        """Which components are there."""
        return ~torch.tensor(self.parts.absent)

    @property
    def names(self) -> list[str]:
        """Names of the components that are there."""
        return [self.parts.names[i] for i in self.present.nonzero().flatten().tolist()]

    @property
    def in_decibels(self) -> bool:
        """Whether `levels` are in dB."""
        return isinstance(self.parts, Parts)

    @cached_property
    def levels(self) -> Float[Tensor, " present"]:
        """How loud each component is: dB relative to the recording; of cells how far they lie from the fill, summed."""
        if isinstance(self.parts, Parts):
            return torch.tensor(self.parts.levels_db, dtype=torch.float64)[self.present]
        away = (self.parts.features - torch.stack(self.parts.fills).mean(dim=0)).abs().to(torch.float64)
        n = len(self.parts.names)
        return torch.zeros(n, dtype=torch.float64).index_add_(0, self.parts.cell.flatten(), away.flatten())[self.present]


@dataclass(frozen=True)
class Taking:
    """How recordings are taken apart and what is asked about them.

    Parameters
    ----------
    components
        A spec; ``sources:stems`` stands for the sources that a dataset knows. None: those where they are known, every bin
        for methods that look inside, else ``segments:8``.
    target
        As ``hearwhy explain`` takes it; the first where it names several.
    fill, second_fill
        What stands where something was removed, and what else might, as `hearwhy.components.recipe.Recipe` has them.
    """

    components: str | None = None
    target: str = "top"
    fill: str | None = None
    second_fill: str = OTHER


def spread_out(dataset: Dataset, n: int) -> list[Item]:
    """Return `n` items of a dataset, evenly spread over it, so that they are of several classes and sources."""
    items = dataset.items
    n = min(n, len(items))
    return [items[i * len(items) // n] for i in range(n)]


def spec_of(items: Sequence[Item], taking: Taking, entry: Entry) -> str:
    """Return how the recordings are taken apart.

    Raises
    ------
    ValueError
        The components do not go with the method.
    """
    if entry.asks == "network" and taking.components not in (None, "features"):
        raise ValueError(f"A method that looks inside explains every bin of a spectrogram; got {taking.components!r}, "
                         "leave --components out.")  # fmt: skip
    if entry.asks == "score" and taking.components == "features":
        raise ValueError("Every bin of a spectrogram is too many components for a method that switches them off; use "
                         "cells:quickshift.")  # fmt: skip
    if taking.components is not None:
        return taking.components
    if entry.asks == "network":
        return "features"
    known = all(item.stems(duration_s=min(1.0, item.duration_s)) is not None for item in items)
    return STEMS if known else "segments:8"


def case_of(item: Item, classifier: Classifier, spec: str, taking: Taking, *, device: str = "cpu") -> Case:
    """Return one recording's loudest stretch that is as long as the model takes, taken apart.

    Raises
    ------
    ValueError
        It is silent, cannot be taken apart so, or no label is what the target asks for.
    """
    entire = item.load()
    start, n_samples, n_whole = _stretch(entire, classifier)
    recording = entire if n_samples == n_whole else replace(sound.cut(entire, start, start + n_samples), name=item.name)
    estimates = _stems(item, entire, spec)
    cut = {name: audio[..., start : start + n_samples] for name, audio in estimates.items()}
    asked = re.sub(FOLDER, STEMS, spec)  # files of the whole recording were read above, and are cut as it is
    parts = make_components(asked, recording, classifier=classifier, stems=cut)
    rate = recording.sample_rate
    labels = _labels(recording, classifier, taking.target, device)
    first, second = filled(parts, taking.fill, taking.second_fill)
    assert second is not None
    return Case(
        name=item.name, group=item.group, span=f"{start / rate:.2f}-{(start + n_samples) / rate:.2f} s",
        parts=first, other=second, target=labels[0], rival=labels[1],
    )  # fmt: skip


def _stretch(recording: Recording, classifier: Classifier) -> tuple[int, int, int]:
    """First sample and length of the loudest stretch that the model takes at a time, and the length of the whole."""
    total = recording.audio.shape[1]
    length = min(total, round((classifier.window_s or LONGEST_S) * recording.sample_rate))
    return _loudest(recording.audio, length), length, total


def _stems(item: Item, entire: Recording, spec: str) -> Mapping[str, Tensor]:
    """The whole recording's sources, where the spec asks for them: the dataset's own, or files of a folder."""
    folder = re.search(FOLDER, spec)
    if folder:
        return stem_files(entire, folder[1])
    if not asks_for_stems(spec):
        return {}
    known = item.stems()
    if known is None:
        raise ValueError(f"The sources of {item.name} are not known; give sources:stems=FOLDER, or another separator.")
    return {name: stem.audio for name, stem in known.items()}


def _labels(recording: Recording, classifier: Classifier, target: str, device: str) -> tuple[str, str | None]:
    """What is explained, and the most probable label besides."""
    predict = Predict(classifier, whole(recording), device=device)
    row = predict.probabilities(torch.ones(1, 1, dtype=torch.bool))[0]
    wanted = chosen([target], classifier.labels, row.tolist())[0]
    words = re.split(r" [+-] ", wanted)
    others = [i for i in row.argsort(descending=True).tolist() if classifier.labels[i] not in words]
    return wanted, classifier.labels[others[0]] if others else None


def is_tiled(parts: AnyParts) -> bool:
    """Whether components of several recordings stand for the same thing, so that they may be counted."""
    return not isinstance(parts, Cells) or parts.domain == "vector" or parts.spec.startswith("cells:tiles")
