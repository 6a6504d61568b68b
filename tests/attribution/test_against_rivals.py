"""A share of `benchmarks/estimators.py`: fewer errors than captum's and shap's estimates at the same number of calls."""

import statistics
import sys
from pathlib import Path

import pytest

pytest.importorskip("captum")
pytest.importorskip("shap")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import estimators
import scenes

from laws import one_thread  # noqa: F401 (a fixture)

MASKS, GAMES = 480, 10
NAMES = ("kernel_shap", "regression_adjusted", "captum KernelShap", "shap KernelExplainer")


@pytest.fixture(scope="module")
def errors():
    """Median relative squared error on games of sixteen components, whose values all 65536 masks tell."""
    rows = {
        name: [estimators.row(scenes.scene("games-16", game), MASKS, game, name) for game in range(GAMES)] for name in NAMES
    }
    # captum asks about two or three masks more than it is told, shap about one.
    assert all(MASKS - 2 <= row["n_calls"] <= MASKS + 3 for mine in rows.values() for row in mine)
    return {name: statistics.median(float(row["error"]) for row in mine) for name, mine in rows.items()}


def test_the_default_has_a_quarter_of_captums_error_and_no_more_than_shaps(errors):
    assert errors["kernel_shap"] < errors["captum KernelShap"] / 4, errors
    assert errors["kernel_shap"] < errors["shap KernelExplainer"], errors


def test_regression_adjustment_has_half_of_shaps(errors):
    assert errors["regression_adjusted"] < errors["shap KernelExplainer"] / 2, errors
