"""The command line of the lab. Everything is done by `launch` (start, end) or by the daemon, asked over `control`."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from doorward_lab.console import control, launch
from doorward_lab.console.rundir import Card, RunDir, all_labs
from doorward_lab.errors import LabError, NotRunning

app = typer.Typer(
    name="doorward-lab",
    help="A miniature cloud on this machine: the AWS API, security groups that filter real packets, and a web stack.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Name = Annotated[str, typer.Option("--name", help="Which lab, when several run.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


def _switch(word: object) -> bool:
    try:
        return {"on": True, "off": False, "True": True, "False": False}[str(word)]
    except KeyError:
        raise typer.BadParameter(f"{word!r}: write on or off") from None


@app.command()
def up(
    scene: Annotated[
        str, typer.Argument(help="A scene's name (see `scenes`), a YAML file, an AWS snapshot's folder or a plan.")
    ] = "outage",
    name: Name = "lab",
    port: Annotated[
        int, typer.Option(help="Port of the API on 127.0.0.1; web, Prometheus and Alertmanager follow. 0: free ones.")
    ] = launch.PORT,
    region: Annotated[str, typer.Option(help="The region that the cloud is in.")] = "eu-west-1",
    seed: Annotated[int, typer.Option(help="Of everything that chance decides.")] = 0,
    rate: Annotated[float, typer.Option(min=0, help="New logins a second.")] = 10.0,
    stack: Annotated[
        bool, typer.Option("--stack/--no-stack", help="Start the web stack, or the network alone.")
    ] = True,
    monitoring: Annotated[bool, typer.Option("--monitoring/--no-monitoring", help="Prometheus, Alertmanager.")] = True,
    second_login: Annotated[bool, typer.Option("--second-login", help="With the second login stack.")] = False,
    apply_delay: Annotated[
        float, typer.Option(min=0, help="Seconds before rules take effect: AWS is not instant.")
    ] = 0,
    event_delay: Annotated[tuple[float, float], typer.Option(help="Seconds before an event: least and most.")] = (0, 0),
    event_duplicate: Annotated[float, typer.Option(min=0, max=1, help="Share of events sent twice.")] = 0,
    event_reorder: Annotated[float, typer.Option(min=0, max=1, help="Share of events sent out of order.")] = 0,
    event_drop: Annotated[float, typer.Option(min=0, max=1, help="Share of events lost.")] = 0,
) -> None:
    """Build a lab and leave it running; print how to reach it."""
    settings = launch.Settings(
        name=name, scene=scene, port=port, region=region, seed=seed, rate=rate, stack=stack, monitoring=monitoring,
        second_login=second_login,
        apply_delay=apply_delay, event_delay=event_delay, event_duplicate=event_duplicate,
        event_reorder=event_reorder, event_drop=event_drop,
    )  # fmt: skip
    with _Bar() as bar:
        card = launch.up(settings, bar)
    _show(card)


@app.command()
def down(
    name: Name = "lab",
    every: Annotated[bool, typer.Option("--all", help="Every lab of yours.")] = False,
) -> None:
    """End a lab; nothing of it is left."""
    for folder in all_labs() if every else [RunDir(name)]:
        ran = folder.end(patience=10.0)
        print(f"{folder.name}: {'ended' if ran else 'did not run'}")


@app.command()
def status(
    name: Annotated[str | None, typer.Option("--name", help="One lab alone.")] = None, as_json: AsJson = False
) -> None:
    """What runs, and how it is."""
    found: list[dict[str, Any]] = []
    for folder in [RunDir(name)] if name else all_labs():
        try:
            folder.card()
            found.append(_ask(folder.name, {"do": "status"}))
        except NotRunning as error:
            if name:
                raise
            print(error, file=sys.stderr)
    if as_json:
        print(json.dumps(found, indent=2))
    elif not found:
        print("no lab runs; start one by `doorward-lab up`")
    for one in () if as_json else found:
        _status(one)


@app.command()
def env(name: Name = "lab") -> None:
    """Print what a shell needs: eval "$(doorward-lab env)"."""
    card = RunDir(name).card()
    for key, value in _environment(card).items():
        print(f"export {key}={value}")


@app.command(
    "exec",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False},
)
def execute(
    context: typer.Context,
    host: Annotated[str, typer.Argument(help="A host's name, an instance's or interface's id, or `internet`.")],
    name: Name = "lab",
    client: Annotated[
        str | None, typer.Option(help="On the internet: the address that packets shall come from.")
    ] = None,
) -> None:
    """Run a command on a host: doorward-lab exec portal -- curl http://…"""
    words = [word for n, word in enumerate(context.args) if word != "--" or n]
    if not words:
        raise LabError("which command? For example: doorward-lab exec portal -- ip address")
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    request: control.Message = {"do": "exec", "host": host, "argv": words, "client": client}
    done = _ask(name, request, files=(0, 1, 2))
    raise typer.Exit(int(done["status"]))


