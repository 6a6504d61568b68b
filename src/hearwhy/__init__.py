"""Hear why your audio classifier decided what it decided.

The way from a file to an explanation::

    recording = hearwhy.load("song.wav")
    attribution = hearwhy.explain("band", recording, components="sources:stems=stems", target="guitar")
    attribution.save("out")
    hearwhy.report([attribution], "out/index.html")
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hearwhy.asking import Predict
    from hearwhy.audio import load
    from hearwhy.classifiers import classifier
    from hearwhy.components import Parts, components
    from hearwhy.explain import explain
    from hearwhy.report import report
    from hearwhy.result import Attribution
    from hearwhy.scoring import TargetScore
    from hearwhy.timeline import Timeline
    from hearwhy.types import Classifier, Estimate, Recording

__version__ = "0.1.0"
__all__ = [
    "Attribution", "Classifier", "Estimate", "Parts", "Predict", "Recording", "TargetScore", "Timeline", "classifier",
    "components", "explain", "load", "report",
]  # fmt: skip

# Nothing is imported before it is asked for: `import hearwhy` and `hearwhy --help` answer at once.
_HOME = {
    "Attribution": "result", "Classifier": "types", "Estimate": "types", "Parts": "components.parts", "Predict": "asking",
    "Recording": "types", "TargetScore": "scoring", "Timeline": "timeline", "classifier": "classifiers",
    "components": "components", "explain": "explain", "load": "audio", "report": "report",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"hearwhy has no {name!r}; it has {', '.join(__all__)}.")
    value = getattr(importlib.import_module(f"hearwhy.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


class _Front(ModuleType):
    """Keeps ``hearwhy.explain`` the function: importing the submodule of that name would otherwise replace it."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Front
