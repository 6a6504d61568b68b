"""Attribution: an explanation that can be heard, seen, saved and trusted as far as its numbers say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.components.audible import Audible
from hearwhy.masks import make_mask
from hearwhy.parents import Added, Parents
from hearwhy.spectrum import Masked, Spectrum
from hearwhy.types import Recording
from hearwhy.vector import Vector

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_NAMED = 1000  # components; of more, single ones mean nothing
Keep = Literal["positive", "negative", "rest"]


@dataclass(frozen=True, eq=False)
class Attribution:
    """What a model's decision on one recording rests on.

    Parameters
    ----------
    values
        Signed attribution, (target, *component): how much the component raises the score, on `settings["scale"]`.
    base, score_full, score_base
        Per target: the additive explanation's score with everything removed; the model's with everything, and nothing.
    shape, names
        Shape of a mask and its flat, row-major names.
    targets, labels
        What was explained, and everything the model knows.
    probabilities, removed
        Per label: of the recording, and of the fill alone (means over windows and fills).
    recording
        What was explained.
    sounds
        Gives the parts, (component, channel, time).
    n_calls
        Forward passes of the model, all checks included.
    stderr
        Sampling error of `values`; None where nothing was sampled.
    without
        (component, label): probabilities with one component removed; None for very many components.
    absent, levels_db
        Which flat components are over 60 dB below the recording, and the level of each relative to it.
    answers
        (2**d, label): probabilities for every mask of up to 8 components; row r keeps component i where bit i of r is 1.
    fidelity, interaction_share
        Per target: R^2 of the explanation on fresh masks of the method's own law; 1 - R^2 of the best additive fit.
    second_fill, level_check
        What another fill and other levels say.
    spectrum
        The spectrogram that the components are cells of; None where they are sounds or values.
    vector
        The values that the components are; None where they are sounds or cells.
    masked
        What the model says of masks of the map.
    interactions, interactions_stderr
        (target, component, component) over the flat components: what every two add together beyond what each adds alone
        (the Shapley interaction index), and its sampling error; None where it was not asked for and not free.
    parents
        What was split again, as one; None where nothing was.
    added
        What was mixed in that the recording does not have; `recording`, `probabilities` and all else are with it.
    settings
        Everything that was chosen, and what was done to the audio.
    """

    values: Float[Tensor, " target *component"]
    base: Float[Tensor, " target"]
    score_full: Float[Tensor, " target"]
    score_base: Float[Tensor, " target"]
    shape: tuple[int, ...]
    names: Sequence[str]
    targets: tuple[str, ...]
    labels: tuple[str, ...]
    probabilities: Float[Tensor, " label"]
    removed: Float[Tensor, " label"]
    recording: Recording
    sounds: Callable[[], Tensor]
    n_calls: int
    stderr: Float[Tensor, " target *component"] | None = None
    without: Float[Tensor, "component label"] | None = None
    absent: tuple[bool, ...] = ()
    levels_db: tuple[float, ...] = ()
    answers: Float[Tensor, "mask label"] | None = None
    fidelity: tuple[float | None, ...] = ()
    interaction_share: tuple[float | None, ...] = ()
    second_fill: Mapping[str, Any] | None = None
    level_check: Mapping[str, Any] | None = None
    spectrum: Spectrum | None = None
    vector: Vector | None = None
    masked: tuple[Masked, ...] = ()
    interactions: Float[Tensor, "target component component"] | None = None
    interactions_stderr: Float[Tensor, "target component component"] | None = None
    parents: Parents | None = None
    added: Added | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def parts(self) -> Float[Tensor, "component channel time"]:
        """The waveforms of the components: in the recording's own rate and channels, of cells in their front end's.

        ValueError where they are values: no sound is made of them alone.
        """
        if self.vector is not None:
            raise ValueError("Values of features are not parts of the sound; attribution.audible() gives what is heard.")
        return self.sounds()

    def map(self, target: int | str = 0) -> Float[Tensor, "freq frame"]:
        """Return the value of every bin of the spectrogram: that of the cell it lies in.

        Raises
        ------
        ValueError
            The components are sounds or values.
        """
        if self.spectrum is None:
            raise ValueError("These components are no cells and have no map; explain with components='cells:quickshift', or "
                             "with a method that looks inside.")  # fmt: skip
        return self.values[self._target(target)].flatten()[self.spectrum.cell]

    def mask(self, name: str, *, target: int | str = 0, **options: float | str) -> Float[Tensor, "freq frame"]:
        """Return a mask of the map, 1 keeps and 0 removes: ``mask("top_k", k=0.3)``; see ``hearwhy list masks``."""
        given = ", ".join(f"{key}={value}" for key, value in options.items())
        return make_mask(f"{name}({given})" if given else name, self.map(target))

    def top(self, target: int | str = 0) -> int | None:
        """Return the flat index of the component with the largest positive value; None where none is positive."""
        ranked = self.ranked("positive", target)
        return ranked[0] if ranked else None

    def ranked(self, keep: Literal["positive", "negative"], target: int | str = 0) -> list[int]:
        """Return the present components of one sign, strongest first."""
        if keep not in ("positive", "negative"):
            raise ValueError(f"components are positive or negative; got {keep!r}.")
        sign = 1 if keep == "positive" else -1
        signed = (sign * self.values[self._target(target)]).flatten().tolist()
        present = [i for i, value in enumerate(signed) if value > 0 and not (self.absent and self.absent[i])]
        return sorted(present, key=lambda i: -signed[i])

    def component_audio(self, i: int) -> Recording:
        """Return the sound of one component.

        Raises
        ------
        ValueError
            The components are values: no sound is made of them alone. `audible` gives what there is to hear.
        """
        return self._sound([i], self.names[i])

    def listen(self, *, keep: Keep = "positive", top: int | None = None, target: int | str = 0) -> Recording | None:
        """Return the sound of what speaks for the target, against it, or all that does not speak for it.

        Levels are those in the recording, nothing is normalised: "positive" and "rest" sum to the recording. Values of vectors
        are no sounds that sum to it: see `audible`.

        Parameters
        ----------
        keep
            ``"positive"``, ``"negative"``, or ``"rest"``: everything but the positive ones.
        top
            Only so many of the strongest; all by default.
        target
            Which target, by number or by name.

        Returns
        -------
        Recording or None
            None where there is no such component, and where components are values.
        """
        if keep not in ("positive", "negative", "rest"):
            raise ValueError(f"listen keeps 'positive', 'negative' or 'rest'; got {keep!r}.")
        if top is not None and top < 1:
            raise ValueError(f"top is at least 1, or None for all; got {top}.")
        chosen = self.ranked("negative" if keep == "negative" else "positive", target)[:top]
        if keep == "rest":
            chosen = [i for i in range(len(self.names)) if i not in set(chosen)]
        nothing = not chosen or self.vector is not None
        return None if nothing else self._sound(chosen, f"{keep} for {self.targets[self._target(target)]}")

    def audible(self) -> tuple[Audible, ...]:
        """Return what each value of vectors is as sound: the clip with it lower and higher, or filtered to it.

        Raises
        ------
        ValueError
            The components are sounds or cells; `component_audio` gives those.
        """
        if self.vector is None:
            raise ValueError("These components are no values of features; component_audio(i) gives their sounds.")
        return self.vector.audible(self.recording)

    def _sound(self, chosen: Sequence[int], name: str) -> Recording:
        if self.vector is not None:
            raise ValueError(f"{name} is a value, not a part of the sound; attribution.audible() gives what there is to hear.")
        if self.spectrum is not None:
            return self._sound_of_cells(chosen, name)
        audio = self.parts[list(chosen)].sum(dim=0)
        return Recording(audio, self.recording.sample_rate, name, (*self.recording.history, f"parts: {len(chosen)}"))

    def _sound_of_cells(self, chosen: Sequence[int], name: str) -> Recording:
        """The recording with all but some cells at the floor."""
        assert self.spectrum is not None
        kept = torch.isin(self.spectrum.cell, torch.tensor(list(chosen)))
        audio = self.spectrum.sound(self.recording, self.spectrum.masked(kept)[0])
        history = (*self.recording.history, f"cells of the spectrogram: {len(chosen)}")
        return Recording(audio, self.spectrum.front_end.sample_rate, name, history)

    def heard_masks(self, target: int | str = 0) -> dict[str, Recording]:
        """Return what the target's mask keeps and what it removes, as sound; nothing where no mask was asked about.

        The recording's own complex spectrogram, each bin by the gain that the masked features imply: see
        `hearwhy.front_ends.rendering`.
        """
        number = self._target(target)
        mask = next((mask for mask in self.masked if mask.target == number), None)
        if mask is None or self.spectrum is None:
            return {}
        try:
            sounds = self.spectrum.sound(self.recording, torch.stack(self.spectrum.masked(mask.mask)))
        except TypeError:  # a front end from which there is no way back to sound
            return {}
        rate = self.spectrum.front_end.sample_rate
        named = zip(("kept", "removed"), sounds, strict=True)
        return {name: Recording(audio, rate, f"{name} by {mask.line}", self.recording.history) for name, audio in named}

    def _target(self, target: int | str) -> int:
        if isinstance(target, str) and target in self.targets:
            return self.targets.index(target)
        if isinstance(target, str):
            raise ValueError(f"{target!r} was not explained; the targets are {', '.join(self.targets)}.")
        if not -len(self.targets) <= target < len(self.targets):
            raise ValueError(f"there are {len(self.targets)} targets ({', '.join(self.targets)}); got number {target}.")
        return target

    def plot(self, *, path: str | Path | None = None) -> Figure:
        """Return a figure of the signed bars and the spectrogram, written to `path` where one is given."""
        from hearwhy.plots import plot

        return plot(self, path=path)

    def save(self, folder: str | Path) -> Path:
        """Write ``attribution.json``, ``attribution.npz`` and ``audio/*.wav``; `load` needs nothing else, no model either."""
        from hearwhy.storage import save

        return save(self, folder)

    @staticmethod
    def load(folder: str | Path) -> Attribution:
        """Return what `save` wrote."""
        from hearwhy.storage import load

        return load(folder)

    def _repr_html_(self) -> str:
        from hearwhy.plots import html_fragment

        return html_fragment(self)

    def __repr__(self) -> str:
        about = f"Attribution({self.targets[0]!r} of {self.recording.name!r}: "
        if self.spectrum is not None and len(self.names) > MAX_NAMED:
            masks = "".join(f", {mask.line}" for mask in self.masked[:1])
            return f"{about}{self.settings.get('method')} over {' x '.join(map(str, self.shape))}{masks})"
        ranked = sorted(zip(self.values[0].flatten().tolist(), self.names, strict=True), key=lambda pair: -abs(pair[0]))
        return about + ", ".join(f"{name} {value:+.2f}" for value, name in ranked[:3]) + ")"
