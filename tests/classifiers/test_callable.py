"""Plain callables, torch modules in Python and scikit-learn estimators as classifiers."""

import sys

import numpy as np
import pytest
import torch

import hearwhy
from hearwhy.classifiers.callable import CallableClassifier, classifier_module, from_callable
from hearwhy.types import Classifier
from toys import ToneDetector, noise, noisy, tone

sklearn = pytest.importorskip("sklearn")

RATE = 8000


def told(function, **attributes):
    for key, value in ({"sample_rate": RATE, "labels": ("loud", "soft")} | attributes).items():
        setattr(function, key, value)
    return function


def loudness():
    return told(lambda audio: torch.stack([audio.abs().mean((1, 2)), torch.zeros(len(audio))], 1))


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Conv1d(1, 4, 16, 8), torch.nn.BatchNorm1d(4), torch.nn.Dropout(0.5))
        self.head = torch.nn.Linear(4, 2)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            for weight in self.parameters():
                torch.nn.init.normal_(weight, std=0.3)
        self.eval()

    def forward(self, audio):
        return self.head(self.body(audio).relu().mean(-1))


# functions


def test_a_function_is_asked_as_it_is_and_keeps_its_slope():
    audio = noise(0.2)[None].expand(3, -1, -1).clone().requires_grad_()
    made = from_callable(loudness())
    assert isinstance(made, Classifier) and made.fingerprint is None
    assert torch.equal(made(audio), loudness()(audio))
    assert made(audio).requires_grad


def test_arrays_are_answers_too():
    made = from_callable(told(lambda audio: np.stack([audio.numpy().mean((1, 2)), audio.numpy().max((1, 2))], 1)))
    audio = noise(0.2)[None]
    torch.testing.assert_close(made(audio), torch.stack([audio.mean((1, 2)), audio.amax((1, 2))], 1))
    assert from_callable(told(lambda audio: [[0.25, 0.75]] * len(audio)))(audio).tolist() == [[0.25, 0.75]]
    assert from_callable(told(lambda audio: [np.ones(2)] * 3))(audio).shape == (3, 2)


def test_layout_and_output_are_obeyed():
    made = from_callable(told(lambda audio: torch.stack([audio[0], audio[1]]), layout="time batch", output="label batch"))
    audio = noise(0.2)[None].expand(3, -1, -1)
    assert torch.equal(made(audio), audio[:, 0, :2])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            {"clipwise_output": torch.zeros(1, 2), "embedding": torch.zeros(1, 8)},
            r"net answers with several things, 'clipwise_output': Tensor \(1, 2\), 'embedding': Tensor \(1, 8\)\. Say which .*"
            r"model\(audio\)\['clipwise_output'\].* answer = \"clipwise_output\"",
        ),
        (
            (torch.zeros(1, 2), None),
            r"several things, '0': Tensor \(1, 2\), '1': NoneType.*model\(audio\)\[0\]",
        ),
        ([torch.zeros(1, 2), torch.zeros(1, 3)], r"net answers with several things, '0': Tensor"),
        ({}, r"net answers with several things, nothing"),
        ("dog", r"net must answer with one tensor or array of numbers \(batch, label\); got str"),
        (None, r"net must answer with one tensor or array of numbers \(batch, label\); got NoneType"),
        ([[1.0], [1.0, 2.0]], r"net must answer with one tensor or array of numbers \(batch, label\); got .*inhomogeneous"),
    ],
)
def test_answers_of_several_things_or_none_are_refused_in_words(answer, message):
    with pytest.raises(TypeError, match=message):
        from_callable(told(lambda audio: answer), name="net")(noise(0.1)[None])


def test_the_answer_that_is_meant_may_be_named():
    both = {"clipwise_output": torch.ones(1, 2), "embedding": torch.zeros(1, 8)}
    audio = noise(0.1)[None]
    assert torch.equal(from_callable(told(lambda audio: both, answer="clipwise_output"))(audio), torch.ones(1, 2))
    assert torch.equal(from_callable(told(lambda audio: tuple(both.values()), answer="0"))(audio), torch.ones(1, 2))
    with pytest.raises(TypeError, match=r"net has no answer 'logits'; it has 'clipwise_output'"):
        from_callable(told(lambda audio: both, answer="logits"), name="net")(audio)


