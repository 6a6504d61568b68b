"""Rows: what was found about each snippet of a dataset, as plain numbers that can be kept and compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Explanation:
    """Why the model gives one target its score in one snippet.

    Parameters
    ----------
    target
        A label, "A + B" or a contrast.
    values, stderr
        One signed value a component of the snippet, in the unit of the score, and its sampling error.
    base
        The additive explanation's score with everything removed.
    score, score_base
        The model's own with everything, and with nothing.
    fidelity, interaction_share
        As in `Attribution`.
    checks
        (the model's score, base plus the values of what is kept) for some fresh masks.
    """

    target: str
    values: tuple[float, ...]
    stderr: tuple[float, ...] | None
    base: float
    score: float
    score_base: float
    fidelity: float | None
    interaction_share: float | None
    checks: tuple[tuple[float, float], ...]

    @property
    def surrogate(self) -> float:
        """What the additive explanation says of the snippet itself."""
        return self.base + sum(self.values)


@dataclass(frozen=True)
class Snippet:
    """What was found about one snippet.

    Parameters
    ----------
    item, group, condition, number
        Which recording, what it was cut from, which stems were mixed ("": as it is), and which of its snippets.
    start_s, duration_s
        Where it lies.
    label
        What it is, where that is known.
    names
        Its components.
    levels_db
        Level of each relative to the snippet, in dB; None for silence and for what has no level.
    absent
        Which are too faint to be there.
    own
        What each one's own value is, the mean over frames, where components are values of features; None where they are not.
    si_sdr_db, si_sdr_mix_db
        How close each comes to the true source of its name, and how close the snippet itself; None where that is not known.
    chances, chances_removed
        Probability of every label: of the snippet, and with everything removed.
    explanations
        One a target.
    n_calls
        Forward passes.
    notes
        What was done to the sound.
    """

    item: str
    group: str
    condition: str
    number: int
    start_s: float
    duration_s: float
    label: str | None
    names: tuple[str, ...]
    levels_db: tuple[float | None, ...]
    absent: tuple[bool, ...]
    own: tuple[float | None, ...]
    si_sdr_db: tuple[float | None, ...]
    si_sdr_mix_db: tuple[float | None, ...]
    chances: tuple[float, ...]
    chances_removed: tuple[float, ...]
    explanations: tuple[Explanation, ...]
    n_calls: int
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells it from all others."""
        return self.item, self.condition, self.number

    @property
    def predicted(self) -> int:
        """Number of the most probable label."""
        return int(np.argmax(self.chances))

    @property
    def loudest(self) -> str | None:
        """The component with the highest level: what a listener to energy alone would name."""
        heard = [(level, name) for level, name in zip(self.levels_db, self.names, strict=True) if level is not None]
        return max(heard)[1] if heard else None
