"""SI-SDR of separated sources: against torchmetrics and mir_eval, by hand, and at its ends."""

import math
import warnings

import numpy as np
import pytest
import torch

from hearwhy.metrics.separation import si_sdr, si_sdr_improvement


def pair(channels=None, *, offset=0.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (4000,) if channels is None else (channels, 4000)
    reference = torch.randn(shape, generator=generator) + offset
    return 0.7 * reference + 0.4 * torch.randn(shape, generator=generator) + offset, reference


@pytest.mark.parametrize("zero_mean", [False, True])
@pytest.mark.parametrize("offset", [0.0, 0.8])
def test_it_is_torchmetrics_with_and_without_the_mean(zero_mean, offset):
    from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio

    estimate, reference = pair(offset=offset)
    theirs = scale_invariant_signal_distortion_ratio(estimate.double(), reference.double(), zero_mean=zero_mean)
    # float64 on both sides; torchmetrics adds its epsilon
    assert si_sdr(estimate, reference, zero_mean=zero_mean) == pytest.approx(float(theirs), abs=1e-9)


def test_it_is_mir_evals_with_a_filter_of_one_tap():
    from mir_eval import separation

    estimate, reference = pair()
    other = torch.randn(4000, generator=torch.Generator().manual_seed(9))
    mixed = estimate + 0.2 * other
    sources = torch.stack([reference, other]).double().numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mir_eval says that its separation module will go
        target, spatial, interference, artefacts = separation._bss_decomp_mtifilt(sources, mixed.double().numpy(), 0, 1)
        sdr = separation._bss_source_crit(target, spatial, interference, artefacts)[0]
    assert si_sdr(mixed, reference) == pytest.approx(sdr, abs=1e-9)  # float64 on both sides


def test_channels_are_judged_together_under_one_gain():
    """By hand: s = (1, 0 | 0, 1), e = (1, 0 | 0, 3), a = (1 + 3) / 2 = 2, |a s|^2 = 8, |a s - e|^2 = 2."""
    reference = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    estimate = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    assert si_sdr(estimate, reference) == pytest.approx(10 * math.log10(8 / 2), abs=1e-12)
    swapped = si_sdr(estimate.flip(0), reference)
    assert swapped == -120  # the same music at the wrong side


def test_the_mean_is_that_of_each_channel():
    estimate, reference = pair(2)
    moved = torch.tensor([[0.5], [-2.0]])
    assert si_sdr(estimate + moved, reference - moved, zero_mean=True) == pytest.approx(
        si_sdr(estimate, reference, zero_mean=True), abs=1e-5  # the offsets rounded the float32 samples
    )  # fmt: skip
    assert si_sdr(estimate + moved, reference) < si_sdr(estimate, reference) - 5


def test_gain_does_not_count():
    estimate, reference = pair()
    for gain in (1e-3, -1.0, 40.0):
        assert si_sdr(gain * estimate, reference) == pytest.approx(si_sdr(estimate, reference), abs=1e-4)  # float32 samples


def test_nothing_is_measured_against_silence():
    estimate, _ = pair()
    silence = torch.zeros_like(estimate)
    assert math.isnan(si_sdr(estimate, silence))
    assert math.isnan(si_sdr(silence, silence))
    assert math.isnan(si_sdr_improvement(estimate, silence, estimate))
    assert math.isnan(si_sdr(estimate, torch.full_like(estimate, 0.25), zero_mean=True))
    assert si_sdr(silence, estimate) == -120
    assert si_sdr(estimate, estimate) == 120


def test_improvement_is_what_the_separation_gained():
    generator = torch.Generator().manual_seed(0)
    drums, bass = torch.randn(2, 100_000, generator=generator)
    # 20 dB of the bass is gone; independent noise of 1e5 samples correlates by 0.3 %, a few hundredths of a dB
    assert si_sdr_improvement(drums + 0.1 * bass, drums, drums + bass) == pytest.approx(20, abs=0.1)
    assert si_sdr_improvement(drums + bass, drums, drums + bass) == 0
    assert si_sdr_improvement(bass, drums, drums + bass) < -30


@pytest.mark.parametrize(
    ("estimate", "reference", "message"),
    [
        (torch.ones(4), torch.ones(5), r"one shape; got \(4,\) and \(5,\)"),
        (torch.ones(2, 4), torch.ones(8), r"got \(2, 4\) and \(8,\)"),
        (torch.ones(0), torch.ones(0), "must be"),
        (torch.tensor([np.nan, 1]), torch.ones(2), "NaN or infinite"),
    ],
)
def test_what_cannot_be_compared_is_said(estimate, reference, message):
    with pytest.raises(ValueError, match=message):
        si_sdr(estimate, reference)
