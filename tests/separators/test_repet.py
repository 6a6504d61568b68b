"""REPET-SIM: its median against a slow one written from the paper, and a loop that a voice passes over."""

import numpy as np
import pytest
import torch

from hearwhy import Recording
from hearwhy.metrics.separation import si_sdr, si_sdr_improvement
from hearwhy.separators.repet import repeating, repet
from toys import noise, tone


def slowly(magnitude, apart):
    """Frame by frame: of those most alike and no neighbour's lesser twin, at most 100, the (lower) median of each bin."""
    n = magnitude.shape[1]
    unit = magnitude / np.linalg.norm(magnitude, axis=0)
    found = np.empty_like(magnitude)
    for frame in range(n):
        alike = unit.T @ unit[:, frame]
        peaks = [i for i in range(n) if alike[i] == alike[max(0, i - apart) : i + apart + 1].max()]
        best = sorted(peaks, key=lambda i: -alike[i])[:100]
        found[:, frame] = np.sort(magnitude[:, best], axis=1)[:, (len(best) - 1) // 2]
    return found


@pytest.mark.parametrize("apart", [1, 7, 400])
def test_the_median_is_the_published_one(apart):
    magnitude = torch.rand(20, 330, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = slowly(magnitude.numpy(), apart)
    np.testing.assert_array_equal(repeating(magnitude, apart).numpy(), expected)


def scene():
    """A loop of noise and notes, 1.5 s long and played eight times, and a tune over it that never comes back."""
    beat = torch.cat([noise(0.1, gain=0.3)[0], torch.zeros(2200)])
    notes = torch.cat([tone(hertz, seconds=0.5, gain=0.15) for hertz in (220, 277, 330)])
    loop = (notes + torch.cat([beat] * 4)).repeat(8)
    tune = torch.cat([tone(600 + 97 * i, seconds=0.6, gain=0.2) * torch.hann_window(4800) for i in range(20)])
    return loop, tune


def test_a_loop_is_told_from_the_tune_over_it():
    loop, tune = scene()
    found = repet(Recording(loop + tune, 8000))
    assert (found["repeating"] + found["foreground"] - loop - tune).abs().max() < 1e-6  # float32
    # Measured 8 and 7 dB; a median that did not look for repetitions would gain nothing.
    assert si_sdr_improvement(found["repeating"][0], loop, loop + tune) > 5
    assert si_sdr_improvement(found["foreground"][0], tune, loop + tune) > 5
    assert si_sdr(found["foreground"][0], loop) < -5


def test_a_loop_alone_is_all_background():
    loop, _ = scene()
    found = repet(Recording(loop, 8000))
    # All but the differences of frames that meet the loop at another place, and the two ends.
    assert si_sdr(found["repeating"][0], loop) > 15


def test_silence_has_no_direction_and_does_no_harm():
    sound = torch.cat([noise(1.0), torch.zeros(1, 8000), noise(1.0)], dim=1)
    found = repet(Recording(sound, 8000))
    assert all(torch.isfinite(wave).all() for wave in found.values())
    assert found["repeating"][:, 10000:14000].abs().max() < 1e-6
