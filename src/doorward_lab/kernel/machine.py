"""What this machine lacks for a lab, in lines that name the package, kernel feature or right.

`doorward_lab.kernel.universe.check` puts them together; nothing here changes anything outside of a universe.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

from doorward_lab.errors import LabError

_CAP_NET_ADMIN, _CAP_SYS_ADMIN = 12, 21
_PROC = Path("/proc")
_LEAST_FILES = 4096  # namespaces are numbered from 2048 on

# What the compilers emit, feature by feature. Each is a rule set of its own, tried in a fresh namespace.
_RULES = {
    "nf_tables (CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET)": (
        "type filter hook input priority 0; policy drop; counter accept"
    ),
    "connection tracking in nftables (CONFIG_NFT_CT)": (
        "type filter hook input priority 0; ct state established,related accept; ct mark set 1"
    ),
    "nftables notrack (CONFIG_NFT_CT)": "type filter hook prerouting priority raw; notrack",
}
_NAT = "table ip trial { chain c {\ntype nat hook postrouting priority srcnat; masquerade\n}\n}"


def has_power(proc: Path = _PROC) -> bool:
    """Whether this process may make namespaces without a user namespace: CAP_SYS_ADMIN and CAP_NET_ADMIN."""
    for line in (proc / "self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            effective = int(line.split()[1], 16)
            return bool(effective >> _CAP_SYS_ADMIN & 1 and effective >> _CAP_NET_ADMIN & 1)
    return os.geteuid() == 0


def lacking(library: str, platform: str = sys.platform) -> list[str]:
    """What can be seen without trying."""
    if platform != "linux":
        return [f"the lab runs on Linux only (network namespaces and nftables); this is {platform}"]
    import resource  # not on Windows

    lines: list[str] = []
    try:
        ctypes.CDLL(library)
    except OSError:
        lines.append(f"{library} is not here: install nftables (Debian, Ubuntu: `apt install nftables`)")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < _LEAST_FILES:
        lines.append(
            f"this process may open {hard} files, and the lab needs {_LEAST_FILES}: raise the hard limit "
            "(`ulimit -Hn 65536` as root, or LimitNOFILE= of the service)"
        )
    return lines


def why_no_universe(error: OSError, *, power: bool, proc: Path = _PROC) -> str:
    """A line for a refused unshare, id map or mount: which setting forbids it, and what to do.

    `power`: what `has_power` said before. Afterwards it may say yes to a process that AppArmor lets do nothing.
    """
    if error.errno == errno.ENOSPC:
        return "too many namespaces exist: end those that are not needed, or raise user.max_*_namespaces (sysctl)"
    if power:
        return f"namespaces are refused although this process has CAP_SYS_ADMIN: {error.strerror} ({_containers()})"
    as_root = "or run the lab as root"
    if not (proc / "self/ns/user").exists():
        return f"the kernel has no user namespaces (CONFIG_USER_NS): use another kernel, {as_root}"
    settings = {
        "kernel/unprivileged_userns_clone": ("0", "kernel.unprivileged_userns_clone=1"),
        "user/max_user_namespaces": ("0", "user.max_user_namespaces=15000"),
        "user/max_net_namespaces": ("0", "user.max_net_namespaces=15000"),
        "kernel/apparmor_restrict_unprivileged_userns": ("1", "kernel.apparmor_restrict_unprivileged_userns=0"),
    }
    for key, (forbidding, remedy) in settings.items():
        if _read(proc / "sys" / key) == forbidding:
            name = key.replace("/", ".")
            return (
                f"user namespaces are forbidden to ordinary users here ({name}={forbidding}): `sysctl -w {remedy}` as "
                f"root, {as_root}"
            )
    return f"user namespaces are refused: {error.strerror} ({_containers()}), {as_root}"


def _containers() -> str:
    return "in a container: a seccomp or LSM profile forbids it, start it privileged"


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def trial() -> list[str]:
    """Inside a universe: try each kernel feature that the lab needs; a line for each that is missing."""
    from doorward_lab.kernel.netlink import Netlink
    from doorward_lab.kernel.netns import Namespace
    from doorward_lab.kernel.nft import Nft
    from doorward_lab.kernel.spawn import spawn

    here, there, nft = Namespace.create("trial-a"), Namespace.create("trial-b"), Nft()
    link = Netlink(here)
    lines: list[str] = []

    def tried(feature: str, action: Callable[[], object]) -> None:
        try:
            action()
        except (LabError, OSError) as error:
            lines.append(f"the kernel lacks {feature}: {str(error).splitlines()[0]}")

    tried("veth pairs (CONFIG_VETH)", lambda: link.veth("trial", "trial", there))
    tried("bridges (CONFIG_BRIDGE)", lambda: link.bridge("bridge"))
    tried("IPv6 (CONFIG_IPV6, or ipv6.disable=1 was given at boot)", lambda: link.address("lo", "2001:db8::1/128"))
    tried("policy routing (CONFIG_IP_MULTIPLE_TABLES)", lambda: link.rule(100, table=100, family=4))
    for feature, rule in _RULES.items():
        # A newline before the brace: the language wants it.
        text = f"table inet trial {{ chain c {{\n{rule}\n}}\n}}\nflush ruleset"
        tried(feature, lambda text=text: nft.run(here, text))  # type: ignore[misc]
    tried("NAT in nftables (CONFIG_NFT_NAT, CONFIG_NFT_MASQ)", lambda: nft.run(here, _NAT))
    tried("user namespaces within the lab", lambda: spawn(here, ["/bin/true"]).wait())
    return lines
