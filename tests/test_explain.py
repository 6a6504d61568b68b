"""Explaining end to end: planted causes are found, what is reported is true, and what is saved comes back."""

import json
import subprocess
import sys

import pytest
import torch

import hearwhy
from hearwhy import Recording
from hearwhy.components.sources import sources
from laws import METHODS
from toys import ToneDetector, noise, noisy, tone

TONES = {"low": 440.0, "mid": 1000.0, "high": 2000.0}
CHEAP = [*METHODS, "lime(protocol=paper)"]


def band() -> tuple[Recording, hearwhy.Parts]:
    """A low tone, a high tone, noise, and a part that is not there."""
    stems = {"bass": tone(440)[None], "lead": tone(2000)[None], "hiss": noise(gain=0.01), "choir": torch.zeros(1, 8000)}
    recording = Recording(sum(stems.values()), 8000, "band")
    return recording, sources(recording, stems)


@pytest.mark.parametrize("method", CHEAP)
def test_the_planted_cause_is_found_and_not_always_the_same(method):
    recording, parts = band()
    found = hearwhy.explain(ToneDetector(TONES), recording, components=parts, target=["low", "high"], method=method)
    assert found.names[found.top(0)] == "bass"
    assert found.names[found.top(1)] == "lead"


@pytest.mark.parametrize("method", CHEAP)
def test_what_is_absent_gets_exactly_nothing_and_is_never_ranked(method):
    recording, parts = band()
    found = hearwhy.explain(ToneDetector(TONES), recording, components=parts, target="all", method=method)
    assert found.absent == (False, False, False, True)
    assert (found.values[:, 3] == 0).all()
    assert all(3 not in found.ranked(sign, t) for sign in ("positive", "negative") for t in range(3))
    assert torch.equal(found.without[3], found.probabilities)


def test_shapley_values_sum_to_what_everything_adds_to_nothing():
    recording, parts = band()
    found = hearwhy.explain(ToneDetector(TONES), recording, components=parts, target="all", method="shapley")
    assert torch.allclose(found.values.sum(1), found.score_full - found.score_base, atol=1e-5)


def test_every_answer_is_the_models_own_for_exactly_that_mix():
    recording, parts = band()
    model = ToneDetector(TONES)
    found = hearwhy.explain(model, recording, components=parts, target="low", method="occlusion")
    assert found.answers.shape == (16, 3)
    for row in range(16):
        mix = sum((p for i, p in enumerate(parts.audio) if row >> i & 1), torch.zeros(1, 8000))
        assert torch.allclose(found.answers[row], model(mix[None]).softmax(-1)[0].float(), atol=1e-5)


def test_fidelity_is_one_for_what_adds_up_and_interactions_show_where_it_does_not():
    class Both(ToneDetector):  # only both tones together count
        def forward(self, audio):
            low, mid, high = super().forward(audio).unbind(1)
            return torch.stack([6 + torch.minimum(low, high) * 1.0, 0 * mid], dim=1)

    recording, parts = band()
    additive = hearwhy.explain(
        ToneDetector({"low": 440.0, "none": 3900.0}), recording, components=parts, target="low", method="shapley"
    )
    assert additive.fidelity[0] > 0.99
    assert additive.interaction_share[0] < 0.01
    model = Both(TONES)
    model.labels = ("both", "not")
    joint = hearwhy.explain(model, recording, components=parts, target="both", method="shapley")
    assert joint.interaction_share[0] > 0.3
    assert joint.fidelity[0] < 0.9


def test_a_second_fill_is_reported():
    recording, parts = band()
    found = hearwhy.explain(ToneDetector(TONES), recording, components=parts, target="low", second_fill="noise")
    assert found.second_fill["fill"] == "noise"
    assert found.second_fill["top"] == "bass"
    assert found.second_fill["agrees"] is True


def test_a_model_that_hears_the_level_is_caught():
    def loudness(audio):
        level = audio.square().mean(dim=(1, 2))
        return torch.stack([torch.log10(level + 1e-9) + 1.5, torch.zeros(len(audio))], dim=1)

    loudness.sample_rate, loudness.labels = 8000, ("loud", "soft")
    recording, parts = band()
    assert hearwhy.explain(loudness, recording, components=parts).level_check["matters"]


def test_the_same_seed_gives_the_same_values_to_the_bit():
    recording = noisy(1.0)
    method = "kernel_shap(n_samples=200)"
    runs = [hearwhy.explain(ToneDetector(TONES), recording, components="segments:12", method=method, seed=s) for s in (3, 3, 4)]
    assert torch.equal(runs[0].values, runs[1].values)
    assert not torch.equal(runs[0].values, runs[2].values)


