"""Any separator: a function of a Recording, by its module and name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping

from torch import Tensor

from hearwhy.types import Recording


def of_callable(recording: Recording, path: str) -> Mapping[str, Tensor]:
    """Return what a function of the user's makes of the recording: name to waveform, (time,) or (channel, time).

    Nothing of it is kept: hearwhy cannot see when the function changes.

    Parameters
    ----------
    recording
        What to separate.
    path
        ``module:attribute``; the module's folder must be on PYTHONPATH.

    Raises
    ------
    ValueError
        It cannot be imported, or it does not return sources by name.
    """
    module, _, attribute = path.partition(":")
    try:
        function: Callable[[Recording], Mapping[str, Tensor]] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"sources:py={path} cannot be imported ({error}); give module:attribute, and put its folder on "
                         "PYTHONPATH.") from error  # fmt: skip
    found = function(recording)
    if not isinstance(found, Mapping):
        raise ValueError(f"sources:py={path} must return a mapping of name to waveform; got {type(found).__name__}.")
    return found
