"""From masked features to sound: no mask gives the recording back, a mask takes away what it says, at the recording's level."""

import itertools
import math

import pytest
import torch

from hearwhy.front_ends import MEL_DB, STFT_DB, LogMel, LogStft, PeakNormalised, Standardised
from hearwhy.front_ends.padded import Padded
from hearwhy.front_ends.rendering import gains, paper_inverse, render

RATE = 16_000
FRONT_ENDS = {
    "stft_db": STFT_DB,
    "mel_db": MEL_DB,
    "stft_log1p": LogStft(RATE, 1024, 186, log="log1p"),
    "stft_odd_constant": LogStft(RATE, 513, 200, pad="constant"),
    "stft_unpadded": LogStft(RATE, 512, 256, pad=None),
    "mel_log1p": LogMel(RATE, 1024, 512, 128, norm=None, power=1.0, log="log1p", gain=10.0),
    "mel_power": LogMel(RATE, 512, 200, 40, log="none"),
    "mel_log10": LogMel(RATE, 512, 256, 40, log="log10_1p", gain=1e4),
    "peak": PeakNormalised(STFT_DB),
    "peak_mel": PeakNormalised(MEL_DB),
    "standardised": Standardised(PeakNormalised(MEL_DB), -40.0, 20.0),
}


def two_tones(n_samples: int, *, rate: int = RATE, seed: int = 0) -> torch.Tensor:
    """500 Hz and 4 kHz, equally loud, in a little noise; the ends are as loud as the rest."""
    time = torch.arange(n_samples) / rate
    noise = 0.001 * torch.randn(n_samples, generator=torch.Generator().manual_seed(seed))
    return (0.2 * torch.cos(2 * math.pi * 500 * time) + 0.2 * torch.cos(2 * math.pi * 4000 * time) + noise)[None]


def level_db(audio: torch.Tensor, hertz: float, rate: int) -> float:
    """Level of one tone, away from the ends."""
    audio = audio[0, 4096:-4096].double()
    wave = torch.exp(-2j * math.pi * hertz * torch.arange(len(audio), dtype=torch.float64) / rate)
    return float(20 * torch.log10((audio.to(wave.dtype) @ (wave * torch.hann_window(len(audio)))).abs() / len(audio)))


