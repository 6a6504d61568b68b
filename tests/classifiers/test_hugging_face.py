"""Hugging Face's audio classifiers: small ones of the real classes, saved here, must answer as the library itself does."""

import json
import shutil
import warnings

import pytest
import torch

import hearwhy
from hearwhy.asking import Predict
from hearwhy.classifiers.callable import classifier_module
from hearwhy.classifiers.hugging_face import Waveform, load
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.types import Classifier
from toys import noise, tone

transformers = pytest.importorskip("transformers")
safetensors = pytest.importorskip("safetensors.torch")
RATE = 16_000
LABELS = {"id2label": {0: "cat", 1: "dog", 2: "rain"}, "label2id": {"cat": 0, "dog": 1, "rain": 2}}
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 37, **LABELS}
CONVOLUTIONS = {
    "conv_dim": (16, 16), "conv_stride": (5, 4), "conv_kernel": (10, 8), "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2, "classifier_proj_size": 16,
}  # fmt: skip
WHISPER = {
    "d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "decoder_layers": 1, "decoder_attention_heads": 2,
    "encoder_ffn_dim": 37, "decoder_ffn_dim": 37, "num_mel_bins": 80, "max_source_positions": 100, "vocab_size": 100,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1, "classifier_proj_size": 16,
}  # fmt: skip


def made(kind):
    """A config and an extractor of each kind."""
    t = transformers
    waves = t.Wav2Vec2FeatureExtractor
    return {
        "ast": lambda: (
            t.ASTConfig(**SMALL, max_length=98, num_mel_bins=32, frequency_stride=10, time_stride=10),
            t.ASTFeatureExtractor(max_length=98, num_mel_bins=32),
        ),
        "wav2vec2": lambda: (t.Wav2Vec2Config(**SMALL, **CONVOLUTIONS), waves(do_normalize=True)),
        "wav2vec2 layer": lambda: (
            t.Wav2Vec2Config(**SMALL, **CONVOLUTIONS, feat_extract_norm="layer", use_weighted_layer_sum=True),
            waves(do_normalize=True, return_attention_mask=True),
        ),
        "hubert": lambda: (t.HubertConfig(**SMALL, **CONVOLUTIONS), waves(do_normalize=True, return_attention_mask=True)),
        "wavlm": lambda: (t.WavLMConfig(**SMALL, **CONVOLUTIONS), waves(do_normalize=False)),
        "whisper": lambda: (t.WhisperConfig(**WHISPER, **LABELS), t.WhisperFeatureExtractor(chunk_length=2)),
        "wav2vec2-bert": lambda: (
            t.Wav2Vec2BertConfig(
                **SMALL, feature_projection_input_dim=160, classifier_proj_size=16, conv_depthwise_kernel_size=5
            ),
            t.SeamlessM4TFeatureExtractor(),
        ),
    }[kind]()


KINDS = ("ast", "wav2vec2", "wav2vec2 layer", "hubert", "wavlm", "whisper", "wav2vec2-bert")
DIFFERENTIABLE = KINDS[:-1]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Each kind as (folder, model, extractor); weights large enough that logits differ by about one."""
    transformers.utils.logging.disable_progress_bar()
    kept = {}

    def of(kind):
        if kind not in kept:
            folder = tmp_path_factory.mktemp("hf") / kind.replace(" ", "_")
            config, extractor = made(kind)
            with torch.random.fork_rng():
                torch.manual_seed(0)
                model = transformers.AutoModelForAudioClassification.from_config(config).eval()
                with torch.no_grad():
                    for weight in model.parameters():
                        weight.add_(0.15 * torch.randn_like(weight))
            model.save_pretrained(folder)
            extractor.save_pretrained(folder)
            kept[kind] = folder, model, extractor
        return kept[kind]

    yield of
    transformers.utils.logging.enable_progress_bar()


@pytest.fixture
def changed(saved, tmp_path):
    """A copy of the AST's folder with other entries in its config.json (None: taken out)."""

    def copy(**entries):
        folder = tmp_path / "model"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(saved("ast")[0], folder)
        config = json.loads((folder / "config.json").read_text()) | entries
        (folder / "config.json").write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
        return folder

    return copy


