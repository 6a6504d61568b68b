"""CLAP: a small one of the real classes, saved here, must answer as the library itself does, and say what it cannot do."""

import json
import shutil

import pytest
import torch

import hearwhy
from hearwhy.asking import Predict
from hearwhy.classifiers.callable import classifier_module
from hearwhy.classifiers.clap import load
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.types import Classifier
from toys import noise, tone

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")
RATE = 48_000
PROMPTS = ("a dog barking", "rain on the roof", "this is the sound of a cat")
WORDS = ["this is a sound of a dog barking", "a cat meowing", "rain on the roof"]
EAR = {
    "window_size": 8, "num_mel_bins": 64, "spec_size": 256, "patch_size": 4, "patch_stride": [4, 4], "num_classes": 3,
    "patch_embeds_hidden_size": 8, "hidden_size": 64, "projection_dim": 16, "depths": [1, 1, 1, 1],
    "num_attention_heads": [1, 1, 2, 2],
}  # fmt: skip
TEXT = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 20, "projection_dim": 16,
    "max_position_embeddings": 40, "pad_token_id": 1,
}  # fmt: skip


def tokenizer(folder):
    trained = tokenizers.ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained.train_from_iterator(WORDS * 3, vocab_size=300, min_frequency=1, special_tokens=special, show_progress=False)
    trained.save_model(str(folder))
    vocab = json.loads((folder / "vocab.json").read_text())
    merges = [tuple(line.split()) for line in (folder / "merges.txt").read_text().splitlines()[1:]]
    return transformers.RobertaTokenizer(vocab=vocab, merges=merges, model_max_length=38)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Each kind as (folder, model, processor)."""
    transformers.utils.logging.disable_progress_bar()
    words = tokenizer(tmp_path_factory.mktemp("words"))
    kept = {}
    for kind in ("rand_trunc", "fusion"):
        ear, text = EAR | {"enable_fusion": kind == "fusion"}, TEXT | {"vocab_size": len(words)}
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = transformers.ClapModel(transformers.ClapConfig(audio_config=ear, text_config=text, projection_dim=16))
            with torch.no_grad():
                model.logit_scale_a.add_(0.3)  # so that it differs from the scale of texts
                for weight in model.parameters():
                    weight.add_(0.05 * torch.randn_like(weight))
        extractor = transformers.ClapFeatureExtractor(truncation=kind, max_length_s=2)  # 10 by default: slower
        processor = transformers.ClapProcessor(feature_extractor=extractor, tokenizer=words)
        folder = tmp_path_factory.mktemp("clap") / kind
        model.eval().save_pretrained(folder)
        processor.save_pretrained(folder)
        kept[kind] = folder, model, processor
    yield kept
    transformers.utils.logging.enable_progress_bar()


def sounds(n_samples, channels=3):
    seconds = n_samples / RATE
    return (noise(seconds, channels=channels, rate=RATE) + tone(500, seconds=seconds, rate=RATE))[:, None]


def library(model, processor, audio):
    """The library's own answer to one clip after the other; in a batch, a fusing model draws at random which one it fuses."""
    words = processor.tokenizer(list(PROMPTS), padding=True, return_tensors="pt")
    heard = [processor.feature_extractor([row], sampling_rate=RATE, return_tensors="pt") for row in audio[:, 0].numpy()]
    with torch.no_grad():
        return torch.cat([model(**words, **features).logits_per_audio for features in heard])


