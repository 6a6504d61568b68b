"""Recipe: how recordings are taken apart, with what stands where something was removed; applied to each of them alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hearwhy.components import components as make_components
from hearwhy.components.cells import AnyParts, Cells
from hearwhy.components.donors import Donor, with_donors
from hearwhy.components.fills import with_fill
from hearwhy.components.parts import Parts
from hearwhy.types import Classifier, Recording

OTHER = "other"


def second_fill_for(asks: str, second_fill: str | None) -> str | None:
    """Return the second fill for a method that asks for `asks`: what the rest lets expect has no slope in a mask."""
    return "noise" if second_fill == OTHER and asks != "score" else second_fill


def filled(made: AnyParts, fill: str | None, second_fill: str | None) -> tuple[AnyParts, AnyParts | None]:
    """Return parts under a fill and under a second one, as a `Recipe` has them."""
    first = made if fill is None else with_fill(made, fill)
    if second_fill is None:
        return first, None
    return first, with_fill(made, _other_than(fill, made) if second_fill == OTHER else second_fill)


def _other_than(fill: str | None, made: AnyParts) -> str:
    """What the rest lets expect, for vectors that know what is usual, else noise; never the first fill."""
    if isinstance(made, Cells) and made.domain == "vector" and made.classifier.background is not None:
        return "conditional" if fill != "conditional" else "mean"
    return "noise" if fill != "noise" else "silence"


@dataclass(frozen=True, eq=False)
class Recipe:
    """How recordings are taken apart.

    Parameters
    ----------
    components
        A spec, or parts made before.
    fill, second_fill
        What stands where something was removed, and in the repetition; None: silence, the background's mean of vectors or what
        parts made before have, and no repetition. The second may be `OTHER`: what is usual and differs from the first.
    classifier
        Whose spectrogram is divided, where a spec divides one.
    donors
        What is mixed in, by name.
    """

    components: str | Parts
    fill: str | None
    second_fill: str | None
    classifier: Classifier
    donors: Mapping[str, Donor] = field(default_factory=dict)

    @property
    def how(self) -> str:
        """Say in a line how recordings are taken apart."""
        spec = self.components if isinstance(self.components, str) else f"parts {', '.join(self.components.names)}"
        return f"{spec} filled with {self.fill or 'what is usual'}, then {self.second_fill or 'nothing else'}"

    def of(self, recording: Recording) -> tuple[AnyParts, AnyParts | None]:
        """Return a recording's parts under the first fill, and under the second."""
        made: AnyParts = (
            make_components(self.components, recording, classifier=self.classifier)
            if isinstance(self.components, str)
            else self.components
        )
        first, second = filled(made, self.fill, self.second_fill)
        return self._with_donors(first), None if second is None else self._with_donors(second)

    def _with_donors(self, parts: AnyParts) -> AnyParts:
        if not self.donors:
            return parts
        if isinstance(parts, Cells):
            raise ValueError("Sounds are added to parts of the sound, such as sources:stems=DIR or segments:8, not to cells of "
                             "a spectrogram.")  # fmt: skip
        return with_donors(parts, self.donors)
