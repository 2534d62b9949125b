"""What is shown of a worker, without one: health, readiness, and the metrics' own text."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from pulpo.worker.board import Board
from pulpo.worker.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
STANDING: dict[str, Any] = {"busy": [3, 7], "reserving": True, "dropped": 0}


@pytest.fixture
def board() -> Board:
    found = Board(WorkerSettings(threads=4, async_slots=10))
    for process in ("one", "two"):
        found.begins(process)
    return found


def samples(board: Board) -> dict[str, dict[tuple[str, ...], float]]:
    """Return the numbers by name and by the values of their labels, in the labels' order."""
    answer = board.answer("/metrics")
    assert (answer.code, answer.type.split(";")[0]) == (200, "text/plain")
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def test_a_worker_is_ready_while_one_process_reserves(board: Board) -> None:
    assert board.answer("/readyz").code == 503
    board.hear("one", STANDING)
    assert board.answer("/readyz")[0::2] == (200, b"ready\n")
    board.hear("one", {**STANDING, "reserving": False})
    assert board.answer("/readyz").code == 503
    board.hear("two", STANDING)
    assert board.answer("/readyz").code == 200
    board.ends("two", died=True)
    assert board.answer("/readyz").code == 503


def test_a_worker_that_stops_is_alive_and_not_ready(board: Board) -> None:
    board.hear("one", STANDING)
    board.is_stopping = True

    assert board.answer("/healthz").code == 200
    assert board.answer("/readyz")[0::2] == (503, b"stopping\n")
    assert samples(board)["pulpo_worker_ready"] == {(): 0}


def test_another_path_is_not_found(board: Board) -> None:
    assert board.answer("/").code == 404


def test_metrics_sum_up_what_the_processes_told(board: Board) -> None:
    counts = [0.0] * 17
    counts[0], counts[2], counts[-1] = 4, 1, 0.05
    for process in ("one", "two"):
        board.hear(process, {"jobs": [["mail", 't"1\n', "success", 5]], "runs": []})
    board.hear("one", {"runs": [["mail", "t", counts]], **STANDING})
    board.hear("two", {"jobs": [["mail", 't"1\n', "lost", 1]], **STANDING, "dropped": 3})
    board.hear("two", {**STANDING, "busy": [0, 1], "dropped": 4})
    board.hear("one", {"depths": {"mail": {"ready": 2, "buried": 1}}})
    ready = {"engine": "beanstalkd://10.0.0.1:11300", "homes": [["mail", 't"1\n'], ["q", "new"]]}
    board.hear("one", {"ready": ready})
    board.ends("one", died=True)
    found = samples(board)

    # Labels are sorted by name: outcome, queue, type.
    jobs = found["pulpo_jobs_total"]
    assert jobs["success", "mail", 't"1\n'] == 10
    assert jobs["lost", "mail", 't"1\n'] == 1
    assert jobs["retried", "mail", 't"1\n'] == 0
    assert [count for (_, *labels), count in jobs.items() if labels == ["q", "new"]] == [0] * 7
    assert len(jobs) == 14
    buckets = found["pulpo_job_duration_seconds_bucket"]
    assert [buckets[bound, "mail", "t"] for bound in ("0.005", "0.01", "0.025", "+Inf")] == [
        4,
        4,
        5,
        5,
    ]
    assert found["pulpo_job_duration_seconds_sum"] == {("mail", "t"): 0.05}
    assert found["pulpo_worker_busy_slots"] == {("thread",): 0, ("async",): 1}
    assert found["pulpo_worker_slots"] == {("thread",): 4, ("async",): 10}
    assert found["pulpo_worker_processes"] == {(): 1}
    assert found["pulpo_worker_processes_died_total"] == {(): 1}
    assert found["pulpo_events_dropped_total"] == {(): 4}
    assert found["pulpo_queue_jobs"] == {("mail", "ready"): 2, ("mail", "buried"): 1}
    assert [labels[0] for labels in found["pulpo_worker_info"]] == ["beanstalkd"]


def test_without_the_extra_metrics_say_what_to_install(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pulpo.worker.metrics", None)

    answer = board.answer("/metrics")

    assert answer.code == 501
    assert b"pulpo-messaging[metrics]" in answer.body
    assert board.answer("/healthz").code == 200


def names(board: Board) -> set[str]:
    board.hear("one", {"jobs": [["q", "t", "success", 1]], "runs": [["q", "t", [1.0] * 17]]})
    board.hear("one", {"depths": {"q": {"ready": 1}}, **STANDING})
    return set(samples(board))


def test_every_metric_is_in_the_reference(board: Board) -> None:
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(pulpo_\w+)` \|", page, re.MULTILINE))
    found = {re.sub(r"(_seconds)_(bucket|sum|count)$", r"\1", name) for name in names(board)}

    assert listed == found


@pytest.mark.parametrize(
    "place",
    ["contrib/grafana/pulpo.json", "contrib/prometheus/alerts.yml", "docs/reference/metrics.md"],
)
def test_what_is_asked_of_prometheus_is_there_to_be_asked(board: Board, place: str) -> None:
    text = (ROOT / place).read_text(encoding="utf-8")
    if place.endswith(".json"):
        text = "\n".join(expressions(json.loads(text)))
    asked = set(re.findall(r"\bpulpo_\w+", text))

    assert asked
    assert asked - names(board) <= {"pulpo_job_duration_seconds"}  # the histogram's family


def test_an_alert_says_what_it_is_about_and_what_to_do() -> None:
    text = (ROOT / "contrib" / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    (group,) = yaml.safe_load(text)["groups"]

    assert len(group["rules"]) >= 3
    for rule in group["rules"]:
        assert set(rule) - {"for"} == {"alert", "expr", "labels", "annotations"}
        assert set(rule["annotations"]) == {"summary", "description"}
        assert "pulpo_" in rule["expr"]


def expressions(value: object) -> list[str]:
    """Return every query of a dashboard."""
    if isinstance(value, dict):
        own = [value[key] for key in ("expr", "query") if isinstance(value.get(key), str)]
        return own + [text for child in value.values() for text in expressions(child)]
    if isinstance(value, list):
        return [text for child in value for text in expressions(child)]
    return []


def test_the_dashboard_asks_for_labels_and_outcomes_that_there_are() -> None:
    text = (ROOT / "contrib" / "grafana" / "pulpo.json").read_text(encoding="utf-8")
    queries = [query for query in expressions(json.loads(text)) if "pulpo_" in query]
    labels = {
        label
        for query in queries
        for label in re.findall(r"(\w+)\s*(?:=~|!=|!~|=)\s*\"", query)
        + [
            name.strip()
            for names in re.findall(r"\bby\s*\(([^)]*)\)", query)
            for name in names.split(",")
        ]
    }
    outcomes = {
        outcome
        for query in queries
        for value in re.findall(r"outcome=~?\"([^\"]*)\"", query)
        for outcome in value.split("|")
    }

    assert len(queries) >= 8
    assert labels <= {"queue", "type", "outcome", "state", "kind", "le", "instance", "job"}
    assert outcomes <= {
        "success",
        "retried",
        "snoozed",
        "cancelled",
        "buried",
        "expired",
        "lost",
    }