@pytest.mark.parametrize("kind", ["rand_trunc", "fusion"])
@pytest.mark.parametrize("n_samples", [5_000, 40_000, 96_000])
def test_the_logits_are_the_librarys_for_every_length_single_and_batched(saved, kind, n_samples):
    folder, model, processor = saved[kind]
    classifier = load(str(folder), prompts=PROMPTS)
    audio = sounds(n_samples)
    with torch.inference_mode():
        answers, one_by_one = classifier(audio), torch.cat([classifier(row[None]) for row in audio])
    expected = library(model, processor, audio)
    assert expected.std(dim=0).max() > 1e-2  # the clips are told apart, so equal answers mean equal features
    torch.testing.assert_close(answers, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(one_by_one, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["rand_trunc", "fusion"])
def test_it_is_a_classifier_as_hearwhy_asks_for(saved, kind):
    folder = saved[kind][0]
    classifier = hearwhy.classifier(f"clap:{folder}", prompts=PROMPTS)
    assert isinstance(classifier, Classifier) and isinstance(classifier, SpectrogramClassifier)
    assert (classifier.labels, classifier.activation, classifier.channels) == (PROMPTS, "softmax", 1)
    assert (classifier.sample_rate, classifier.window_s, classifier.pads) == (RATE, 2.0, True)
    network = classifier_module(classifier)
    assert not any(part.training for part in network.modules())
    assert not any(weight.requires_grad for weight in network.parameters())
    assert classifier.features(sounds(30_000)).shape == (3, 64, 201)


@pytest.mark.parametrize("kind", ["rand_trunc", "fusion"])
def test_answers_hang_on_nothing_but_the_sound(saved, kind):
    classifier = load(str(saved[kind][0]), prompts=PROMPTS)
    audio = sounds(40_000)
    assert torch.equal(classifier(audio), classifier(audio))
    torch.testing.assert_close(classifier(audio), classifier(audio.flip(0)).flip(0))
    assert load(str(saved[kind][0]), prompts=PROMPTS).fingerprint == classifier.fingerprint


def test_the_fingerprint_follows_the_prompts_and_the_model(saved):
    fingerprints = {
        load(str(saved[kind][0]), prompts=prompts).fingerprint
        for kind in ("rand_trunc", "fusion") for prompts in (PROMPTS, PROMPTS[:2], PROMPTS[::-1])
    }  # fmt: skip
    assert len(fingerprints) == 6


def test_a_prompts_likeness_does_not_hang_on_the_other_prompts(saved):
    folder = str(saved["rand_trunc"][0])
    some, more = load(folder, prompts=PROMPTS[:2]), load(folder, prompts=PROMPTS)
    torch.testing.assert_close(some(sounds(30_000)), more(sounds(30_000))[:, :2], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["rand_trunc", "fusion"])
def test_gradients_are_the_slope_of_the_answer_in_every_row(saved, kind):
    classifier = load(str(saved[kind][0]), prompts=PROMPTS)
    with torch.inference_mode():
        classifier(sounds(30_000))  # what is kept from here must not stand in the way of gradients
    audio = sounds(40_000, channels=2).requires_grad_()
    slopes = torch.autograd.grad(classifier(audio)[:, 1].sum(), audio)[0]
    network = classifier_module(classifier).double()
    assert network is classifier.network
    audio = audio.detach().double()
    direction = torch.randn(audio.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        up, down = (classifier(audio + step * direction)[:, 1] for step in (1e-7, -1e-7))
    slope = (slopes.double() * direction).sum(dim=(1, 2))
    assert slope.abs().min() > 1e-2
    # the float32 slope, as a user gets it, against differences in float64
    torch.testing.assert_close(slope, (up - down) / 2e-7, rtol=1e-3, atol=1e-3)


def test_a_long_recording_is_heard_in_windows_and_not_cropped_at_random(saved):
    folder, model, processor = saved["rand_trunc"]
    classifier = load(str(folder), prompts=PROMPTS)
    audio = sounds(2 * 96_000, channels=1)
    parts = hearwhy.components("segments:2", hearwhy.Recording(audio[0], RATE))
    heard = Predict(classifier, parts)(torch.ones(1, 2, dtype=torch.bool))
    windows = audio.reshape(2, 1, 96_000)
    torch.testing.assert_close(heard[0], library(model, processor, windows), rtol=1e-4, atol=1e-4)  # parts are summed
    with pytest.raises(ValueError, match=r"takes 1 to 96000 samples \(2\.00 s\) at a time; got 192000\. Cut"):
        classifier(audio)


def test_without_two_prompts_it_says_how_to_give_them(saved):
    folder = str(saved["fusion"][0])
    with pytest.raises(
        ValueError, match=r"has no labels of its own: say in words .* --prompts 'a dog barking' --prompts 'rain"
    ):
        load(folder)
    with pytest.raises(ValueError, match=r"one thing among one is always 1; give at least two, as in --prompts 'a dog' --p"):
        load(folder, prompts=["a dog"])
    with pytest.raises(ValueError, match=r"has no labels of its own"):
        load(folder, prompts="a dog")
    with pytest.raises(ValueError, match=r"labels must differ; a dog stands more than once"):
        load(folder, prompts=["a dog", "a dog"])
    with pytest.raises(ValueError, match=r"labels must be one or more non-empty strings"):
        load(folder, prompts=["a dog", ""])


def test_a_prompt_that_is_too_long_is_refused_in_words(saved, capfd):
    with pytest.raises(ValueError, match=r"at most 38 tokens a prompt; 'dog dog .*\.\.\.' has \d+\. Use fewer words"):
        load(str(saved["fusion"][0]), prompts=["rain", "dog " * 50])
    assert capfd.readouterr() == ("", "")


def test_models_that_are_no_clap_are_refused_in_words(saved, tmp_path, monkeypatch):
    folder = shutil.copytree(saved["fusion"][0], tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "wav2vec2"}))
    with pytest.raises(ValueError, match=r"is a model of type wav2vec2, not clap; hf: takes audio classifiers"):
        load(str(folder), prompts=PROMPTS)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "processor_config.json").unlink()
    with pytest.raises(ValueError, match=r"processor.*save_pretrained"):
        load(str(folder), prompts=PROMPTS)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(FileNotFoundError, match=r"hf download nobody/nothing .* give the folder: clap:DIR"):
        load("nobody/nothing", prompts=PROMPTS)
    with pytest.raises(ValueError, match=r"clap: takes a folder or an ID of the hub, as in clap:my-model"):
        load("", prompts=PROMPTS)