def test_finding_the_label_is_counted_too():
    model = ToneDetector(TONES, window_s=0.25)
    found = hearwhy.explain(model, noisy(1.0), components="segments:4", method="shapley", target="top", second_fill="noise")
    assert found.n_calls == sum(model.batches)


def test_calls_are_counted_and_forecast():
    told = []
    found = hearwhy.explain(
        ToneDetector(TONES, window_s=0.25), noisy(1.0), components="segments:4", method="shapley", target="low",
        second_fill="noise", progress=lambda done, expected: told.append((done, expected)),
    )  # fmt: skip
    assert found.n_calls == told[-1][0] == (16 + 16 + 3) * 4
    assert {expected for _, expected in told} == {found.n_calls}


@pytest.mark.parametrize("method", ["lime", "shapley"])
def test_what_is_saved_comes_back(tmp_path, method):
    recording, parts = band()
    found = hearwhy.explain(ToneDetector(TONES), recording, components=parts, target="all", method=method, second_fill="noise")
    back = hearwhy.Attribution.load(found.save(tmp_path / "out"))
    for key in ("values", "base", "probabilities", "removed", "without", "answers", "score_full", "score_base"):
        assert torch.equal(getattr(back, key), getattr(found, key)), key
    for key in ("names", "shape", "targets", "labels", "absent", "levels_db", "fidelity", "interaction_share", "n_calls"):
        assert getattr(back, key) == getattr(found, key), key
    assert json.dumps(back.second_fill) == json.dumps(found.second_fill)
    for keep in ("positive", "negative", "rest"):
        assert (back.listen(keep=keep).audio - found.listen(keep=keep).audio).abs().max() < 4 * 2**-23  # 24 bits a part


def test_more_components_than_files_are_made_anew_on_loading(tmp_path):
    found = hearwhy.explain(ToneDetector(TONES), noisy(1.0), components="segments:40", target="low", method="occlusion")
    back = hearwhy.Attribution.load(found.save(tmp_path / "out"))
    assert len(list((tmp_path / "out" / "audio").iterdir())) <= 4
    assert (back.component_audio(39).audio - found.component_audio(39).audio).abs().max() < 1e-6


def test_a_saved_attribution_needs_neither_model_nor_source(tmp_path):
    recording, parts = band()
    hearwhy.explain(ToneDetector(TONES), recording, components=parts, target="low").save(tmp_path / "out")
    code = f"import hearwhy; a = hearwhy.Attribution.load({str(tmp_path / 'out')!r}); print(a, a.listen(top=1).duration_s)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "bass" in run.stdout
    assert run.stdout.strip().endswith("1.0")


def test_positive_and_rest_are_the_recording():
    recording, parts = band()
    found = hearwhy.explain(ToneDetector(TONES), recording, components=parts, target="low", method="shapley")
    for top in (1, None):
        whole = found.listen(keep="positive", top=top).audio + found.listen(keep="rest", top=top).audio
        assert torch.allclose(whole, recording.audio, atol=1e-6)
    assert torch.equal(found.listen(keep="positive", top=1).audio, parts.audio[0])