@app.command()
def logs(
    what: Annotated[
        str | None, typer.Argument(help="A part of the stack; `lab` is the lab itself. None: what there is.")
    ] = None,
    name: Name = "lab",
    lines: Annotated[int, typer.Option("-n", min=1, help="How many of the last lines.")] = 50,
) -> None:
    """Show what a part of the lab has logged."""
    folder = RunDir(name)
    if what == "lab":
        text = folder.log.read_text(encoding="utf-8", errors="replace") if folder.log.exists() else ""
        print("\n".join(text.splitlines()[-lines:]))
        return
    _ask(name, {"do": "logs", "what": what, "lines": lines})


@app.command()
def users(
    rate: Annotated[float | None, typer.Option(min=0, help="New logins a second from now on.")] = None,
    since: Annotated[
        float | None, typer.Option(help="Unix seconds: tell when logins failed first and last after this moment.")
    ] = None,
    name: Name = "lab",
    as_json: AsJson = False,
) -> None:
    """How the users fare; with --rate, change how many come."""
    done = _ask(name, {"do": "users", "rate": rate, "since": since})
    if as_json:
        print(json.dumps(done, indent=2))
    else:
        for key, value in done.items():
            print(f"{key:28} {value}")


@app.command("second-login")
def second_login(
    on: Annotated[bool, typer.Argument(metavar="on|off", parser=_switch, help="`on` or `off`.")],
    name: Name = "lab",
) -> None:
    """Switch the second, independent login stack on or off."""
    _ask(name, {"do": "second-login", "on": on})
    print(f"the second login stack is {'on' if on else 'off'}")


@app.command()
def fault(
    what: Annotated[str, typer.Argument(help="Which fault (see `faults`).")],
    name: Name = "lab",
    seed: Annotated[int, typer.Option(help="The same seed does the same.")] = 0,
    options: Annotated[
        list[str] | None, typer.Option("--set", "-s", metavar="KEY=VALUE", help="A parameter of the fault.")
    ] = None,
) -> None:
    """Make something go wrong."""
    pairs = [option.partition("=") for option in options or ()]
    if bad := [key for key, equals, _ in pairs if not equals]:
        raise LabError(f"--set {bad[0]}: write it as KEY=VALUE")
    done = _ask(
        name, {"do": "fault", "what": what, "seed": seed, "parameters": {key: value for key, _, value in pairs}}
    )
    print(f"{what}: {done['text']}\nput right by: doorward-lab heal {what}")


@app.command()
def heal(
    what: Annotated[str | None, typer.Argument(help="Which fault; none: all that are in effect.")] = None,
    name: Name = "lab",
) -> None:
    """Put a fault right."""
    for line in _ask(name, {"do": "heal", "what": what})["healed"]:
        print(line)


@app.command("faults")
def list_faults(as_json: AsJson = False) -> None:
    """The faults that there are."""
    from doorward_lab import faults

    found = {name: faults.get(name).summary for name in faults.names()}
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        for name, summary in found.items():
            print(f"{name:32} {summary}")


