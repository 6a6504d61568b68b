"""Windowing: where a model that takes so many seconds at a time listens to a recording."""

from __future__ import annotations

from dataclasses import dataclass

from hearwhy.types import Classifier

MIN_TAIL = 0.1  # of a window: for less, hearing the end would mean hearing nearly all before it twice


@dataclass(frozen=True)
class Windows:
    """Where a model with a fixed window listens: starts in samples, and how long it listens, at the model's rate."""

    starts: tuple[int, ...]
    length: int
    sample_rate: int
    note: str | None = None

    @property
    def spans_s(self) -> tuple[tuple[float, float], ...]:
        """Start and stop of every window in seconds."""
        return tuple((s / self.sample_rate, (s + self.length) / self.sample_rate) for s in self.starts)


def windows(time: int, classifier: Classifier) -> Windows:
    """Return the windows that cover `time` samples at the model's rate.

    They follow each other without a gap; the last one ends where the recording ends and overlaps the one before it, unless
    less than a tenth of a window is left over: that is not heard. A recording shorter than a window is followed by silence.
    `note` says what was done.
    """
    rate = classifier.sample_rate
    if classifier.window_s is None:
        return Windows((0,), time, rate)
    length = round(classifier.window_s * rate)
    if time <= length:
        note = f"followed by {(length - time) / rate:.2f} s of silence to fill the model's window" if time < length else None
        return Windows((0,), length, rate, note)
    starts = list(range(0, time - length + 1, length))
    left = time - starts[-1] - length
    if left >= MIN_TAIL * length:
        starts.append(time - length)
        tail = f"; the last overlaps by {(length - left) / rate:.2f} s"
    else:
        tail = f"; the last {left / rate:.2f} s are not heard" if left else ""
    note = f"heard in {len(starts)} windows of {classifier.window_s:.2f} s, averaged{tail}"
    return Windows(tuple(starts), length, rate, note)