def test_a_timeline_explains_every_window_and_leaves_silent_ones_out():
    quiet_between = torch.cat([tone(440), torch.zeros(8000), tone(2000)])[None]
    found = hearwhy.explain(ToneDetector(TONES, window_s=1.0), Recording(quiet_between, 8000, "three"), components="bands:3",
                            target="low", method="shapley", per_window=True)  # fmt: skip
    assert found.spans_s == ((0.0, 1.0), (1.0, 2.0), (2.0, 3.0))
    assert found.attributions[1] is None
    assert found.values.shape == (3, 1, 3)
    assert found.values[0, 0].max() > 1 > found.values[2, 0].max()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "magic"}, "There is no method 'magic'"),
        ({"method": "lime(n_sample=3)"}, "lime has no option 'n_sample=3'"),
        ({"method": "shapley", "components": "segments:40"}, "40 components"),
        ({"target": "dog"}, "no label 'dog'"),
        ({"target": []}, "No target was given"),
        ({"scale": "log"}, "There is no scale 'log'"),
        ({"components": "blocks:3"}, "There are no components 'blocks:3'"),
        ({"fill": "mud"}, "There is no fill 'mud'"),
        ({"device": "tpu9"}, "There is no device 'tpu9'"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        hearwhy.explain(ToneDetector(TONES), noisy(), **options)


def test_a_model_in_train_mode_is_refused():
    with pytest.raises(ValueError, match="train mode"):
        hearwhy.explain(ToneDetector(TONES).train(), noisy())


def test_a_callable_that_does_not_say_its_labels_is_refused():
    with pytest.raises(ValueError, match="does not say its sample_rate and labels"):
        hearwhy.explain(lambda audio: audio, noisy())


def test_gradients_of_what_has_none_are_refused():
    def energy(audio):
        return audio.numpy().std(axis=(1, 2))[:, None] * [1.0, -1.0]

    energy.sample_rate, energy.labels = 8000, ("a", "b")
    with pytest.raises((ValueError, TypeError), match="gradient"):
        hearwhy.explain(energy, noisy(), method="integrated_gradients")
    assert hearwhy.explain(energy, noisy(), method="kernel_shap").values.isfinite().all()


def test_importing_hearwhy_loads_neither_torch_nor_librosa():
    code = "import sys, hearwhy; assert not {'torch', 'librosa', 'numpy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_every_public_name_is_there_and_a_submodule_does_not_shadow_it():
    import hearwhy.components.parts
    import hearwhy.explain

    assert callable(hearwhy.explain)
    assert callable(hearwhy.components)
    assert hearwhy.__all__ == sorted(hearwhy.__all__)


def test_components_of_another_recording_are_refused():
    _, parts = band()
    with pytest.raises(ValueError, match="The components were made of band, not of noise 0"):
        hearwhy.explain(ToneDetector(TONES), noisy(), components=parts)


def test_parts_keep_the_fill_they_were_given():
    from hearwhy.components import with_fill

    recording, parts = band()
    found = hearwhy.explain(ToneDetector(TONES), recording, components=with_fill(parts, "noise"), target="low")
    assert found.settings["fill"] == "noise"


def test_top_and_all_may_stand_beside_labels():
    recording, parts = band()
    ask = lambda target: hearwhy.explain(ToneDetector(TONES), recording, components=parts, target=target).targets
    assert ask(["mid", "top"])[0] == "mid"
    assert ask(["high", "all"]) == ("high", "low", "mid")


@pytest.mark.parametrize("fill", ["noise", "silence"])
def test_parts_are_cut_into_windows_with_their_fill(fill):
    recording = Recording(tone(440, seconds=2.0) + noise(2.0, gain=0.01)[0], 8000)
    parts = hearwhy.components("segments:4", recording)
    found = hearwhy.explain(ToneDetector(TONES, window_s=1.0), recording, components=parts, target="low", fill=fill,
                            second_fill="noise", method="shapley", per_window=True)  # fmt: skip
    assert found.values.shape == (2, 1, 4)
    first = found.values[0, 0]
    assert first[3] == 0  # not in the first window; of the third only half a cross-fade is
    assert first[2].abs() < 0.2 * first[:2].abs().min()


def test_a_very_soft_recording_is_explained_although_softer_ones_would_be_silent():
    soft = Recording(noise(gain=10 ** (-113 / 20)), 8000, "soft")
    found = hearwhy.explain(ToneDetector(TONES), soft, components="segments:2", target="low")
    assert found.level_check["gains_db"] == [-6.0, 6.0]


def test_channels_that_cancel_in_mono_are_said():
    left = noise()
    with pytest.raises(ValueError, match="do its channels cancel"):
        hearwhy.explain(ToneDetector(TONES), Recording(torch.cat([left, -left]), 8000, "anti"), components="segments:2")


def answers(function, labels=("a", "b"), **said):
    function.sample_rate, function.labels = 8000, labels
    for key, value in said.items():
        setattr(function, key, value)
    return function


@pytest.mark.parametrize(
    ("model", "kind", "message"),
    [
        (answers(lambda audio: {}["nothing"]), RuntimeError, "raised KeyError"),
        (answers(lambda audio: None), RuntimeError, "raised TypeError"),
        (answers(lambda audio: audio.mean(2), ("one",)), ValueError, "one label needs activation = 'sigmoid'"),
        (answers(lambda audio: torch.full((len(audio), 2), 5.0), activation="probability"), ValueError, "lie between 5 and 5"),
    ],
)
def test_a_model_that_does_not_keep_its_word_is_named(model, kind, message):
    with pytest.raises(kind, match=message):
        hearwhy.explain(model, noisy(), components="segments:2")


def test_a_file_is_read_and_anything_else_refused(tmp_path):
    from hearwhy import audio

    recording, _ = band()
    path = audio.write(recording, tmp_path / "song.wav")
    ask = lambda what: hearwhy.explain(ToneDetector(TONES), what, components="bands:3", target="low")
    assert torch.equal(ask(path).values, ask(hearwhy.load(path)).values)
    with pytest.raises(FileNotFoundError, match=r"There is no file nowhere\.wav"):
        ask("nowhere.wav")
    with pytest.raises(TypeError, match=r"takes a hearwhy.Recording or the path of a file; got Tensor"):
        ask(recording.audio)


def test_targets_are_heard_by_name():
    recording, parts = band()
    found = hearwhy.explain(ToneDetector(TONES), recording, components=parts, target=["low", "high"])
    assert torch.equal(found.listen(top=1, target="high").audio, parts.audio[1])
    with pytest.raises(ValueError, match="'mid' was not explained; the targets are low, high"):
        found.listen(target="mid")


def test_every_option_is_recorded_also_those_left_alone():
    recording, parts = band()
    settings = hearwhy.explain(ToneDetector(TONES), recording, components=parts, method="kernel_shap(seed=3)").settings
    assert settings["options"] == {"n_samples": 1000, "seed": 3, "tolerance": 0.01}
    assert settings["seed"] == 3


def test_many_separated_parts_are_stored_for_they_cannot_be_made_anew(tmp_path):
    recording = noisy(1.0)
    parts = sources(recording, {f"s{i}": noise(seed=i) * 0.1 for i in range(40)})
    found = hearwhy.explain(ToneDetector(TONES), recording, components=parts, target="low", method="occlusion")
    back = hearwhy.Attribution.load(found.save(tmp_path / "out"))
    assert (back.parts - found.parts).abs().max() < 1e-6


def test_integrated_gradients_that_cut_corners_are_warned_of():
    from hearwhy.report.summary import summarise

    def steep(audio):  # a step halfway along the path, which two points cannot see
        loud = audio.square().mean(dim=(1, 2)).sqrt() / 0.1
        return torch.stack([10 * torch.sigmoid(200 * (loud - 0.9)), torch.zeros(len(audio))], dim=1)

    model = answers(steep)
    kinds = {n: {caveat["kind"] for caveat in summarise(hearwhy.explain(
        model, noisy(), components="segments:3", target="a", method=f"integrated_gradients(n_steps={n})"))["caveats"]}
        for n in (2, 500)}  # fmt: skip
    assert "completeness" in kinds[2]
    assert "completeness" not in kinds[500]


def test_without_is_the_answer_with_that_one_component_off():
    recording, parts = band()
    found = hearwhy.explain(ToneDetector(TONES), recording, components=parts, target="low", method="shapley")
    for i in range(4):
        assert torch.allclose(found.without[i], found.answers[15 - 2**i], atol=1e-6)


def test_ranked_are_those_of_that_sign_strongest_first():
    recording, parts = band()
    found = hearwhy.explain(ToneDetector(TONES), recording, components=parts, target="low", method="shapley")
    values = found.values[0]
    assert values.argmin() == found.ranked("negative")[0]
    assert [i for i in range(4) if values[i] > 0] == sorted(found.ranked("positive"))
    assert [i for i in range(4) if values[i] < 0] == sorted(found.ranked("negative"))


def test_what_would_clip_comes_back_as_loud_as_it_was(tmp_path):
    loud = Recording(tone(440, gain=3.0), 8000, "loud")
    found = hearwhy.explain(ToneDetector(TONES), loud, components="segments:2", target="low")
    back = hearwhy.Attribution.load(found.save(tmp_path / "out"))
    assert (back.recording.audio - loud.audio).abs().max() < 4 * 2**-23  # 24 bits under a gain of a third
    assert (back.parts - found.parts).abs().max() < 4 * 2**-23


def test_a_second_fill_that_tells_otherwise_is_said():
    from hearwhy.trust import other_fill

    recording, parts = band()
    found = hearwhy.explain(ToneDetector(TONES), recording, components=parts, target="low", method="shapley")
    assert other_fill(found, found.values, "noise")["agrees"]
    other = other_fill(found, found.values.roll(1, dims=1), "noise")
    assert not other["agrees"]
    assert other["tops"] == ["lead"]


def test_a_gradient_costs_one_pass_a_step_and_one_to_find_it():
    recording, parts = band()
    model = ToneDetector(TONES)
    found = hearwhy.explain(model, recording, components=parts, target="low", method="integrated_gradients(n_steps=4)")
    asked = 1 + 4 + 8 + 3  # is there one? the steps; all 2**3 mixes of what is present; three levels
    asked += 1 + 2  # the check: does its copy in double precision answer alike? its slope at two masks
    doubles = 1 + 2 * (1 + 2 * 3)  # asked of that copy: alike? at each mask the score, and both ways along three directions
    assert found.n_calls == asked + doubles
    assert sum(model.batches) == asked
