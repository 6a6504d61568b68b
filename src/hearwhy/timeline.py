"""Timeline: a long recording window by window: what the model says over time, and why."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.result import Attribution
from hearwhy.storage import load
from hearwhy.windowing import Span

FILE, NUMBERS = "timeline.json", "timeline.npz"
VERSION = 1


class Kept(Sequence[Attribution | None]):
    """Attributions that lie in folders and are read when they are looked at, so that memory does not grow with them."""

    def __init__(self, folders: Sequence[Path | None]) -> None:
        self.folders = tuple(folders)

    def __len__(self) -> int:
        return len(self.folders)

    def __getitem__(self, i):  # type: ignore[no-untyped-def]  # one, or a slice of them
        if isinstance(i, slice):
            return [self[j] for j in range(*i.indices(len(self)))]
        folder = self.folders[i]
        return None if folder is None else load(folder)


@dataclass(frozen=True, eq=False)
class Timeline:
    """The windows of a long recording: the model's answer to each, and an Attribution of those that were explained.

    Parameters
    ----------
    attributions
        One a window; None where the window was silent or was not explained.
    spans_s
        Start and stop of every window in seconds.
    probabilities
        The model's answer to every window, (window, label); NaN where it was silent.
    labels
        What the model tells apart.
    name
        What to call the recording.
    """

    attributions: Sequence[Attribution | None]
    spans_s: tuple[Span, ...]
    probabilities: Float[Tensor, "window label"]
    labels: tuple[str, ...]
    name: str = "recording"

    def __len__(self) -> int:
        return len(self.attributions)

    @property
    def silent(self) -> tuple[bool, ...]:
        """Which windows hold nothing."""
        return tuple(self.probabilities.isnan().any(dim=1).tolist())

    @property
    def numbers(self) -> tuple[int, ...]:
        """Which windows were explained."""
        if isinstance(self.attributions, Kept):
            return tuple(i for i, folder in enumerate(self.attributions.folders) if folder is not None)
        return tuple(i for i, attribution in enumerate(self.attributions) if attribution is not None)

    @property
    def explained(self) -> tuple[Attribution, ...]:
        """The attributions of the windows that were explained."""
        return tuple(self._explained())

    def _explained(self) -> Iterator[Attribution]:
        return (attribution for i in self.numbers if (attribution := self.attributions[i]) is not None)

    @property
    def prediction(self) -> Float[Tensor, " label"]:
        """The model's answer to the whole: the mean over the windows that are not silent."""
        return self.probabilities.nanmean(dim=0)

    @property
    def values(self) -> Float[Tensor, "window target *component"]:
        """Values over time, NaN where a window was not explained; every window has the same components.

        Raises
        ------
        ValueError
            The windows were explained in different components.
        """
        found = {i: attribution.values for i, attribution in zip(self.numbers, self._explained(), strict=True)}
        shapes = {tuple(values.shape) for values in found.values()}
        if len(shapes) > 1:
            raise ValueError(f"the windows were explained in different components {shapes}; look at .attributions one by one.")
        missing = torch.full(shapes.pop(), math.nan)
        return torch.stack([found.get(i, missing) for i in range(len(self))])

    @property
    def mean(self) -> Float[Tensor, " target *component"]:
        """The values of the whole: the mean over the explained windows.

        Shapley values of a mean are the mean of Shapley values, so for components that are the same in every window (bands,
        sources) this is the explanation of the score's mean over those windows.
        """
        return self.values.nanmean(dim=0)

    def folder_name(self, i: int) -> str:
        """Return the name of a window's folder: its number and start."""
        return f"window-{i:04d}-{self.spans_s[i][0]:.1f}s"

    def save(self, folder: str | Path) -> Path:
        """Write ``timeline.json`` and ``timeline.npz``, and every explained window's attribution to a folder of its own."""
        folder = Path(folder)
        for i in self.numbers:
            self._save_window(i, folder / self.folder_name(i))
        names = {i: self.folder_name(i) for i in self.numbers}
        kept = {"version": VERSION, "name": self.name, "labels": self.labels, "spans_s": self.spans_s,
                "windows": [names.get(i) for i in range(len(self))]}  # fmt: skip
        (folder / FILE).write_text(json.dumps(kept, indent=1, ensure_ascii=False))
        np.savez_compressed(folder / NUMBERS, probabilities=self.probabilities.numpy())
        return folder

    def _save_window(self, i: int, folder: Path) -> None:
        if isinstance(self.attributions, Kept) and self.attributions.folders[i] == folder:
            return  # it lies there already
        attribution = self.attributions[i]
        assert attribution is not None
        attribution.save(folder)

    @staticmethod
    def load(folder: str | Path) -> Timeline:
        """Return what `save` wrote; a window's attribution is read when it is looked at.

        Raises
        ------
        FileNotFoundError
            The folder holds no timeline.
        ValueError
            It was written by a later version, or a file of it is damaged.
        """
        folder = Path(folder)
        if not (folder / FILE).is_file():
            raise FileNotFoundError(f"There is no timeline in {folder}; give a folder that timeline.save() wrote.")
        try:
            kept = json.loads((folder / FILE).read_text())
            if kept["version"] > VERSION:
                raise ValueError(f"{folder} was written by a later hearwhy (format {kept['version']}); this reads {VERSION}.")
            with np.load(folder / NUMBERS, allow_pickle=False) as arrays:
                probabilities = torch.from_numpy(arrays["probabilities"])
        except (KeyError, json.JSONDecodeError, OSError, EOFError) as error:
            raise ValueError(f"{folder} is damaged ({error}); explain the recording again.") from error
        windows = Kept([None if name is None else folder / name for name in kept["windows"]])
        spans = tuple((start, stop) for start, stop in kept["spans_s"])
        return Timeline(windows, spans, probabilities, tuple(kept["labels"]), kept["name"])
