"""Separators: each turns a recording into named waveforms, one a source.

A separator is a function ``(recording)`` or ``(recording, argument)`` that returns name to waveform, (channel, time), in the
recording's own rate and channels; what the waveforms miss of the recording is `hearwhy.components.sources`'s concern. Adding
one is one file and one line in `SEPARATORS`: specs, lists and messages read that line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from hearwhy import audio as sound
from hearwhy.separators import mask_inference
from hearwhy.separators.demucs import demucs, hears
from hearwhy.separators.hpss import hpss
from hearwhy.separators.keeping import kept
from hearwhy.separators.nmf import nmf_spec
from hearwhy.separators.of_callable import of_callable
from hearwhy.separators.repet import repet
from hearwhy.separators.stems import stems
from hearwhy.types import Recording

__all__ = ["SEPARATORS", "Separator", "conversions", "hpss", "separate", "stems", "usage"]


@dataclass(frozen=True)
class Separator:
    """A separator and how it is asked for.

    Parameters
    ----------
    function
        ``(recording)`` or ``(recording, argument)`` to name and waveform, (channel, time).
    argument
        Whether something stands after its name.
    usage
        How it is written in a spec.
    about
        What it gives, in one sentence.
    version
        Raised whenever its answers change, so that kept ones are not taken for them; None: nothing is kept, because the
        answer depends on more than recording and argument, or is as fast to read anew.
    hears
        The sample rate and channels that it works in, given its argument; None, or None channels: the recording's own.
    """

    function: Callable[..., Mapping[str, Tensor]]
    argument: Literal["none", "needed", "optional"]
    usage: str
    about: str
    version: int | None = None
    hears: Callable[[str], tuple[int, int | None]] | None = None


def _rate_of(recipe: str) -> Callable[[str], tuple[int, None]]:
    return lambda file: (mask_inference.load(file, recipe).design.sample_rate, None)


SEPARATORS: dict[str, Separator] = {
    "stems": Separator(stems, "needed", "stems=DIR", "the sound files of a folder, one a source"),
    "hpss": Separator(hpss, "none", "hpss", "harmonic and percussive sound", version=1),
    "nmf": Separator(nmf_spec, "needed", "nmf=N[,seed=S]", "N spectra that come and go, low ones first", version=1),
    "repet": Separator(repet, "none", "repet", "what repeats itself, and what stands before it", version=1),
    "ova": Separator(
        mask_inference.ova, "needed", "ova=FILE", "a trained network for each source (hearwhy train ova)", version=1,
        hears=_rate_of("ova"),
    ),
    "cerberus": Separator(
        mask_inference.cerberus, "needed", "cerberus=FILE", "one trained network for all sources (hearwhy train cerberus)",
        version=1, hears=_rate_of("cerberus"),
    ),
    "demucs": Separator(
        demucs, "optional", "demucs[=FILE|NAME]", "drums, bass, vocals and other, by the package demucs", version=1, hears=hears
    ),
    "py": Separator(
        of_callable, "needed", "py=module:attribute", "any separator: a function of a Recording that returns {name: waveform}"
    ),
}  # fmt: skip
"""Every separator by name."""


def usage() -> dict[str, str]:
    """Return how each separator is written in a spec, and what it gives."""
    return {separator.usage: separator.about for separator in SEPARATORS.values()}


def separate(recording: Recording, what: str) -> Mapping[str, Tensor]:
    """Return the sources that a separator finds in a recording.

    What takes long is kept in ``separated`` in `hearwhy.cache.cache_folder`, under what was separated, by what, and its
    weights' content, so that it is done once.

    Parameters
    ----------
    recording
        What to separate.
    what
        A name of `SEPARATORS`, followed by ``=`` and its argument where it takes one: ``"hpss"``, ``"nmf=6"``.

    Returns
    -------
    Mapping
        Name to waveform, (channel, time), in the recording's rate and length.

    Raises
    ------
    ValueError
        There is no such separator, it lacks its argument or takes none, or what the separator itself refuses.

    Examples
    --------
    >>> import hearwhy, torch
    >>> tone = hearwhy.Recording(torch.sin(torch.arange(8000) / 5), 8000)
    >>> sorted(separate(tone, "hpss"))
    ['harmonic', 'percussive']
    """
    name, _, argument = what.partition("=")
    separator = _asked(name, argument, what)
    given = (recording, argument) if argument else (recording,)
    if separator.version is None:
        return separator.function(*given)
    return kept(recording, (name, argument, separator.version), lambda: separator.function(*given))


def conversions(recording: Recording, spec: str) -> tuple[str, ...]:
    """Say, a sentence a step, what the separators of a spec do to a recording because they work in another rate or channels."""
    steps: list[str] = []
    for factor in re.split(r"\s+[*/]\s+", spec.strip()):
        _, asked, what = factor.partition(",residual=")[0].partition("sources:")  # first, or after the name of a part
        name, _, argument = what.partition("=")
        if asked and name in SEPARATORS and (heard := SEPARATORS[name].hears):
            sample_rate, channels = heard(argument)
            steps += sound.conversion(recording, sample_rate, channels or len(recording.audio))
    return tuple(step.replace("for the model", "for the separator, and its sources back") for step in steps)


def _asked(name: str, argument: str, what: str) -> Separator:
    if name not in SEPARATORS:
        raise ValueError(f"There is no separator {what!r}; give one of {', '.join(f'sources:{line}' for line in usage())}.")
    separator = SEPARATORS[name]
    if separator.argument == "needed" and not argument:
        raise ValueError(f"{name} needs an argument, as in sources:{separator.usage}; got {what!r}.")
    if separator.argument == "none" and "=" in what:
        raise ValueError(f"{name} takes no argument; got {what!r}. Write sources:{name}.")
    return separator
