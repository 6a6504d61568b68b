"""Regression adjustment: Shapley values of a model of the score, put right by what the model missed."""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

import torch

from hearwhy.attribution.kernel_shap import AskedPairs, ask_pairs
from hearwhy.attribution.least_squares import sampling_error
from hearwhy.attribution.proxies import Proxy, smooth, trees
from hearwhy.attribution.rounds import TOLERANCE, Auto, in_rounds
from hearwhy.attribution.sampling import N_SAMPLES, check_n_samples, fits
from hearwhy.attribution.shapley import shapley
from hearwhy.types import Estimate, Score

PROXIES = {"smooth": smooth, "trees": trees}


def regression_adjusted(
    score: Score, shape: tuple[int, ...], *, n_samples: int | Auto = N_SAMPLES, seed: int = 0, tolerance: float = TOLERANCE,
    proxy: Literal["smooth", "trees"] = "smooth",
) -> Estimate:  # fmt: skip
    """Return an estimate of the Shapley values from `n_samples` masks and a model of the score.

    A model is fitted to the answers; its own Shapley values are exact, and Kernel SHAP of what it missed is added:
    ``values = values(model) + kernel_shap(score - model)``. What it missed is told by fits that have not seen the mask in
    question, so the values are right on average even where the model is wrong; it only makes their errors smaller,
    the better it is. Values sum to score(ones) - score(zeros). Exact where all 2**d masks fit into `n_samples`. Costs
    `n_samples` masks, and 0.1 to 1 s of fitting for each target. Computed in float64, returned in float32. Bad at:
    scores that no model can learn from so few masks, when it is no better than kernel_shap (`stderr` shows it).

    ``proxy="smooth"`` is a Gaussian process over masks whose every component has its own reach. ``proxy="trees"`` are boosted
    trees, as published; worse on smooth scores and models of
    sound, better where the score jumps. Beyond 300 components the smooth one says nothing, and this is kernel_shap.

    Laws: all of them; efficiency, offset and scaling exactly, the others exactly where all masks are asked and otherwise on
    average over seeds.

    Parameters
    ----------
    score
        Mask (batch, *shape), True keeps and False removes, to (batch, target).
    shape
        Shape of one mask.
    n_samples
        Masks to ask, all ones and all zeros included; at least 4 a component. An odd one asks one mask less. ``"auto"``:
        as many as `tolerance` takes (see `in_rounds`).
    seed
        Chooses the masks, and what each tree is shown.
    tolerance
        With ``"auto"``, the largest standard error there may be, as a share of the range of values.
    proxy
        ``"smooth"`` or ``"trees"``.

    Returns
    -------
    Estimate
        ``values`` (target, *shape), in the unit of the score, positive where the component speaks for the target.
        ``base`` is score(zeros). ``stderr`` of the same shape; None where all masks were asked.

    Raises
    ------
    ValueError
        An unknown proxy, or `n_samples` is under 4 a component (and under 2**components).

    References
    ----------
    R. T. Witter, Y. Liu and C. Musco, Regression-adjusted Monte Carlo estimators for Shapley values and probabilistic
    values, NeurIPS 2025, arXiv:2506.11849. Deviations: the rest is estimated by constrained least squares over leverage-score
    pairs instead of a weighted mean; the model is of the odd half of the score, on which alone Shapley values depend; a
    Gaussian process besides the trees; the share of a size that was asked counts as seen, so that the error vanishes as
    all masks are.

    Examples
    --------
    >>> glove = lambda mask: (mask[:, 2] & (mask[:, 0] | mask[:, 1])).float()[:, None]  # gloves: left, left, right
    >>> regression_adjusted(glove, (3,)).values
    tensor([[0.1667, 0.1667, 0.6667]])
    """
    if proxy not in PROXIES:
        raise ValueError(f"regression_adjusted knows the proxies {', '.join(PROXIES)}; got {proxy!r}.")
    if n_samples == "auto":
        again = partial(regression_adjusted, shape=shape, seed=seed, proxy=proxy)
        return in_rounds(lambda asked, n: again(asked, n_samples=n), score, shape, tolerance=tolerance)
    check_n_samples("regression_adjusted", n_samples, shape)
    if fits(shape, n_samples):
        return shapley(score, shape, max_s=math.inf)
    asked = ask_pairs(score, shape, n_samples, seed)
    signs = torch.cat([torch.ones(1, asked.n, dtype=torch.float64), asked.signs])
    odd = torch.cat([asked.gap[None], asked.difference]) / 2
    models = [PROXIES[proxy](signs, answers, seed) for answers in odd.T.contiguous()]
    return _adjusted(asked, models, shape)


def _adjusted(asked: AskedPairs, models: list[Proxy], shape: tuple[int, ...]) -> Estimate:
    values, unseen, mean = (torch.stack([getattr(m, what) for m in models], 1) for what in ("values", "unseen", "mean"))
    left = asked.pairs.left[:, None]
    rest = asked.gap - 2 * mean[0]
    # Of a size that was asked in full the mean model's misses are known, of others the misses of those that had not seen.
    fit = asked.fit(asked.difference - 2 * (left * unseen[1:] + (1 - left) * mean[1:]), rest)
    doubt = asked.fit(asked.difference - 2 * unseen[1:], rest)
    told = torch.tensor([model.told for model in models], dtype=torch.float64)
    stderr = (sampling_error(doubt, left=left) / told).T.reshape(-1, *shape).float()
    found = (values + rest / asked.n + fit.coefficients).T.reshape(-1, *shape)
    return Estimate(
        found.float(),
        asked.nothing.float(),
        n_calls=2 + 2 * len(asked.difference),
        stderr=stderr,
        df=fit.df(left) * float(told.min()),
    )
