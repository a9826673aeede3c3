"""The lab's AWS API: moto behind one lock, corrected where it deviates from AWS, each change told to the data plane.

The order of a call: read it off the wire → take the lock → a correction or moto answers → the state is read and
`on_change` applies it → the answer goes out → `on_call` hears of it, in order, on a thread of its own. So the data
plane has followed when the client's call returns.

moto keeps its state in module globals: one process holds one cloud (several accounts and regions, of which the data
plane follows one).
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from moto.core.exceptions import ServiceException
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from doorward_lab.cloud import fixes, paging, state, wire
from doorward_lab.cloud.call import Call
from doorward_lab.cloud.fixes import existence
from doorward_lab.cloud.turn import CORRECTIONS, Settings, Turn
from doorward_lab.cloud.wire import Answer, ApiError, Environ, Request
from doorward_lab.errors import LabError
from doorward_lab.model import CloudState

log = logging.getLogger(__name__)

StartResponse = Callable[..., Any]

ACCOUNT = "123456789012"
REGION = "us-east-1"

FOLLOWED = {"ec2", "elasticloadbalancing", "rds"}
"""Services whose calls can change what the data plane follows."""


class Cloud:
    """The API as a WSGI application. See the module for the order of things.

    `on_change` is called under the lock with the state of the home account and region, after each call that may have
    changed it and before that call is answered; a `LabError` of its makes the call fail with `InternalError` (the
    change itself stands: the API and the data plane then differ, and the message says so). `on_call` is called for
    every signed call, also failed and reading ones, in the order in which they were carried out.
    """

    def __init__(self, *, account: str = ACCOUNT, region: str = REGION, settings: Settings | None = None) -> None:
        self.account = account
        self.region = region
        self.settings = settings or Settings()
        self.on_change: Callable[[CloudState], None] | None = None
        self.on_call: Callable[[Call], None] | None = None
        self.lock = threading.RLock()
        self._moto = DomainDispatcherApplication(_backend_app)
        self._teller: ThreadPoolExecutor | None = None  # one thread: in order, and alive whatever `on_call` does
        fixes.install(self.settings)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one HTTP request (PEP 3333)."""
        request = wire.parse(environ)
        request_id = str(uuid.uuid4())
        # A long poll of a queue waits up to 20 s, perhaps for the event of the very call that would wait for it here;
        # moto's queues have locks of their own.
        with nullcontext() if request.service == "sqs" else self.lock:
            answer = self._answer(request, request_id)
            refused = wire.error_of(answer)
            # A fault may have come half-way, so it may have changed something too.
            if (refused is None or answer.status >= 500) and self._may_change(request):
                answer = self._follow(request, answer, request_id)
                refused = wire.error_of(answer)
            wire.with_request_id(answer, request_id)
            if request.service:
                self._tell(request, answer, request_id, refused)
        start_response(f"{answer.status} {_REASONS.get(answer.status, 'Status')}", answer.headers)
        return [answer.body]

    def state(self) -> CloudState:
        """What the data plane follows, now."""
        with self.lock:
            return state.read(self.account, self.region)

    def drain(self, timeout: float = 10.0) -> bool:
        """Wait until `on_call` has heard of every call answered so far; whether it has within `timeout` seconds."""
        if self._teller is None:
            return True
        return not wait([self._teller.submit(int)], timeout).not_done

    def close(self) -> None:
        """End the thread that tells of calls, after those already queued."""
        if self._teller is not None:
            self._teller.shutdown()
            self._teller = None

    def _may_change(self, request: Request) -> bool:
        if request.service not in FOLLOWED or self.on_change is None:
            return False
        if request.action.startswith(("Describe", "Get", "List", "Search")):
            return False
        return request.account == self.account and request.region == self.region

    def _follow(self, request: Request, answer: Answer, request_id: str) -> Answer:
        assert self.on_change is not None
        try:
            self.on_change(state.read(self.account, self.region))
        except LabError as error:
            log.exception("%s was carried out, but the data plane did not follow", request.action)
            known = ApiError(
                "InternalError", f"{request.action} was carried out, but the network did not follow: {error}", 500
            )
            return wire.failure(request.service, known, request_id)
        return answer

    def _answer(self, request: Request, request_id: str) -> Answer:
        with _Boundary(request) as boundary:
            return self._answered(request, request_id)
        return wire.failure(request.service, boundary.fault, request_id, bool(_target(request)))

    def _answered(self, request: Request, request_id: str) -> Answer:
        if request.service in FOLLOWED:
            fixes.prepare(request.account, request.region)
        # The classic Elastic Load Balancing API has actions of the same names.
        classic = request.service == "elasticloadbalancing" and request.version == "2012-06-01"
        correction = None if classic else CORRECTIONS.get((request.service, request.action))
        turn = Turn(request, self.settings, self._forward)
        try:
            if request.service == "ec2" and str(request.params.get("DryRun", "")).lower() == "true":
                # EC2 API Reference, each action: with the required permissions the answer to DryRun is this error.
                raise ApiError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
            if request.service == "ec2":
                existence.check(turn)
            page = paging.asked(request)
            turn.kept_from_moto = ("MaxResults", "NextToken") if page is not None else ()
            found = correction(turn) if correction is not None else turn.forward()
            if not isinstance(found, Answer):
                if page is not None:
                    found = page.of_result(found)
                return turn.answer(found)
            return page.of_answer(found) if page is not None and found.status < 400 else found
        except ApiError as error:
            return wire.failure(request.service, error, request_id)
        except ServiceException as error:  # moto's own refusals, where a correction asked its backend directly
            return wire.failure(request.service, ApiError(error.code, error.message), request_id)

    def _forward(self, request: Request, body: bytes | None) -> Answer:
        """moto's answer. What moto does not model is an AWS-shaped error, never a traceback."""
        environ = dict(request.environ)
        wire.rewind(environ, request.body if body is None else body)
        seen: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], object]:
            seen[:] = [int(status.split(" ", 1)[0]), list(headers)]
            return lambda data: None

        answered = self._moto(environ, start)
        try:
            data = b"".join(answered)
        finally:
            if hasattr(answered, "close"):
                answered.close()
        status, headers = seen
        if status == 501 or (status >= 500 and not data.lstrip().startswith((b"<", b"{"))):
            return wire.failure(request.service, _not_modelled(request, data), "-", bool(_target(request)))
        return Answer(status, headers, data)

    def _tell(self, request: Request, answer: Answer, request_id: str, refused: tuple[str, str] | None) -> None:
        if self.on_call is None:
            return
        if self._teller is None:
            self._teller = ThreadPoolExecutor(1, thread_name_prefix="api-calls")
        environ = request.environ
        told = self._teller.submit(
            self.on_call,
            Call(
                service=request.service,
                action=request.action,
                version=request.version,
                region=request.region,
                account=request.account,
                access_key=request.access_key,
                user_agent=environ.get("HTTP_USER_AGENT", ""),
                source_address=environ.get("REMOTE_ADDR", ""),
                at=datetime.now(UTC),
                params=request.params,
                status=answer.status,
                answer=answer.body,
                request_id=request_id,
                error=refused[0] if refused else None,
                message=refused[1] if refused else None,
            ),
        )
        told.add_done_callback(_log_fault)


