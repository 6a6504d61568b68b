"""Running: a model in half precision: faster where the machine is made for it, and not quite the same."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from hearwhy.classifiers.callable import OPTIONS, CallableClassifier, classifier_module, name_of
from hearwhy.types import Classifier

PRECISIONS = {"half": torch.float16, "bfloat16": torch.bfloat16}


class Running(nn.Module):
    """A torch module whose matrix products and convolutions run in lower precision (torch's autocast).

    Weights, and whatever autocast keeps in float32 (spectrograms, sums, normalisations), stay as they are.

    Parameters
    ----------
    module
        What is run.
    precision
        Of matrix products and convolutions.
    original
        The classifier that runs it as it is.
    """

    def __init__(self, module: nn.Module, precision: torch.dtype, *, original: Classifier) -> None:
        super().__init__()
        self.module, self._products = module, precision
        self._original = (original,)  # in a tuple: the same weights are not registered twice
        self.eval()

    @property
    def original(self) -> Classifier:
        """The classifier as it was."""
        return self._original[0]

    def forward(self, given: Tensor) -> Any:
        """Return what the module says."""
        with torch.autocast(given.device.type, self._products):
            return self.module(given)


def running(classifier: Classifier, *, precision: str, device: str = "cpu") -> Classifier:
    """Return the classifier with its torch module run in half precision.

    `hearwhy.explain` measures what that changes in its answers, with the classifier as it was, which `original` gives.

    Parameters
    ----------
    classifier
        One that a torch module answers for.
    precision
        ``"half"`` (on a GPU only) or ``"bfloat16"``.
    device
        Where it will run.

    Raises
    ------
    ValueError
        There is no such precision, the CPU has none, or no torch module answers.

    Examples
    --------
    >>> from hearwhy.classifiers import classifier
    >>> running(classifier("band"), precision="bfloat16").fingerprint.split()[1:]
    ['bfloat16']
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision is one of {', '.join(PRECISIONS)}; got {precision!r}.")
    if precision == "half" and torch.device(device).type == "cpu":
        raise ValueError("precision half is for GPUs; on the CPU use bfloat16, or leave it out.")
    module = classifier_module(classifier)
    if module is None:
        raise ValueError(f"hearwhy sees no torch module in {name_of(classifier)}, so it can only be run as it is; leave "
                         "precision out.")  # fmt: skip
    made = Running(module, PRECISIONS[precision], original=classifier)
    told = None if classifier.fingerprint is None else f"{classifier.fingerprint} {precision}"
    changes = {"fingerprint": told, "notes": (*getattr(classifier, "notes", ()), f"run in {precision} precision")}
    if is_dataclass(classifier) and not isinstance(classifier, type):
        inside = next(f.name for f in fields(classifier) if getattr(classifier, f.name) is module)
        return cast(Classifier, replace(classifier, **{inside: made}, **changes))
    given = {key: getattr(classifier, key) for key in ("sample_rate", "labels", *OPTIONS) if hasattr(classifier, key)}
    return CallableClassifier(made, name=name_of(classifier), **(given | changes))


def original(classifier: Classifier) -> Classifier | None:
    """Return the classifier that was given to `running`; None where it is as it was."""
    module = classifier_module(classifier)
    return module.original if isinstance(module, Running) else None
