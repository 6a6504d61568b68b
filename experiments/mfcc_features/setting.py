"""What is trained and asked, in two configurations: the one whose numbers are published here, and a trial of minutes."""

from __future__ import annotations

from dataclasses import dataclass

SCALES = ("probability", "log_odds")
"""The tutorial explains probabilities; log-odds are hearwhy's own scale. The same answers of the model serve both."""
OURS = ("kernel_shap", "regression_adjusted", "permutation")
SHAP = {"shap": "num_features(10)", "shap, no l1": False}
"""shap.KernelExplainer: what it is called here, and its l1_reg; the first is its default."""
BESIDE = {"shap": ("kernel_shap", {}), "lime": ("lime", {}), "lime (paper)": ("lime", {"protocol": "paper"})}
"""The two that stand beside each other; LIME also as published: one ridge of 1, masks drawn alone."""
COMPONENTS = "mfcc=40"
TUTORIAL_CALLS = 10  # nsamples=10, and 10 rows of background
N_ROWS = 10


@dataclass(frozen=True)
class Setting:
    """How much is done.

    Parameters
    ----------
    budgets, seeds
        Masks of the error curve, and how often each method is asked with other masks.
    n_reference
        Masks of the reference.
    curve_clips, checked_clips
        Clips of the error curve, and those of them that have a second reference of other masks.
    exact_clips
        Clips on which all masks of `n_groups` groups are asked, ours and shap's ExactExplainer.
    n_groups
        Groups of neighbouring coefficients there.
    beside_clips, beside_budgets
        Clips on which LIME stands beside SHAP, and masks.
    fill_clips
        Clips that are explained under every meaning of absent.
    band_epochs
        Epochs of training on the instruments of `band` songs; None: the recipe's own.
    songs
        Songs of each split of `band`; None: all.
    epochs
        Of the networks on ESC-10; None: the recipe's own.
    """

    budgets: tuple[int, ...] = (10, 100, 300, 1000, 2000)
    seeds: int = 3
    n_reference: int = 65_536
    curve_clips: int = 10
    checked_clips: int = 1
    exact_clips: int = 3
    n_groups: int = 10
    beside_clips: int = 40
    beside_budgets: tuple[int, ...] = (300, 1000)
    fill_clips: int = 6
    band_epochs: int | None = 30
    songs: int | None = 40
    epochs: int | None = None


CONFIGURATIONS = {
    "cpu": Setting(),
    "trial": Setting(
        budgets=(10, 200),
        seeds=2,
        n_reference=2_000,
        curve_clips=2,
        exact_clips=1,
        n_groups=6,
        beside_clips=3,
        beside_budgets=(200,),
        fill_clips=1,
        band_epochs=2,
        songs=12,
        epochs=2,
    ),
}