def sounds(n_samples, channels=3):
    seconds = n_samples / RATE
    return (noise(seconds, channels=channels, rate=RATE) + tone(500, seconds=seconds, rate=RATE))[:, None]


def library(model, extractor, audio, *, together=False):
    """The library's own answer, one clip after the other or as one batch."""
    clips = list(audio[:, 0].numpy())
    batches = [clips] if together else [[clip] for clip in clips]
    with torch.no_grad():
        return torch.cat([model(**extractor(rows, sampling_rate=RATE, return_tensors="pt")).logits for rows in batches])


def close(answers, expected):
    assert expected.std(dim=0).max() > 1e-3  # the clips are told apart, so equal answers mean equal features
    torch.testing.assert_close(answers, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_logits_are_the_librarys_for_every_length_single_and_batched(saved, kind):
    folder, model, extractor = saved(kind)
    classifier = load(str(folder))
    longest = classifier.window_s and round(classifier.window_s * RATE)
    for n_samples in (900, 9_001, longest or 24_000):
        audio = sounds(n_samples)
        with torch.inference_mode():
            answers, one_by_one = classifier(audio), torch.cat([classifier(row[None]) for row in audio])
        expected = library(model, extractor, audio)
        close(answers, expected)
        close(one_by_one, expected)
        close(answers, library(model, extractor, audio, together=True))


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_classifier_as_hearwhy_asks_for(saved, kind):
    folder, _, _ = saved(kind)
    classifier = hearwhy.classifier(f"hf:{folder}")
    assert isinstance(classifier, Classifier)
    assert (classifier.labels, classifier.activation, classifier.channels) == (("cat", "dog", "rain"), "softmax", 1)
    assert (classifier.sample_rate, classifier.name) == (RATE, f"hf:{folder}")
    network = classifier_module(classifier)
    assert not any(part.training for part in network.modules())
    assert all(weight.dtype == torch.float32 and not weight.requires_grad for weight in network.parameters())
    assert next(network.double().parameters()).dtype == torch.float64  # what moves it, moves all of it


def test_ast_and_whisper_take_as_much_as_fills_their_features_and_the_wav2vec2_family_any_length(saved):
    heard = {kind: load(str(saved(kind)[0])) for kind in KINDS}
    assert heard["ast"].window_s == (400 + 97 * 160) / RATE and heard["whisper"].window_s == 2.0
    for kind, classifier in heard.items():
        assert isinstance(classifier, SpectrogramClassifier) == classifier.pads == (kind in ("ast", "whisper"))
        assert (classifier.window_s is None) == (kind not in ("ast", "whisper"))


@pytest.mark.parametrize("kind", ["ast", "whisper"])
def test_features_and_answers_are_the_two_halves_of_it(saved, kind):
    folder, _, extractor = saved(kind)
    classifier = load(str(folder))
    audio = sounds(9_000)
    features = classifier.features(audio)
    expected = next(iter(extractor(list(audio[:, 0].numpy()), sampling_rate=RATE, return_tensors="pt").values()))
    torch.testing.assert_close(features, expected.mT if kind == "ast" else expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(classifier.answers(features), classifier(audio))


@pytest.mark.parametrize("kind", ["ast", "whisper"])
def test_what_is_longer_than_the_window_is_refused_and_never_cropped(saved, kind):
    classifier = load(str(saved(kind)[0]))
    with pytest.raises(ValueError, match=r"got 40000\. Cut the recording into windows first"):
        classifier(sounds(40_000))


@pytest.mark.parametrize("kind", ["ast", "whisper", "wav2vec2"])
def test_short_and_long_recordings_are_heard_through_predict(saved, kind):
    folder, model, extractor = saved(kind)
    classifier = load(str(folder))
    length = round((classifier.window_s or 1.0) * RATE)
    for n_samples in (length // 2, 2 * length):
        audio = sounds(n_samples, channels=1)
        parts = hearwhy.components("segments:2", hearwhy.Recording(audio[0], RATE))
        heard = Predict(classifier, parts)(torch.ones(1, 2, dtype=torch.bool))
        windows = audio.unfold(2, length, length)[0, 0][:, None] if n_samples > length and classifier.window_s else audio
        torch.testing.assert_close(heard[0], library(model, extractor, windows), rtol=1e-4, atol=1e-4)  # parts are summed


@pytest.mark.parametrize("kind", DIFFERENTIABLE)
def test_gradients_are_the_slope_of_the_answer_in_every_row(saved, kind):
    classifier = load(str(saved(kind)[0]))
    classifier_module(classifier).double()
    audio = sounds(8_000, channels=2).double().requires_grad_()
    direction = torch.randn(audio.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    step = 1e-8  # in float64: a longer step crosses kinks of filters and clamps
    slopes = (torch.autograd.grad(classifier(audio)[:, 1].sum(), audio)[0] * direction).sum(dim=(1, 2))
    with torch.no_grad():
        up, down = (classifier(audio + sign * step * direction)[:, 1] for sign in (1, -1))
    assert slopes.abs().min() > 1e-4
    torch.testing.assert_close(slopes, (up - down) / (2 * step), rtol=1e-4, atol=1e-6)


class Given(torch.nn.Module):
    """A model that answers with what it is given."""

    config = None

    def forward(self, audio, attention_mask=None, return_dict=True):
        return type("Answer", (), {"logits": (audio, attention_mask)})


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("attends", [True, False])
def test_the_wav2vec2_family_is_given_what_its_extractor_makes(normalise, attends):
    # norms inside such models hide the level from their logits, so what they are given is compared
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=normalise, return_attention_mask=attends)
    audio = 0.3 + sounds(1_000)[:, 0]
    expected = extractor(list(audio.numpy()), sampling_rate=RATE, return_tensors="pt")
    values, mask = Waveform(Given(), normalise=normalise, attends=attends)(audio)
    torch.testing.assert_close(values, expected["input_values"], rtol=0, atol=1e-5)
    assert (mask is not None) == attends == ("attention_mask" in expected)
    assert mask is None or torch.equal(mask, expected["attention_mask"])


def test_an_extractor_without_a_front_end_of_ours_says_that_no_gradients_pass(saved):
    classifier = load(str(saved("wav2vec2-bert")[0]))
    assert classifier.notes == (
        "its features are made by its own SeamlessM4TFeatureExtractor through NumPy, which gradients cannot pass",
    )
    assert not classifier(sounds(9_000).requires_grad_()).requires_grad
    assert load(str(saved("ast")[0])).notes == ()


def test_silence_gets_finite_answers(saved):
    for kind in KINDS:
        assert torch.isfinite(load(str(saved(kind)[0]))(torch.zeros(2, 1, 9_000))).all()


def test_the_fingerprint_follows_the_weights_and_the_settings_and_not_the_place(saved, changed, tmp_path):
    original = load(str(saved("ast")[0])).fingerprint
    folder = changed()
    assert load(str(folder)).fingerprint == original and len(original) == 16
    extractor = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps(extractor | {"mean": -4.0}))
    assert load(str(folder)).fingerprint != original
    assert load(str(changed(layer_norm_eps=1e-5))).fingerprint != original
    weights = safetensors.load_file(folder / "model.safetensors")
    weights["classifier.dense.bias"][0] += 1e-3
    safetensors.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert load(str(changed())).fingerprint == original != load(str(_reweighted(folder, weights))).fingerprint


def _reweighted(folder, weights):
    safetensors.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_the_default_extractor_of_ast_loads_in_spite_of_its_warning(tmp_path):
    config = transformers.ASTConfig(**SMALL)
    transformers.AutoModelForAudioClassification.from_config(config).save_pretrained(tmp_path)
    with warnings.catch_warnings():  # the lowest of 128 mel bands hold no bin of the spectrum
        warnings.filterwarnings("ignore", "At least one mel filter has all zero values")
        extractor = transformers.ASTFeatureExtractor()
    extractor.save_pretrained(tmp_path)
    assert load(str(tmp_path)).window_s == 10.255


def test_multi_label_models_get_a_sigmoid(changed):
    assert load(str(changed(problem_type="multi_label_classification"))).activation == "sigmoid"
    assert load(str(changed(problem_type="single_label_classification"))).activation == "softmax"


def test_labels_stand_in_the_order_of_their_numbers(changed):
    named = {"id2label": {"2": "c", "0": "a", "1": "b"}, "label2id": {"c": 2, "a": 0, "b": 1}}
    assert load(str(changed(**named))).labels == ("a", "b", "c")
    assert load(str(changed(id2label=None, label2id=None, num_labels=3))).labels == ("LABEL_0", "LABEL_1", "LABEL_2")


def test_weights_in_half_precision_are_computed_in_float32_and_it_says_so(changed):
    folder = changed(dtype="float16")
    weights = {key: value.half() for key, value in safetensors.load_file(folder / "model.safetensors").items()}
    classifier = load(str(_reweighted(folder, weights)))
    assert classifier.notes == ("its weights, stored as float16, are computed with in float32",)
    assert classifier(sounds(9_000)).dtype == torch.float32
    whole = load(str(_reweighted(changed(), {key: value.float() for key, value in weights.items()})))
    torch.testing.assert_close(classifier(sounds(9_000)), whole(sounds(9_000)), rtol=0, atol=1e-6)


def test_what_whispers_extractor_would_draw_at_random_is_left_out_and_said(saved, tmp_path):
    folder = shutil.copytree(saved("whisper")[0], tmp_path / "whisper")
    extractor = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps(extractor | {"dither": 0.001}))
    assert load(str(folder)).notes == ("its extractor's dither of 0.001, random noise, is left out",)


def test_too_short_audio_is_refused_in_words(saved):
    for kind, says in {"wav2vec2": r"at least 45 samples, one frame; got 44", "ast": r"at least 400 samples"}.items():
        with pytest.raises(ValueError, match=says):
            load(str(saved(kind)[0]))(torch.zeros(1, 1, 44))
    assert load(str(saved("wav2vec2")[0]))(torch.randn(1, 1, 45)).shape == (1, 3)


def test_labels_that_are_none_are_refused_in_words(changed):
    twice = {"id2label": {"0": "a", "1": "a", "2": "b"}, "label2id": {"a": 1, "b": 2}}
    with pytest.raises(ValueError, match=r"labels must differ, and a stands more than once; give each number of id2label"):
        load(str(changed(**twice)))
    with pytest.raises(ValueError, match=r"id2label in config\.json must number its labels from 0 on; got \[0, 1, 3\]"):
        load(str(changed(id2label={"0": "a", "1": "b", "3": "c"}, label2id={"a": 0, "b": 1, "c": 3})))
    four = {"id2label": {str(i): f"l{i}" for i in range(4)}, "label2id": {f"l{i}": i for i in range(4)}}
    with pytest.raises(ValueError, match=r"another shape than its config\.json says: classifier\.dense\.bias.* id2label"):
        load(str(changed(**four)))


def test_regression_is_refused_in_words(changed):
    with pytest.raises(ValueError, match=r"regresses to a number \(problem_type 'regression', labels: 3\)"):
        load(str(changed(problem_type="regression")))
    with pytest.raises(
        ValueError, match=r"regresses to a number .*labels: 1.* set .problem_type.: .multi_label_classification"
    ):
        load(str(changed(id2label={"0": "dog"}, label2id={"dog": 0})))


def test_pickled_weights_are_never_opened(saved, changed):
    folder = changed()
    (folder / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"There are no weights in .*model; save the model there"):
        load(str(folder))
    (folder / "pytorch_model.bin").write_bytes(b"never read")
    with pytest.raises(ValueError, match=r"no weights in safetensors \(only pytorch_model\.bin\).*save_pretrained\(DIR\)"):
        load(str(folder))
    torch.save(saved("ast")[1].state_dict(), folder / "pytorch_model.bin")  # whole, and beside safetensors of something else
    safetensors.save_file({"other": torch.zeros(1)}, folder / "adapter.safetensors")
    with pytest.raises(ValueError, match=r"no weights in safetensors \(.*model\.safetensors.*any code"):
        load(str(folder))


def test_code_that_comes_with_a_model_is_never_run(changed):
    folder = changed(model_type="own", auto_map={"AutoConfig": "own.C", "AutoModelForAudioClassification": "own.M"})
    (folder / "own.py").write_text("raise SystemExit('it was run')\n")
    with pytest.raises(ValueError, match=r"brings code of its own, which hearwhy does not run\. Load it yourself"):
        load(str(folder))


def test_folders_that_hold_something_else_are_refused_in_words(changed):
    with pytest.raises(ValueError, match=r"is a model of type gpt2, which transformers has no audio classifier of"):
        load(str(changed(model_type="gpt2")))
    with pytest.raises(ValueError, match=r"cannot read its config\.json .*`own`.*Update transformers"):
        load(str(changed(model_type="own")))
    folder = changed()
    (folder / "model.safetensors").write_bytes(b"junk" * 50)
    with pytest.raises(ValueError, match=r"has weights that cannot be read \(.*header.*\); copy or save the folder again"):
        load(str(folder))
    weights = safetensors.load_file(changed() / "model.safetensors")
    headless = {key: value for key, value in weights.items() if not key.startswith("classifier")}
    with pytest.raises(ValueError, match=r"has no weights for classifier\.dense\.bias, .*, which would be random"):
        load(str(_reweighted(folder, headless)))
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ValueError, match=r"has no feature extractor that can be read .*each with save_pretrained"):
        load(str(folder))
    (folder / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"There is no config\.json in .*save_pretrained"):
        load(str(folder))


