"""hearwhy check through the front door."""

import json

import pytest

from hearwhy.cli.check import check


@pytest.fixture(autouse=True)
def _timed_briefly(monkeypatch):
    monkeypatch.setattr("hearwhy.check.speed.SIZES", (1, 2))


def test_the_demo_song_is_asked_where_none_is_given(capsys):
    check("band", quiet=True)
    text = capsys.readouterr().out
    assert text.startswith("band: 2 labels\n") and "the demo song" in text
    assert "guitar 0.98" in text and "integrated_gradients" in text
    assert max(map(len, text.splitlines())) <= 80


def test_json_is_one_object_and_nothing_else(capsys):
    check("band:bass", as_json=True)
    out, err = capsys.readouterr()
    assert json.loads(out)["model"]["name"] == "band:bass" and err == ""


def test_a_model_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="There is no model 'nothing'"):
        check("nothing")