def test_the_only_thing_in_a_dict_is_the_answer():
    transformers = pytest.importorskip("transformers.modeling_outputs")
    output = transformers.SequenceClassifierOutput(logits=torch.ones(1, 2))
    assert torch.equal(from_callable(told(lambda audio: output))(noise(0.1)[None]), torch.ones(1, 2))


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"labels": ()}, r"labels must be one or more non-empty strings; got \[\]"),
        ({"labels": ("dog", "dog")}, r"labels must differ; dog stands more than once"),
        ({"labels": ("dog",)}, r"softmax over one label is always 1; one label needs activation = 'sigmoid'"),
        ({"activation": "relu"}, r"activation is one of softmax, sigmoid, probability; got 'relu'"),
        ({"channels": 3}, r"channels is 1 or 2; got 3"),
        ({"sample_rate": 8000.0}, r"sample_rate is a whole number of Hz; got 8000\.0"),
        ({"window_s": 0}, r"window_s is None or more than 0 seconds; got 0"),
        ({"layout": "time"}, r"A layout names the axes batch, channel, time .* got 'time'"),
    ],
)
def test_senseless_attributes_are_named(attributes, message):
    with pytest.raises(ValueError, match=message):
        from_callable(told(lambda audio: audio, **attributes), name="net")


def test_what_is_no_function_or_does_not_say_enough_is_refused():
    with pytest.raises(TypeError, match=r"int cannot be called; a classifier is a function from audio"):
        from_callable(3)
    with pytest.raises(ValueError, match=r"net does not say its sample_rate and labels; set them on the function, as in"):
        from_callable(lambda audio: audio, name="net")


