"""Tables of results: means with intervals, differences against controls, the best masks, and accuracies; one row a number."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from hearwhy.evaluate.reading import Group, Measured, Results
from hearwhy.masks import PAPER_MASKS
from hearwhy.metrics import METRICS, SEVEN, bootstrap_mean, choose, holm, sign_flip_p

Table = Literal["means", "differences", "best", "accuracy"]
COLUMNS = (
    "table", "model", "fingerprint", "condition", "protocol", "method", "seed", "mask", "control", "rule", "chosen_on", "fold",
    "metric", "value", "low", "high", "p", "p_holm", "n_units", "n_sources",
)  # fmt: skip
PLACE = ("model", "fingerprint", "condition", "protocol", "method", "seed", "components", "background", "scale")
AGAINST = ("random", "energy")
VALIDATION, TEST = 4, 5  # the folds of ESC-50's layout


def tables(
    path: str | Path,
    *,
    metrics: Sequence[str] = SEVEN,
    validation: int | None = None,
    test: int | None = None,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Return every number that a file of results holds, one row each; no model is asked.

    ``table`` says of what kind a row is:

    - "means": a metric's mean over units, with a 95 % interval from resampling whole source recordings. Rows of controls
      stand among them: "random" and "energy" of a mask's own area, "identity" (everything kept) and "empty" (nothing).
    - "differences": a mask's mean less that of its control, over the same units; the interval is paired, ``p`` from flipping
      signs of whole sources, ``p_holm`` corrected for all differences of one model, condition, protocol and method. Not of
      sps and comp, in which a control of equal area cannot differ.
    - "best": the mask chosen for each method by the paper's two rules, on the validation fold and (as published) on the fold
      that is reported, and its metrics there. Controls are never chosen and do not enter the scaling; under protocol
      "paper" only the published masks are candidates.
    - "accuracy": how often the model is right, where its labels are the dataset's classes.

    Parameters
    ----------
    path
        A file of results.
    metrics
        Names of `hearwhy.metrics.METRICS`; those that a file cannot give are left out.
    validation, test
        Folds on which masks are chosen and reported; by default 4 and 5 where both are in the file, otherwise masks are
        chosen and reported on all units (``fold`` None). Where they are given, all tables but "best" are of the test fold.
    seed
        Of the resampling.

    Raises
    ------
    FileNotFoundError, ValueError
        There is no such file, metric or fold, or nothing in the file.
    """
    unknown = [name for name in metrics if name not in METRICS]
    if unknown:
        raise ValueError(f"There is no metric {unknown[0]!r}; give some of {', '.join(METRICS)}.")
    if (validation is None) != (test is None) or (validation is not None and validation == test):
        raise ValueError(f"Give two different folds, --validation and --test; got {validation} and {test}.")
    with Results(path) as results:
        read = [(group, results.measured(group, tuple(dict.fromkeys((*metrics, *SEVEN))))) for group in results.groups()]
        answered = results.answered()
    if not read:
        raise ValueError(f"{path} holds no units yet; run `hearwhy evaluate` first.")
    present = {fold for group, _ in read for fold in group.fold}
    missing = sorted({validation, test} - {None, *present}, key=str)
    if missing:
        raise ValueError(f"{path} has no units of fold {missing[0]}; it has folds {', '.join(map(str, sorted(present)))}.")
    reported = test
    if validation is None and {VALIDATION, TEST} <= present:
        validation, test = VALIDATION, TEST
    return [_blank(row) for row in [
        *(row for group, found in read for row in _means(group, found, metrics, reported, seed)),
        *(row for group, found in read for row in _differences(group, found, metrics, reported, seed)),
        *_best(read, metrics, validation, test, seed),
        *_accuracy(answered, reported, seed),
    ]]  # fmt: skip


def notes(path: str | Path) -> list[str]:
    """Return what a reader of the tables must know: units that are missing, and models whose slope is wrong."""
    with Results(path) as results:
        models, n_problems = results.failed_gradients(), results.n_problems()
    found = [f"{n_problems} problem(s) are noted in {path}, so units are missing; `hearwhy evaluate` tries them again."]
    return found * (n_problems > 0) + [
        f"The gradient of {model} disagrees with finite differences: rows of methods that follow it mean nothing."
        for model in models
    ]


def _blank(row: dict[str, Any]) -> dict[str, Any]:
    extra = {key: row[key] for key in ("components", "background", "scale") if key in row}
    return {name: row.get(name) for name in COLUMNS} | {key: extra.get(key) for key in ("components", "background", "scale")}


def _place(group: Group) -> dict[str, Any]:
    return {name: group.about[name] for name in PLACE}


def _within(group: Group, found: Measured, fold: int | None) -> list[int]:
    """Places in `found` of the units of a fold."""
    return [i for i, place in enumerate(found.places) if fold is None or group.fold[place] == fold]


def _interval(values: Tensor, sources: Sequence[Hashable], seed: int) -> dict[str, Any]:
    """Mean and interval of one column; no interval of a single source."""
    about = {"n_units": len(values), "n_sources": len(set(sources))}
    if len(set(sources)) < 2:
        return {"value": float(values.mean()), **about}
    interval = bootstrap_mean(values, sources, seed=seed)
    return {"value": float(interval.mean), "low": float(interval.low), "high": float(interval.high), **about}


