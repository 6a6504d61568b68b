"""Owen values: Shapley values of parts that belong to groups, each group's parts sharing out what the group is worth."""

from __future__ import annotations

import math
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hearwhy.attribution.kernel_shap import kernel_shap
from hearwhy.attribution.least_squares import Fit, least_squares, sampling_error
from hearwhy.attribution.rounds import TOLERANCE, Auto, Remembered, in_rounds
from hearwhy.attribution.sampling import BLOCK, N_SAMPLES, all_masks, check_n_samples, kernel_masks, of_size, seeded
from hearwhy.attribution.shapley import size_weights
from hearwhy.types import Estimate, Score


def owen(
    score: Score, shape: tuple[int, ...], *, groups: tuple[int, ...] | None = None, n_samples: int | Auto = N_SAMPLES,
    seed: int = 0, tolerance: float = TOLERANCE,
) -> Estimate:  # fmt: skip
    """Return the Owen value of every component, the components of a group staying together in every order of joining.

    What a component adds when it joins, averaged over the orders in which whole groups come one after the other:
    ``values[i] = sum over sets H of other groups, of w(|H|, groups) * sum over T within its group, of w(|T|, its group) *
    (score(H + T + i) - score(H + T))`` with w(s, d) = s! (d - s - 1)! / d!. The values of a group sum to what the group as one
    is worth (the Shapley value of the game between groups), so a closer look never changes the picture it was a closer
    look at. Exact where the masks that this takes fit into `n_samples`; they are far fewer than 2**d. Otherwise the
    groups' own values come first, exact where half the budget suffices, and within each group a least-squares fit under the
    constraint that they are kept, over random sets of the other groups, every mask with its complement. Costs at most
    `n_samples` masks. Computed in float64, returned in float32. Bad at: groups that were chosen without thought, for they
    decide what is shared with whom.

    Laws: with every component on its own, all of them: offset, scaling and efficiency exactly, the others on average over
    seeds where sampled. With larger groups permutation and symmetry hold only within a group, and between groups.

    Parameters
    ----------
    score
        Mask (batch, *shape), True keeps and False removes, to (batch, target).
    shape
        Shape of one mask.
    groups
        One number for each of the flattened components; equal numbers, one group. None: each on its own, which gives
        Shapley values.
    n_samples
        Masks to ask at most; at least 4 a component. ``"auto"``: as many as `tolerance` takes (see `in_rounds`).
    seed
        Chooses the masks.
    tolerance
        With ``"auto"``, the largest standard error there may be, as a share of the range of values.

    Returns
    -------
    Estimate
        ``values`` (target, *shape), in the unit of the score; ``base`` is score(zeros). ``stderr`` alike; None where exact.

    Raises
    ------
    ValueError
        `groups` does not name a group for each component, or `n_samples` is under 4 a component (and under 2**components).

    References
    ----------
    G. Owen, Values of games with a priori unions, 1977. Sampled: constrained least squares within each group as in Kernel
    SHAP, with random sets of the other groups in place of none.

    Examples
    --------
    >>> pair = lambda mask: (mask[:, 2] & (mask[:, 0] | mask[:, 1])).float()[:, None]  # gloves: left, left, right
    >>> owen(pair, (3,), groups=(0, 0, 1)).values  # the two lefts together bargain for half
    tensor([[0.2500, 0.2500, 0.5000]])
    """
    named = tuple(range(math.prod(shape))) if groups is None else groups
    members, needed = _members(named, shape), masks_needed(named)
    if n_samples == "auto":
        again = partial(owen, shape=shape, groups=groups, seed=seed)
        return in_rounds(lambda asked, n: again(asked, n_samples=n), score, shape, tolerance=tolerance, every=needed)
    check_n_samples("owen", n_samples, shape)
    asked = Remembered(score, shape)
    exact = needed <= n_samples
    values, stderr, df = (_exact(asked, members), None, math.inf) if exact else _sampled(asked, members, n_samples, seed)
    base = asked(torch.zeros(1, members.shape[1], dtype=torch.bool))[0]
    found = None if stderr is None else stderr.reshape(-1, *shape).float()
    return Estimate(values.reshape(-1, *shape).float(), base.float(), n_calls=asked.n_asked, stderr=found, df=df)


def masks_needed(groups: tuple[int, ...]) -> int:
    """Return how many masks the exact values take: all sets of whole groups, with any part of one more."""
    sizes = [groups.count(g) for g in set(groups)]
    return int(2 ** len(sizes) + sum(2 ** (len(sizes) - 1) * (2**size - 2) for size in sizes))


