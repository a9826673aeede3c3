"""nginx.conf as a pure function: it is what nginx accepts, and means what an Application Load Balancer does."""

from __future__ import annotations

import fnmatch
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck as Check
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward_lab.errors import BadScene
from doorward_lab.stack import nginx
from doorward_lab.stack.balancing import Action, Balancer, Listener, ListenerRule, Target, TargetGroup
from doorward_lab.stack.place import Local, program
from tests.lab.stack.harness import folder, need

# What ELB allows in a path pattern (ELB User Guide, "Listener rules").
_ALLOWED = "abzAZ059_-.$/~\"'@:+&"
_path = st.text(alphabet=_ALLOWED + "*?", min_size=0, max_size=12).map(lambda text: "/" + text)
_names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9-]{0,20}", fullmatch=True)
_addresses = st.sampled_from(["10.0.1.5", "10.0.1.6", "10.20.30.40", "2001:db8::5", "fd00::6"])
_targets = st.lists(
    st.builds(Target, id=st.just("i"), address=_addresses, port=st.integers(1, 65535)), max_size=4, unique=True
)


@st.composite
def balancers(draw: st.DrawFn) -> Balancer:
    """Load balancers of any shape that the API can describe."""
    names = draw(st.lists(_names, unique=True, max_size=3))
    groups = tuple(TargetGroup(arn=f"arn:{n}", name=n, targets=tuple(draw(_targets))) for n in names)
    forward = st.sampled_from([f"arn:{n}" for n in names] + ["arn:gone"]).map(lambda a: Action(kind="forward", group=a))
    fixed = st.builds(
        Action, kind=st.just("fixed"), status=st.integers(200, 599), body=st.text("ab \"'\\;{}#%é", max_size=8)
    )
    redirect = st.builds(
        Action, kind=st.just("redirect"), port=st.integers(1, 65535), status=st.sampled_from([301, 302])
    )
    action = st.one_of(forward, fixed, redirect)
    rule = st.builds(ListenerRule, paths=st.lists(_path, min_size=1, max_size=3).map(tuple), action=action)
    listener = st.builds(
        Listener,
        port=st.integers(20000, 29999),
        protocol=st.just("HTTP"),
        default=action,
        rules=st.lists(rule, max_size=4).map(tuple),
    )
    return Balancer(
        listeners=tuple(draw(st.lists(listener, max_size=3, unique_by=lambda x: x.port))),
        groups=groups,
        keepalive=draw(st.sampled_from([0, 32])),
        keepalive_time=draw(st.sampled_from([1.0, 10.0, 3600.0])),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[Check.too_slow])
@given(balancers())
def test_nginx_reads_every_configuration(balancer: Balancer) -> None:
    """Whatever the API describes, nginx takes the configuration: no name, path or body breaks out of its place."""
    need("nginx")
    with folder() as path:
        (path / "tmp").mkdir()
        conf = path / "nginx.conf"
        conf.write_text(
            nginx.render(
                balancer, nginx.Site(str(path), ("127.0.0.1", "::1")), {g.arn: g.targets for g in balancer.groups}
            )
        )
        done = _test(path, conf)
    assert 0 == done.returncode, done.stderr.decode() + conf.name


def _test(path: Path, conf: Path) -> subprocess.CompletedProcess[bytes]:
    command = [program("nginx", "nginx-light", "/usr/sbin"), "-p", str(path), "-c", str(conf), "-q", "-t"]
    process = Local()([*command, "-e", str(path / "error.log")], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=20)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


@given(_path, st.text(alphabet=_ALLOWED, max_size=12).map(lambda text: "/" + text))
def test_patterns_match_as_wildcards(pattern: str, path: str) -> None:
    """A path pattern's `*` and `?` are wildcards and nothing else is special: as the standard library's fnmatch sees
    them, which was written by others (patterns here have no brackets)."""
    assert fnmatch.fnmatchcase(path, pattern) == bool(re.fullmatch(nginx.pattern(pattern), path))


@given(st.text(alphabet=_ALLOWED + "{};#\\ é", max_size=20))
def test_a_pattern_has_no_meaning_to_nginx(text: str) -> None:
    """A written pattern holds no character that ends or begins anything in nginx's configuration."""
    assert re.fullmatch(r"\^[A-Za-z0-9/_.*\\]*\$", nginx.pattern(text))


def _balancer(**fields: object) -> Balancer:
    group = TargetGroup(arn="a", name="web", targets=(Target(id="i", address="10.0.0.1", port=80),))
    listener = Listener(port=80, protocol="HTTP", default=Action(kind="forward", group="a"))
    return Balancer(listeners=(listener,), groups=(group,), **fields)  # type: ignore[arg-type]


def _render(balancer: Balancer) -> str:
    return nginx.render(balancer, nginx.Site("/x", ("10.0.0.9",)), {g.arn: g.targets for g in balancer.groups})


@pytest.mark.parametrize(
    "line",
    [
        "proxy_connect_timeout 10s;",  # ELB User Guide, troubleshooting, HTTP 504: connection timeout of 10 seconds
        "proxy_read_timeout 60s;",  # connection idle timeout
        "keepalive_timeout 60s;",
        "proxy_next_upstream off;",
        "server 10.0.0.1:80 max_fails=0;",
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
    ],
)
def test_an_application_load_balancers_ways(line: str) -> None:
    """The timeouts, the single try and the header of an Application Load Balancer are nginx's."""
    assert line in _render(_balancer())


def test_connections_to_targets_are_kept_only_when_told() -> None:
    """Keep-alive to targets is a switch, with a bound on the age of a connection."""
    assert "keepalive_time " not in _render(_balancer())
    assert "keepalive 32;\nkeepalive_time 10s;" in _render(_balancer(keepalive=32, keepalive_time=10.0))


def test_https_needs_a_certificate() -> None:
    """An HTTPS listener without a certificate is refused in words."""
    secure = Balancer(listeners=(Listener(port=443, protocol="HTTPS", default=Action(kind="fixed", status=200)),))
    with pytest.raises(BadScene, match="has no certificate"):
        _render(secure)


@pytest.mark.parametrize("name", ["a b", "x;y", "", "a" * 33, "ü"])
def test_names_that_are_none(name: str) -> None:
    """A target group's name that ELB would refuse never reaches nginx."""
    bad = Balancer(groups=(TargetGroup(arn="a", name=name),))
    with pytest.raises(BadScene, match="no target group's name"):
        _render(bad)
