"""Going on until the values are known well enough."""

import pytest
import torch

from games import Game, random_unanimity, sigmoid
from hearwhy.attribution import METHODS, kernel_shap, lime, shapley
from hearwhy.attribution.owen import masks_needed, owen
from hearwhy.attribution.rounds import Remembered, Round, doubt
from hearwhy.types import Estimate
from laws import one_thread  # noqa: F401 (a fixture)

ROUNDS = [name for name, entry in METHODS.items() if entry.sampled and entry.asks == "score"]


class Told:
    """A game that is told what every round found, and says for how many masks there is time."""

    def __init__(self, game: Game, *, patience: int = 10**9) -> None:
        self.game, self.patience, self.rounds, self.masks = game, patience, [], []

    def __call__(self, mask):
        self.masks.append(mask.flatten(1))
        return self.game(mask)

    def expect(self, told: Round) -> int:
        self.rounds.append(told)
        return self.patience


@pytest.mark.parametrize("method", ROUNDS)
def test_auto_ends_where_the_error_is_small_enough_or_all_is_known(method):
    score = Told(sigmoid(10, seed=3))
    found = METHODS[method].function(score, (10,), n_samples="auto", tolerance=0.1, seed=1)
    assert doubt(found) <= 0.1
    asked = torch.cat(score.masks)
    assert found.n_calls == len(asked) == len(asked.unique(dim=0))  # every round keeps the masks of the last
    done = [told.n_masks for told in score.rounds]
    assert done == sorted(set(done)) and done[-1] == found.n_calls == score.rounds[-1].expected
    assert all(told.expected > told.n_masks and told.error > 0.1 for told in score.rounds[:-1])
    assert score.rounds[-1].error == doubt(found) and score.rounds[-1].tolerance == 0.1


def test_the_last_round_is_the_sample_of_that_size():
    score = Told(sigmoid(16, seed=0))
    found = kernel_shap(score, (16,), n_samples="auto", tolerance=0.03, seed=4)
    again = kernel_shap(sigmoid(16, seed=0), (16,), n_samples=found.n_calls, seed=4)
    assert len(score.rounds) > 1 and found.n_calls < 2**16
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


@pytest.mark.parametrize(("patience", "asked"), [(0, 240), (250, 240), (300, 300), (700, 700)])
def test_it_asks_as_many_masks_as_there_is_time_for(patience, asked):
    """240 at first, then twice as many: a round that would take too long is shorter, one that adds next to nothing is none."""
    score = Told(sigmoid(30, seed=0), patience=patience)
    found = kernel_shap(score, (30,), n_samples="auto", tolerance=1e-4)
    assert found.stderr is not None and doubt(found) > 1e-4
    assert found.n_calls == asked and score.rounds[-1].expected > 10 * asked


def test_exact_owen_values_are_asked_for_where_the_groups_make_that_cheap():
    groups = (0,) * 6 + (1,) * 6
    score = Told(sigmoid(12, seed=3))
    found = owen(score, (12,), groups=groups, n_samples="auto", tolerance=1e-4)
    assert found.stderr is None and found.n_calls == masks_needed(groups) == 252
    assert score.rounds[0].expected == 252  # and not all 4096
    assert owen(sigmoid(4, seed=3), (4,), groups=(0, 0, 1, 1), n_samples="auto").n_calls == 12


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
