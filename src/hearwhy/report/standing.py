"""Standing: where a feature's value stands beside what is usual, as numbers and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hearwhy.report.grid import is_decibel
from hearwhy.result import Attribution
from hearwhy.vector import Vector

UNITS = {"centroid": "Hz", "bandwidth": "Hz", "rolloff": "Hz", "contrast": "dB", "tempo": "BPM"}
IN_DECIBEL = ("mel", "stft")  # where the front end has decibels
MAX_DIGITS = 8  # behind the point
AS_USUAL = 0.05  # standard deviations that read as 0.0


@dataclass(frozen=True)
class Standing:
    """The value of a feature in this recording, and what is usual.

    Parameters
    ----------
    value
        Of the recording: the mean over its frames.
    usual, spread
        Mean and standard deviation over the clips of the background; None where they are not known.
    unit
        Of all three; "" where there is none.
    """

    value: float
    usual: float | None
    spread: float | None
    unit: str

    @staticmethod
    def of(attribution: Attribution, i: int) -> Standing | None:
        """Return where the value of a component stands; None of sounds and cells."""
        vector = attribution.vector
        if vector is None:
            return None
        usual, spread = (float(known[i]) for known in (vector.usual, vector.spread))
        unit = _unit(vector, attribution.names[i].split()[0])
        return Standing(float(vector.values[i]), _known(usual), _known(spread), unit)

    @property
    def distance(self) -> float | None:
        """Standard deviations above the usual; None where that is not known, or nothing ever varies."""
        return None if self.usual is None or not self.spread else (self.value - self.usual) / self.spread

    @property
    def here(self) -> str:
        """The value as it is read."""
        return self._with_unit(self._number(self.value))

    @property
    def usually(self) -> str:
        """What is usual as it is read: "\N{MINUS SIGN}8.1 ± 4.0"."""
        if self.usual is None:
            return "not known"
        spread = "" if self.spread is None else f" ± {self._number(self.spread)}"
        return self._with_unit(self._number(self.usual) + spread)

    @property
    def away(self) -> str:
        """How far the value is from what is usual, in words: "1.1 SD below the usual"; "" where that is not known."""
        distance = self.distance
        if distance is None:
            return ""
        if abs(distance) < AS_USUAL:
            return "as usual"
        return f"{abs(distance):.1f} SD {'above' if distance > 0 else 'below'} the usual"

    def _number(self, number: float) -> str:
        """A number to the precision that the spread gives sense to: two digits of it, or three of the value's own."""
        size, digits = (self.spread, 2) if self.spread else (abs(self.value), 3)
        power = math.floor(math.log10(size)) if size > 0 else 0
        text = f"{abs(number):,.{min(max(0, digits - 1 - power), MAX_DIGITS)}f}"
        return ("\N{MINUS SIGN}" if number < 0 and float(text.replace(",", "")) else "") + text

    def _with_unit(self, text: str) -> str:
        return f"{text} {self.unit}".rstrip()


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number


def _unit(vector: Vector, word: str) -> str:
    return "dB" if word in IN_DECIBEL and _in_decibel(vector) else UNITS.get(word, "")


def _in_decibel(vector: Vector) -> bool:
    from hearwhy.front_ends import FeatureTable

    return isinstance(vector.front_end, FeatureTable) or is_decibel(vector.front_end)
