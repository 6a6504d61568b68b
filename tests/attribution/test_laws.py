"""Every method keeps exactly the laws it declares, on every game."""

import pytest

from games import GAMES
from hearwhy.attribution import LAWS
from laws import CHECKS, METHODS, declaring, one_thread  # noqa: F401 (a fixture)

PROMISES = [(law, *case) for law in CHECKS for case in declaring(law)]
NO_PROMISES = [(law, method) for law in CHECKS for method, entry in METHODS.items() if law not in entry.laws]


def test_every_law_has_its_check():
    assert set(CHECKS) == LAWS


@pytest.mark.parametrize(("law", "method", "game"), PROMISES, ids=lambda x: x)
def test_what_a_method_declares_holds(law, method, game):
    missed = CHECKS[law](METHODS[method], GAMES[game])
    assert missed <= 1, f"{method} breaks {law} on {game}: {missed:.3g} times what rounding and sampling allow"


@pytest.mark.parametrize(("law", "method"), NO_PROMISES, ids=lambda x: x)
def test_what_a_method_does_not_declare_fails_somewhere(law, method):
    """Otherwise it should be declared."""
    small = (GAMES[name] for name in ("glove", "airport", "sigmoid", "kinked"))
    assert max(CHECKS[law](METHODS[method], game) for game in small) > 10
