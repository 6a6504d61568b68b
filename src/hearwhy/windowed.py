"""Windowed: a recording of any length explained window by window; memory does not grow with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.asking import MIN_DURATION_S, Predict
from hearwhy.components.cells import AnyParts
from hearwhy.mapping import attribute_any
from hearwhy.plan import Meter, Plan, expected_calls
from hearwhy.result import Attribution
from hearwhy.staging import LEDGER
from hearwhy.targets import any_of, chosen, parse_target
from hearwhy.timeline import Kept, Timeline
from hearwhy.trust import whole
from hearwhy.types import Classifier, Recording
from hearwhy.windowing import Listening, Span

SCAN = "scan.npz"
SAME_ANSWER = 1e-4  # of probability: what a model may differ by from run to run and still be the same model


@dataclass(frozen=True)
class PerWindow:
    """How windows are explained one by one.

    Parameters
    ----------
    n_windows
        How many, those first in which the targets are most probable; None: every one that is not silent.
    folder
        Where each window's attribution is written as soon as it is there. What an earlier, interrupted run left there is
        not asked again. None: they stay in memory.
    """

    n_windows: int | None = None
    folder: Path | None = None

    def __post_init__(self) -> None:
        if self.n_windows is not None and self.n_windows < 1:
            raise ValueError(f"At least one window is explained; got n_windows={self.n_windows}.")


@dataclass(frozen=True)
class Source:
    """Where windows come from: ``cut(start_s, stop_s)`` is a recording; ``parts`` takes it apart, under both fills.

    `how` says in a line how it is taken apart.
    """

    name: str
    how: str
    duration_s: float
    cut: Callable[[float, float], Recording]
    parts: Callable[[Recording, float, float], tuple[AnyParts, AnyParts | None]]


def explain_windows(model: Classifier, source: Source, plan: Plan, meter: Meter, how: PerWindow) -> Timeline:
    """Return a Timeline: the model's answer to every window, and why, for the windows in which the targets are most probable.

    Each window is read, asked about and explained by itself. The label "top" is that of the mean over windows.

    Parameters
    ----------
    model, source, plan, meter
        What is asked, about what, how, and who is told; the plan's targets may still be keywords.
    how
        Which windows, and where they are kept.

    Raises
    ------
    ValueError
        Every window is silent, or the folder holds the answers of another model or to another question.
    """
    spans = tuple((start, min(stop, source.duration_s)) for start, stop in _spans(model, source, plan))
    meter.expected = len(spans)
    rows = _scan(model, source, spans, plan, meter)
    if rows.isnan().all():
        raise ValueError(f"Every window of {source.name} is silent, or shorter than a frame ({MIN_DURATION_S * 1000:.0f} ms); "
                         "there is nothing in it to explain.")  # fmt: skip
    targets = chosen(plan.targets, model.labels, rows.nanmean(dim=0).tolist())
    plan = replace(plan, targets=targets)
    numbers = _most_probable(rows, targets, model, how.n_windows)
    timeline = Timeline([None] * len(spans), spans, rows, model.labels, source.name)
    folders = {} if how.folder is None else {i: how.folder / timeline.folder_name(i) for i in numbers}
    if how.folder is not None:
        _check_scan(how.folder, rows, _question(source, plan))
    found: dict[int, Attribution] = {}
    left = [i for i in numbers if i not in folders or not (folders[i] / LEDGER).is_file()]  # it is written last
    for done, i in enumerate(left):
        parts, other = source.parts(source.cut(*spans[i]), *spans[i])
        here = _within(plan, spans[i][0])
        meter.expected = meter.done + expected_calls(model, parts, here, other) * (len(left) - done)
        attribution = attribute_any(model, parts, other, here, meter)
        if i in folders:
            attribution.save(folders[i])
        else:
            found[i] = attribution
    windows = Kept([folders.get(i) for i in range(len(spans))]) if folders else [found.get(i) for i in range(len(spans))]
    return replace(timeline, attributions=windows)


def _question(source: Source, plan: Plan) -> str:
    """Everything that the finished windows depend on besides the model and the sound."""
    options = ", ".join(f"{key}={value}" for key, value in sorted(plan.options.items()))
    asked = f"{plan.method}({options}), {plan.scale}, seed {plan.seed}, mask {plan.mask}"
    return f"{source.how}: {', '.join(plan.targets)} by {asked}"


def _within(plan: Plan, start_s: float) -> Plan:
    """Return the plan for one window: it is heard whole, and times count from where it begins."""
    span = plan.listening.span_s
    shifted = None if span is None else (max(0.0, span[0] - start_s), span[1] - start_s)
    return replace(plan, listening=Listening(span_s=shifted))


def _spans(model: Classifier, source: Source, plan: Plan) -> tuple[Span, ...]:
    return plan.listening.windows(round(source.duration_s * model.sample_rate), model).spans_s


def _scan(
    model: Classifier, source: Source, spans: tuple[Span, ...], plan: Plan, meter: Meter
) -> Float[Tensor, "window label"]:
    """Return the probabilities in every window; NaN where it is silent."""
    rows = torch.full((len(spans), len(model.labels)), math.nan)
    everything = torch.ones(1, 1, dtype=torch.bool)
    for i, (start_s, stop_s) in enumerate(spans):
        heard = source.cut(start_s, stop_s)
        if sound.level_db(heard.audio) >= sound.SILENCE_DB and heard.duration_s >= MIN_DURATION_S:
            listening = _within(plan, start_s).listening
            predict = Predict(model, whole(heard), device=plan.device, batch_size=plan.batch_size, listening=listening,
                              cache=plan.cache)  # fmt: skip
            rows[i] = predict.probabilities(everything)[0]
        meter.advance(1)
    return rows


def _most_probable(rows: Tensor, targets: Sequence[str], model: Classifier, n: int | None) -> list[int]:
    """Return which windows to explain, in the order of time."""
    parsed = [parse_target(target, model.labels) for target in targets]
    chances = torch.stack([any_of(rows, target.plus) for target in parsed]).amax(dim=0)
    heard = [i for i in range(len(rows)) if not rows[i].isnan().any()]
    return sorted(sorted(heard, key=lambda i: -float(chances[i]))[:n])


def _check_scan(folder: Path, rows: Tensor, question: str) -> None:
    """Keep the question and the answers to the windows as they are; where some are kept, they must be the same."""
    path = folder / SCAN
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, probabilities=rows.numpy(), question=question)
        return
    with np.load(path, allow_pickle=False) as arrays:
        kept, asked = torch.from_numpy(arrays["probabilities"]), str(arrays["question"])
    if asked != question:
        raise ValueError(f"{folder} holds windows of another question ({asked}); give another folder, or remove that one.")
    if kept.shape != rows.shape or not torch.allclose(kept, rows, atol=SAME_ANSWER, equal_nan=True):
        raise ValueError(f"{folder} was begun with a model that answers otherwise; remove that folder to begin anew.")
