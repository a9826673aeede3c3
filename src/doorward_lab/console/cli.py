"""The command line of the lab. Everything is done by `launch` (start, end) or by the daemon, asked over `control`."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from doorward_lab.console import control, launch, words
from doorward_lab.console.progress import Bar
from doorward_lab.console.rundir import Card, RunDir, all_labs
from doorward_lab.errors import LabError, NotRunning

INTERRUPTED = 130  # as shells say it: 128 + SIGINT
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
        str,
        typer.Argument(
            help="A scene's name (see `scenes`) or YAML file, an AWS snapshot or AWS CLI output, or a plan."
        ),
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
    """Build a lab and leave it running; print how to reach it.

    The web stack takes three more ports: the web front --port + 1, Prometheus + 2, Alertmanager + 3. Labs lie in the
    folder DOORWARD_LAB_HOME; by default $XDG_RUNTIME_DIR/doorward-lab, or doorward-lab-UID in the temporary folder.
    """
    settings = launch.Settings(
        name=name, scene=scene, port=port, region=region, seed=seed, rate=rate, stack=stack, monitoring=monitoring,
        second_login=second_login,
        apply_delay=apply_delay, event_delay=event_delay, event_duplicate=event_duplicate,
        event_reorder=event_reorder, event_drop=event_drop,
    )  # fmt: skip
    try:
        with Bar() as bar:
            card = launch.up(settings, bar)
    except KeyboardInterrupt:
        print("stopped; nothing is left", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    found = _ask(card.name, {"do": "status"})
    words.up(card, environment(card), stack=bool(found["services"]))
    words.left_out(found["left_out"], sys.stderr)


@app.command()
def down(
    which: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Which lab; the same as --name.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Which lab, when several run.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every lab of yours.")] = False,
) -> None:
    """End a lab; nothing of it is left."""
    if which is not None and name not in (None, which):
        raise LabError(f"down {which} --name {name}: which of the two?")
    for folder in all_labs() if every else [RunDir(which or name or "lab")]:
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
        words.status(one)


@app.command()
def env(name: Name = "lab") -> None:
    """Print what a shell needs: eval "$(doorward-lab env)"."""
    card = RunDir(name).card()
    for key, value in environment(card).items():
        print(f"export {key}={value}")


@app.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def execute(
    host: Annotated[
        str, typer.Argument(metavar="HOST", help="A host's name, an instance's or interface's id, or `internet`.")
    ],
    command: Annotated[
        list[str], typer.Argument(metavar="COMMAND", help="A program and its words, best after --.", show_default=False)
    ],
    name: Name = "lab",
    client: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="On the internet: the address that packets come from.")
    ] = None,
) -> None:
    """Run a command on a host: doorward-lab exec portal-1 -- curl http://…

    It runs in / as uid 1000, on the machine's real files: only the network is the lab's. The exit status is the
    command's (128 + n for signal n); 127: no such program, 126: it cannot be run, 2: the lab refused.
    """
    given = list(command)
    if given[:1] == ["--"]:
        del given[0]
    elif given:
        _refuse_options(given)
    if not given:
        raise LabError("which command? For example: doorward-lab exec portal-1 -- ip address")
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    request: control.Message = {"do": "exec", "host": host, "argv": given, "client": client}
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
        words.users(done)


@app.command()
def rules(
    host: Annotated[str, typer.Argument(help="A host's name, or an instance's or interface's id.")],
    name: Name = "lab",
    as_json: AsJson = False,
) -> None:
    """What filters a host: its rules with what they let in, and as nftables has them."""
    done = _ask(name, {"do": "rules", "host": host})
    if as_json:
        print(json.dumps(done, indent=2))
    else:
        words.rules(host, done)


@app.command()
def restart(
    service: Annotated[str, typer.Argument(help="A part of the stack (see `status`, `logs`).")], name: Name = "lab"
) -> None:
    """Stop a part of the web stack, if it still runs, and start it again."""
    _ask(name, {"do": "restart", "service": service})
    print(f"{service} runs again")


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
        words.table(found)


@app.command("scenes")
def list_scenes() -> None:
    """The scenes that come with the lab."""
    from doorward_lab import scenes

    words.table({name: scenes.load(name).description for name in scenes.names()})


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


def _refuse_options(command: list[str]) -> None:
    if command[0].startswith("-"):
        raise LabError(
            f"{command[0]} comes after the host; options go before it, and the command after --: "
            "doorward-lab exec --name lab portal-1 -- ip address"
        )


def _ask(name: str, request: control.Message, files: tuple[int, ...] = ()) -> dict[str, Any]:
    folder = RunDir(name)
    folder.card()
    done: dict[str, Any] = {}
    try:
        for message in control.ask(folder.socket, request, files):
            if "text" in message:
                print(message["text"])
            elif isinstance(found := message.get("done"), dict):
                done = found
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    return done


def environment(card: Card) -> dict[str, str]:
    """What AWS clients read."""
    return {
        "AWS_ENDPOINT_URL": card.endpoint,
        "AWS_ACCESS_KEY_ID": card.access_key,
        "AWS_SECRET_ACCESS_KEY": card.secret_key,
        "AWS_DEFAULT_REGION": card.region,
    }


def main() -> None:
    """Entry point of the command `doorward-lab`."""
    if sys.platform != "linux":
        print("doorward-lab: it needs Linux (namespaces and nftables); Doorward itself does not", file=sys.stderr)
        sys.exit(2)
    status: object = 0
    try:
        typer.main.get_command(app)(prog_name="doorward-lab")
    except SystemExit as error:
        status = error.code
    except LabError as error:
        print(f"doorward-lab: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        status = INTERRUPTED
    except OSError as error:
        status = _no_output(error)
    try:
        sys.stdout.flush()
    except OSError as error:
        status = _no_output(error)
    sys.exit(status if isinstance(status, int) else 0 if status is None else 1)


def _no_output(error: OSError) -> int:
    """Nobody reads what is printed, or it cannot be written: say so once, and leave Python nothing to complain of."""
    if not isinstance(error, BrokenPipeError):
        print(f"doorward-lab: {error}", file=sys.stderr)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 1
