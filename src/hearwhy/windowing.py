"""Windowing: where a model that takes so many seconds at a time listens to a recording."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hearwhy.types import Classifier

MIN_TAIL = 0.1  # of a window: for less, hearing the end would mean hearing nearly all before it twice
MAX_OVERLAP = 0.95  # of a window: beyond, every moment is heard over twenty times

Span = tuple[float, float]
"""Start and stop in seconds."""


@dataclass(frozen=True)
class Windows:
    """Where a model with a fixed window listens: starts in samples, and how long it listens, at the model's rate."""

    starts: tuple[int, ...]
    length: int
    sample_rate: int
    note: str | None = None

    @property
    def spans_s(self) -> tuple[Span, ...]:
        """Start and stop of every window in seconds."""
        return tuple((s / self.sample_rate, (s + self.length) / self.sample_rate) for s in self.starts)

    def within(self, span_s: Span) -> Windows:
        """Return the windows that hear anything of a span of time."""
        start, stop = (round(second * self.sample_rate) for second in span_s)
        kept = tuple(s for s in self.starts if s < stop and s + self.length > start)
        return replace(self, starts=kept)


@dataclass(frozen=True)
class Listening:
    """How a model listens to a recording.

    Parameters
    ----------
    window_s
        Seconds at a time, for models that take any length; None: the model's own window, or the whole recording.
    overlap
        Share of a window that the next one hears again, 0 to 0.95.
    span_s
        Only what is heard between these two times counts; None: everything.
    """

    window_s: float | None = None
    overlap: float = 0.0
    span_s: Span | None = None

    def windows(self, time: int, classifier: Classifier) -> Windows:
        """Return where the classifier listens to `time` samples at its rate; errors are those of `windows`."""
        found = windows(time, classifier, window_s=self.window_s, overlap=self.overlap)
        if self.span_s is None:
            return found
        heard = found.within(self.span_s)
        if not heard.starts or self.span_s[0] * classifier.sample_rate >= time:
            start, stop = self.span_s
            raise ValueError(
                f"Nothing of {start:g} to {stop:g} s is heard: the recording is {time / classifier.sample_rate:.2f} s long."
            )
        return heard


def windows(time: int, classifier: Classifier, *, window_s: float | None = None, overlap: float = 0.0) -> Windows:
    """Return the windows that cover `time` samples at the model's rate.

    They follow each other without a gap; the last one ends where the recording ends and overlaps the one before it, unless
    less than a tenth of a window is left over: that is not heard. A recording shorter than a window is followed by silence,
    unless the model says (``pads``) that it takes shorter ones as they are. `note` says what was done.

    Parameters
    ----------
    time
        Length of the recording in samples.
    classifier
        Its `window_s` is what counts; None: one window, as long as the recording.
    window_s
        Seconds at a time, for a model that takes any length, or any up to its own window.
    overlap
        Share of a window that the next one hears again, 0 to 0.95.

    Raises
    ------
    ValueError
        `overlap` is out of its range, or asked where there are no windows; `window_s` is not what the model takes.
    """
    if not 0 <= overlap <= MAX_OVERLAP:
        raise ValueError(f"overlap is the share of a window that the next hears again, 0 to {MAX_OVERLAP}; got {overlap}.")
    rate, window_s = classifier.sample_rate, _window_s(classifier, window_s)
    if window_s is None:
        if overlap:
            raise ValueError("The model takes a recording of any length at once, so there are no windows to overlap; "
                             "give the seconds of a window too.")  # fmt: skip
        return Windows((0,), time, rate)
    length = round(window_s * rate)
    if time <= length:
        return _one(time, length, classifier)
    step = max(1, round(length * (1 - overlap)))
    starts = list(range(0, time - length + 1, step))
    left = time - starts[-1] - length
    if left >= MIN_TAIL * length:
        starts.append(time - length)
        again = (starts[-2] + length - starts[-1]) / rate
        tail = f"; the last overlaps by {again:.2f} s"
    else:
        tail = f"; the last {left / rate:.2f} s are not heard" if left else ""
    every = f", {step / rate:.2f} s apart" if overlap else ""
    note = f"heard in {len(starts)} windows of {window_s:.2f} s{every}, averaged{tail}"
    return Windows(tuple(starts), length, rate, note)


def _window_s(classifier: Classifier, wanted: float | None) -> float | None:
    own = classifier.window_s
    if wanted is None:
        return own
    if not wanted * classifier.sample_rate >= 1:
        raise ValueError(f"A window lasts more than 0 seconds; got {wanted}.")
    if own is not None and not (wanted == own or (wanted < own and getattr(classifier, "pads", False))):
        raise ValueError(f"The model takes {own:g} s at a time; windows of {wanted:g} s are not for it. Leave them out.")
    return wanted


def _one(time: int, length: int, classifier: Classifier) -> Windows:
    rate = classifier.sample_rate
    if time == length or classifier.window_s is None:
        return Windows((0,), time, rate)
    if getattr(classifier, "pads", False):
        return Windows((0,), time, rate, f"shorter than the model's {length / rate:.2f} s: the model fills it up by itself")
    note = f"followed by {(length - time) / rate:.2f} s of silence to fill the model's window"
    return Windows((0,), length, rate, note)