def _stacked(values: Tensor, sources: Sequence[Hashable], seed: int) -> list[dict[str, Any]]:
    """The same of all columns, which share their draws."""
    about = {"n_units": len(values), "n_sources": len(set(sources))}
    means = values.to(torch.float64).mean(0).tolist()
    if len(set(sources)) < 2:
        return [{"value": mean, **about} for mean in means]
    found = bootstrap_mean(values, sources, seed=seed)
    ends = zip(means, found.low.tolist(), found.high.tolist(), strict=True)
    return [{"value": mean, "low": low, "high": high, **about} for mean, low, high in ends]


def _means(
    group: Group, found: list[Measured], metrics: Sequence[str], fold: int | None, seed: int
) -> Iterator[dict[str, Any]]:
    for one in found:
        kept = _within(group, one, fold)
        names = [name for name in metrics if name in one.metrics]
        if not kept or not names:
            continue
        sources = [group.source[one.places[i]] for i in kept]
        values = torch.stack([one.metrics[name][kept] for name in names], dim=1)
        for name, told in zip(names, _stacked(values, sources, seed), strict=True):
            yield {
                "table": "means",
                **_place(group),
                "mask": one.mask,
                "control": one.control,
                "fold": fold,
                "metric": name,
            } | told


def _differences(
    group: Group, found: list[Measured], metrics: Sequence[str], fold: int | None, seed: int
) -> list[dict[str, Any]]:
    own = {one.mask: one for one in found if not one.control}
    rows: list[dict[str, Any]] = []
    for control in (one for one in found if one.control in AGAINST and one.mask in own):
        pairs, sources = _paired(group, own[control.mask], control, fold)
        names = [n for n in metrics if n in control.metrics and n in own[control.mask].metrics and _of_answers(n)]
        if not pairs or not names:
            continue
        first, second = (
            torch.stack([one.metrics[name][[pair[side] for pair in pairs]] for name in names], dim=1)
            for side, one in enumerate((own[control.mask], control))
        )
        several = len(set(sources)) > 1
        p = sign_flip_p(first - second, sources, seed=seed).tolist() if several else [None] * len(names)
        for name, told, chance in zip(names, _stacked(first - second, sources, seed), p, strict=True):
            place = {"table": "differences", **_place(group), "mask": control.mask, "control": control.control}
            rows.append({**place, "fold": fold, "metric": name, "p": chance} | told)
    tested = [row for row in rows if row["p"] is not None]
    for row, corrected in zip(tested, holm(torch.tensor([row["p"] for row in tested])).tolist(), strict=True):
        row["p_holm"] = corrected
    return rows


def _of_answers(metric: str) -> bool:
    """Whether a metric is of the model's answers to a mask, in which a control of equal area can differ."""
    return not {"logits_in", "logits_out", "heard_logits_in", "heard_logits_out"}.isdisjoint(METRICS[metric].needs.values())


def _paired(group: Group, mask: Measured, control: Measured, fold: int | None) -> tuple[list[tuple[int, int]], list[str]]:
    there = {place: i for i, place in enumerate(control.places)}
    kept = [(i, there[mask.places[i]]) for i in _within(group, mask, fold) if mask.places[i] in there]
    return kept, [group.source[mask.places[i]] for i, _ in kept]


def _best(
    read: list[tuple[Group, list[Measured]]], metrics: Sequence[str], validation: int | None, test: int | None, seed: int
) -> Iterator[dict[str, Any]]:
    for protocol in dict.fromkeys(group.about["protocol"] for group, _ in read):
        some = [(group, found) for group, found in read if group.about["protocol"] == protocol]
        for fold in dict.fromkeys((validation, test)):
            yield from _chosen(some, metrics, fold, test, seed)


def _chosen(
    read: list[tuple[Group, list[Measured]]], metrics: Sequence[str], chosen_on: int | None, reported: int | None, seed: int
) -> Iterator[dict[str, Any]]:
    candidates = [
        (group, one, {"group": i, "mask": one.mask} | {name: float(one.metrics[name][kept].mean()) for name in SEVEN})
        for i, (group, found) in enumerate(read) for one in found
        if not one.control and (group.about["protocol"] != "paper" or one.mask in PAPER_MASKS)
        and set(SEVEN) <= one.metrics.keys() and (kept := _within(group, one, chosen_on)) and _within(group, one, reported)
    ]  # fmt: skip
    rules: tuple[Literal["published", "text"], ...] = ("published", "text")
    for rule in rules if candidates else ():
        for choice in choose([row for _, _, row in candidates], rule=rule, table=("group",)).values():
            group, one, _ = candidates[choice.row]
            how = {"rule": rule, "chosen_on": "all" if chosen_on is None else f"fold {chosen_on}"}
            yield from ({**row, "table": "best", **how} for row in _means(group, [one], metrics, reported, seed))


def _accuracy(answered: list[dict[str, Any]], fold: int | None, seed: int) -> Iterator[dict[str, Any]]:
    places: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in answered:
        if fold is None or row["fold"] == fold:
            places.setdefault(tuple(row[name] for name in ("model", "fingerprint", "condition")), []).append(row)
    for place, rows in places.items():
        if not {_plain(row["category"]) for row in rows} <= {_plain(label) for label in rows[0]["labels"]}:
            continue  # its labels are other things than the dataset's classes
        right = torch.tensor([float(_plain(row["labels"][row["label"]]) == _plain(row["category"])) for row in rows])
        told = _interval(100 * right.to(torch.float64), [row["source"] for row in rows], seed)
        about = dict(zip(("model", "fingerprint", "condition"), place, strict=True))
        yield {"table": "accuracy", **about, "fold": fold, "metric": "accuracy"} | told


def _plain(label: str) -> str:
    return label.lower().replace("_", " ")
