"""Target health, step by step, against ELB's description of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from doorward_lab.stack.balancing import Action, Balancer, HealthCheck, Listener, Target, TargetGroup
from doorward_lab.stack.health import Health, Result, counts, describe, key, routed, step

PASS, FAIL, LATE = Result(200), Result(None, "failed"), Result(None, "timeout")
_checks = st.builds(HealthCheck, healthy=st.integers(2, 10), unhealthy=st.integers(2, 10))
_results = st.lists(st.sampled_from([PASS, FAIL, LATE, Result(500)]), max_size=60)


@given(_checks, _results)
def test_states_follow_the_last_run_of_checks(check: HealthCheck, results: list[Result]) -> None:
    """Brute force: a target is healthy after its first passed check if none failed often enough before; afterwards it
    changes exactly when the last `unhealthy` (or `healthy`) checks all spoke against its state."""
    health = Health()
    state, run = "initial", 0
    for result in results:
        passed = result.status == 200
        health = step(health, result, check)
        if state == "initial":
            run = run + 1 if not passed else 0
            if passed:
                state = "healthy"
            elif run == check.unhealthy:
                state, run = "unhealthy", 0
        else:
            against = passed == (state == "unhealthy")
            run = run + 1 if against else 0
            if run == (check.healthy if state == "unhealthy" else check.unhealthy):
                state, run = ("healthy" if state == "unhealthy" else "unhealthy"), 0
        assert state == health.state


@given(st.lists(st.sampled_from(["initial", "healthy", "unhealthy"]), max_size=6))
def test_requests_go_to_healthy_targets_or_to_all(states: list[str]) -> None:
    """Only healthy targets get requests; when there is none, all do (fail open)."""
    targets = tuple(Target(id=f"i-{i}", address=f"10.0.0.{i}", port=80) for i in range(len(states)))
    group = TargetGroup(arn="a", name="a", targets=targets)
    table = {key(group, t): Health(s) for t, s in zip(targets, states, strict=True)}  # type: ignore[arg-type]

    expected = [t for t, s in zip(targets, states, strict=True) if s == "healthy" or "healthy" not in states]
    assert expected == list(routed(group, table))


def test_matchers() -> None:
    """Matcher: codes, lists of codes, ranges (ELBv2 API Reference, Matcher)."""
    assert [s for s in (199, 200, 299, 302, 303) if HealthCheck(matcher="200-299,302").accepts(s)] == [200, 299, 302]


def test_the_words_of_describe_target_health() -> None:
    """States and reason codes are those of ELBv2's TargetHealth."""
    one, two = Target(id="i-1", address="10.0.0.1", port=80), Target(id="i-2", address="10.0.0.2", port=80)
    group, idle = TargetGroup(arn="a", name="a", targets=(one, two)), TargetGroup(arn="b", name="b", targets=(one,))
    listener = Listener(port=80, protocol="HTTP", default=Action(kind="forward", group="a"))
    balancer = Balancer(listeners=(listener,), groups=(group, idle))

    def said(health: Health) -> tuple[str, str | None]:
        words = describe(balancer, {key(group, one): health})[0]["TargetHealth"]
        assert isinstance(words, dict)
        return words["State"], words.get("Reason")

    assert ("initial", "Elb.RegistrationInProgress") == said(Health())
    assert ("initial", "Elb.InitialHealthChecking") == said(Health("initial", 1, FAIL))
    assert ("healthy", None) == said(Health("healthy", 0, PASS))
    assert ("unhealthy", "Target.Timeout") == said(Health("unhealthy", 0, LATE))
    assert ("unhealthy", "Target.FailedHealthChecks") == said(Health("unhealthy", 0, FAIL))
    assert ("unhealthy", "Target.ResponseCodeMismatch") == said(Health("unhealthy", 0, Result(503)))
    assert {("a", "initial"): 2, ("b", "unused"): 1} == counts(describe(balancer, {}))
