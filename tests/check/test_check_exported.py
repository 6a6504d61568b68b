"""A model whose copy is in double precision by name only is compared in float32, and its right gradient passes."""

import torch

from hearwhy.check import check
from hearwhy.check.subject import doubled
from toys import ToneDetector, noisy


class Casting(torch.nn.Module):
    """As an exported program does: whatever it is given, it computes in float32."""

    sample_rate, channels, labels, activation, window_s, fingerprint = 8000, 1, ("low", "high"), "softmax", None, None

    def __init__(self):
        super().__init__()
        self.inside, self.gain = ToneDetector({"low": 440.0, "high": 2000.0}), torch.nn.Parameter(torch.ones(1))
        self.eval()

    def forward(self, audio):
        return (self.inside(audio.float()).float() * 3).to(audio.dtype)


def test_a_right_gradient_passes_although_the_copy_casts():
    found = check(Casting(), noisy(0.5, rate=8000))["gradient"]
    assert found.state == "passed", found.text


def test_a_copy_that_casts_is_told_from_one_that_computes():
    audio = noisy(0.5, rate=8000).audio[None].double()
    answers = doubled(Casting())(audio)
    assert answers.dtype == torch.float64
    assert torch.equal(answers.float().double(), answers)
    true = ToneDetector({"low": 440.0, "high": 2000.0})(audio)
    assert not torch.equal(true.float().double(), true)
