"""Descriptions: every key, both places where they stand, and an error in words for each thing that can be wrong."""

import json

import pytest
import torch

from hearwhy.classifiers.callable import CallableClassifier
from hearwhy.classifiers.description import (
    KEYS,
    Description,
    check_file,
    describe,
    described,
    description,
    file_fingerprint,
)
from hearwhy.classifiers.spectrogram import SpectrogramClassifier
from hearwhy.front_ends import LogMel, Standardised

BASIC = {"sample_rate": 16000, "labels": ["dog", "rain"]}
FRONT_END = {"kind": "log_mel", "n_fft": 512, "hop_length": 256, "n_mels": 64}

EVERY_KEY = """
sample_rate = 16000
labels = ["dog", "rain"]
activation = "sigmoid"
channels = 1
window_s = 1
input = "batch frame freq 1"
output = "batch frame label"
frame_s = 0.02
answer = "framewise"

[front_end]
kind = "log_mel"
n_fft = 512
hop_length = 256
n_mels = 64
norm = "none"
log = "none"
pad = "none"
mean = -4.3
std = 4.6
"""


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"weights")
    return path


def test_every_key_of_the_toml_arrives(model):
    model.with_suffix(".toml").write_text(EVERY_KEY)
    told = describe(model)
    log_mel = LogMel(sample_rate=16000, n_fft=512, hop_length=256, n_mels=64, norm=None, log="none", pad=None)
    assert told == Description(
        sample_rate=16000, labels=("dog", "rain"), activation="sigmoid", window_s=1, input="batch frame freq 1",
        output="batch frame label", frame_s=0.02, answer="framewise", front_end=Standardised(log_mel, -4.3, 4.6),
    )  # fmt: skip
    assert set(KEYS) == set(Description.__dataclass_fields__)


def test_two_keys_are_enough(model):
    model.with_suffix(".toml").write_text('sample_rate = 16000\nlabels = ["dog", "rain"]')
    told = describe(model)
    assert (told.activation, told.channels, told.window_s, told.layout) == ("softmax", 1, None, "batch channel time")
    assert told.input_size is None


def test_a_byte_order_mark_is_no_key(model):
    model.with_suffix(".toml").write_text('\ufeffsample_rate = 16000\nlabels = ["dog", "rain"]', encoding="utf-8")
    assert describe(model).sample_rate == 16000


def test_labels_may_lie_in_a_file_beside_it(model):
    model.with_suffix(".toml").write_text('sample_rate = 16000\nlabels = "classes.txt"')
    model.with_name("classes.txt").write_text("dog\n\n  grüner Specht \nrain\n", encoding="utf-8")
    assert describe(model).labels == ("dog", "grüner Specht", "rain")
    model.with_name("classes.txt").unlink()
    with pytest.raises(ValueError, match=r"model\.toml: there is no file of labels .*classes\.txt"):
        describe(model)


def test_the_file_s_own_metadata_are_read_where_there_is_no_toml(model):
    assert describe(model, {"hearwhy": json.dumps(BASIC), "other": "x"}) == description(BASIC)
    model.with_suffix(".toml").write_text('sample_rate = 8000\nlabels = ["a", "b"]')
    assert describe(model, {"hearwhy": json.dumps(BASIC)}).sample_rate == 8000


def test_the_size_of_the_input_follows():
    def size(**more):
        return description(BASIC | {"window_s": 1.5} | more).input_size

    assert size() == (1, 24000)
    assert size(channels=2) == (2, 24000)
    assert size(input="batch time 1") == (24000, 1)
    assert size(front_end=FRONT_END) == (1, 64, 94)
    assert size(front_end=FRONT_END, input="frame batch freq") == (94, 64)


def test_it_says_where_a_missing_description_belongs(model):
    with pytest.raises(ValueError, match=r"model\.onnx does not say what it takes. Describe it in .*model\.toml, as in: "):
        describe(model, {"labels": "no key of ours"})


@pytest.mark.parametrize("content", [b"sample_rate = ", b"labels = \xff"])
def test_a_toml_that_is_none_is_named(model, content):
    model.with_suffix(".toml").write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.toml is not TOML \(.*\); mend it"):
        describe(model)


