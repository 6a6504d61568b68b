"""Labels: does a network that was trained on shuffled labels get other explanations than one that was trained on true ones?

After Adebayo et al. 2018, section 3.2: an explanation that is the same for both tells of the sounds, not of what was learnt.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hearwhy.sanity.agreement import mean_of
from hearwhy.sanity.bench import Bench
from hearwhy.sanity.findings import Finding, without
from hearwhy.sanity.untrained import HARDLY_SHARED, MOST_SHARED, shared, similarity
from hearwhy.training import RECIPES, options_of, train
from hearwhy.types import Classifier

NAME = "shuffled labels"
SHUFFLING = "shuffle_labels"
Trainer = Callable[[bool], Classifier]
"""Whether labels are shuffled, to the model that was trained so."""


@dataclass(frozen=True)
class Recipe:
    """How the two networks are trained: alike, from the same seed, but for the labels.

    Parameters
    ----------
    name
        One of `hearwhy.training.RECIPES`.
    data
        What it learns from.
    options
        Further options of the recipe, such as ``epochs``.

    Raises
    ------
    ValueError
        There is no such recipe, or it takes no such option or cannot shuffle labels.
    """

    name: str
    data: Path
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in RECIPES:
            raise ValueError(f"There is no recipe {self.name!r}; give one of {', '.join(RECIPES)}.")
        known = options_of(self.name)
        if SHUFFLING not in known:
            able = [name for name in RECIPES if SHUFFLING in options_of(name)]
            raise ValueError(f"The recipe {self.name} cannot teach shuffled labels; give one of {', '.join(able) or 'none'}.")
        missing = [option for option in self.options if option not in known]
        if missing:
            raise ValueError(f"The recipe {self.name} takes no {' and no '.join(missing)}; it takes {', '.join(known)}.")

    def trained(self, shuffled: bool, *, folder: Path, seed: int, device: str) -> Classifier:
        """Return the network that was trained in `folder` before, or train it: on shuffled labels or on true ones."""
        folder.mkdir(parents=True, exist_ok=True)
        out = folder / f"{'shuffled' if shuffled else 'true'}.safetensors"
        if not out.is_file():
            options = {**self.options, SHUFFLING: shuffled, "seed": seed, "device": device}
            if "resume" in options_of(self.name) and out.with_suffix(".state").is_file():
                options["resume"] = True
            train(self.name, self.data, out, options=options)
        return _load(self.name, out)


def figures(folder: Path) -> dict[str, Any]:
    """Return the accuracies in % of the two networks in a folder, as their training wrote them."""
    found = {}
    for which in ("true", "shuffled"):
        file = folder / f"{which}.json"
        if file.is_file():
            found[which] = json.loads(file.read_text(encoding="utf-8")).get("accuracy_percent")
    return found


def shuffled_labels(bench: Bench, train_on: Trainer, *, accuracies: Callable[[], Mapping[str, Any]] = dict) -> Finding:
    """Return how alike explanations are of a network that learnt true labels and one that learnt shuffled ones.

    Parameters
    ----------
    bench
        The recordings and the method.
    train_on
        Gives the network that was trained on shuffled labels, or on true ones.
    accuracies
        What the two reached, once both are trained.
    """
    true, shuffled = train_on(False), train_on(True)
    unknown = {case.target for case in bench.cases} - set(true.labels)
    if unknown:
        return without(NAME, f"The recipe's network does not know {', '.join(sorted(unknown))}; it knows "
                       f"{', '.join(true.labels[:8])}.")  # fmt: skip
    first = [bench.explain(case, true, "true labels").values[0] for case in bench.cases]
    second = [bench.explain(case, shuffled, "shuffled labels").values[0] for case in bench.cases]
    pairs = [similarity([a], [[b]])[0] for a, b in zip(first, second, strict=True)]
    groups = [case.group for case in bench.cases]
    signed, sizes = (mean_of([float(pair[i]) for pair in pairs], groups, seed=bench.plan.seed) for i in (0, 1))
    state = shared(signed, sizes)
    text = (
        f"A network trained on shuffled labels gets explanations that agree with those of one trained on true labels by "
        f"{signed} (their sizes by {sizes}): " + _MEANS[state]
    )
    reached = dict(accuracies())
    if reached:
        text += " Both were trained alike; what they reached stands in the details."
    details = {"signed": signed.as_json(), "sizes": sizes.as_json(), "accuracy_percent": reached,
               "thresholds": [HARDLY_SHARED, MOST_SHARED]}  # fmt: skip
    return Finding(NAME, state, text, signed, "rank correlation between true and shuffled labels", details=details)


_MEANS = {
    "passed": "the explanation depends on what the labels taught.",
    "warning": "part of the explanation does not come from the labels.",
    "failed": "the explanation does not come from the labels.",
}


def _load(recipe: str, path: Path) -> Classifier:
    if recipe == "band-cnn":
        from hearwhy.classifiers.band import load_file

        return load_file(path, name=path.stem)
    from hearwhy.classifiers import classifier

    return classifier(f"{recipe}:{path}")
