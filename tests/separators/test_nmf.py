"""NMF: its updates, its planted answer, its names."""

import re
import warnings
from itertools import pairwise

import numpy as np
import pytest
import torch

from hearwhy import Recording
from hearwhy.metrics.separation import si_sdr
from hearwhy.separators.nmf import factors, nmf
from toys import noise, tone

RATE = 8000


def divergence(target, product):
    """Generalised Kullback-Leibler, in float64, from the textbook."""
    target, product = target.double(), product.double()
    return float(torch.special.xlogy(target, target / product).sum() - target.sum() + product.sum())


def spectrogram():
    """Three spectra with gains of their own and a little noise: nothing that three components can reach exactly."""
    generator = torch.Generator().manual_seed(3)
    spectra, gains, rest = (torch.rand(*size, generator=generator) for size in ((40, 3), (3, 60), (40, 60)))
    return spectra**4 @ gains**4 + 0.05 * rest


def chords():
    """Two chords that come and go at times of their own, the high one first."""
    low = tone(200, seconds=4, gain=0.2) + tone(500, seconds=4, gain=0.1)
    high = tone(1500, seconds=4, gain=0.2) + tone(2600, seconds=4, gain=0.1)
    time = torch.arange(4 * RATE) / RATE
    return (low * (torch.sin(4.1 * time) > 0), high * (torch.cos(2.3 * time) > 0))


def test_every_update_brings_the_product_closer():
    target = spectrogram()
    steps = [0, 1, 2, 5, 10, 50, 200]
    at = [factors(target, 3, seed=0, n_iterations=n) for n in steps]
    found = [divergence(target, spectra @ gains) for spectra, gains in at]
    assert all(later < earlier for earlier, later in pairwise(found))


def test_the_updates_are_lee_and_seungs():
    """Theirs in float64 without bringing spectra to a sum of 1, which changes W and H but not their product."""
    target = spectrogram()
    w, h = (factor.double().numpy() for factor in factors(target, 3, seed=0, n_iterations=0))
    v = target.double().numpy()
    for _ in range(3):
        h = h * (w.T @ (v / (w @ h))) / w.sum(0)[:, None]
        w = w * ((v / (w @ h)) @ h.T) / h.sum(1)
    spectra, gains = factors(target, 3, seed=0, n_iterations=3)
    np.testing.assert_allclose((spectra @ gains).numpy(), w @ h, rtol=1e-4)  # float32


def test_it_comes_as_close_as_scikit_learns():
    from sklearn.decomposition import NMF

    target = spectrogram()
    ours = min(divergence(target, spectra @ gains) for spectra, gains in (factors(target, 3, seed=s) for s in range(3)))
    theirs = []
    for seed in range(3):
        model = NMF(3, solver="mu", beta_loss="kullback-leibler", init="random", random_state=seed, max_iter=200, tol=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says that 200 steps with tol=0 did not converge, which is what is compared
            product = model.fit_transform(target.numpy()) @ model.components_
        theirs.append(divergence(target, torch.from_numpy(product)))
    assert ours == pytest.approx(min(theirs), rel=0.02)  # other random starts: local optima, a per cent or so apart


def test_spectra_sum_to_one_and_gains_carry_the_loudness():
    target = spectrogram()
    for n in (1, 200):
        spectra, gains = factors(target, 3, seed=0, n_iterations=n)
        assert torch.allclose(spectra.sum(0), torch.ones(3))
        # After every update of the spectra the product holds as much as the target; 1e-4 is float32 over 2400 bins.
        assert gains.sum().item() == pytest.approx(target.sum().item(), rel=1e-4)


@pytest.mark.parametrize("gain", [1e-4, 1.0])
def test_chords_that_come_and_go_are_told_apart_however_quiet(gain):
    low, high = (gain * chord for chord in chords())
    found = nmf(Recording(low + high, RATE), 2, seed=0)
    first, second = found.values()
    # One frame is 256 ms of the chord's beginning and end: 15 dB is what a mask can do, chance would be about 0.
    assert si_sdr(first[0], low) > 15
    assert si_sdr(second[0], high) > 15


def test_components_are_named_by_place_and_centroid_from_low_to_high():
    low, high = chords()
    names = list(nmf(Recording(low + high, RATE), 2, seed=0))
    centroids = [int(re.fullmatch(rf"nmf {i} \((\d+) Hz\)", name)[1]) for i, name in enumerate(names, start=1)]
    assert 200 < centroids[0] < 500 < 1500 < centroids[1] < 2600


def test_the_seed_is_the_only_thing_that_is_random():
    recording = Recording(noise(0.5), RATE)
    before = torch.get_rng_state()
    same, again, other = (nmf(recording, 3, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(same[name], again[name]) for name in same)
    assert list(same) != list(other) or not all(torch.equal(same[name], other[name]) for name in same)


def test_silence_between_sounds_is_shared_without_a_trace():
    sound = torch.cat([noise(0.5), torch.zeros(1, 8000), noise(0.5, seed=1)], dim=1)
    found = nmf(Recording(sound, RATE), 4)
    assert all(torch.isfinite(wave).all() for wave in found.values())
    assert all(wave[:, 6200:10000].abs().max() < 1e-6 for wave in found.values())  # a frame away from any sound
    assert np.isclose(sum(found.values()).numpy(), sound.numpy(), atol=1e-6).all()