@pytest.mark.parametrize(
    ("embedded", "message"),
    [
        ("{sample_rate: 1}", r"the metadata of .*model\.onnx hold no JSON under 'hearwhy' \(.*\); write .*model\.toml instead"),
        ("[1, 2]", r"the metadata of .*model\.onnx must be a table of keys, .* got \[1, 2\]"),
        ('{"labels": ["a"]}', r"the metadata of .*model\.onnx does not say sample_rate; add it"),
    ],
)
def test_metadata_that_are_no_description_are_named(model, embedded, message):
    with pytest.raises(ValueError, match=message):
        describe(model, {"hearwhy": embedded})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, r"model\.toml does not say sample_rate and labels; add them"),
        (BASIC | {"rate": 1}, r"model\.toml: there is no key 'rate'; the keys are activation, answer, channels"),
        (BASIC | {"sample_rate": 16000.0}, r"sample_rate is a whole number of Hz, more than 0; got 16000\.0"),
        (BASIC | {"sample_rate": True}, r"sample_rate is a whole number of Hz, more than 0; got True"),
        (BASIC | {"sample_rate": -1}, r"sample_rate is a whole number of Hz, more than 0; got -1"),
        (BASIC | {"labels": 3}, r"labels is a list, or the name of a text file with a label a line; got 3"),
        (BASIC | {"activation": "relu"}, r"activation is one of softmax, sigmoid, probability; got 'relu'"),
        (BASIC | {"channels": 3}, r"channels is 1 or 2; got 3"),
        (BASIC | {"window_s": "1"}, r"window_s is a number of seconds, more than 0; got '1'"),
        (BASIC | {"window_s": 0}, r"window_s is a number of seconds, more than 0; got 0"),
        (BASIC | {"window_s": float("inf")}, r"window_s is a number of seconds, more than 0; got inf"),
        (BASIC | {"frame_s": -0.1}, r"frame_s is a number of seconds, more than 0; got -0\.1"),
        (BASIC | {"input": ["batch", "time"]}, r"input is the axes in a string, .*; got \['batch', 'time'\]"),
        (BASIC | {"input": "batch"}, r"model\.toml, input: A layout names the axes batch, channel, time \(channel may"),
        (BASIC | {"input": "batch time", "channels": 2}, r"model\.toml, input: A layout names the axes .*; got 'batch time'"),
        (BASIC | {"input": "batch time", "front_end": FRONT_END}, r"input: A layout names the axes batch, freq, frame"),
        (BASIC | {"output": "label"}, r"model\.toml, output: A layout names the axes batch, label, .* got 'label'"),
        (BASIC | {"output": 2}, r"output is the axes in a string, .*; got 2"),
        (BASIC | {"answer": 1.5}, r"answer is a name or a position; got 1\.5"),
        (BASIC | {"front_end": "log_mel"}, r"front_end is a table, as in \[front_end\] .*; got 'log_mel'"),
        (BASIC | {"front_end": {}}, r"model\.toml, front_end: there is no kind None; give one of log_mel"),
        (BASIC | {"front_end": FRONT_END | {"n_mel": 3}}, r"model\.toml, front_end: log_mel has no setting 'n_mel'; it has"),
        (BASIC | {"front_end": {"kind": "log_mel"}}, r"front_end: log_mel needs n_fft, hop_length, n_mels"),
        (BASIC | {"front_end": FRONT_END | {"n_mels": "64"}}, r"model\.toml, front_end: "),
        (
            BASIC | {"front_end": FRONT_END, "channels": 2},
            r"spectrograms are made of mono sound; got channels = 2, leave it out",
        ),
    ],
)
def test_each_wrong_value_is_named_with_its_key(table, message):
    with pytest.raises(ValueError, match=message):
        description(table, where="model.toml")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], r"model: labels must be one or more non-empty strings; got \[\]"),
        ([1, 2], r"model: labels must be one or more non-empty strings; got \[1, 2\]"),
        (["dog", "dog"], r"model: labels must differ; dog stands more than once"),
        (["dog"], r"model: softmax over one label is always 1; one label needs activation = 'sigmoid'"),
    ],
)
def test_labels_that_are_none_are_refused_when_it_becomes_a_classifier(labels, message):
    with pytest.raises(ValueError, match=message):
        described(lambda audio: audio, description(BASIC | {"labels": labels}), name="model", fingerprint=None)


def test_it_becomes_the_kind_of_classifier_that_it_describes():
    def loudness(given):
        return {"loudness": torch.stack([given.flatten(1).mean(1), given.flatten(1).amax(1)], 1), "size": given.shape}

    audio = torch.rand(3, 1, 16000)
    told = description(BASIC | {"input": "batch time", "answer": "loudness", "window_s": 1.0, "activation": "sigmoid"})
    plain = described(loudness, told, name="m", fingerprint="0" * 16)
    assert isinstance(plain, CallableClassifier)
    assert (plain.name, plain.fingerprint, plain.window_s, plain.activation) == ("m", "0" * 16, 1.0, "sigmoid")
    assert torch.equal(plain(audio)[:, 1], audio.amax((1, 2)))
    on_mel = described(loudness, description(BASIC | {"front_end": FRONT_END, "answer": 0}), name="m", fingerprint=None)
    assert isinstance(on_mel, SpectrogramClassifier) and on_mel.sample_rate == 16000
    with pytest.raises(TypeError, match=r"m has no answer '0'; it has 'loudness'"):
        on_mel(audio)


def test_the_fingerprint_follows_file_and_description(model):
    told = description(BASIC)
    first = file_fingerprint(model, told=told)
    assert len(first) == 16 and first == file_fingerprint(model, told=description(BASIC))
    assert first != file_fingerprint(model, told=description(BASIC | {"activation": "sigmoid"}))
    model.write_bytes(b"other weights")
    assert first != file_fingerprint(model, told=told)


@pytest.mark.parametrize("missing", ["", "none.onnx", "."])
def test_a_missing_file_is_named(missing):
    with pytest.raises(FileNotFoundError, match=r"There is no file .* for onnx:FILE; give the path of a model file"):
        check_file(missing, "onnx")
