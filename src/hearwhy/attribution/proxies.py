"""Proxies: models of a score that is known for some masks, quickly fitted, whose own Shapley values are exact.

Shapley values depend on the odd half of a score alone, (score(mask) - score(complement)) / 2, so that is what a proxy is
fitted to. Masks are rows of signs: 1 keeps, -1 removes. The first row is everything; it is never left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.attribution.sampling import seeded

MAX_FITTED = 2000  # rows the smooth proxy is fitted to, beyond which its time would grow as their cube
MAX_LEARNT = 300  # rows that its reaches are learnt from, and components that have reaches
STEPS = 30  # of the search for them
LINEAR = 10.0  # prior variance of the main effects together, in units of the score's own: as good as free
NOISE = 1e-6  # relative variance, which keeps the matrix of the rows invertible
MAX_SHARE = 1 / 7  # of the rows, that choosing the reaches can take up
N_FOLDS = 5


@dataclass(frozen=True, eq=False)
class Proxy:
    """What a proxy says, fitted without the row in question (`unseen`), and the mean of all such fits (`mean`, `values`)."""

    values: Float[Tensor, " component"]
    unseen: Float[Tensor, " row"]
    mean: Float[Tensor, " row"]
    told: float = 1.0  # how much smaller misses on unseen rows are than they would be, had nothing been chosen after them


def smooth(signs: Float[Tensor, "row component"], odd: Float[Tensor, " row"], seed: int) -> Proxy:
    """Return a Gaussian process in which components interact the more, the more either interacts at all.

    The covariance of two masks is ``c * (product of (1 + reach_i s_i t_i) - product of (1 - reach_i s_i t_i)) + main effects``,
    the reaches being those under which the answers are likeliest. What it says of a row without having seen it follows
    from the fit to all rows. Deterministic: the seed is not used. Costs about 0.1 s for 300 rows. Says 0 of everything where
    the score never changes, and beyond 300 components, whose reaches could not be learnt from 300 rows.
    """
    size = odd.square().mean().sqrt()
    if not size > 0 or signs.shape[1] > MAX_LEARNT:
        return Proxy(torch.zeros(signs.shape[1], dtype=torch.float64), torch.zeros_like(odd), torch.zeros_like(odd))
    known, answers = signs[:MAX_FITTED], odd[:MAX_FITTED] / size
    reach, level, noise = _learnt(known[:MAX_LEARNT], answers[:MAX_LEARNT])
    matrix = _covariance(known, known, reach, level)
    inverse = torch.linalg.inv(matrix + noise * torch.eye(len(known), dtype=torch.float64))
    missed = inverse @ answers / inverse.diagonal()  # by the fit without the row
    missed[0] = 0
    weights = inverse @ (answers - missed / (len(known) - 1))  # the mean of those fits
    mean = _covariance(signs, known, reach, level) @ weights
    unseen = torch.cat([answers - missed, mean[MAX_FITTED:]])
    chosen = min(2 * (signs.shape[1] + 2) / len(known[:MAX_LEARNT]), MAX_SHARE)  # reaches, level and noise saw all rows
    return Proxy(size * _product_values(weights, known, reach, level), size * unseen, size * mean, told=1 - chosen)


def _covariance(first: Tensor, second: Tensor, reach: Float[Tensor, " component"], level: Tensor) -> Float[Tensor, "row row"]:
    """Covariance of the odd half at two sets of masks; that of everything with itself is about `level` + LINEAR."""
    alike, mirrored = _products(first, second, reach)
    return level * (alike - mirrored) + LINEAR / first.shape[1] * (first @ second.T)


def _products(first: Tensor, second: Tensor, reach: Float[Tensor, " component"]) -> tuple[Tensor, Tensor]:
    """Products of (1 + reach s t) / (1 + reach), and of (1 - reach s t) / (1 + reach)."""
    agree, differ = torch.log1p(reach), torch.log1p(-reach)
    middle, tilt = ((differ - agree) / 2).sum(), (first * (agree - differ) / 2) @ second.T
    return torch.exp(middle + tilt), torch.exp(middle - tilt)


def _learnt(signs: Tensor, odd: Tensor) -> tuple[Float[Tensor, " component"], Tensor, Tensor]:
    """Reaches, level and noise under which the answers are likeliest."""
    from scipy.optimize import minimize

    n = signs.shape[1]
    effects = torch.linalg.lstsq(signs, odd, driver="gelsd").solution.abs()
    start = [*((effects / effects.max().clamp(min=1e-300)).clamp(0.05, 0.9) / 2).tolist(), 0.0, -7.0]
    bounds = [(0.001, 0.99)] * n + [(-10.0, 10.0), (math.log(NOISE), 1.0)]
    found = minimize(
        lambda free: _unlikely(torch.from_numpy(free), signs, odd), start, jac=True, bounds=bounds, options={"maxiter": STEPS}
    )
    free = torch.from_numpy(found.x)
    return free[:n], free[n].exp(), free[n + 1].exp()


def _unlikely(free: Float[Tensor, " free"], signs: Tensor, odd: Tensor) -> tuple[float, np.ndarray]:
    """Negative log likelihood of the answers, and its slope by reaches, log level and log noise."""
    reach, level, noise = free[:-2], free[-2].exp(), free[-1].exp()
    alike, mirrored = _products(signs, signs, reach)
    main = LINEAR / signs.shape[1] * (signs @ signs.T)
    root = torch.linalg.cholesky(level * (alike - mirrored) + main + noise * torch.eye(len(odd), dtype=torch.float64))
    weights = torch.cholesky_solve(odd[:, None], root)[:, 0]
    pull = (torch.cholesky_inverse(root) - torch.outer(weights, weights)) / 2  # slope by every entry of the matrix
    # A factor (1 +- reach s t) / (1 + reach) only falls with the reach, by 2 / (1 - reach^2), and where the two signs differ.
    far, near = pull * alike, pull * mirrored
    differing = far.sum() - ((far @ signs) * signs).sum(0)
    agreeing = near.sum() + ((near @ signs) * signs).sum(0)
    slope = level * (agreeing - differing) / (1 - reach.square())
    by_level = level * (far.sum() - near.sum())
    loss = odd @ weights / 2 + root.diagonal().log().sum()
    return float(loss), torch.cat([slope, by_level[None], (noise * pull.trace())[None]]).numpy()


def _product_values(
    weights: Float[Tensor, " row"], signs: Float[Tensor, "row component"], reach: Float[Tensor, " component"], level: Tensor
) -> Float[Tensor, " component"]:
    """Shapley values of the weighted sum of covariances.

    Those of a product are the integral, over the share p that joined, of its slope where every component is there with
    probability p: a polynomial, which Gauss's rule integrates exactly. Of its mirror image they are the same, negated.
    """
    pull, n = signs * reach, signs.shape[1]
    total = torch.zeros(n, dtype=torch.float64)
    weights_scaled = level * weights * torch.exp(-torch.log1p(reach).sum())
    for node, weight in zip(*np.polynomial.legendre.leggauss(n // 2 + 1), strict=True):
        factor = 1 + pull * float(node)
        others = factor.prod(dim=1, keepdim=True) / factor
        total += float(weight) * (weights_scaled @ (others * 2 * pull))
    return total + 2 * LINEAR / n * (weights @ signs)


def trees(signs: Float[Tensor, "row component"], odd: Float[Tensor, " row"], seed: int) -> Proxy:
    """Return boosted trees, fitted to four fifths of the pairs at a time.

    A leaf is worth what it says to the masks that have all of some components and none of some others, a game whose Shapley
    values are known on paper.
    """
    from sklearn.ensemble import GradientBoostingRegressor

    fold = torch.randperm(len(odd), generator=seeded(seed)) % N_FOLDS
    fold[0] = N_FOLDS  # everything is never left out
    said, values = [], []
    for k in range(N_FOLDS):
        kept = (fold != k).numpy()
        masks, answers = signs.numpy()[kept], odd.numpy()[kept]
        model = GradientBoostingRegressor(
            n_estimators=200, max_depth=4, subsample=0.7, max_features=0.5, random_state=seed % 2**32
        )
        model.fit([*masks, *-masks], [*answers, *-answers])
        said.append(torch.from_numpy(model.predict(signs.numpy()) - model.predict(-signs.numpy())) / 2)
        values.append(model.learning_rate * sum(_tree_values(tree.tree_, signs.shape[1]) for tree in model.estimators_[:, 0]))
    mean = torch.stack(said).mean(dim=0)
    unseen = torch.where(fold < N_FOLDS, torch.stack(said)[fold % N_FOLDS, torch.arange(len(odd))], mean)
    return Proxy(torch.stack(values).mean(dim=0), unseen, mean)


def _tree_values(tree: object, n: int) -> Float[Tensor, " component"]:
    """Shapley values of one tree of scikit-learn that splits signs."""
    total = torch.zeros(n, dtype=torch.float64)
    ahead: list[tuple[int, frozenset[int], frozenset[int]]] = [(0, frozenset(), frozenset())]
    left, right, feature, value = (getattr(tree, name) for name in ("children_left", "children_right", "feature", "value"))
    while ahead:
        node, there, gone = ahead.pop()
        if left[node] >= 0:
            i = int(feature[node])
            ahead += [(left[node], there, gone | {i}), (right[node], there | {i}, gone)]
            continue
        worth, p, q = float(value[node].item()), len(there), len(gone)
        for mine, sign, ways in ((there, 1, (p - 1, q)), (gone, -1, (p, q - 1))):
            if mine:
                share = math.factorial(ways[0]) * math.factorial(ways[1]) / math.factorial(p + q)
                total[list(mine)] += sign * worth * share
    return total