@app.command("scenes")
def list_scenes() -> None:
    """The scenes that come with the lab."""
    from doorward_lab import scenes

    for name in scenes.names():
        print(f"{name:12} {scenes.load(name).description}")


@app.command()
def experiment(what: Annotated[str, typer.Argument(help="Which fault (see `faults`).")], name: Name = "lab") -> None:
    """Print a fault as a Chaos Toolkit experiment."""
    from doorward_lab import faults

    print(json.dumps(faults.experiment(what, lab=name), indent=2))


@app.command()
def judge(
    estates: Annotated[int, typer.Option(min=1, help="How many random estates.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the first; the others follow.")] = 0,
    output: Annotated[Path, typer.Option(help="Where a disagreement is written.")] = Path("disagreements"),
    replay: Annotated[Path | None, typer.Option(help="A case that was written: judge it again.")] = None,
    as_json: AsJson = False,
) -> None:
    """Judge Doorward's engine by the kernel: random estates, every pair, real packets."""
    from doorward_lab.console import judging

    if replay is not None:
        raise typer.Exit(judging.replay(replay))
    raise typer.Exit(judging.run(estates, seed, output, as_json=as_json))


def _ask(name: str, request: control.Message, files: tuple[int, ...] = ()) -> dict[str, Any]:
    folder = RunDir(name)
    folder.card()
    done: dict[str, Any] = {}
    for message in control.ask(folder.socket, request, files):
        if "text" in message:
            print(message["text"])
        elif isinstance(found := message.get("done"), dict):
            done = found
    return done


def _environment(card: Card) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": card.endpoint,
        "AWS_ACCESS_KEY_ID": card.access_key,
        "AWS_SECRET_ACCESS_KEY": card.secret_key,
        "AWS_DEFAULT_REGION": card.region,
    }


def _show(card: Card) -> None:
    print(f"the lab {card.name!r} is up: scene {card.scene}")
    for what, address in (
        ("API", card.endpoint),
        ("web", card.web),
        ("Prometheus", card.prometheus),
        ("Alertmanager", card.alertmanager),
    ):
        if address:
            print(f"  {what:12} {address}")
    print("\nin this shell:")
    for key, value in _environment(card).items():
        print(f"  export {key}={value}")
    which = "" if card.name == "lab" else f" --name {card.name}"
    print(f"\n  aws ec2 describe-security-groups --endpoint-url {card.endpoint}")
    print(f"  doorward-lab users{which}; doorward-lab fault sg-ingress-removed{which}; doorward-lab down{which}")


def _status(one: dict[str, Any]) -> None:
    print(f"{one['name']}: scene {one['scene']}, up {one['uptime']} s, {one['memory_mib']} MiB, {one['endpoint']}")
    print(f"  {one['interfaces']} interfaces, {one['calls']} calls, {one['events']} events")
    for host in one["hosts"]:
        print(f"  {host['name']:20} {host['id']:24} {' '.join(host['addresses'])}  {host.get('runs', '')}")
    if one["faults"]:
        print(f"  faults in effect: {', '.join(one['faults'])}")


class _Bar:
    """Progress on standard error: a bar in a terminal, a line a stage elsewhere."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        self._live = console.is_terminal
        self._bar = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
            console=console, transient=True, disable=not self._live,
        )  # fmt: skip
        self._task: Any = None
        self._stage = ""

    def __enter__(self) -> _Bar:
        self._bar.start()
        self._task = self._bar.add_task("making namespaces", total=None)
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, stage: str, done: int | None, of: int | None) -> None:
        if self._live:
            self._bar.update(self._task, description=stage, completed=done or 0, total=of)
        elif stage != self._stage:
            print(f"{stage} …", file=sys.stderr)
        self._stage = stage


def main() -> None:
    """Entry point of the command `doorward-lab`."""
    if sys.platform != "linux":
        print("doorward-lab: it needs Linux (namespaces and nftables); Doorward itself does not", file=sys.stderr)
        sys.exit(2)
    try:
        typer.main.get_command(app)(prog_name="doorward-lab")
    except LabError as error:
        print(f"doorward-lab: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
