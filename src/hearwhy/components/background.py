"""Background: what the values of features usually are, so that a value that is switched off can be an ordinary one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

N_ROWS = 10  # typical clips that stand for all
RIDGE = 1e-3  # of the mean variance, added to every variance: few clips leave the covariance without an inverse


@dataclass(frozen=True, eq=False)
class Background:
    """What is known of the values of features over some clips; a clip's value is the mean over its frames.

    Parameters
    ----------
    rows
        Typical clips, (row, value): the centres of k-means.
    weights
        Share of the clips that each row stands for, (row,); they sum to 1, and the weighted mean of the rows is the mean of
        all clips.
    covariance
        Of the values over the clips, (value, value).
    source
        What it was made of, in words.
    """

    rows: Float[Tensor, "row value"]
    weights: Float[Tensor, " row"]
    covariance: Float[Tensor, "value value"]
    source: str = "background"

    @staticmethod
    def of(
        values: Float[Tensor, "clip value"], *, n_rows: int = N_ROWS, seed: int = 0, source: str = "background"
    ) -> Background:
        """Return the background that clips make: at most `n_rows` typical ones, by k-means on values of unit variance.

        Raises
        ------
        ValueError
            There are fewer than two clips, or values that are NaN or infinite.
        """
        if values.ndim != 2 or len(values) < 2 or not torch.isfinite(values).all():
            raise ValueError(
                f"A background needs finite values (clip, value) of at least two clips; got {tuple(values.shape)}."
            )
        from sklearn.cluster import KMeans

        values = values.detach().to("cpu", torch.float64)
        spread = values.std(dim=0)
        scaled = (values / spread.where(spread > 0, 1.0)).numpy()
        distinct = len(torch.unique(values, dim=0))
        labels = KMeans(min(n_rows, distinct), n_init=4, random_state=seed).fit(scaled).labels_
        member = torch.nn.functional.one_hot(torch.from_numpy(labels).long()).to(torch.float64)
        weights = member.mean(dim=0)
        rows = (member / member.sum(dim=0)).T @ values
        return Background(rows.float(), weights.float(), torch.cov(values.T).reshape(2 * (values.shape[1],)).float(), source)

    @property
    def mean(self) -> Float[Tensor, " value"]:
        """The mean of the clips."""
        return self.weights @ self.rows

    @property
    def std(self) -> Float[Tensor, " value"]:
        """The standard deviation over the clips."""
        return self.covariance.diagonal().clamp(min=0).sqrt()

    def given(self, values: Float[Tensor, " value"], keep: Bool[Tensor, "mask value"]) -> Float[Tensor, "mask value"]:
        """Return what all values are expected to be when some are kept: those, and for the rest the mean given them.

        The law of a normal distribution with this mean and covariance: ``mean + C[r, k] C[k, k]^-1 (values - mean)[k]`` for
        the removed r and the kept k. One linear system a mask.
        """
        mean, covariance = self.mean.double(), self.covariance.double()
        covariance = covariance + RIDGE * covariance.diagonal().mean() * torch.eye(len(mean), dtype=torch.float64)
        kept = keep.to(torch.float64)
        # Rows and columns of what is removed become those of the unit matrix, so that every mask has a system of one size.
        system = kept[:, :, None] * covariance * kept[:, None, :] + torch.diag_embed(1 - kept)
        weights = torch.linalg.solve(system, kept * (values.double() - mean))
        expected = mean + (kept * weights) @ covariance
        return torch.where(keep, values.double(), expected).to(values)

    def as_tensors(self) -> dict[str, Tensor]:
        """Return what a weights file holds of it."""
        return {f"background.{name}": getattr(self, name).contiguous() for name in ("rows", "weights", "covariance")}

    @staticmethod
    def from_tensors(tensors: Mapping[str, Tensor], *, source: str = "background") -> Background | None:
        """Return the background in a weights file; None where it holds none."""
        if "background.rows" not in tensors:
            return None
        rows, weights, covariance = (tensors[f"background.{name}"] for name in ("rows", "weights", "covariance"))
        return Background(rows, weights, covariance, source)
