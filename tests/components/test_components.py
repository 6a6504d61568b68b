"""The laws of every kind of components, and what each kind promises beyond them."""

import numpy as np
import pytest
import soundfile
import torch

from hearwhy import Recording, audio
from hearwhy.components import components, noise_floor, with_fill
from hearwhy.components.sources import sources
from toys import noise, noisy, tone

SPECS = [
    "segments:1", "segments:5", "bands:1", "bands:2", "bands:8", "tiles:3x4", "sources:hpss", "bands:3 * segments:2",
    "sources:hpss * segments:3", "segments:3 * sources:hpss", "sources:stems=STEMS", "sources:stems=STEMS * bands:2",
]  # fmt: skip


@pytest.fixture
def made(tmp_path):
    def make(spec: str, channels: int = 2):
        recording = noisy(1.013, channels=channels)
        stems = [recording.audio * 0.25, recording.audio.flip(-1) * 0.5]
        for i, stem in enumerate(stems):
            audio.write(Recording(stem, 8000), tmp_path / f"s{i}.wav")
        return components(spec.replace("STEMS", str(tmp_path)), recording)

    return make


def every(parts, on):
    return torch.full((1, *parts.shape), on, dtype=torch.bool)


@pytest.mark.parametrize("spec", SPECS)
def test_everything_kept_is_the_recording(made, spec):
    parts = made(spec)
    gap = parts.mix(every(parts, True))[0, 0] - parts.recording.audio
    assert audio.level_db(gap) - audio.level_db(parts.recording.audio) < -110  # float32 sums


@pytest.mark.parametrize("fill", ["silence", "noise", "FILE"])
@pytest.mark.parametrize("spec", SPECS)
def test_everything_removed_is_the_fill(made, spec, fill, tmp_path):
    background = noise(0.4, seed=3, channels=2)
    path = audio.write(Recording(background, 8000), tmp_path / "background" / "b.wav")
    parts = with_fill(made(spec), str(path) if fill == "FILE" else fill)
    recording = parts.recording
    expected = {
        "silence": torch.zeros_like(recording.audio),
        "noise": noise_floor(recording),
        "FILE": background.repeat(1, 3)[:, :8104],
    }
    mixed = parts.mix(every(parts, False))[0, 0]
    assert torch.allclose(mixed, expected[fill], atol=1e-6)  # float32 sums, and 24 bits in the file


