"""Separators: each turns a recording into named waveforms, one a source."""

from hearwhy.separators.hpss import hpss
from hearwhy.separators.stems import stems

__all__ = ["SEPARATORS", "hpss", "stems"]

SEPARATORS = {"hpss": hpss, "stems": stems}