def test_an_id_that_nothing_comes_from_gets_one_message_with_two_ways(monkeypatch, capfd):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # no network here: no retries either
    with pytest.raises(FileNotFoundError, match=r"download it first \(hf download nobody/nothing") as raised:
        load("nobody/nothing")
    assert "then give the folder: hf:DIR" in str(raised.value)
    assert raised.value.__cause__ is None and raised.value.__suppress_context__
    assert capfd.readouterr() == ("", "")


def test_what_is_neither_a_folder_nor_an_id_is_refused_in_words(saved, tmp_path):
    for argument in ("./no/such/folder", "a/b/c", str(tmp_path / "none")):
        with pytest.raises(FileNotFoundError, match=r"There is no folder .*; give one, or an ID of the hub"):
            load(argument)
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors is a file; give the folder that holds it"):
        load(str(saved("ast")[0] / "model.safetensors"))


def test_loading_says_nothing_on_the_terminal_and_leaves_the_librarys_settings_alone(saved, capfd):
    said = transformers.utils.logging
    folder = str(saved("ast")[0])
    said.enable_progress_bar()
    before = said.get_verbosity()
    capfd.readouterr()  # saving may show a bar of its own, where no test saved this model before
    load(folder)
    assert capfd.readouterr() == ("", "")
    assert said.get_verbosity() == before and said.is_progress_bar_enabled()
    said.disable_progress_bar()