def test_a_name_leads_to_a_python_attribute(tmp_path, monkeypatch):
    (tmp_path / "my_own_model.py").write_text(
        "def predict(audio): return audio.abs().mean(2).expand(-1, 2)\npredict.sample_rate, predict.labels = 8000, ('a', 'b')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    made = hearwhy.classifier("py:my_own_model:predict")
    assert made.labels == ("a", "b") and made.name == "my_own_model:predict"
    with pytest.raises(ValueError, match=r"py:my_own_model:other: module my_own_model has no attribute 'other'"):
        hearwhy.classifier("py:my_own_model:other")
    with pytest.raises(ValueError, match=r"py:no_such_model:predict cannot be imported .* PYTHONPATH"):
        hearwhy.classifier("py:no_such_model:predict")
    with pytest.raises(ValueError, match=r"py: takes module:attribute, .* got py:my_own_model"):
        hearwhy.classifier("py:my_own_model")
    sys.modules.pop("my_own_model")


# torch modules


def test_a_module_answers_as_when_it_is_called_by_hand():
    net = told(Net())
    made = hearwhy.classifier(net)
    audio = noise(0.25, seed=3)[None] * torch.tensor([1.0, 0.1, 3.0])[:, None, None]
    by_hand = Net()(audio)
    torch.testing.assert_close(made(audio), by_hand, rtol=0, atol=1e-5)
    torch.testing.assert_close(torch.cat([made(one[None]) for one in audio]), by_hand, rtol=0, atol=1e-5)
    assert made(audio[..., :500]).shape == (3, 2)
    assert classifier_module(made) is net


def test_any_part_in_train_mode_is_refused_by_name():
    net = told(Net())
    net.body[2].train()
    with pytest.raises(ValueError, match=r"^body\.2 in Net is in train mode, where answers change .* call Net\.eval\(\) first"):
        hearwhy.classifier(net)
    net.body.train()
    with pytest.raises(ValueError, match=r"^body, body\.0, body\.1 and others in Net is in train mode"):
        hearwhy.classifier(net)
    net.train()
    with pytest.raises(ValueError, match=r"^Net is in train mode"):
        hearwhy.classifier(net)
    hearwhy.classifier(net.eval())


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_works_and_answers_float32(half):
    audio = noise(0.25)[None]
    made = hearwhy.classifier(told(Net().to(half)))
    audio.requires_grad_()
    answers = made(audio)
    assert answers.dtype == torch.float32
    torch.testing.assert_close(answers, Net()(audio), rtol=0.05, atol=0.02)
    answers.sum().backward()
    assert audio.grad.dtype == torch.float32 and audio.grad.abs().max() > 0


def test_a_module_that_is_a_classifier_itself_may_be_in_half_precision_too():
    class Whole(Net):
        sample_rate, channels, labels, activation, window_s, fingerprint = RATE, 1, ("a", "b"), "sigmoid", 0.25, "f" * 16

    made = hearwhy.classifier(Whole().to(torch.bfloat16))
    assert isinstance(made, CallableClassifier) and made.name == "Whole"
    assert (made.activation, made.window_s, made.fingerprint) == ("sigmoid", 0.25, "f" * 16)
    assert made(noise(0.25)[None]).dtype == torch.float32
    full = Whole()
    assert hearwhy.classifier(full) is full
    plain = ToneDetector({"a": 300.0, "b": 900.0})
    assert hearwhy.classifier(plain) is plain


def test_double_precision_stays_double():
    assert hearwhy.classifier(told(Net().double()))(noise(0.25)[None]).dtype == torch.float64


def test_explain_moves_the_module():
    net = told(Net())
    with pytest.raises(Exception, match=r"(?i)meta"):  # moved to a device without numbers, it has none to give
        hearwhy.explain(net, noisy(0.5), device="meta")
    assert {weight.device.type for weight in net.parameters()} == {"meta"}


# scikit-learn


def waves():
    """Eight sounds of a low tone, eight of a high one and eight of noise, (n, time), with their names."""
    low = [tone(200 + 20 * i, seconds=0.25) for i in range(8)]
    high = [tone(2000 + 50 * i, seconds=0.25) for i in range(8)]
    noises = [noise(0.25, seed=i)[0] for i in range(8)]
    return torch.stack(low + high + noises).numpy(), np.repeat(["low", "high", "noise"], 8)


def spectra(rows):
    assert rows.dtype == np.float32 and rows.ndim == 2
    power = np.abs(np.fft.rfft(rows, axis=1)) ** 2
    return np.log1p(np.stack([band.mean(1) for band in np.array_split(power, 8, axis=1)], axis=1))


def fitted(last, *, kinds=("low", "high", "noise"), **attributes):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    rows, names = waves()
    kept = np.isin(names, kinds)
    pipeline = make_pipeline(FunctionTransformer(spectra), StandardScaler(), last).fit(rows[kept], names[kept])
    for key, value in ({"sample_rate": RATE} | attributes).items():
        setattr(pipeline, key, value)
    return pipeline


def test_a_pipeline_with_probabilities_is_explained_as_them():
    from sklearn.linear_model import LogisticRegression

    pipeline = fitted(LogisticRegression())
    made = hearwhy.classifier(pipeline)
    assert isinstance(made, Classifier) and made.labels == ("high", "low", "noise") and made.activation == "probability"
    rows, _ = waves()
    audio = torch.from_numpy(rows[::4])[:, None]
    np.testing.assert_allclose(made(audio), pipeline.predict_proba(rows[::4]), atol=1e-5)
    np.testing.assert_allclose(made(audio[:1]), pipeline.predict_proba(rows[:1]), atol=1e-5)


def test_an_estimator_is_explained_as_a_function_that_calls_it_would_be():
    from sklearn.linear_model import LogisticRegression

    pipeline = fitted(LogisticRegression())
    labels = ("high", "low", "noise")
    by_hand = told(lambda audio: pipeline.predict_proba(audio[:, 0].numpy()), labels=labels, activation="probability")
    song = hearwhy.Recording((tone(200, seconds=0.25) + noise(0.25, gain=0.01)[0])[None], RATE)
    asked = {"components": "bands:3", "target": "low", "method": "shapley"}
    found, expected = (hearwhy.explain(model, song, **asked) for model in (pipeline, by_hand))
    assert found.settings["scale"] == "probability" and expected.values.abs().max() > 0.1
    torch.testing.assert_close(found.values, expected.values, rtol=0, atol=1e-5)


def test_margins_of_several_classes_are_logits():
    from sklearn.svm import LinearSVC

    pipeline = fitted(LinearSVC())
    made = hearwhy.classifier(pipeline)
    rows, _ = waves()
    assert made.activation == "softmax"
    np.testing.assert_allclose(made(torch.from_numpy(rows)[:, None]), pipeline.decision_function(rows), atol=1e-5)


def test_a_binary_margin_is_the_log_odds_of_both_classes():
    from sklearn.svm import LinearSVC

    pipeline = fitted(LinearSVC(), kinds=("low", "high"))
    made = hearwhy.classifier(pipeline)
    rows, _ = waves()
    answers = made(torch.from_numpy(rows[:16])[:, None])
    assert made.labels == ("high", "low") and answers.shape == (16, 2)
    np.testing.assert_allclose(answers[:, 1] - answers[:, 0], pipeline.decision_function(rows[:16]), atol=1e-5)
    assert answers[:8].argmax(1).tolist() == [1] * 8  # the low tones


def test_logits_may_be_asked_for_where_there_are_probabilities():
    from sklearn.linear_model import LogisticRegression

    pipeline = fitted(LogisticRegression(), activation="softmax")
    made = hearwhy.classifier(pipeline)
    rows, _ = waves()
    audio = torch.from_numpy(rows)[:, None]
    np.testing.assert_allclose(made(audio).softmax(1), pipeline.predict_proba(rows), atol=1e-5)


def test_labels_and_window_may_be_set():
    from sklearn.linear_model import LogisticRegression

    made = hearwhy.classifier(fitted(LogisticRegression(), labels=("hi", "lo", "hiss"), window_s=0.25, fingerprint="a" * 16))
    assert (made.labels, made.window_s, made.fingerprint) == (("hi", "lo", "hiss"), 0.25, "a" * 16)
    with pytest.raises(ValueError, match=r"Pipeline has 3 classes and 2 labels; give a label for each"):
        hearwhy.classifier(fitted(LogisticRegression(), labels=("hi", "lo")))


def test_numbers_as_classes_become_labels():
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit(np.random.default_rng(0).normal(size=(9, 4)), np.arange(9) % 3)
    model.sample_rate = RATE
    assert hearwhy.classifier(model).labels == ("0", "1", "2")


def test_it_has_no_slope_and_methods_say_so():
    from sklearn.linear_model import LogisticRegression

    with pytest.raises(ValueError, match=r"integrated_gradients needs the slope of the model, and this model gives no grad"):
        hearwhy.explain(fitted(LogisticRegression()), noisy(0.25), components="bands:2", method="integrated_gradients")


def test_estimators_that_cannot_be_asked_are_refused_in_words():
    from sklearn.cluster import KMeans
    from sklearn.linear_model import LogisticRegression, Perceptron
    from sklearn.neighbors import KNeighborsClassifier

    rows, names = waves()
    with pytest.raises(ValueError, match=r"LogisticRegression is not fitted: it has no classes_. Fit it first"):
        hearwhy.classifier(told(LogisticRegression()))
    with pytest.raises(ValueError, match=r"LogisticRegression does not say its sample_rate; set it on the estimator"):
        hearwhy.classifier(LogisticRegression().fit(rows, names))
    with pytest.raises(ValueError, match=r"KMeans has neither predict_proba nor decision_function"):
        hearwhy.classifier(told(KMeans(2)))
    with pytest.raises(ValueError, match=r"estimators take rows of mono sound \(n, time\); got channels = 2"):
        hearwhy.classifier(fitted(LogisticRegression(), channels=2))
    with pytest.raises(ValueError, match=r"Pipeline has no predict_proba, which activation = 'probability' asks for"):
        hearwhy.classifier(fitted(Perceptron(), activation="probability"))
    two = KNeighborsClassifier(1).fit(rows, np.stack([names, names], 1))
    two.sample_rate = RATE
    with pytest.raises(ValueError, match=r"KNeighborsClassifier has 2 targets, each with its own classes"):
        hearwhy.classifier(two)


def test_sound_and_answers_of_other_shapes_are_refused():
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    with pytest.raises(ValueError, match=r"Pipeline takes mono sound \(batch, 1, time\); got \(1, 2, 2000\)"):
        hearwhy.classifier(fitted(LogisticRegression()))(torch.zeros(1, 2, 2000))
    rows, names = waves()
    names[:4] = "lowest"
    ovo = SVC(decision_function_shape="ovo").fit(spectra(rows), names)
    ovo.sample_rate = RATE
    with pytest.raises(ValueError, match=r"decision_function gives \(24, 6\) for 24 sounds and 4 labels.*shape='ovr'"):
        hearwhy.classifier(ovo)(torch.from_numpy(spectra(rows))[:, None])
