"""HSIC: how far the score's distribution depends on whether a component is there."""

from __future__ import annotations

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.attribution.rounds import TOLERANCE, Auto, in_rounds
from hearwhy.attribution.sampling import N_SAMPLES, all_masks, ask, check_n_samples, coin_flips, fits, seeded
from hearwhy.types import Estimate, Score

MAX_MEDIAN = 500  # answers whose distances the width of the kernel is the median of
ROWS = 512  # of the matrix of answers at a time, so that memory grows with the masks and not with their square


def hsic(
    score: Score, shape: tuple[int, ...], *, n_samples: int | Auto = N_SAMPLES, seed: int = 0, tolerance: float = TOLERANCE
) -> Estimate:
    """Return how far the score depends on each component, as a correlation of kernels: 0 to 1, unsigned.

    The Hilbert-Schmidt independence criterion between "the component is kept" and the score, over masks that keep each
    with probability 1/2, normalised as a correlation is: 0 where the score's distribution is the same with and without, 1
    where it is told by the component alone. It sees any kind of dependence, in the spread as in the mean, but
    says how much a component matters and NOT whether it speaks for the target: say "depends on", never "for", and draw it
    from 0 upwards in one colour. Costs `n_samples` masks; exact where all 2**d fit. Computed in float64, returned in
    float32. Bad at telling which components act together; the width of its kernel (the median distance of answers) has
    a say in the numbers.

    Laws: offset exactly; irrelevance, permutation and symmetry exactly where all masks are asked, otherwise on average over
    seeds. Not scaling: it does not change with the unit of the score. Not efficiency: it has no sign.

    Parameters
    ----------
    score
        Mask (batch, *shape), True keeps and False removes, to (batch, target).
    shape
        Shape of one mask.
    n_samples
        Masks to ask; at least 4 a component. ``"auto"``: as many as `tolerance` takes (see `in_rounds`).
    seed
        Chooses the masks.
    tolerance
        With ``"auto"``, the largest standard error there may be, as a share of the range of values.

    Returns
    -------
    Estimate
        ``values`` (target, *shape), shares; the estimate of a small one may fall just under 0. ``base`` 0. ``stderr`` of
        the same shape; None where all masks were asked.

    Raises
    ------
    ValueError
        `n_samples` is under 4 a component (and under 2**components).

    References
    ----------
    P. Novello, T. Fel and D. Vigouroux, Making sense of dependence: efficient black-box explanations using dependence
    measure, NeurIPS 2022; without bias: L. Song et al., Feature selection via dependence maximization, JMLR 13, 2012.
    Deviations: components instead of a grid stretched over an image; the unbiased estimate; normalised.

    Examples
    --------
    >>> first = lambda mask: mask[:, :1].double()
    >>> hsic(first, (2,)).values
    tensor([[1., 0.]])
    """
    if n_samples == "auto":
        again = partial(hsic, shape=shape, seed=seed)
        return in_rounds(lambda asked, n: again(asked, n_samples=n), score, shape, tolerance=tolerance)
    check_n_samples("hsic", n_samples, shape)
    exact = fits(shape, n_samples)
    masks = all_masks(shape) if exact else coin_flips(shape, n_samples, seeded(seed))
    scores = ask(score, masks)
    found = [_dependence(2 * masks.flatten(1).double() - 1, answers, exact) for answers in scores.T]
    values, stderr = (torch.stack(x).reshape(-1, *shape).float() for x in zip(*found, strict=True))
    return Estimate(
        values, torch.zeros(len(values)), n_calls=len(masks), stderr=None if exact else stderr, df=max(1, len(masks) - 2)
    )


def _dependence(
    signs: Float[Tensor, "mask component"], answers: Float[Tensor, " mask"], exact: bool
) -> tuple[Float[Tensor, " component"], Float[Tensor, " component"]]:
    """Normalised HSIC of every component with the answers, and its standard error."""
    some = answers[:MAX_MEDIAN]
    width = (some[:, None] - some).abs().flatten()
    width = width[width > 1e-12 * some.abs().max()]
    if not len(width):
        nothing = torch.zeros(signs.shape[1], dtype=torch.float64)  # the score never changes
        return nothing, nothing
    n, starts = len(answers), range(0, len(answers), ROWS)

    def rows(first: int) -> Float[Tensor, "some mask"]:
        """How alike answers are; in a sample no answer is compared with itself, which would be a dependence by chance."""
        near = torch.exp(-(((answers[first : first + ROWS, None] - answers) / width.median()) ** 2) / 2)
        return near if exact else _without_diagonal(near, first)

    sums, fewer = torch.cat([rows(first).sum(1) for first in starts]), 0 if exact else 2
    squares, pulled = [], []
    for first in starts:
        mine = sums[first : first + ROWS, None] / (n - fewer)
        centred = rows(first) - mine - sums / (n - fewer) + sums.sum() / ((n - fewer / 2) * (n - fewer))
        centred = centred if exact else _without_diagonal(centred, first)
        squares.append(centred.square().sum(1))
        pulled.append(signs[first : first + ROWS] * (centred @ signs) / 2)  # the mask's own kernel is (1 + s t) / 2
    share, square = torch.cat(pulled), torch.cat(squares)[:, None]  # what each mask has to do with it: (mask, component)
    own = n * n / 4 if exact else n * (n - 3) / 4  # the same of a fair coin with itself
    scale = (own * square.sum()).sqrt()
    values = share.sum(0) / scale
    pull = 2 * share / scale - values * square / square.sum()  # the normalising factor is an estimate too
    return values, (pull.var(0) * n + 2 / n**2).sqrt()  # and what it spreads where there is no dependence at all


def _without_diagonal(rows: Float[Tensor, "some mask"], first: int) -> Float[Tensor, "some mask"]:
    own = torch.arange(len(rows))
    rows[own, first + own] = 0
    return rows
