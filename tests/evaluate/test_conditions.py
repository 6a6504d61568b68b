"""Conditions: noise at the level that was asked for, by the published formula."""

import math

import pytest
import torch

from hearwhy import audio as sound
from hearwhy.evaluate.conditions import Condition, parse_conditions, with_noise
from hearwhy.types import Recording
from toys import noise


def recording(seconds: float = 5.0, *, seed: int = 0, rate: int = 1000, gain: float = 0.1) -> Recording:
    return Recording(noise(seconds, seed=seed, rate=rate, gain=gain), rate, f"noise {seed}")


@pytest.mark.parametrize("snr_db, share", [(3.52, 0.6), (0.0, 0.5), (-20.0, 1 / 11)])
def test_the_shares_are_those_of_the_formula(snr_db, share):
    first, second = recording(seed=1), recording(seed=2, gain=0.01)
    mixed = with_noise(first, second, snr_db).audio
    a, b = (r.audio / r.audio.square().mean().sqrt() for r in (first, second))
    by_hand = share * a + (1 - share) * b
    assert torch.allclose(mixed, by_hand / by_hand.abs().max(), atol=2e-4)  # 0.6 is 3.5218 dB
    assert mixed.abs().max() == 1


def test_the_level_over_the_noise_is_the_one_asked_for():
    first, second = recording(seed=1), recording(seed=2, gain=0.5)
    mixed = with_noise(first, second, 7.0).audio.double()
    basis = torch.stack([first.audio[0], second.audio[0]]).double().T
    gains = torch.linalg.lstsq(basis, mixed[0, :, None]).solution[:, 0]
    levels = gains.abs() * basis.square().mean(0).sqrt()
    assert math.isclose(20 * math.log10(levels[0] / levels[1]), 7.0, abs_tol=1e-4)


def test_short_ones_are_filled_or_repeated_and_long_ones_cut():
    mixed = with_noise(recording(3.0, seed=1), recording(2.0, seed=2, rate=2000), 0.0)
    assert mixed.audio.shape == (1, 5000) and mixed.sample_rate == 1000
    tail = mixed.audio[0, 3000:]  # only noise, which began again at 2 and 4 s
    assert torch.allclose(tail[1000:1900], mixed.audio[0, 4000:4900]) and tail.abs().max() > 0
    assert with_noise(recording(9.0), recording(9.0, seed=3), 0.0).audio.shape == (1, 5000)
    assert "noise 2, 0 dB below it over 5 s" in mixed.history[-1]


def test_silence_has_no_level_over_a_noise():
    silent = Recording(torch.zeros(1, 5000), 1000, "nothing")
    for pair in ((silent, recording()), (recording(), silent)):
        with pytest.raises(ValueError, match=r"nothing is silent, so no level"):
            with_noise(*pair, 3.52)


def test_lines_are_parsed_and_what_they_get_wrong_is_said(tmp_path):
    path = sound.write(recording(), tmp_path / "hiss.wav")
    found = parse_conditions(f"clean, hiss={path}@-3.5dB")
    assert found == (Condition(), Condition("hiss", path, -3.5))
    clip = recording(seed=4)
    assert found[0].of(clip) is clip
    assert torch.equal(found[1].of(clip).audio, with_noise(clip, sound.load(path), -3.5).audio)
    for text in ("", "clean,clean"):
        with pytest.raises(ValueError, match="of different names"):
            parse_conditions(text)
    for text in ("loud", f"hiss={path}", f"hiss={path}@3", f"clean={path}@3dB"):
        with pytest.raises(ValueError, match=r"There is no condition .*NAME=FILE@SNRdB"):
            parse_conditions(text)
    with pytest.raises(FileNotFoundError, match=r"no noise .*none\.wav for the condition hiss"):
        parse_conditions("hiss=none.wav@3dB")
