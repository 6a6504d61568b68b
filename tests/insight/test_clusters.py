"""Clusters: planted strategies are found again, noise is not taken for any, and energy is a baseline."""

import numpy as np
import pytest
from insight_scenes import confounded, insight, snippet

from hearwhy.insight.clusters import clustering, directions


def rows_of(recipes, per=12, *, levels=None, seed=0, **more):
    """Snippets after recipes, each at its own strength and with a little noise."""
    drawn, rows = np.random.default_rng(seed), []
    for number, recipe in enumerate(recipes):
        for _ in range(per):
            strength = float(drawn.uniform(0.5, 4))
            noisy = {name: strength * (value + float(drawn.normal(0, 0.05))) for name, value in recipe.items()}
            heard = None if levels is None else levels(number, drawn)
            rows.append(snippet(len(rows), noisy, levels=heard, condition=f"recipe {number}", **more))
    return insight(*rows).views[0]


RECIPES = ({"a": 1.0, "b": 0.0, "c": 0.1}, {"a": 0.0, "b": 1.0, "c": 0.1}, {"a": 0.5, "b": 0.5, "c": -1.0})


def test_planted_recipes_are_found_whatever_their_strength():
    found = clustering(rows_of(RECIPES))
    assert found.k == 3 and found.conditions == 1.0
    assert sorted(len(cluster.rows) for cluster in found.clusters) == [12, 12, 12]
    assert found.silhouette == max(found.silhouettes.values()) > 0.7


def test_explanations_without_structure_are_one_cluster():
    drawn = np.random.default_rng(0)
    rows = [snippet(i, dict(zip("abcdefgh", drawn.normal(size=8), strict=True))) for i in range(60)]
    found = clustering(insight(*rows).views[0])
    assert found.k == 1 and max(found.silhouettes.values()) < 0.25
    assert found.clusters[0].apart is None and found.silhouette is None and found.energy is None


@pytest.mark.parametrize("n", [1, 9])
def test_too_few_snippets_are_not_divided(n):
    found = clustering(insight(*(snippet(i, {"a": float(i % 2), "b": float(i % 3)}) for i in range(n))).views[0])
    assert found.k == 1 and not found.silhouettes


def test_equal_explanations_are_not_divided():
    assert clustering(insight(*(snippet(i, {"a": 1.0, "b": 2.0}) for i in range(30))).views[0]).k == 1


def test_energy_alone_finds_the_same_clusters_only_where_they_are_loudness():
    loud = lambda number, drawn: {name: -3.0 if i == number else -30.0 for i, name in enumerate("abc")}
    other = lambda number, drawn: {name: float(drawn.choice([-3, -30])) for name in "abc"}
    assert clustering(rows_of(RECIPES, levels=loud)).energy == 1.0
    assert abs(clustering(rows_of(RECIPES, per=40, levels=other)).energy) < 0.15  # 0 by chance; 120 rows


def test_the_confounder_is_a_cluster_that_is_worth_a_look():
    found = clustering(confounded(80).views[0])
    drums = next(cluster for cluster in found.clusters if cluster.tops["drums"])
    assert len(drums.rows) == 40 and drums.n_wrong == 20 and drums.n_known == 40 and drums.strange
    assert drums.predictions == {"guitar": 40} and drums.of.view.names[drums.apart] == "drums"
    assert drums.top_is_loudest == 0.0
    assert np.isnan(drums.elsewhere[drums.apart]) and drums.means[drums.apart] == pytest.approx(5.19)
    wrong = [cluster for cluster in found.clusters if cluster.n_wrong > cluster.n_known / 2]
    assert wrong and all(cluster.strange for cluster in wrong)


def test_a_model_that_hears_the_guitar_is_not_strange():
    view = rows_of(({"guitar": 1.0, "drums": 0.0}, {"guitar": 0.7, "drums": -0.7}), label="guitar")
    assert not any(cluster.strange for cluster in clustering(view).clusters)


def test_examples_are_typical_and_of_different_recordings():
    found = clustering(rows_of(RECIPES))
    for cluster in found.clusters:
        assert len({found.view.groups[row] for row in cluster.examples}) == 3
        middle = found.shapes[cluster.rows].mean(axis=0)
        away = {row: float(np.linalg.norm(found.shapes[row] - middle)) for row in cluster.rows}
        assert away[cluster.examples[0]] == min(away.values())


def test_directions_have_length_one_and_what_is_not_noticeable_points_nowhere():
    found = directions(np.array([[3.0, np.nan, 4.0], [0.0, 0.0, 0.0], [0.04, -0.03, 0.0]]), 0.05)
    np.testing.assert_allclose(found, [[0.6, 0, 0.8], [0, 0, 0], [0, 0, 0]])


def test_the_same_seed_gives_the_same_clusters():
    view = rows_of(RECIPES)
    np.testing.assert_array_equal(clustering(view).number, clustering(view).number)
