"""Parents and additions: what is known of parts that were split again, and of sounds that were mixed in."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Parents:
    """Parts that were split again, each explained as the one that it was.

    Parameters
    ----------
    names
        Of the parts before any was split again.
    of
        For every flat component the number of the part that it is, or is a piece of.
    values
        What each part as one adds, (target, parent), by the same method; Owen values of its pieces sum to that.
    without
        (parent, label): probabilities with the whole part removed.
    """

    names: tuple[str, ...]
    of: tuple[int, ...]
    values: Float[Tensor, "target parent"]
    without: Float[Tensor, "parent label"]

    def pieces(self, parent: int) -> list[int]:
        """Return the flat components that a part was split into; itself alone where it was not split."""
        return [i for i, number in enumerate(self.of) if number == parent]


@dataclass(frozen=True, eq=False)
class Added:
    """Sounds that the recording does not have, mixed in to ask what the model would say.

    Parameters
    ----------
    names
        As they were given.
    components
        Their numbers among the flat components.
    probabilities
        (label,): the model's answer to the recording as it is, without them.
    """

    names: tuple[str, ...]
    components: tuple[int, ...]
    probabilities: Float[Tensor, " label"]
