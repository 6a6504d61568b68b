"""Keras files: models built and saved here, asked through hearwhy and through Keras itself."""

import importlib.util
import json
import os
import subprocess
import sys
import warnings
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

import hearwhy
from hearwhy import explain

with pytest.MonkeyPatch.context() as patch:
    patch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
layers = keras.layers

RATE, N = 8000, 400
ROOT = Path(__file__).parents[2]
DESCRIPTION = """
sample_rate = 8000
labels = ["low", "mid", "high"]
input = "batch time 1"
window_s = 0.05
"""


@contextmanager
def as_arrays():
    """Keras hands torch tensors to NumPy in a way that NumPy 2 complains of."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation doesn't accept a copy keyword", DeprecationWarning)
        yield


def save(model, path, description=DESCRIPTION):
    with as_arrays():
        model.save(path)
    path.with_suffix(".toml").write_text(description)
    return path


def waves(length=N, *, last=None, dtype="float32", **options):
    """A network on waveforms with what behaves otherwise in training."""
    keras.utils.set_random_seed(0)
    given = keras.Input((length, 1), name="wave", **options)
    hidden = layers.BatchNormalization()(layers.Conv1D(8, 16, 4, activation="tanh", dtype=dtype)(given))
    hidden = layers.GlobalAveragePooling1D()(layers.Dropout(0.5)(hidden))
    return keras.Model(given, layers.Dense(3, activation=last, dtype=dtype, name="answer")(hidden))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "model.keras"


def sound(n=4, *, time=N, seed=0):
    return torch.randn(n, 1, time, generator=torch.Generator().manual_seed(seed))


def test_the_answers_are_kerass(file):
    model = waves()
    classifier = hearwhy.classifier(f"keras:{save(model, file)}")
    assert (classifier.sample_rate, classifier.labels, classifier.window_s) == (RATE, ("low", "mid", "high"), 0.05)
    assert (classifier.activation, classifier.name) == ("softmax", "keras:model.keras")
    with torch.no_grad():
        theirs = model(sound().transpose(1, 2), training=False)
        assert not torch.allclose(theirs, model(sound().transpose(1, 2), training=True), atol=1e-3)
    ours = classifier(sound())
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    alone = torch.cat([classifier(window) for window in sound().split(1)])
    torch.testing.assert_close(ours, alone, rtol=0, atol=1e-5)


def test_a_length_that_the_file_leaves_open_is_the_recordings(file):
    model = waves(None)
    classifier = hearwhy.classifier(f"keras:{save(model, file, DESCRIPTION.replace('window_s = 0.05', ''))}")
    assert classifier.window_s is None
    for time in (400, 123, 8000):
        theirs = model(sound(time=time).transpose(1, 2), training=False)
        torch.testing.assert_close(classifier(sound(time=time)), theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["Model", "Sequential", "dict"])
def test_every_way_to_build_a_model_is_taken(file, kind):
    given = keras.Input((N,), name="wave")
    flat = keras.Sequential([given, layers.Dense(3)]) if kind == "Sequential" else None
    if kind == "Model":
        flat = keras.Model(given, layers.Dense(3)(given))
    if kind == "dict":
        flat = keras.Model({"wave": given}, {"answer": layers.Dense(3)(given)})
    save(flat, file, DESCRIPTION.replace("batch time 1", "batch time"))
    with as_arrays():
        weight, bias = flat.get_weights()
    ours = hearwhy.classifier(f"keras:{file}")(sound()).numpy()
    np.testing.assert_allclose(ours, sound()[:, 0].numpy() @ weight + bias, rtol=0, atol=1e-4)  # 400 terms in another order


def test_the_slope_is_the_difference_quotient(file):
    classifier = hearwhy.classifier(f"keras:{save(waves(), file)}")
    audio, direction = sound(2).requires_grad_(), sound(2, seed=1)
    (slope,) = torch.autograd.grad(classifier(audio)[:, 0].sum(), audio)
    step = 0.01  # tanh bends by about step**2, and float32 rounds by 1e-7 / step
    up, down = (float(classifier(audio.detach() + sign * step * direction)[:, 0].double().sum()) for sign in (1, -1))
    assert float((slope * direction).sum()) == pytest.approx((up - down) / (2 * step), rel=1e-2)
    assert not any(weight.requires_grad for weight in classifier.function.parameters())


def test_spectrograms_are_made_and_laid_out_as_described(file):
    keras.utils.set_random_seed(0)
    shape = [keras.Input((16, 9, 1)), layers.Conv2D(4, 3, activation="relu"), layers.Flatten(), layers.Dense(3)]
    model = keras.Sequential(shape)
    front_end = "[front_end]\nkind = 'log_mel'\nn_fft = 128\nhop_length = 50\nn_mels = 16\n"
    save(model, file, DESCRIPTION.replace("batch time 1", "batch freq frame 1") + front_end)
    classifier = hearwhy.classifier(f"keras:{file}")
    theirs = model(classifier.features(sound())[..., None], training=False)
    torch.testing.assert_close(classifier(sound()), theirs, rtol=1e-5, atol=1e-5)


def test_gradient_methods_explain_it(file):
    given = keras.Input((N,), name="wave")
    weight = np.zeros((N, 2), np.float32)
    weight[: N // 2, 0], weight[N // 2 :, 1] = 1, 1
    model = keras.Model(given, layers.Dense(2, use_bias=False)(given))
    model.set_weights([weight])
    save(model, file, DESCRIPTION.replace("batch time 1", "batch time").replace('"low", "mid", "high"', '"left", "right"'))
    recording = hearwhy.Recording(torch.linspace(2, 1, N)[None] / N, RATE)
    asked = {"components": "segments:2", "target": "left - right"}
    exact = explain(f"keras:{file}", recording, method="shapley", **asked)
    sloped = explain(f"keras:{file}", recording, method="integrated_gradients", **asked)
    torch.testing.assert_close(sloped.values, exact.values, rtol=0, atol=1e-5)  # the model is linear
    assert exact.values[0, 0] > 0.8 and exact.values[0, 1] < -0.5


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_another_precision_computes_as_it_was_saved_and_answers_float32(file, policy):
    model = waves(dtype=policy)
    classifier = hearwhy.classifier(f"keras:{save(model, file)}")
    ours = classifier(sound().requires_grad_())
    assert ours.dtype == torch.float32 and ours.requires_grad
    theirs = model(sound().transpose(1, 2), training=False)
    assert theirs.dtype == {"mixed_float16": torch.float16, "mixed_bfloat16": torch.bfloat16, "float64": torch.float64}[policy]
    torch.testing.assert_close(ours, theirs.float(), rtol=0, atol=1e-6)


def test_layers_that_make_the_spectrogram_themselves_are_taken(file):
    given = keras.Input((N,))
    mel = layers.MelSpectrogram(num_mel_bins=3, sampling_rate=RATE, fft_length=128, sequence_stride=64)(given)
    model = keras.Model(given, layers.GlobalAveragePooling1D()(layers.Permute((2, 1))(mel)))
    classifier = hearwhy.classifier(f"keras:{save(model, file, DESCRIPTION.replace('batch time 1', 'batch time'))}")
    audio = sound().requires_grad_()
    answers = classifier(audio)
    torch.testing.assert_close(answers, model(sound()[:, 0], training=False), rtol=0, atol=1e-5)
    answers.sum().backward()
    assert (audio.grad != 0).any()


def test_a_compiled_model_is_taken_without_its_optimizer(file):
    model = waves()
    model.compile("adam", "categorical_crossentropy")
    assert hearwhy.classifier(f"keras:{save(model, file)}")(sound()).shape == (4, 3)


def test_loading_draws_no_random_numbers(file):
    save(waves(), file)
    before = torch.get_rng_state()
    hearwhy.classifier(f"keras:{file}")
    assert torch.equal(before, torch.get_rng_state())


def test_the_fingerprint_is_of_weights_and_description(file):
    first = hearwhy.classifier(f"keras:{save(waves(), file)}").fingerprint
    assert first == hearwhy.classifier(f"keras:{file}").fingerprint
    file.with_suffix(".toml").write_text(DESCRIPTION + "activation = 'sigmoid'\n")
    assert first != hearwhy.classifier(f"keras:{file}").fingerprint


@pytest.mark.parametrize("last", ["softmax", "sigmoid"])
@pytest.mark.parametrize("where", ["in the layer", "a layer", "an operation", "within"])
def test_a_second_activation_is_refused(file, last, where):
    model = waves(last=last if where == "in the layer" else None)
    if where == "a layer":
        model = keras.Model(model.input, layers.Activation(last)(model.output))
    if where == "an operation":
        model = keras.Model(model.input, getattr(keras.ops, last)(model.output))
    if where == "within":
        model = keras.Sequential([keras.Input((N, 1)), waves(last=last)])
    save(model, file, DESCRIPTION + f"activation = '{last}'\n")
    with pytest.raises(ValueError, match=f"ends in a {last} and so gives probabilities, but .* activation = '{last}'"):
        hearwhy.classifier(f"keras:{file}")
    file.with_suffix(".toml").write_text(DESCRIPTION + "activation = 'probability'\n")
    answers = hearwhy.classifier(f"keras:{file}")(sound())
    assert ((answers > 0) & (answers < 1)).all()


def test_a_lambda_layer_is_not_run(file):
    given = keras.Input((N, 1))
    save(keras.Model(given, layers.Dense(3)(layers.Flatten()(layers.Lambda(lambda x: 2 * x)(given)))), file)
    with pytest.raises(ValueError, match=r"holds a Lambda layer: code that loading it would run.*Rescaling.*py:module:attr"):
        hearwhy.classifier(f"keras:{file}")


def test_a_wrapped_torch_module_is_not_unpickled(file):
    wrapped = layers.TorchModuleWrapper(torch.nn.Linear(N, 3), output_shape=(None, 3))
    given = keras.Input((N,))
    save(keras.Model(given, wrapped(given)), file)
    with pytest.raises(ValueError, match="holds a wrapped torch module: code that loading it would run"):
        hearwhy.classifier(f"keras:{file}")


class Tripled(layers.Layer):
    def call(self, x):
        return 3 * x


def test_a_class_that_is_not_kerass_is_named_and_taken_once_it_is_registered(file):
    given = keras.Input((N, 1))
    model = keras.Model(given, layers.Dense(3)(layers.Flatten()(Tripled()(given))))
    save(model, file)
    with pytest.raises(ValueError, match=r"holds Tripled, which is no part of Keras.*import what registers Tripled"):
        hearwhy.classifier(f"keras:{file}")
    with keras.saving.custom_object_scope({"Tripled": Tripled}):
        ours = hearwhy.classifier(f"keras:{file}")(sound())
    torch.testing.assert_close(ours, model(sound().transpose(1, 2)).detach(), rtol=0, atol=1e-5)


def test_several_inputs_are_refused_and_several_answers_named(file):
    one, two = keras.Input((N, 1), name="left"), keras.Input((N, 1), name="right")
    save(keras.Model([one, two], layers.Add()([one, two])), file)
    with pytest.raises(ValueError, match=r"2 inputs \(left, right\); hearwhy gives one"):
        hearwhy.classifier(f"keras:{file}")
    hidden = layers.Flatten()(one)
    ends = [layers.Dense(3, name="species")(hidden), layers.Dense(3, activation="softmax", name="call")(hidden)]
    model = keras.Model(one, ends)
    save(model, file)
    with pytest.raises(ValueError, match=r"gives 2 things, species, call\. Name the one .* as in answer = 'species'"):
        hearwhy.classifier(f"keras:{file}")
    theirs = model(sound().transpose(1, 2))
    for name, activation, end in (("species", "softmax", 0), ("1", "probability", 1)):
        file.with_suffix(".toml").write_text(f"{DESCRIPTION}answer = '{name}'\nactivation = '{activation}'\n")
        torch.testing.assert_close(hearwhy.classifier(f"keras:{file}")(sound()), theirs[end], rtol=0, atol=1e-5)
    file.with_suffix(".toml").write_text(f"{DESCRIPTION}answer = 'call'\n")
    with pytest.raises(ValueError, match="ends in a softmax and so gives probabilities"):
        hearwhy.classifier(f"keras:{file}")


def test_whole_numbers_and_memories_are_refused(file):
    given = keras.Input((N, 1), dtype="int16")
    save(keras.Model(given, layers.Dense(3)(layers.Flatten()(given))), file)
    with pytest.raises(ValueError, match="takes int16 numbers, and sound here is float32"):
        hearwhy.classifier(f"keras:{file}")
    given = keras.Input(batch_shape=(1, N, 1))
    save(keras.Model(given, layers.Dense(3)(layers.GRU(4, stateful=True, name="memory")(given))), file)
    with pytest.raises(ValueError, match="memory is stateful, so that answers change from call to call"):
        hearwhy.classifier(f"keras:{file}")


def test_something_else_than_a_model_is_refused(file):
    layer = layers.Dense(3)
    layer.build((None, N))
    with as_arrays():
        keras.saving.save_model(layer, file)
    file.with_suffix(".toml").write_text(DESCRIPTION)
    with pytest.raises(ValueError, match="holds a Dense, not a model"):
        hearwhy.classifier(f"keras:{file}")


@pytest.mark.parametrize("content", [b"", b"x" * 100, "other", "not JSON"])
def test_what_is_no_keras_file_is_said_to_be_none(file, content):
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("other.txt" if content == "other" else "config.json", "{")
    with pytest.raises(ValueError, match=r"not a Keras 3 file \(\.keras\)\. A legacy one .* becomes one in Keras"):
        hearwhy.classifier(f"keras:{file}")


def test_a_file_without_its_weights_is_refused(file):
    save(waves(), file)
    with zipfile.ZipFile(file) as archive:
        kept = {name: archive.read(name) for name in ("metadata.json", "config.json")}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in kept.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match=r"Keras 3\S* cannot load .*Save it again with this version of Keras"):
        hearwhy.classifier(f"keras:{file}")


@pytest.mark.parametrize(
    "change, message",
    [
        (("0.05", "0.1"), r"takes \(any, 400, 1\), where .*: the axis time is 400 long, .* makes it 800. Mend sample_rate"),
        (("batch time 1", "batch 1 time"), "an axis of length one is 400 long, and the description makes it 1"),
        (("batch time 1", "batch channel time"), "the axis channel is 400 long, and the description makes it 1"),
        (
            ("batch time 1", "batch time"),
            r"\(any, 400, 1\), 3 axes, .*input = 'batch time'\. Name every axis .* 'batch time 1'",
        ),
        (('input = "batch time 1"', ""), "says 'batch channel time': the axis channel is 400 long"),
        (("window_s = 0.05", ""), r"has no window_s\. Add window_s = 0\.05\."),
        (('"low", ', ""), "answers 3 numbers, and its description has 2 labels; mend labels"),
    ],
)
def test_a_description_that_does_not_fit_is_refused_at_once(file, change, message):
    save(waves(), file, DESCRIPTION.replace(*change))
    with pytest.raises(ValueError, match=message):
        hearwhy.classifier(f"keras:{file}")


def test_audio_of_another_length_is_refused_though_keras_would_answer(file):
    model = keras.Sequential(waves().layers)
    assert model(sound(time=300).transpose(1, 2)).shape == (4, 3)
    with pytest.raises(ValueError, match=r"model\.keras takes \(any, 400, 1\); got \(4, 300, 1\)\. Resample, downmix and"):
        hearwhy.classifier(f"keras:{save(model, file)}")(sound(time=300))


def test_a_missing_file_or_description_is_said(file):
    with pytest.raises(FileNotFoundError, match=r"no file .*model\.keras for keras:FILE"):
        hearwhy.classifier(f"keras:{file}")
    save(waves(), file).with_suffix(".toml").unlink()
    with pytest.raises(ValueError, match=r"does not say what it takes. Describe it in .*model\.toml"):
        hearwhy.classifier(f"keras:{file}")


def test_keras_on_another_backend_is_refused(file, monkeypatch):
    save(waves(), file)
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match=r"already imported, on its jax backend, .* Start anew with KERAS_BACKEND=torch"):
        hearwhy.classifier(f"keras:{file}")


def test_keras_is_put_on_torch_and_the_environment_stays(file):
    save(waves(), file)
    code = f"import hearwhy, json, os, sys; hearwhy.classifier('keras:{file}'); import keras; "
    code += "print(json.dumps([keras.config.backend(), os.environ['KERAS_BACKEND']]))"
    asked = [sys.executable, "-W", "error", "-c", code]
    ran = subprocess.run(asked, capture_output=True, text=True, env={**os.environ, "KERAS_BACKEND": "jax"}, check=False)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == ["torch", "jax"]


@pytest.mark.parametrize("method", ["shapley", "integrated_gradients(n_steps=8)"])
def test_the_band_network_rebuilt_in_keras_is_explained_like_the_shipped_one(file, method):
    source = importlib.util.spec_from_file_location("export_band_keras", ROOT / "examples" / "export_band_keras.py")
    example = importlib.util.module_from_spec(source)
    source.loader.exec_module(example)
    with as_arrays():
        example.export(file)
    song = hearwhy.load(ROOT / "src/hearwhy/demo_song/mix.flac", start_s=2.0, duration_s=2.0)
    asked = {"components": "bands:4", "target": "guitar", "method": method}
    ours, shipped = (explain(model, song, **asked).values for model in (f"keras:{file}", "band"))
    # the same sums in another order of axes
    torch.testing.assert_close(ours, shipped, rtol=0, atol=1e-4 * float(shipped.max() - shipped.min()))