def bins_of(front_end) -> torch.Tensor:
    """Frequency of every feature, in Hz: of the bin, or of the filter's middle."""
    while hasattr(front_end, "front_end"):
        front_end = front_end.front_end
    bins = torch.arange(front_end.n_fft // 2 + 1) * front_end.sample_rate / front_end.n_fft
    if isinstance(front_end, LogStft):
        return bins
    from hearwhy.front_ends.log_mel import mel_filters

    filters = mel_filters(front_end).float()
    return (filters @ bins) / filters.sum(dim=1)


@pytest.mark.parametrize("name", FRONT_ENDS)
@pytest.mark.parametrize("n_samples", [16_000, 16_001, 16_255, 5_003])
def test_no_mask_gives_back_the_recording_at_every_sample(name, n_samples):
    front_end = FRONT_ENDS[name]
    audio = two_tones(n_samples, rate=front_end.sample_rate)
    features = front_end(audio)
    rendered = render(front_end, audio, features, features.clone())
    assert rendered.shape == audio.shape
    gain = gains(front_end, features, features.clone())
    assert (gain == 1).all() if "mel" not in name and name != "standardised" else (gain - 1).abs().max() < 1e-6
    # 100 dB under the level of the recording (0.2), at the first and the last sample as in between
    assert (rendered - audio).abs().max() < 2e-6


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_what_is_masked_is_gone_and_the_rest_keeps_its_level(name):
    front_end = FRONT_ENDS[name]
    rate = front_end.sample_rate
    audio = two_tones(2 * rate, rate=rate)
    features = front_end(audio)
    quiet = front_end(torch.zeros_like(audio))  # the floor of these features
    kept = (bins_of(front_end) < 2000)[None, :, None]
    rendered = render(front_end, audio, features, features.where(kept, quiet))
    assert level_db(rendered, 500, rate) == pytest.approx(level_db(audio, 500, rate), abs=0.1)
    assert level_db(rendered, 4000, rate) < level_db(audio, 4000, rate) - 40


def test_decibels_become_their_gain_and_levels_are_the_recordings_own():
    audio = 0.01 * two_tones(32_000)
    for front_end in (STFT_DB, PeakNormalised(STFT_DB), Standardised(STFT_DB, -30.0, 15.0)):
        spread = getattr(front_end, "std", 1.0)
        features = front_end(audio)
        assert gains(front_end, features, features - 6 / spread) == pytest.approx(10 ** (-6 / 20), rel=1e-4)
        rendered = render(front_end, audio, features, features - 20 / spread)
        torch.testing.assert_close(rendered, 0.1 * audio, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "front_end, amplitude",
    [
        (LogStft(RATE, 512, 256, log="log1p", gain=3.0), lambda x: torch.expm1(x)),
        (LogMel(RATE, 512, 256, 40, power=1.0, log="log10_1p"), lambda x: 10**x - 1),
        (LogMel(RATE, 512, 256, 40, power=1.0, log="none"), lambda x: x),
        (LogMel(RATE, 512, 256, 40, power=2.0, log="log1p"), lambda x: torch.expm1(x).sqrt()),
    ],
    ids=["log1p", "log10_1p", "none", "power"],
)
def test_other_logarithms_give_the_ratio_of_amplitudes(front_end, amplitude):
    features = front_end(two_tones(8_000)).double()
    gain = gains(front_end, features, 0.5 * features)
    wanted = amplitude(0.5 * features) / amplitude(features)
    if isinstance(front_end, LogStft):
        torch.testing.assert_close(gain, wanted, rtol=1e-9, atol=0)
    else:  # each bin lies between the gains of its bands
        assert (gain >= wanted.amin(dim=1, keepdim=True) - 1e-9).all() and (
            gain <= wanted.amax(dim=1, keepdim=True) + 1e-9
        ).all()


def test_a_bands_gain_goes_to_its_bins_and_beyond_the_filters_to_the_nearest():
    features = torch.zeros(1, 64, 1)
    masked = torch.full((1, 64, 1), -20.0)  # a gain of 0.1
    masked[0, 0], masked[0, -1] = 0.0, -40.0
    gain = gains(MEL_DB, features, masked)[0, :, 0]
    hertz = torch.arange(513) * 32_000 / 1024
    assert gain[hertz <= 50] == pytest.approx(1.0)  # below the lowest filter
    assert gain[hertz >= 14_000] == pytest.approx(0.01)  # above the highest
    assert gain[(hertz > 1000) & (hertz < 10_000)] == pytest.approx(0.1)
    assert ((gain >= 0.01 - 1e-6) & (gain <= 1 + 1e-6)).all()


def test_where_nothing_sounds_no_gain_is_made_up():
    for front_end in FRONT_ENDS.values():
        audio = torch.zeros(1, 8_000)
        features = front_end(audio)
        for masked in (features, features + 0.5, features - 0.5):
            assert torch.isfinite(gains(front_end, features, masked)).all()
            assert (render(front_end, audio, features, masked) == 0).all()


def test_many_masks_of_one_recording_are_as_one_by_one():
    front_end = PeakNormalised(MEL_DB)
    audio = two_tones(32_000, rate=32_000)
    features = front_end(audio)
    masked = torch.cat([features, features - 6, features.clamp(max=-20)])
    together = render(front_end, audio, features, masked)
    torch.testing.assert_close(together[:1], audio, rtol=0, atol=1e-6)
    single = torch.cat([render(front_end, audio, features, row[None]) for row in masked])
    torch.testing.assert_close(together, single, rtol=0, atol=1e-6)  # FFTs of a batch round differently


@pytest.mark.parametrize(
    "front_end", [STFT_DB, LogMel(RATE, 512, 256, 33), LogStft(RATE, 512, 256, log="log1p")], ids=["db", "mel", "log1p"]
)
def test_rendering_has_a_slope_also_where_it_was_used_without_one_before(front_end):
    audio = two_tones(8_000).double()
    with torch.inference_mode():
        render(front_end, audio, front_end(audio), front_end(audio))
    audio[:, 4_000:] = 0  # where nothing sounds, too
    masked = (0.9 * front_end(audio)).requires_grad_()
    render(front_end, audio, front_end(audio), masked).square().sum().backward()
    assert torch.isfinite(masked.grad).all() and masked.grad.sum() > 0


def test_the_papers_inverse_loses_nothing_of_an_stft_but_much_of_mel_bands():
    def snr_db(front_end):
        audio = 0.1 * two_tones(2 * front_end.sample_rate, rate=front_end.sample_rate)
        missed = paper_inverse(front_end, audio, front_end(audio)) - audio
        return float(10 * torch.log10(audio.square().sum() / missed.square().sum()))

    assert snr_db(STFT_DB) > 60 and snr_db(PeakNormalised(STFT_DB)) > 60  # the floor of -100 dB is all that is lost
    for front_end in (MEL_DB, PeakNormalised(MEL_DB)):
        assert 3 < snr_db(front_end) < 30


def test_the_papers_inverse_is_least_squares_clipped_at_zero():
    audio = two_tones(16_000, rate=32_000).double()
    masked = MEL_DB(audio)
    from hearwhy.front_ends.log_mel import mel_filters

    power = torch.linalg.lstsq(mel_filters(MEL_DB), 10 ** (masked[0] / 10), driver="gelsd").solution.clamp(min=0)
    window = torch.hann_window(1024, dtype=torch.float64)
    spectrum = torch.stft(audio, 1024, 320, window=window, return_complex=True)
    theirs = torch.istft(torch.polar(power.sqrt()[None], spectrum.angle()), 1024, 320, window=window, length=16_000)
    torch.testing.assert_close(paper_inverse(MEL_DB, audio, masked), theirs, rtol=0, atol=1e-7)  # roots of rounding near 0


def test_what_cannot_be_rendered_is_refused():
    audio = two_tones(8_000)
    features = STFT_DB(audio)
    with pytest.raises(TypeError, match=r"no way from the features of Padded back to sound; LogStft and LogMel"):
        gains(Padded(STFT_DB, 8_000), features, features)
    with pytest.raises(ValueError, match=r"must be alike, .*; got \(1, 257, 32\) and \(1, 257, 31\)"):
        gains(STFT_DB, features, features[..., :-1])
    with pytest.raises(ValueError, match=r"makes 64 values a frame; got 257"):
        gains(MEL_DB, features, features)
    sparse = LogStft(RATE, 512, 400)
    with pytest.raises(ValueError, match=r"overlap by half or more; got n_fft 512 with hop_length 400"):
        render(sparse, audio, sparse(audio), sparse(audio))
    with pytest.raises(ValueError, match=r"inverse is for decibels of power"):
        paper_inverse(FRONT_ENDS["mel_log1p"], audio, FRONT_ENDS["mel_log1p"](audio))
    for one, other in itertools.permutations([features, torch.cat([features] * 3)], 2):
        if len(one) > len(other):
            with pytest.raises(ValueError, match=r"must be alike"):
                gains(STFT_DB, one, other)
