"""Batches on the CPU are as large as memory is reused, whatever the model makes of them; the answers are the same."""

import pytest
import torch

from hearwhy import Predict, components
from hearwhy.memory import REUSED_BYTES, Largest, fitting
from toys import ToneDetector, noisy

MASKS = torch.rand(60, 6, generator=torch.Generator().manual_seed(0)) < 0.5
MASKS = MASKS.unique(dim=0)


class Wasteful(ToneDetector):
    """Makes a tensor of so many bytes for every item on the way."""

    def __init__(self, n_bytes: int) -> None:
        super().__init__({"low": 440.0, "high": 2000.0})
        self.n_bytes = n_bytes

    def forward(self, audio):
        return super().forward(audio) + 0 * torch.zeros(len(audio), self.n_bytes // 4).mean(1, keepdim=True)


def asked(model, **options):
    predict = Predict(model, components("bands:6", noisy()), **options)
    return predict(MASKS), predict


@pytest.mark.parametrize(("n_bytes", "most"), [(REUSED_BYTES // 3, 3), (REUSED_BYTES, 1), (2 * REUSED_BYTES, 1), (64, 64)])
def test_after_the_first_batch_no_tensor_outgrows_what_is_reused(n_bytes, most):
    model = Wasteful(n_bytes)
    answers, predict = asked(model)
    assert max(model.batches[1:]) == min(most, len(MASKS) - model.batches[0]) and model.batches[0] <= 4
    assert predict.batch_size == most and predict.n_calls == sum(model.batches) == len(MASKS)
    assert torch.allclose(answers, asked(Wasteful(64))[0], atol=1e-6)


def test_a_batch_size_that_is_given_is_kept():
    model = Wasteful(REUSED_BYTES)
    asked(model, batch_size=5)
    assert max(model.batches) == 5


def test_the_same_question_is_asked_in_the_same_batches():
    one, other = Wasteful(REUSED_BYTES // 7), Wasteful(REUSED_BYTES // 7)
    assert torch.equal(asked(one)[0], asked(other)[0]) and one.batches == other.batches


def test_the_largest_tensor_is_seen_wherever_it_is_made():
    with Largest() as largest:
        torch.nn.Sequential(torch.nn.Conv1d(1, 16, 3), torch.nn.ReLU(), torch.nn.Flatten())(torch.zeros(2, 1, 102)).max()
    assert largest.n_bytes == 2 * 16 * 100 * 4


def test_what_is_no_tensor_counts_for_nothing():
    with Largest() as largest:
        torch.tensor([3]).item()
    assert largest.n_bytes == 8
    assert fitting(0, 4, most=64) == 64
