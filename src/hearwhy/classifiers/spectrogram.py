"""A network on spectrograms with its front end: a classifier whose features can be masked and asked for their slope."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from jaxtyping import Float
from torch import Tensor

from hearwhy.classifiers.answers import ask
from hearwhy.classifiers.layout import ANSWERS, FEATURES, FRAME_ANSWERS, arrange, check_layout, restore
from hearwhy.front_ends import FrontEnd
from hearwhy.types import Activation

if TYPE_CHECKING:
    from hearwhy.components.background import Background


@dataclass(frozen=True, eq=False)
class SpectrogramClassifier:
    """A front end and a network on its features, as one classifier of mono sound; gradients pass through both.

    Parameters
    ----------
    front_end
        Audio (batch, time) to features (batch, freq, frame).
    network
        Features, laid out as `layout` says, to the model's own numbers; a torch module must be in eval mode, and gets the
        features in the precision of its weights (half-precision answers come back float32).
    labels
        What it tells apart.
    layout
        The axes that the network takes: batch, freq and frame in its own order, 1 for an axis of length one.
    output
        The axes of its answers: ``"batch label"``, or with a frame for a model that answers frame by frame.
    activation, window_s, fingerprint, name
        As in every classifier.
    frame_s
        Seconds from one frame of the answers to the next; None: they lie evenly over the window.
    channels
        1: spectrograms are made of mono sound.
    answer
        Which of several answers is meant, where the network gives a dict or a tuple: a key, or a position such as "0".
    pads
        It takes shorter recordings than `window_s` as they are, and fills them up by itself.
    notes
        What was done to it since it was saved, or what it cannot do, a sentence each; the report shows them.
    background
        What its features usually are, for explanations of vectors; None: not known.

    Raises
    ------
    ValueError
        A layout does not name the axes, or `channels` is not 1; or, when called, the sound is not mono.
    TypeError
        When called: the network answers with several things of which none is named, or with no numbers.

    Examples
    --------
    >>> import torch
    >>> from hearwhy.front_ends import LogMel
    >>> front_end = LogMel(sample_rate=16_000, n_fft=512, hop_length=256, n_mels=64)
    >>> loudest = SpectrogramClassifier(front_end, lambda x: x.amax(3).flatten(1)[:, :2], ("low", "high"))
    >>> loudest(torch.zeros(1, 1, 16_000)).shape
    torch.Size([1, 2])
    """

    front_end: FrontEnd
    network: Callable[[Tensor], Any]
    labels: tuple[str, ...]
    layout: str = "batch 1 freq frame"
    output: str = "batch label"
    activation: Activation = "softmax"
    window_s: float | None = None
    fingerprint: str | None = None
    name: str = "spectrogram classifier"
    frame_s: float | None = None
    channels: Literal[1, 2] = 1
    answer: str = ""
    pads: bool = False
    notes: tuple[str, ...] = ()
    background: Background | None = None

    def __post_init__(self) -> None:
        if self.channels != 1:
            raise ValueError(f"{self.name}: spectrograms are made of mono sound; got channels = {self.channels!r}, give 1.")
        check_layout(self.layout, FEATURES, optional="frame")  # features without time are a vector
        check_layout(self.output, FRAME_ANSWERS if "frame" in self.output.split() else ANSWERS)

    @property
    def sample_rate(self) -> int:
        """Samples a second that it must be given, in Hz: the front end's."""
        return self.front_end.sample_rate

    def features(self, audio: Float[Tensor, "batch channel time"]) -> Float[Tensor, "batch freq frame"]:
        """Return what the network is given, before it is laid out."""
        if audio.ndim != 3 or audio.shape[1] != 1:
            raise ValueError(f"{self.name} takes mono sound (batch, 1, time); got {tuple(audio.shape)}. Downmix it first.")
        return self.front_end(audio[:, 0])

    def answers(self, features: Float[Tensor, "batch freq frame"]) -> Float[Tensor, "batch label"]:
        """Return the model's own numbers for features."""
        answers = ask(self.network, arrange(features, FEATURES, self.layout), name=self.name, pick=self.answer)
        return restore(answers, self.output)

    def __call__(self, audio: Float[Tensor, "batch channel time"]) -> Float[Tensor, "batch label"]:
        """Return the model's own numbers."""
        return self.answers(self.features(audio))
