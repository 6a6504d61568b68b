"""Trust: numbers that say how far an explanation may be believed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hearwhy import audio as sound
from hearwhy.asking import Predict
from hearwhy.attribution import Entry
from hearwhy.classifiers.running import original
from hearwhy.components.parts import Parts, equal_shares
from hearwhy.game import Game
from hearwhy.result import Attribution
from hearwhy.scoring import TargetScore
from hearwhy.types import Classifier, Estimate, Recording

MAX_SWITCHES = 8  # components up to which the model is asked about every mix: 256 masks
N_CHECKS = 64  # held-out masks behind fidelity; they are asked besides the method's own
N_FIT = 1024  # masks behind the best additive fit where asking costs nothing
N_BOTH_WAYS = 16  # masks that a model run in lower precision is asked about as it was, too
LEVELS_DB = (-12.0, -6.0, 6.0)
LEVEL_SHARE = 0.5  # the level matters where it moves the score by half of the strongest component's value


def fidelity(game: Game, estimate: Estimate, entry: Entry, *, seed: int) -> tuple[float | None, ...]:
    """Return R^2 of the additive explanation per target, on fresh masks of the method's own law.

    Costs up to 64 masks. None where the score does not change at all over them, or where one component is all there is.
    """
    if game.n == 1:
        return (None,) * len(estimate.values)
    masks = _fresh(game, entry, N_CHECKS, seed)
    truth = game.score(game.expand(masks)).to(torch.float64)
    design = masks.reshape(len(masks), -1).to(torch.float64)
    explained = estimate.base.to(torch.float64) + design @ estimate.values.flatten(1).T.to(torch.float64)
    return _r2(truth, explained)


def interaction_share(game: Game, entry: Entry, *, seed: int) -> tuple[float | None, ...]:
    """Return per target the share of the score's variance that no additive explanation can reach.

    1 - R^2 of the best additive fit, fitted on one draw of masks and judged on another; 0 where parts simply add up, near 1
    where it is their combination that counts. Free where every mask has been asked about; else fitted to the masks that
    the method asked about, and None where those are fewer than twice the number of components.
    """
    n_targets = len(game.score.targets)
    fit = _masks_to_fit(game, entry, seed)
    if game.n == 1 or len(fit) < 2 * (game.n + 1):
        return (None,) * n_targets
    masks = _fresh(game, entry, N_CHECKS, seed)
    design, held_out = (torch.cat([torch.ones(len(m), 1), m.flatten(1)], dim=1).to(torch.float64) for m in (fit, masks))
    fitted = game.score(game.expand(fit)).to(torch.float64)
    weights = torch.linalg.lstsq(design, fitted, driver="gelsd").solution
    shares = _r2(game.score(game.expand(masks)).to(torch.float64), held_out @ weights)
    return tuple(None if share is None else min(1.0, max(0.0, 1 - share)) for share in shares)


def _masks_to_fit(game: Game, entry: Entry, seed: int) -> Tensor:
    every = 2**game.n if game.n <= MAX_SWITCHES else None
    if every is not None or len(game.asked()) == 2 ** min(game.n, 30):
        return _fresh(game, entry, N_FIT, seed + 1)
    return game.asked()


def _fresh(game: Game, entry: Entry, n: int, seed: int) -> Tensor:
    # The offset keeps the stream apart from the method's own, which is seeded with the same number.
    generator = torch.Generator().manual_seed(seed + 7_919)
    return entry.held_out(game.shape, n, generator)


def _r2(truth: Tensor, explained: Tensor) -> tuple[float | None, ...]:
    missed = (truth - explained).square().sum(dim=0)
    varied = (truth - truth.mean(dim=0)).square().sum(dim=0)
    flat = varied <= 1e-12 * truth.square().sum(dim=0).clamp(min=1e-12)
    return tuple(None if f else float(1 - m / v) for f, m, v in zip(flat.tolist(), missed, varied, strict=True))


def whole(recording: Recording) -> Parts:
    """Return the recording as one part: what asks the model about the recording as it is."""
    return Parts(recording.audio[None], recording, ("everything",), (1,), equal_shares(1))


def check_levels(
    attribution: Attribution, model: Classifier, asked: TargetScore, *, advance: Callable[[int], None]
) -> tuple[dict[str, Any], int]:
    """Return what the model says of the recording made softer and louder, and the calls it took.

    Removing a part also changes the level; where the level alone changes the verdict, the values may tell of nothing else.
    """
    rows, tops, shifts, n_calls = [], [], [], 0
    ones = torch.ones(1, 1, dtype=torch.bool)
    recording = attribution.recording
    gains = [gain for gain in LEVELS_DB if sound.level_db(recording.audio) + gain >= sound.SILENCE_DB]
    for gain_db in gains:
        scaled = Recording(recording.audio * 10 ** (gain_db / 20), recording.sample_rate, recording.name)
        before = asked.predict
        predict = Predict(model, whole(scaled), device=before.device, advance=advance, listening=before.listening,
                          cache=before.cache)  # fmt: skip
        score = TargetScore(predict, attribution.targets, scale=asked.scale)
        shifts.append((score(ones)[0] - attribution.score_full).abs().max())
        rows.append(predict.probabilities(ones)[0])
        tops.append(attribution.labels[int(rows[-1].argmax())])
        n_calls += predict.n_calls
    strongest = float(attribution.values.abs().max())
    first = attribution.labels[int(attribution.probabilities.argmax())]
    matters = any(top != first for top in tops) or float(torch.stack(shifts).max()) > LEVEL_SHARE * strongest
    table = [[round(p, 6) for p in row.tolist()] for row in rows]
    return {"gains_db": gains, "probabilities": table, "top": tops, "matters": matters}, n_calls


def check_running(game: Game, *, advance: Callable[[int], None]) -> tuple[dict[str, Any] | None, int]:
    """Return how far a model that is run in lower precision is from itself as it was, and the calls it took.

    The first 16 masks are asked both ways; ``change`` is the largest difference of a score, ``range`` that of the scores. None
    where the model is run as it is.
    """
    predict = game.score.predict
    as_it_was = original(predict.classifier)
    if as_it_was is None:
        return None, 0
    twin = Predict(as_it_was, predict.parts, device=predict.device, advance=advance, listening=predict.listening,
                   cache=predict.cache)  # fmt: skip
    masks = game.expand(game.asked()[:N_BOTH_WAYS].reshape(-1, *game.shape))
    ours, theirs = game.score(masks), TargetScore(twin, game.score.targets, scale=game.score.scale)(masks)
    change, spread = float((ours - theirs).abs().max()), float((theirs.amax(0) - theirs.amin(0)).max())
    return {"change": change, "range": spread, "n_masks": len(masks)}, twin.n_calls


def other_fill(attribution: Attribution, values: Tensor, fill: str) -> dict[str, Any]:
    """Return what the explanation is under another fill, and whether each target's strongest component is the same."""
    flat = values.flatten(1)
    tops = [int(row.argmax()) if float(row.max()) > 0 else None for row in flat]
    same = [top == attribution.top(target) for target, top in enumerate(tops)]
    names = [None if top is None else attribution.names[top] for top in tops]
    return {"fill": fill, "top": names[0], "tops": names, "values": flat.tolist(), "agrees": all(same)}