class _Boundary:
    """The edge of the server: a fault of the cloud's own code ends the call, not the connection.

    It is logged with its traceback and answered as AWS answers one (InternalError), so that clients can read it and
    `on_call` hears of it. Nothing else in the lab catches everything.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.fault = ApiError("InternalError", "", 500)

    def __enter__(self) -> _Boundary:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        log.error("%s:%s", self.request.service, self.request.action, exc_info=error)
        name = f"{self.request.service}:{self.request.action}"
        text = f"{name} failed inside the lab's cloud: {type(error).__name__}: {error}"
        self.fault = ApiError("InternalError", text, 500)
        return True


def _log_fault(told: Future[None]) -> None:
    if not told.cancelled() and (fault := told.exception()) is not None:
        log.error("what was told of a call failed", exc_info=fault)


_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 412: "Precondition Failed"}


def _target(request: Request) -> str:
    return str(request.environ.get("HTTP_X_AMZ_TARGET", ""))


def _not_modelled(request: Request, data: bytes) -> ApiError:
    what = data.decode("utf-8", "replace").strip()
    name = request.action or request.environ.get("PATH_INFO", "")
    if what.startswith(("NotImplementedError", "FilterNotImplementedError", "MotoNotImplementedError")):
        return ApiError("UnsupportedOperation", f"{request.service}:{name} is not modelled by the lab ({what})", 400)
    return ApiError("InternalError", f"{request.service}:{name} failed inside the lab's cloud: {what}", 500)


def _backend_app(service: Any) -> Flask:
    """moto's application of one service, whose own faults are answers instead of exceptions."""
    app: Flask = create_backend_app(service)
    app.debug = False
    app.log_exception = lambda exc_info: None  # type: ignore[method-assign]  # `fault` says it once, and in the answer

    def fault(error: Exception) -> tuple[str, int, dict[str, str]]:
        cause = getattr(error, "original_exception", None) or error
        known = isinstance(cause, NotImplementedError)
        log.warning("moto: %s: %r", service, cause, exc_info=None if known else cause)
        return f"{type(cause).__name__}: {cause}", 501, {"Content-Type": "text/plain"}

    app.register_error_handler(500, fault)
    return app
