"""Trial: a model file asked about one window of silence, so that a description that is wrong is seen at once."""

from __future__ import annotations

from pathlib import Path

import torch

from hearwhy.classifiers.description import Description
from hearwhy.classifiers.sizes import Size, check_sizes
from hearwhy.types import Classifier


def check_run(classifier: Classifier, told: Description, path: Path) -> None:
    """Ask about one window of silence, and raise an error where it is not taken or not answered as described.

    Where any length is taken, the first recording is the trial.

    Parameters
    ----------
    classifier
        What the file became.
    told
        Its description.
    path
        The file, to be named.

    Raises
    ------
    ValueError
        The model raises an error for what its description says, or answers with another number of labels.
    TypeError
        It answers with several things of which none is named.
    """
    if told.window_s is None:
        return
    silence = torch.zeros(1, told.channels, round(told.window_s * told.sample_rate))
    try:
        with torch.no_grad():
            answers = classifier(silence)
    except (TypeError, ValueError):
        raise  # said in words already
    except Exception as error:
        raise ValueError(
            f"{path} does not take what its description says, {told.window_s:g} s at {told.sample_rate} Hz as "
            f"{told.layout!r}: {reason(error)}. Mend sample_rate, window_s, input or front_end."
        ) from error
    output = told.output.split()
    sizes: list[Size] = list(answers.shape)
    if answers.ndim == sum(axis != "1" for axis in output) > 1:  # (batch, label) or (batch, label, frame), whatever it was
        sizes = [answers.shape[1] if axis == "label" else None for axis in output]
    check_sizes(path, told, [None] * len(told.layout.split()), sizes)


def reason(error: BaseException) -> str:
    """Return what an error says, on one line; of a TorchScript traceback its last line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return (lines[-1] if "Traceback" in str(error) else " ".join(lines))[:300].rstrip(".")