@pytest.mark.parametrize("spec", SPECS)
def test_what_is_heard_is_what_the_model_is_asked(made, spec):
    parts = with_fill(made(spec), "noise")
    mask = torch.rand(4, *parts.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    assert torch.equal(parts.render(mask), parts.mix(mask)[:, 0])


@pytest.mark.parametrize("spec", SPECS)
def test_mixing_is_the_sum_of_what_is_kept(made, spec):
    parts = made(spec)
    mask = torch.rand(5, *parts.shape, generator=torch.Generator().manual_seed(1)) < 0.5
    by_hand = torch.stack([sum((p for p, keep in zip(parts.audio, row.flatten(), strict=True) if keep), torch.zeros(2, 8104))
                           for row in mask])  # fmt: skip
    assert torch.allclose(parts.mix(mask)[:, 0], by_hand, atol=1e-6)


@pytest.mark.parametrize("spec", SPECS)
def test_at_the_models_rate_the_parts_still_sum_to_the_recording(made, spec):
    parts = made(spec)
    heard = parts.at(16000, 1)
    whole = audio.convert(parts.recording, 16000, 1).audio
    gap = heard.mix(every(parts, True))[0, 0] - whole
    assert audio.level_db(gap) - audio.level_db(whole) < -100  # soxr's 20 bits, once a part


@pytest.mark.parametrize("spec", SPECS)
def test_names_are_unique_and_as_many_as_the_mask_has_cells(made, spec):
    parts = made(spec)
    assert len(set(parts.names)) == len(parts.names) == np.prod(parts.shape)


def test_a_product_is_laid_out_as_it_is_written(made):
    one, other = made("sources:hpss * segments:3"), made("segments:3 * sources:hpss")
    assert one.names[1] == "harmonic / 0.34-0.68 s"
    assert other.names[1] == "0.00-0.34 s / percussive"
    assert torch.allclose(one.audio.reshape(2, 3, 2, -1), other.audio.reshape(3, 2, 2, -1).transpose(0, 1), atol=1e-6)


def test_segments_keep_their_time_and_do_not_click():
    recording = Recording(torch.ones(1, 8000), 8000)
    parts = components("segments:4", recording)
    assert parts.audio[1, 0, :1960].abs().max() == 0
    assert (parts.audio[1, 0, 2040:3960] == 1).all()
    steps = parts.audio.diff(dim=-1).abs().max()
    assert steps < 0.03  # 80 samples of raised cosine: at most pi / 2 / 80 a sample


def test_segments_drop_no_tail():
    parts = components("segments:7", noisy(1.0001))
    assert parts.audio[-1, 0, -1] == parts.recording.audio[0, -1]


def test_as_many_segments_as_samples_is_the_limit():
    recording = Recording(torch.ones(1, 300), 8000)
    assert components("segments:300", recording).audio.shape[0] == 300
    with pytest.raises(ValueError, match="1 to 300 spans"):
        components("segments:301", recording)


def test_bands_hold_the_tones_that_lie_in_them():
    recording = Recording(tone(10) + tone(100) + tone(3000), 8000)
    parts = components("bands:3", recording)
    assert parts.names[0].endswith("(inaudible)")
    middle = slice(2000, 6000)  # away from where the tones are switched on and off
    for part, hertz in zip(parts.audio, (10, 100, 3000), strict=True):
        assert (part[0, middle] - tone(hertz)[middle]).abs().max() < 0.01


def test_bands_reach_from_zero_to_nyquist():
    parts = components("bands:6", noisy(rate=44100))
    assert parts.names[0].startswith("0-20 Hz")
    assert parts.names[-1].endswith("-22050 Hz")


def test_bands_finer_than_the_recording_resolves_are_refused():
    with pytest.raises(ValueError, match="finest that"):
        components("bands:128", noisy(0.04))


def test_hpss_is_librosas():
    librosa = pytest.importorskip("librosa")
    recording = noisy(1.0)
    spectrum = librosa.stft(recording.audio[0].numpy(), n_fft=2048, hop_length=512, pad_mode="constant")
    harmonic = librosa.istft(librosa.decompose.hpss(spectrum)[0], n_fft=2048, hop_length=512, length=8000)
    assert np.abs(components("sources:hpss", recording).audio[0, 0].numpy() - harmonic).max() < 1e-5


def test_what_stems_miss_becomes_a_named_part_or_is_dropped_with_the_gap_said(made):
    assert made("sources:stems=STEMS").names == ("s0", "s1", "residual")
    dropped = made("sources:stems=STEMS,residual=drop")
    assert dropped.names == ("s0", "s1")
    missing = dropped.recording.audio - dropped.audio.sum(dim=0)
    assert dropped.gap_db == pytest.approx(audio.level_db(missing) - audio.level_db(dropped.recording.audio))


def test_stems_that_sum_to_the_recording_leave_no_residual():
    recording = noisy()
    parts = sources(recording, {"a": recording.audio * 0.3, "b": recording.audio * 0.7})
    assert parts.names == ("a", "b")
    assert parts.gap_db < -100


def test_a_part_60_db_below_the_mix_is_absent():
    recording = noisy()
    parts = sources(recording, {"all": recording.audio, "nothing": torch.zeros(1, 8000), "faint": recording.audio * 0.9e-3,
                                "soft": recording.audio * 1.1e-3}, residual="drop")  # fmt: skip
    assert parts.absent == (False, True, True, False)
    assert parts.levels_db[1] == float("-inf")


def test_the_noise_fill_is_as_quiet_as_the_quiet_moments():
    loud_then_soft = torch.cat([noise(2.0, gain=0.3), noise(1.0, seed=5, gain=0.003)], dim=1)
    floor = noise_floor(Recording(loud_then_soft, 8000))
    assert audio.level_db(floor) == pytest.approx(audio.level_db(loud_then_soft[:, 16000:]), abs=8)  # the quietest tenth of it
    digital = noise_floor(Recording(torch.cat([noise(1.0), torch.zeros(1, 16000)], dim=1), 8000))
    assert -90 < audio.level_db(digital) - audio.level_db(noise(1.0)) < -75


def test_several_backgrounds_are_several_fills(tmp_path, made):
    for i in range(3):
        soundfile.write(tmp_path / f"bg{i}.flac", noise(0.5, seed=i)[0].numpy(), 16000)
    (tmp_path / "s0.wav").unlink(missing_ok=True)
    parts = with_fill(components("segments:4", noisy(channels=2)), str(tmp_path))
    assert parts.mix(torch.ones(5, 4, dtype=torch.bool)).shape == (5, 3, 2, 8000)
    assert parts.fill_names == tuple(f"bg{i}.flac (resampled to 8000 Hz, repeated to 1.00 s)" for i in range(3))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nonsense", "There are no components 'nonsense'"),
        ("segments", "takes a whole number"),
        ("segments:x", "takes a whole number, as in segments:8; got segments:x"),
        ("segments:0", "1 to 8000 spans"),
        ("bands:0", "1 to 128 bands"),
        ("tiles:4", "tiles takes bands x segments"),
        ("sources:magic", "There is no separator 'magic'"),
        ("sources:stems=/no/such", "There is no folder /no/such"),
        ("sources:py=no_such_module:f", "cannot be imported"),
        ("sources:hpss * sources:hpss", "two separations cannot be multiplied"),
        ("sources:hpss,residual=eat", "residual is 'part' or 'drop'; got 'eat'"),
    ],
)
def test_a_spec_that_says_nothing_known_is_refused(spec, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message.replace("(", r"\(")):
        components(spec, noisy())


@pytest.mark.parametrize(
    ("length", "rate", "channels", "message"),
    [(7999, 8000, 1, "7999 samples and noise 0 has 8000"), (8000, 16000, 1, "16000 Hz and noise 0 has 8000 Hz"),
     (8000, 8000, 3, "3 channels and noise 0 has 1")],
)  # fmt: skip
def test_stems_that_do_not_fit_are_refused(tmp_path, length, rate, channels, message):
    soundfile.write(tmp_path / "a.wav", noise(channels=channels)[:, :length].T.numpy(), rate)
    with pytest.raises(ValueError, match=message):
        components(f"sources:stems={tmp_path}", noisy())


def test_an_unknown_fill_is_refused():
    with pytest.raises(ValueError, match="There is no fill 'pink'"):
        with_fill(components("segments:2", noisy()), "pink")


def test_a_band_filters_ringing_does_not_reach_round_to_the_beginning():
    click = torch.zeros(1, 8000)
    click[0, -1] = 1
    part = components("bands:8", Recording(click, 8000)).audio[0, 0]
    assert part[:800].abs().max() < 0.01 * part[-800:].abs().max()  # 0.9 s away; round the corner it would be next door
