"""Monitoring: configuration that the real tools accept, metrics that the real Prometheus scrapes, alerts that come."""

from __future__ import annotations

import http.server
import json
import subprocess
import threading
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doorward_lab.stack import prometheus
from doorward_lab.stack.edge import Edge, Tail, path_class, status_seen
from doorward_lab.stack.prometheus import Job
from tests.lab.stack.harness import Site, eventually, need

_names = st.from_regex(r"[a-z][a-z0-9-]{0,12}", fullmatch=True)
_instances = st.tuples(_names, st.ip_addresses().map(str), st.integers(1, 65535))
_jobs = st.lists(
    st.builds(Job, name=_names, instances=st.lists(_instances, max_size=3, unique=True).map(tuple)),
    max_size=4,
    unique_by=lambda job: job.name,
)


def checked(*command: str) -> None:
    """Run a checking tool, which must find nothing."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(jobs=_jobs, seconds=st.sampled_from([0.5, 1.0, 15.0]))
def test_prometheus_reads_every_configuration(jobs: list[Job], seconds: float, tmp_path: Path) -> None:
    """promtool accepts the configuration of any jobs, with the rules."""
    need("promtool")
    (tmp_path / "rules.yml").write_text(prometheus.rules())
    text = prometheus.scrape(jobs, seconds=seconds, rules="rules.yml", alertmanager=("fd00::1", 9093))
    (tmp_path / "prometheus.yml").write_text(text)
    checked("promtool", "check", "config", str(tmp_path / "prometheus.yml"))


@given(jobs=_jobs, seconds=st.floats(0.01, 60))
def test_every_instance_is_scraped_once(jobs: list[Job], seconds: float) -> None:
    """Each instance of each job is there, under its name, and nothing else."""
    config = yaml.safe_load(prometheus.scrape(jobs, seconds=seconds, rules="r", alertmanager=None))
    found = [
        (scrape["job_name"], static["labels"]["host"], static["targets"][0].rpartition(":")[0].strip("[]"))
        for scrape in config["scrape_configs"]
        for static in scrape["static_configs"]
    ]
    assert [(job.name, name, address) for job in jobs for name, address, _ in job.instances] == found
    assert "alerting" not in config


@pytest.mark.parametrize("webhook", [None, "http://10.0.0.1:8000/alerts"])
def test_alertmanager_reads_its_configuration(webhook: str | None, tmp_path: Path) -> None:
    """amtool accepts the routing, with a webhook and without."""
    need("amtool")
    (tmp_path / "alertmanager.yml").write_text(prometheus.routing(webhook))
    checked("amtool", "check-config", str(tmp_path / "alertmanager.yml"))


def test_the_alert_on_login_errors_is_right(tmp_path: Path) -> None:
    """Prometheus' own rule tester: 2 % of logins failing raises LoginErrors, 0.5 % does not; a wrong password (401) is
    no error, a client that left (460) is; nobody logging in is no error."""
    need("promtool")
    (tmp_path / "rules.yml").write_text(prometheus.rules())

    def case(series: dict[str, str], raised: bool) -> dict[str, object]:
        labels = {"severity": "page"}
        words = {"summary": "More than 1 % of logins fail at the load balancer"}
        return {
            "interval": "1s",
            "input_series": [
                {"series": f'edge_requests_total{{class="login",code="{code}"}}', "values": values}
                for code, values in series.items()
            ],
            "alert_rule_test": [
                {
                    "eval_time": "20s",
                    "alertname": "LoginErrors",
                    "exp_alerts": [{"exp_labels": labels, "exp_annotations": words}] if raised else [],
                }
            ],
        }

    tests = [
        case({"200": "0+98x30", "504": "0+2x30"}, True),
        case({"200": "0+199x30", "504": "0+1x30"}, False),
        case({"200": "0+90x30", "401": "0+10x30"}, False),
        case({"200": "0+90x30", "460": "0+10x30"}, True),
        case({"504": "0+1x30"}, True),
        case({"200": "5x30", "504": "5x30"}, False),
    ]
    (tmp_path / "test.yml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "1s", "tests": tests})
    )
    checked("promtool", "test", "rules", str(tmp_path / "test.yml"))


def test_prometheus_scrapes_every_service(site: Site) -> None:
    """The real Prometheus finds every service up, and the figures of each: of the edge, the portal, the login service,
    PostgreSQL, the name server and the users."""
    hosts = {"dns", "database", "login-1", "login-2", "portal", "balancer", "users"}
    eventually(lambda: dict.fromkeys(hosts, 1.0) == site.query("up"), 15)
    for name in (
        "edge_requests_total", "edge_targets", "portal_requests_total", "login_requests_total", "login_pool", "pg_up",
        "pg_stat_activity_count", "dns_queries_total", "users_requests_total", "clock_seconds",
        "process_cpu_seconds_total", "event_loop_lag_seconds",
    ):  # fmt: skip
        assert eventually(lambda name=name: site.query(f"sum({name})")), name  # type: ignore[misc]
    eventually(lambda: (ratio := site.query("edge:login_errors:ratio")) and ratio[""] == 0)


def test_a_fault_is_an_alert_at_the_webhook(site: Site) -> None:
    """The database stops: Alertmanager tells the webhook of it within seconds, and of its end after the healing; the
    webhook can be changed while all runs."""
    heard: list[dict[str, str]] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            heard.extend({"name": a["labels"]["alertname"], "status": a["status"]} for a in body["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        config = site.stack["monitor"].call("GET", "/config")
        config["webhook"] = f"http://127.0.0.1:{server.server_address[1]}/"
        site.stack["monitor"].call("PUT", "/config", config)
        site.stack["database"].turn(stopped=True)
        eventually(lambda: {"name": "DatabaseDown", "status": "firing"} in heard, 15)
        eventually(lambda: {"name": "LoginErrors", "status": "firing"} in heard, 15)
        site.stack["database"].heal()
        eventually(lambda: {"name": "DatabaseDown", "status": "resolved"} in heard, 15)
    finally:
        server.shutdown()
        server.server_close()


@given(st.text(max_size=30))
def test_paths_make_few_labels(path: str) -> None:
    """Clients cannot make labels: any path is of one of few classes."""
    assert path_class(path) in {"login", "refresh", "token", "session", "service", "health", "other"}


@given(st.one_of(st.text(max_size=40), st.dictionaries(st.text(max_size=8), st.text(max_size=8)).map(json.dumps)))
def test_any_line_is_counted(text: str) -> None:
    """A log line of any shape is counted or counted as malformed."""
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry()
    Edge(registry).line(text)
    assert 1.0 == registry.get_sample_value("edge_malformed_lines_total")


@given(st.lists(st.binary(max_size=20), max_size=8))
def test_a_tail_reads_each_line_once(tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]) -> None:
    """However the bytes of a log arrive, each whole line is read once, in order."""
    path = tmp_path_factory.mktemp("tail") / "log"
    tail = Tail(path)
    read: list[str] = []
    for piece in pieces:
        with path.open("ab") as file:
            file.write(piece)
        read += tail.lines()
    whole = b"".join(pieces).split(b"\n")[:-1]
    assert [line.decode("utf-8", "replace") for line in whole] == read


def test_statuses_are_the_load_balancers() -> None:
    """nginx's 499 is the Application Load Balancer's 460; others are themselves."""
    assert ["460", "504", "200"] == [status_seen(s) for s in ("499", "504", "200")]
