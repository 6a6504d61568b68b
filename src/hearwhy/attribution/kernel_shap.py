"""Kernel SHAP: Shapley values from a sample of the masks, by weighted least squares."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.attribution.least_squares import Fit, additive_error, least_squares, sampling_error
from hearwhy.attribution.rounds import TOLERANCE, Auto, in_rounds
from hearwhy.attribution.sampling import N_SAMPLES, KernelPairs, ask, check_n_samples, fits, kernel_pairs, lone_pairs, seeded
from hearwhy.types import Estimate, Score

ENOUGH = 4  # masks a component, from which on a sample tells them apart


def kernel_shap(
    score: Score, shape: tuple[int, ...], *, n_samples: int | Auto = N_SAMPLES, seed: int = 0, tolerance: float = TOLERANCE
) -> Estimate:
    """Return an estimate of the Shapley values from `n_samples` masks.

    The Shapley values minimise ``sum over S of w(S) (score(S) - base - sum of values in S)**2`` under the constraint
    that they sum to score(ones) - score(zeros), w being the Shapley kernel. Here the sum runs over a sample, every
    mask with its complement, spread over the sizes and without repeats; the constraint holds exactly, and there is no
    l1 penalty, so no component is dropped. Where all 2**d masks fit into `n_samples` the result is exact. Solved in
    float64, returned in float32. Costs `n_samples` masks. Bad at: fewer than about 10 masks a component, when values
    that are nearly equal change places from seed to seed (`stderr` shows it); and, as exact values are, at masks
    unlike anything the model ever heard.

    Under 4 masks a component a sample would leave some components mixed up with others. Then every component is asked
    about alone and as the only one left out, what remains of the masks goes to the other sizes, and each mask counts by
    the kernel itself: values are steady from seed to seed but lean towards what a component does first or last, and the
    difference that leaves is shared equally (40 components, 100 masks: a fifth of the squared error of a plain sample).

    Laws: all of them; efficiency, offset and scaling exactly, the others exactly where all masks are asked and
    otherwise on average over seeds, for a different draw of masks gives slightly different values. Under 4 masks a
    component not irrelevance: what is shared equally reaches a component that does nothing.

    Parameters
    ----------
    score
        Mask (batch, *shape), True keeps and False removes, to (batch, target).
    shape
        Shape of one mask.
    n_samples
        Masks to ask, all ones and all zeros included; at least 2 a component and 2. An odd one asks one mask less.
        ``"auto"``: as many as `tolerance` takes (see `in_rounds`).
    seed
        Chooses the masks.
    tolerance
        With ``"auto"``, the largest standard error there may be, as a share of the range of values.

    Returns
    -------
    Estimate
        ``values`` (target, *shape), in the unit of the score, positive where the component speaks for the target.
        ``base`` is score(zeros). ``stderr`` of the same shape as `values`; None where all masks were asked. It is read
        off the residuals of one run (see `sampling_error` for how well). Under 4 masks a component it must cover the lean,
        too, from few residuals (`additive_error`): from 2.5 masks a component on, 0.85 to 1.15 times the true error by the
        median of twelve games, each of which was told 0.35 to 1.4 times its own; with fewer it hardly knows.

    Raises
    ------
    ValueError
        `n_samples` is under 2 a component and 2 (and under 2**components).

    References
    ----------
    S. Lundberg and S.-I. Lee, A unified approach to interpreting model predictions, NeurIPS 2017; paired sampling: I.
    Covert and S.-I. Lee, Improving KernelSHAP, AISTATS 2021; more weight for the middle sizes, without replacement:
    C. Musco and R. T. Witter, Provably accurate Shapley value estimation via leverage score sampling,
    arXiv:2410.01917. Deviations: the number of pairs of each size is fixed instead of drawn (see `kernel_pairs`); other
    masks and weights where there are few (`lone_pairs`); no l1; the standard error is a sandwich over pairs with finite
    population correction.

    Examples
    --------
    >>> glove = lambda mask: (mask[:, 2] & (mask[:, 0] | mask[:, 1])).float()[:, None]  # gloves: left, left, right
    >>> kernel_shap(glove, (3,)).values
    tensor([[0.1667, 0.1667, 0.6667]])
    """
    if n_samples == "auto":
        again = partial(kernel_shap, shape=shape, seed=seed)
        return in_rounds(lambda asked, n: again(asked, n_samples=n), score, shape, tolerance=tolerance)
    check_n_samples("kernel_shap", n_samples, shape, per_component=2, besides=2)
    exact, few = fits(shape, n_samples), n_samples < ENOUGH * math.prod(shape)
    asked = ask_pairs(score, shape, n_samples, seed, draw=lone_pairs if few and not exact else kernel_pairs)
    fit = asked.fit(asked.difference, asked.gap)
    values = asked.gap / asked.n + fit.coefficients
    left = asked.pairs.left[:, None]
    stderr, df = additive_error(fit, asked.pairs.weight) if few else (sampling_error(fit, left=left), fit.df(left))
    return Estimate(
        values.T.reshape(-1, *shape).float(),
        asked.nothing.float(),
        n_calls=2 + 2 * len(asked.difference),
        stderr=None if exact else stderr.T.reshape(-1, *shape).float(),
        df=df,
    )


@dataclass(frozen=True, eq=False)
class AskedPairs:
    """The scores of pairs of masks; all that Shapley values depend on is the difference within each pair.

    ``difference`` is score(mask) - score(complement), of everything and nothing it is ``gap``.
    """

    pairs: KernelPairs
    difference: Float[Tensor, "pair target"]
    gap: Float[Tensor, " target"]
    nothing: Float[Tensor, " target"]

    @property
    def n(self) -> int:
        """Number of components."""
        return self.pairs.masks.shape[1]

    @property
    def signs(self) -> Float[Tensor, "pair component"]:
        """1 where the first of a pair keeps a component, -1 where the second does."""
        return 2 * self.pairs.masks.to(torch.float64) - 1

    def fit(self, difference: Float[Tensor, "pair target"], gap: Float[Tensor, " target"]) -> Fit:
        """Return the weighted fit of values, less ``gap / n`` each, to differences; all values sum to `gap`.

        Within a pair only the difference depends on the values: score(S) - score(not S) ~ signs @ values. What remains of
        the values beyond gap / n sums to 0, so it is fitted on signs without their mean.
        """
        signs = self.signs
        mean = signs.mean(dim=1, keepdim=True)
        return least_squares(signs - mean, difference - mean * gap, self.pairs.weight)


def ask_pairs(
    score: Score,
    shape: tuple[int, ...],
    n_samples: int,
    seed: int,
    *,
    draw: Callable[[int, int, torch.Generator], KernelPairs] = kernel_pairs,
) -> AskedPairs:
    """Return the answers to everything, nothing and ``n_samples // 2 - 1`` pairs."""
    pairs = draw(math.prod(shape), n_samples // 2 - 1, seeded(seed))
    ends = torch.stack([torch.ones(shape, dtype=torch.bool), torch.zeros(shape, dtype=torch.bool)])
    everything, nothing = ask(score, ends)
    masks = pairs.masks.reshape(-1, *shape)
    if not len(masks):
        return AskedPairs(pairs, torch.zeros(0, len(nothing), dtype=torch.float64), everything - nothing, nothing)
    return AskedPairs(pairs, ask(score, masks) - ask(score, ~masks), everything - nothing, nothing)