def _members(groups: tuple[int, ...], shape: tuple[int, ...]) -> Bool[Tensor, "group component"]:
    n = math.prod(shape)
    if len(groups) != n:
        raise ValueError(f"owen needs a group for each of the {n} components; got {len(groups)}: groups={groups!r}.")
    named = torch.tensor(groups)
    return torch.stack([named == g for g in sorted(set(groups))])


def _among(whole: Bool[Tensor, "mask group"], members: Bool[Tensor, "group component"]) -> Bool[Tensor, "mask component"]:
    """Masks that keep whole groups."""
    return (whole.double() @ members.double()) > 0


def _exact(asked: Remembered, members: Bool[Tensor, "group component"]) -> Float[Tensor, "target component"]:
    """Of every group the Shapley values of the game inside it: its score averaged over the sets of the other groups."""
    shared = [_exactly_inside(asked, members, g) for g in range(len(members))]
    values = torch.zeros(len(shared[0]), members.shape[1], dtype=torch.float64)
    for mine, of_group in zip(members, shared, strict=True):
        values[:, mine] = of_group
    return values


def _exactly_inside(asked: Remembered, members: Bool[Tensor, "group component"], g: int) -> Float[Tensor, "target member"]:
    n_groups, size = len(members), int(members[g].sum())
    others = all_masks((n_groups,))
    others = others[~others[:, g]]
    weight = torch.tensor([1 / (n_groups * math.comb(n_groups - 1, int(s))) for s in others.sum(1)], dtype=torch.float64)
    parts, beside = all_masks((size,)), _among(others, members)
    masks = beside.repeat(len(parts), 1)
    masks[:, members[g]] = parts.repeat_interleave(len(beside), 0)
    scores = torch.einsum("s,pst->pt", weight, asked(masks).reshape(len(parts), len(beside), -1))
    with_i, without_i = size_weights(size)
    sizes = parts.sum(1)
    return scores.T @ torch.where(parts, with_i[sizes][:, None], -without_i[sizes][:, None])


def _sampled(
    asked: Remembered, members: Bool[Tensor, "group component"], n_samples: int, seed: int
) -> tuple[Float[Tensor, "target component"], Float[Tensor, "target component"], float]:
    """The groups' values first, then every group's among its own; half of the masks for each, where so many are needed."""
    n_groups, inner = len(members), int(members[members.sum(1) > 1].sum())
    between = min(2**n_groups, max(n_samples // 2, 4 * n_groups)) if inner else n_samples
    whole = kernel_shap(lambda mask: asked(_among(mask, members)), (n_groups,), n_samples=between, seed=seed)
    doubt = torch.zeros_like(whole.values) if whole.stderr is None else whole.stderr
    values, variance = whole.values.double() @ members.double(), doubt.double().square() @ members.double()
    df = whole.df if whole.stderr is not None else math.inf
    seeds = torch.randint(2**62, (n_groups,), generator=seeded(seed)).tolist()
    for g, mine in enumerate(members):
        size = int(mine.sum())
        if size > 1:
            count = (n_samples - whole.n_calls) * size // inner // 2
            fit = _inside(asked, members, g, whole.values[:, g].double(), *_beside(size, n_groups, count, seeds[g]))
            df = min(df, fit.df())
            values[:, mine] = values[:, mine] / size + fit.coefficients.T
            variance[:, mine] = variance[:, mine] / size**2 + sampling_error(fit).T.square()
    return values, variance.sqrt(), df


def _beside(size: int, n_groups: int, count: int, seed: int) -> tuple[Bool[Tensor, "mask member"], Bool[Tensor, "mask other"]]:
    """Parts of a group, and sets of the other groups; the first ones of a larger sample are the smaller sample."""
    inner, outer, blocks = seeded(seed), seeded(seed + 1), range(0, count, BLOCK)
    part = [kernel_masks((size,), BLOCK, inner) for _ in blocks]
    # Every number of other groups alike, as in the orders of joining.
    others = [of_size(torch.arange(first, first + BLOCK) % n_groups, n_groups - 1, outer) for first in blocks]
    return torch.cat(part)[:count], torch.cat(others)[:count]


def _inside(
    asked: Remembered, members: Bool[Tensor, "group component"], g: int, worth: Float[Tensor, " target"],
    part: Bool[Tensor, "mask member"], others: Bool[Tensor, "mask other"],
) -> Fit:  # fmt: skip
    """The fit of what group `g` shares out beyond equal shares, beside sets of the other groups."""
    beside = torch.zeros(len(part), len(members), dtype=torch.bool)
    beside[:, torch.arange(len(members)) != g] = others
    masks = _among(beside, members)
    masks[:, members[g]] = part
    signs = 2 * part.double() - 1
    mean = signs.mean(dim=1, keepdim=True)
    return least_squares(signs - mean, asked(masks) - asked(~masks) - mean * worth, torch.ones(len(part), dtype=torch.float64))
