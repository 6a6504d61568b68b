"""NMF: spectra that come and go, found without training."""

from __future__ import annotations

import re

import torch
from jaxtyping import Float
from torch import Tensor

from hearwhy.separators import soft_masks
from hearwhy.types import Recording

N_ITERATIONS = 200
_LEAST = 1e-12  # no entry falls below it: nothing is divided by 0, and nothing becomes so small that the processor slows down


def nmf(recording: Recording, n: int, *, seed: int = 0) -> dict[str, Tensor]:
    """Return `n` shares of the recording, each one spectrum at changing loudness; they sum to it.

    The magnitude spectrogram V (n_fft 2048, hop 512, mean of the channels) is approximated by W H, n spectra times n gains
    over time, by 200 multiplicative updates that never increase the Kullback-Leibler divergence. Component k is the recording
    under the soft mask ``W_k H_k / (W H)``, which all channels share. Sorted by the centroid of its power, which the
    names tell: ``"nmf 1 (120 Hz)"``. Good at notes and drums that repeat; a voice, a glide or a reverberant room is no
    single spectrum and lands in several components.

    Parameters
    ----------
    recording
        What to separate, at least 2048 samples.
    n
        Number of components, from 2 to 64.
    seed
        Of the random start; the factorisation depends on it.

    Returns
    -------
    dict
        Name to waveform, (channel, time).

    Raises
    ------
    ValueError
        `n` is out of range, or the recording is shorter than one frame.

    References
    ----------
    .. [Lee2001] "Algorithms for non-negative matrix factorization", NIPS 2001, the updates for the divergence.
    .. [Smaragdis2003] "Non-negative matrix factorization for polyphonic music transcription", WASPAA 2003.
       Deviation: soft masks on the complex STFT instead of the components' own magnitudes, so that the parts sum to the
       recording.
    """
    if not 2 <= n <= 64:
        raise ValueError(f"nmf takes 2 to 64 components; got {n}.")
    spectrum = soft_masks.spectrum(recording, "nmf")
    spectra, gains = factors(soft_masks.magnitude(spectrum), n, seed=seed)
    hertz = torch.linspace(0, recording.sample_rate / 2, len(spectra), dtype=spectra.dtype)
    centroids = hertz @ (spectra**2 / (spectra**2).sum(0))  # of the power: the long faint rest of a spectrum shifts it little
    whole = spectra @ gains
    found = {}
    for place, k in enumerate(centroids.argsort(stable=True).tolist(), start=1):
        mask = torch.outer(spectra[:, k], gains[k]) / whole
        found[f"nmf {place} ({round(float(centroids[k]))} Hz)"] = soft_masks.heard(spectrum, mask, recording)
    return found


def nmf_spec(recording: Recording, argument: str) -> dict[str, Tensor]:
    """Return `nmf` of what stands after ``nmf=`` in a spec: ``6`` or ``6,seed=1``."""
    given = re.fullmatch(r"(\d+)(?:,seed=(\d+))?", argument)
    if not given:
        raise ValueError(f"nmf takes a whole number and perhaps a seed, as in nmf=6 or nmf=6,seed=1; got nmf={argument}.")
    return nmf(recording, int(given[1]), seed=int(given[2] or 0))


def factors(
    magnitude: Float[Tensor, "freq frame"], n: int, *, seed: int, n_iterations: int = N_ITERATIONS
) -> tuple[Float[Tensor, "freq n"], Float[Tensor, "n frame"]]:
    """Return n spectra, each summing to 1, and their gains, whose product approximates a magnitude spectrogram."""
    generator = torch.Generator().manual_seed(seed)
    scale = magnitude.mean().clamp(min=1e-30)  # so that quiet recordings are factorised like loud ones
    target = magnitude / scale
    n_freqs, n_frames = target.shape
    spectra = torch.rand(n_freqs, n, generator=generator) + 0.1
    spectra = spectra / spectra.sum(0)
    gains = (torch.rand(n, n_frames, generator=generator) + 0.1) * n_freqs / n
    for _ in range(n_iterations):
        gains = (gains * (spectra.T @ (target / (spectra @ gains)))).clamp(min=_LEAST)
        updated = (spectra * ((target / (spectra @ gains)) @ gains.T)).clamp(min=_LEAST)
        sums = updated.sum(0)
        # Each spectrum is brought back to a sum of 1, and its gains take the loudness.
        spectra, gains = updated / sums, (gains * (sums / gains.sum(1))[:, None]).clamp(min=_LEAST)
    return spectra, gains * scale
