"""Going on until the values are known well enough."""

import pytest
import torch

from games import Game, random_unanimity, sigmoid
from hearwhy.attribution import METHODS, kernel_shap, lime, shapley
from hearwhy.attribution.rounds import Remembered, doubt
from hearwhy.types import Estimate
from laws import one_thread  # noqa: F401 (a fixture)

ROUNDS = [name for name, entry in METHODS.items() if entry.sampled and entry.asks == "score"]


class Told:
    """A game that is told how many masks are still expected, and may say that time is up."""

    def __init__(self, game: Game, *, patience: int = 10**9) -> None:
        self.game, self.patience, self.told, self.masks = game, patience, [], []

    def __call__(self, mask):
        self.masks.append(mask.flatten(1))
        return self.game(mask)

    def expect(self, done: int, expected: int) -> bool:
        self.told.append((done, expected))
        return done < self.patience


@pytest.mark.parametrize("method", ROUNDS)
def test_auto_ends_where_the_error_is_small_enough_or_all_is_known(method):
    score = Told(sigmoid(10, seed=3))
    found = METHODS[method].function(score, (10,), n_samples="auto", tolerance=0.1, seed=1)
    assert doubt(found) <= 0.1
    asked = torch.cat(score.masks)
    assert found.n_calls == len(asked) == len(asked.unique(dim=0))  # every round keeps the masks of the last
    assert [done for done, _ in score.told] == sorted({done for done, _ in score.told})
    assert all(expected >= done for done, expected in score.told) and score.told[-1][0] == found.n_calls


def test_the_last_round_is_the_sample_of_that_size():
    score = Told(sigmoid(16, seed=0))
    found = kernel_shap(score, (16,), n_samples="auto", tolerance=0.03, seed=4)
    again = kernel_shap(sigmoid(16, seed=0), (16,), n_samples=found.n_calls, seed=4)
    assert len(score.told) > 1 and found.n_calls < 2**16
    assert torch.equal(found.values, again.values) and torch.equal(found.stderr, again.stderr)


def test_a_smaller_tolerance_asks_more_and_errs_less():
    game = random_unanimity((20,), seed=1, terms=40, targets=1)
    rough, fine = (kernel_shap(game, (20,), n_samples="auto", tolerance=t) for t in (0.1, 0.01))
    assert fine.n_calls > 2 * rough.n_calls
    assert (fine.values - game.shapley).norm() < (rough.values - game.shapley).norm()


def test_all_masks_are_asked_where_that_is_little_more():
    game = sigmoid(9, seed=3)
    found = kernel_shap(game, (9,), n_samples="auto", tolerance=1e-4)
    assert found.stderr is None and found.n_calls == 512
    torch.testing.assert_close(found.values, shapley(game, (9,)).values, rtol=0, atol=1e-6)


def test_it_ends_when_time_is_up():
    score = Told(sigmoid(30, seed=0), patience=300)
    found = kernel_shap(score, (30,), n_samples="auto", tolerance=1e-4)
    assert found.stderr is not None and doubt(found) > 1e-4
    assert 300 <= found.n_calls <= 480 and score.told[-1][1] > 10 * found.n_calls  # 240 at first, then twice as many


def test_a_score_that_never_changes_needs_one_round():
    found = kernel_shap(lambda mask: torch.full((len(mask), 2), 3.7), (30,), n_samples="auto")
    assert found.n_calls == 240 and found.values.abs().max() < 1e-6


@pytest.mark.parametrize("tolerance", [0, -0.1, 1, "small", float("nan")])
def test_a_tolerance_that_is_no_share_is_refused(tolerance):
    with pytest.raises(ValueError, match="tolerance is a share of the range of values, between 0 and 1; got"):
        kernel_shap(sigmoid(5, seed=0), (5,), n_samples="auto", tolerance=tolerance)


def test_the_published_lime_has_no_error_to_stop_at():
    with pytest.raises(ValueError, match=r"lime\(protocol=paper\) has no error to stop at"):
        lime(sigmoid(5, seed=0), (5,), n_samples="auto", protocol="paper")


def test_doubt_is_the_worst_target():
    values, stderr = torch.tensor([[0.0, 10.0], [0.0, 1.0]]), torch.tensor([[0.5, 1.0], [0.2, 0.1]])
    assert doubt(Estimate(values, torch.zeros(2), 9, stderr)) == pytest.approx(0.2)
    assert doubt(Estimate(values, torch.zeros(2), 9)) == 0


def test_what_is_remembered_is_not_asked_again():
    score = Told(sigmoid(4, seed=0))
    remembered = Remembered(score, (4,))
    masks = torch.tensor([[True, False, True, True], [False] * 4, [True, False, True, True]])
    torch.testing.assert_close(remembered(masks), score.game(masks))
    remembered(masks[:1])
    assert remembered.n_asked == 2 and sum(len(m) for m in score.masks) == 2


def test_a_margin_is_students_t_times_the_standard_error():
    """97.5 % quantiles from the tables: 12.706 and 2.228; 1.96 where nothing limits them."""
    for df, quantile in ((1, 12.706), (10, 2.228), (float("inf"), 1.960)):
        estimate = Estimate(torch.ones(1, 2), torch.zeros(1), 9, torch.tensor([[1.0, 0.5]]), df=df)
        torch.testing.assert_close(estimate.margin(), torch.tensor([[quantile, quantile / 2]]), rtol=0, atol=6e-4)
    assert Estimate(torch.ones(1, 2), torch.zeros(1), 9).margin().tolist() == [[0.0, 0.0]]
