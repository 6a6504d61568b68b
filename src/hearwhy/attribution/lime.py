"""LIME: a linear model of the score, fitted to masks around the recording."""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hearwhy.attribution.least_squares import Fit, least_squares, sampling_error
from hearwhy.attribution.rounds import TOLERANCE, Auto, in_rounds
from hearwhy.attribution.sampling import (
    N_SAMPLES,
    all_masks,
    ask,
    check_n_samples,
    coin_flips,
    fits,
    paired_coin_flips,
    seeded,
)
from hearwhy.types import Estimate, Score

RIDGE = 1.0  # the published penalty
MIN_WIDTH = 0.1  # below, masks that keep little weigh less than double precision resolves


def lime(
    score: Score,
    shape: tuple[int, ...],
    *,
    n_samples: int | Auto = N_SAMPLES,
    seed: int = 0,
    protocol: Literal["corrected", "paper"] = "corrected",
    width: float = 0.25,
    tolerance: float = TOLERANCE,
) -> Estimate:
    """Return the coefficients of a linear model fitted to the score, masks near the recording weighing most.

    ``values`` minimise ``sum over masks of pi(mask) (score(mask) - base - sum(mask * values))**2`` with ``pi =
    exp(-(1 - sqrt(k / d))**2 / (2 width**2))``, k of d components being kept: 1 for the recording itself, about 0.5
    where half is kept, 0.0003 for nothing. All 2**d masks are asked where they fit into `n_samples`, otherwise that
    many, every component kept with probability 1/2. Costs `n_samples` masks. Solved in float64, returned in float32.
    Bad at: interactions, which a linear model cannot hold and spreads over whatever is correlated with them;
    comparisons between recordings, as the values sum to nothing in particular.

    ``protocol="corrected"`` is plain least squares, without shrinkage: an additive score comes back exactly, and
    values are comparable whatever the number of masks. Masks are drawn in pairs with their complements.

    ``protocol="paper"`` is audioLIME as published: a ridge penalty of 1 on raw scores, which shrinks all values, the
    more so the fewer masks there are (an additive score of 5 components comes back times 0.67 to 0.83); independent
    coin flips with repeats, the first mask all ones. It has no standard error.

    Laws: offset, scaling, permutation and symmetry (sampled: permutation and symmetry on average over seeds). Not
    efficiency: nothing makes a regression pass through the two ends. Not irrelevance: `pi` depends on how many
    components are kept, an irrelevant one included, so it takes up a little of the others' interactions (0.3 % of the
    largest value in the glove game); with a large `width` all masks weigh alike and it gets exactly nothing, the
    values then being Banzhaf's.

    Parameters
    ----------
    score
        Mask (batch, *shape), True keeps and False removes, to (batch, target).
    shape
        Shape of one mask.
    n_samples
        Masks to ask; at least 4 a component (paper: 2). An odd one asks one mask less (paper: not). ``"auto"``: as many as
        `tolerance` takes (see `in_rounds`); not with the paper's protocol, which knows no error.
    seed
        Chooses the masks.
    protocol
        ``"corrected"`` or ``"paper"``.
    width
        How far from the recording masks still count, in cosine distance; at least 0.1.
    tolerance
        With ``"auto"``, the largest standard error there may be, as a share of the range of values.

    Returns
    -------
    Estimate
        ``values`` (target, *shape), in the unit of the score, positive where the component speaks for the target.
        ``base`` is the fitted intercept, not score(zeros). ``stderr`` of the same shape (a sandwich over pairs); None
        where all masks were asked or ``protocol="paper"``.

    Raises
    ------
    ValueError
        An unknown protocol, a width under 0.1, or too few masks for the components.

    References
    ----------
    M. T. Ribeiro, S. Singh and C. Guestrin, "Why should I trust you?", KDD 2016; V. Haunschmid, E. Manilow and G.
    Widmer, audioLIME: listenable explanations using source separation, 2020. Deviations with
    ``protocol="corrected"``: no ridge; paired masks, without repeats up to 20 components. With ``protocol="paper"``:
    the order of exhaustive masks, which changes nothing, and the random numbers.

    Examples
    --------
    >>> additive = lambda mask: (mask.double() @ torch.tensor([2.0, -1.0], dtype=torch.float64))[:, None]
    >>> lime(additive, (2,)).values
    tensor([[ 2., -1.]])
    """
    if n_samples == "auto":
        if protocol != "corrected":
            raise ValueError(f"lime(protocol={protocol}) has no error to stop at, so n_samples must be a number; got 'auto'.")
        again = partial(lime, shape=shape, seed=seed, width=width)
        return in_rounds(lambda asked, n: again(asked, n_samples=n), score, shape, tolerance=tolerance)
    _check(n_samples, shape, protocol, width)
    paper, exhaustive = protocol == "paper", fits(shape, n_samples)
    masks = all_masks(shape) if exhaustive else _draw(shape, n_samples, seed, paper)
    scores = ask(score, masks)
    fit, base = surrogate(masks.flatten(1), scores, width=width, ridge=RIDGE if paper else 0.0)
    stderr = None
    if not (exhaustive or paper):
        left = 1 - len(masks) / 2 ** math.prod(shape)
        stderr = sampling_error(fit, left=left, paired=True).T.reshape(-1, *shape).float()
    values = fit.coefficients.T.reshape(-1, *shape)
    return Estimate(values.float(), base.float(), n_calls=len(masks), stderr=stderr, df=fit.df())


def proximity(masks: Bool[Tensor, "mask component"], *, width: float = 0.25) -> Float[Tensor, " mask"]:
    """Return how much each mask counts: 1 for the recording itself, less the fewer components are kept.

    The square root of a Gaussian of `width` over the cosine distance to all ones, 1 - sqrt(k / d); 1 for the empty
    mask.
    """
    kept = masks.to(torch.float64).mean(dim=1)
    return torch.exp(-((1 - kept.sqrt()) ** 2) / (2 * width**2))


def surrogate(
    masks: Bool[Tensor, "mask component"], scores: Float[Tensor, "mask target"], *, width: float, ridge: float
) -> tuple[Fit, Float[Tensor, " target"]]:
    """Return the weighted linear fit of the scores, and its intercept, which no penalty touches."""
    weights = proximity(masks, width=width)
    share = weights / weights.sum()
    design = masks.to(torch.float64)
    centre, level = share @ design, share @ scores
    fit = least_squares(design - centre, scores - level, weights, ridge=ridge)
    fit = Fit(fit.coefficients, fit.residuals, fit.influence, fit.leverage + share)  # the intercept's leverage belongs to it
    return fit, level - centre @ fit.coefficients


def _draw(shape: tuple[int, ...], n_samples: int, seed: int, paper: bool) -> Bool[Tensor, " mask *component"]:
    if not paper:
        return paired_coin_flips(shape, n_samples // 2 * 2, seeded(seed))
    masks = coin_flips(shape, n_samples, seeded(seed))
    masks[0] = True
    return masks


def _check(n_samples: int, shape: tuple[int, ...], protocol: str, width: float) -> None:
    if protocol not in ("corrected", "paper"):
        raise ValueError(f"lime knows the protocols 'corrected' and 'paper'; got {protocol!r}.")
    if not isinstance(width, (int, float)) or not width >= MIN_WIDTH:
        raise ValueError(f"lime needs a width of at least {MIN_WIDTH}; got {width!r}. The usual one is 0.25.")
    check_n_samples("lime", n_samples, shape, per_component=0 if protocol == "paper" else 4)
