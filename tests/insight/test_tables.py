"""The CSV files hold every number, one row a snippet and target, one row a component."""

import csv

from insight_scenes import confounded, explanation, insight, snippet

from hearwhy.insight.clusters import clustering
from hearwhy.insight.tables import write_tables


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_explanation_and_every_value_is_a_row(tmp_path):
    found = confounded(40)
    clusters = clustering(found.views[0])
    write_tables(found, tmp_path, clusters)
    rows, values = read(tmp_path / "snippets.csv"), read(tmp_path / "values.csv")
    assert len(rows) == 40 and len(values) == sum(len(s.names) for s in found.snippets)
    first, s = rows[1], found.snippets[1]
    assert (first["item"], first["condition"], first["true"], first["predicted"]) == ("song 1", s.condition, "piano", "guitar")
    assert (first["label_1"], float(first["probability_1"])) == ("guitar", 0.9) and "label_3" not in first
    assert float(first["score"]) == s.explanations[0].score == float(first["surrogate"])
    assert (first["most_important"], first["loudest"]) == ("drums", "piano")
    assert [int(row["cluster"]) - 1 for row in rows] == clusters.number.tolist()
    drums = next(row for row in values if row["item"] == "song 1" and row["component"] == "drums" and row["number"] == "1")
    assert float(drums["value"]) == 5.0 and drums["absent"] == "0" and drums["stderr"] == "" and float(drums["level_db"]) == -7


def test_each_target_is_a_row_of_its_own(tmp_path):
    both = (explanation("guitar", {"a": 1.0}), explanation("piano", {"a": -1.0}))
    write_tables(insight(snippet(0, {"a": 1.0}, explanations=both)), tmp_path)
    assert [(row["target"], row["most_important"]) for row in read(tmp_path / "snippets.csv")] == [
        ("guitar", "a"), ("piano", "nothing present"),
    ]  # fmt: skip
    assert [(row["target"], row["value"]) for row in read(tmp_path / "values.csv")] == [("guitar", "1.0"), ("piano", "-1.0")]
