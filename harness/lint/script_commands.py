"""The commands of U-Boot that a boot script is made of, except `fdt`.

Sources: U-Boot cmd/nvedit.c (setenv), fs/fs.c (`do_load`), cmd/net.c (tftpboot), cmd/test.c,
cmd/bootz.c, cmd/booti.c, cmd/bootm.c.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.lint.script_fdt import run_fdt
from harness.lint.script_session import Outcome, Session
from harness.lint.script_trace import Boot, Load
from harness.lint.symbols import is_known, shown, size_of_load, unknown_variable

# What an environment has room for; a script that doubles a variable must end.
LONGEST_VALUE = 1 << 16

BOOT_COMMANDS = frozenset({"bootz", "booti", "bootm", "go", "bootelf", "bootefi"})
# Known, and without a part in what is looked at.
# fmt: off
_QUIET = frozenset((
    "base", "bdinfo", "boot", "bootd", "bootdev", "bootflow", "bootmeth", "clk", "cls", "cmp",
    "coninfo", "cp", "crc32", "dcache", "dhcp", "dm", "echo", "erase", "eth", "ext2ls",
    "ext4ls", "fatls", "fstype", "gpio", "hash", "help", "host", "i2c", "icache", "iminfo",
    "itest", "led", "lmb", "log", "ls", "md", "mmc", "mtest", "mw", "net", "nm", "nvme",
    "pci", "ping", "poweroff", "printenv", "pxe", "read", "regulator", "sata", "saveenv",
    "scsi", "sf", "showvar", "size", "sleep", "source", "sysboot", "time", "tpm2", "ums",
    "unzip", "usb", "version", "virtio", "wdt", "write",
))
# fmt: on


Handler = Callable[[Session, list[str], int], Outcome]


def run_command(session: Session, words: list[str], line: int) -> Outcome:
    """Follow one command."""
    line = session.line_of_run or line
    name = words[0]
    variable, equals, value = name.partition("=")
    if equals and variable.isidentifier() and len(words) == 1:
        session.state.environment[variable] = value
        return True
    if name in BOOT_COMMANDS:
        return _boot(session, words, line)
    if name == "fdt":
        return run_fdt(session, words, line)
    if name in _LOADS:
        return _load(session, words, line)
    handler = _HANDLERS.get(name)
    if handler is not None:
        return handler(session, words, line)
    if not is_known(name) or name not in _QUIET:
        session.unknown.append((line, shown(name)))
    return None


def _setenv(session: Session, words: list[str], line: int) -> Outcome:
    words = [word for word in words if word not in ("-f", "--")]
    if len(words) < 2:
        return False
    name, value = words[1], " ".join(words[2:])
    environment = session.state.environment
    before, equals, after = name.partition("=")
    if equals and len(words) == 2:
        # U-Boot refuses: "## Error: illegal character '='in variable name".
        message = f"setenv {shown(name)}: U-Boot separates name and value by a blank, not by ="
        session.complain("syntax", line, message, f"setenv {shown(before)} {shown(after)}")
        return False
    if len(value) > LONGEST_VALUE:
        environment[name] = unknown_variable(name)
    elif value:
        environment[name] = value
    else:  # removed: an empty text is what it expands to
        environment[name] = ""
    return True


def _env(session: Session, words: list[str], line: int) -> Outcome:
    if words[1:2] == ["set"]:
        return _setenv(session, words[1:], line)
    if words[1:2] in (["import"], ["default"], ["load"]):
        # Whatever was set may be another value now.
        environment = session.state.environment
        for name in environment:
            environment[name] = unknown_variable(name)
    return None


_BY_DEVICE = frozenset({"load", "ext4load", "ext2load", "fatload", "fsload", "sqfsload"})
_BY_NETWORK = frozenset({"tftp", "tftpboot", "nfs", "wget"})
_LOADS = _BY_DEVICE | _BY_NETWORK


def _load(session: Session, words: list[str], line: int) -> Outcome:
    environment = session.state.environment
    arguments = words[3:] if words[0] in _BY_DEVICE else words[1:]
    if words[0] in _BY_NETWORK and len(arguments) == 1 and session.number(arguments[0]) is None:
        arguments = ["", *arguments]
    place = arguments[0] if arguments and arguments[0] else environment.get("loadaddr", "")
    file = arguments[1] if len(arguments) > 1 else environment.get("bootfile", "")
    address = session.number(place or unknown_variable("loadaddr"))
    if address is None:
        message = f"{words[0]} to {shown(place)}, which is no address"
        session.complain("usage", line, message, f"{words[0]} DEVICE NUMBER ADDRESS FILE")
        return False
    file = shown(file or unknown_variable("bootfile")).rpartition(":")[2]
    size = session.sizes.get(file.rpartition("/")[2])
    if len(arguments) > 2 and (part := session.number(arguments[2])) and part.value:
        size = part.value if size is None else min(size, part.value)
    load = Load(len(session.loads), line, words[0], address, file, size, session.branch)
    session.loads.append(load)
    environment["filesize"] = size_of_load(load.number)
    environment["fileaddr"] = place
    return None


def _boot(session: Session, words: list[str], line: int) -> Outcome:
    state = session.state
    session.boots.append(
        Boot(
            line,
            words[0],
            tuple(words[1:]),
            dict(state.environment),
            state.tree.copy(),
            state.fdt,
            tuple(session.loads),
            session.branch,
        )
    )
    return None  # where it fails, the script goes on


def _exit(session: Session, words: list[str], line: int) -> Outcome:
    del words, line
    session.state.ended = True
    return None


def _test(session: Session, words: list[str], line: int) -> Outcome:
    """`test` and `[`: decided only where all its arguments are known and it has one condition."""
    del session, line
    words = [word for word in words[1:] if word != "]"]
    wrong = words[:1] == ["!"]
    words = words[1:] if wrong else words
    if any(not is_known(word) for word in words):
        return None
    outcome: Outcome = None
    match words:
        case ["-n", text]:
            outcome = bool(text)
        case ["-z", text]:
            outcome = not text
        case ["-n"]:
            outcome = False
        case ["-z"]:
            outcome = True
        case [one, "=" | "==", other]:
            outcome = one == other
        case [one, "!=", other]:
            outcome = one != other
        case [one, "-eq", other]:
            outcome = one == other if one.isdigit() and other.isdigit() else None
        case [one, "-ne", other]:
            outcome = one != other if one.isdigit() and other.isdigit() else None
        case _:
            return None
    return outcome if outcome is None or not wrong else not outcome


def _setexpr(session: Session, words: list[str], line: int) -> Outcome:
    del line
    if len(words) > 1:
        session.state.environment[words[1]] = unknown_variable(words[1])
        operands = [session.number(word) for word in words[2:5:2]]
        values = [one.value for one in operands if one is not None and one.value is not None]
        if len(words) == 5 and words[3] in ("+", "-") and len(values) == 2:
            result = values[0] + values[1] if words[3] == "+" else values[0] - values[1]
            if result >= 0:
                session.state.environment[words[1]] = f"{result:x}"
    return True


def _changes_a_variable(session: Session, words: list[str], line: int) -> Outcome:
    del line
    for name in words[1:]:
        if name in session.state.environment:
            session.state.environment[name] = unknown_variable(name)
    return None


_HANDLERS: dict[str, Handler] = {
    "setenv": _setenv,
    "env": _env,
    "exit": _exit,
    "reset": _exit,
    "poweroff": _exit,
    "test": _test,
    "[": _test,
    "setexpr": _setexpr,
    "part": _changes_a_variable,
    "askenv": _changes_a_variable,
    "true": lambda _session, _words, _line: True,
    "false": lambda _session, _words, _line: False,
    "echo": lambda _session, _words, _line: True,
    "sleep": lambda _session, _words, _line: True,
    "printenv": lambda _session, _words, _line: None,
}
