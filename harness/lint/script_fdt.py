"""U-Boot's `fdt` command: what it makes of the tree.

Source: U-Boot cmd/fdt.c (`do_fdt`, `fdt_parse_prop`), boot/fdt_support.c
(`fdt_shrink_to_minimum`, `fdt_chosen`). Subcommands are matched by their first letters.
"""

from __future__ import annotations

from dataclasses import replace

from harness.lint.script_session import Outcome, Session
from harness.lint.script_trace import WorkingFdt
from harness.lint.symbols import Number, bare_size, is_known, shown
from harness.lint.worktree import Value, WorkTree

# cmd/fdt.c: the buffer that a value is built in, without a check of what is written to it.
SCRATCHPAD = 1024
# fdt_shrink_to_minimum() keeps room for five entries of reserved memory, then fills the page.
RESERVED_ENTRIES = 80
PAGE = 0x1000

_NO_TREE_NEEDED = ("ad", "mo")


def run_fdt(session: Session, words: list[str], line: int) -> Outcome:
    """Follow one `fdt` command."""
    if len(words) < 2:
        session.complain("usage", line, "fdt without a subcommand")
        return False
    word = words[1]
    if session.state.fdt is None and not word.startswith(_NO_TREE_NEEDED):
        message = f"fdt {shown(word)} before any fdt addr"
        session.complain("no-fdt-addr", line, message, "fdt addr ${fdt_addr}, once it is loaded")
        session.state.fdt = WorkingFdt(Number(None, "an unknown address"), line)
    for start, handler in (
        ("ad", _addr),
        ("mo", _move),
        ("mk", _mknode),
        ("se", _set),
        ("rm", _remove),
        ("cho", _chosen),
        ("re", _resize),
    ):
        if word.startswith(start):
            return handler(session, words, line)
    if word[:1] == "g" and len(words) > 3:
        session.state.environment.pop(words[3], None)
        return None
    if word.startswith(("p", "l", "h", "boo", "me", "rs", "ap", "che", "sys", "boa")):
        return None
    session.unknown.append((line, f"fdt {shown(word)}"))
    return False


def _addr(session: Session, words: list[str], line: int) -> Outcome:
    rest = [word for word in words[2:] if not word.startswith("-")]
    if len(rest) < len(words) - 2 and any(w[:1] == "-" and "c" in w for w in words[2:]):
        return None  # the tree of U-Boot itself
    if not rest:
        return None
    address = session.number(rest[0])
    if address is None:
        session.complain("usage", line, f"fdt addr {shown(rest[0])}: no address")
        return False
    load = session.load_at(address)
    base = session.base
    is_base = base is not None and (
        load is None or not session.base_name or load.base_name in ("", session.base_name)
    )
    only = load is not None and load.base_name not in session.sizes
    same_tree = session.state.fdt is not None and session.state.fdt.address == address
    if not same_tree:
        session.state.tree = WorkTree(base if is_base or only else None)
    used = session.base_size if session.state.tree.is_known else None
    total = None if used is None else used + session.base_room
    fdt = WorkingFdt(address, line, load.number if load else None, total, used)
    length = session.number(rest[1]) if len(rest) > 1 else None
    if length and length.value is not None and length.value >= (used or 0):
        fdt = replace(fdt, total=length.value, resized=line)
    session.state.fdt = fdt
    return True


def _move(session: Session, words: list[str], line: int) -> Outcome:
    if len(words) < 4:
        session.complain("usage", line, "fdt move needs two addresses")
        return False
    if session.state.fdt is None:
        _addr(session, ["fdt", "addr", words[2]], line)
    address = session.number(words[3])
    if address is not None and session.state.fdt is not None:
        session.state.fdt = replace(session.state.fdt, address=address, line=line, load=None)
    return None


def _resize(session: Session, words: list[str], line: int) -> Outcome:
    fdt = session.state.fdt
    if fdt is None:
        return False
    extra = session.number(words[2]) if len(words) > 2 else Number(0, "0")
    made_before = fdt.resized is not None and fdt.total != fdt.used
    shrunk = line if extra and extra.value == 0 and made_before else None
    total = None
    if fdt.used is not None and extra is not None and extra.value is not None:
        end = fdt.used + fdt.grown + RESERVED_ENTRIES + extra.value
        total = (end + PAGE - 1) // PAGE * PAGE
    resized = line if extra is None or extra.value != 0 else fdt.resized
    session.state.fdt = replace(fdt, total=total, resized=resized, shrunk=shrunk)
    return True


def _grow(session: Session, line: int, size: int) -> None:
    """Account for a change of the tree's size; libfdt refuses what does not fit."""
    fdt = session.state.fdt
    if fdt is None:
        return
    grown = fdt.grown + size
    if fdt.total is not None and fdt.used is not None:
        over = fdt.used + grown - fdt.total
        if over > 0 >= over - size:
            message = f"the tree has no room for this: {over} bytes are missing at {fdt.address}"
            hint = "fdt resize 0x2000, before the first fdt set or mknod"
            session.complain("no-room", line, message, hint)
    session.state.fdt = replace(fdt, grown=grown)


def _mknode(session: Session, words: list[str], line: int) -> Outcome:
    if len(words) < 4:
        session.complain("usage", line, "fdt mknod needs a path and a name")
        return False
    tree = session.state.tree
    parent = tree.path(words[2])
    _must_exist(session, parent, line, f"fdt mknod {shown(words[2])}")
    path = f"{parent.rstrip('/')}/{words[3]}"
    if path in tree.nodes:
        message = f"{shown(path)} is there already"
        session.complain("node", line, message, "one fdt mknod for each node")
        return False
    tree.nodes.setdefault(parent, {})
    tree.nodes[path] = {}
    tree.lines[path] = line
    _grow(session, line, 12 + len(words[3]) // 4 * 4)
    return True


def _must_exist(session: Session, path: str, line: int, command: str) -> None:
    tree = session.state.tree
    if path in tree.nodes or (not tree.is_known and not path.startswith("/chosen")):
        return
    made = "fdt chosen" if path == "/chosen" else "fdt mknod"
    message = f"{command}: no command before makes {shown(path)}"
    message += ", and the tree does not have it" if tree.is_known else ""
    session.complain("node", line, message, f"{made}, before this line")


def _set(session: Session, words: list[str], line: int) -> Outcome:
    if len(words) < 4:
        comment = [text for at, text in session.comments if at == line]
        message = "fdt set without a property"
        hint = ""
        if comment:
            message = f"# begins a comment here: U-Boot sees only {shown(' '.join(words))}"
            hint = f"\\{comment[0].split()[0]}: the backslash takes away the meaning of #"
        session.complain("comment" if comment else "usage", line, message, hint)
        return False
    tree = session.state.tree
    path, name = tree.path(words[2]), words[3]
    _must_exist(session, path, line, f"fdt set {shown(words[2])}")
    value = _value(session, words[4:], line)
    if value is None:
        return False
    if value.size > SCRATCHPAD:
        message = f"the value of {shown(name)} has {value.size} bytes"
        session.complain("scratchpad", line, message, f"at most {SCRATCHPAD} bytes")
    before = tree.nodes.setdefault(path, {}).get(name)
    tree.nodes[path][name] = value
    padded = (value.size + 3) // 4 * 4
    grown = padded - (before.size + 3) // 4 * 4 if before else 12 + padded
    _grow(session, line, grown)
    return True


def _value(session: Session, words: list[str], line: int) -> Value | None:
    if not words:
        return Value(strings=(), line=line)
    first = words[0]
    if first.startswith("<"):
        return _cells(session, words, line)
    if first.startswith("["):
        text = " ".join(words).strip("[] ")
        digits = "".join(text.split())
        try:
            return Value(raw=bytes.fromhex(digits), line=line)
        except ValueError:
            if is_known(text):
                session.complain("cells", line, f"{shown(' '.join(words))}: not bytes in hex")
                return None
            return Value(strings=(text,), line=line)
    return Value(strings=tuple(words), line=line)


def _cells(session: Session, words: list[str], line: int) -> Value | None:
    text = " ".join(words)[1:]
    body, end, _ = text.partition(">")
    if not end:
        message = f"{shown(' '.join(words))}: the cells have no closing >"
        session.complain("cells", line, message)
        return None
    numbers: list[Number] = []
    for word in body.split():
        read = session.number(word, base=0)
        if read is None:
            message = f"{shown(word)} is no number"
            session.complain("cells", line, message, "numbers with 0x before them")
            return None
        if bare_size(word):
            message = "${filesize} without 0x before it: U-Boot sets it in hex digits without 0x"
            message += ", and reads the cells of fdt set as C does"
            session.complain("cells", line, message, "0x${filesize}")
        elif not word.lower().startswith("0x") and (read.value or 0) >= 1_000_000:
            message = f"{word} is a decimal number here, {read.value:#x}"
            session.complain("cells", line, message, f"0x{word}")
        numbers.append(read)
    return Value(numbers=tuple(numbers), line=line)


def _remove(session: Session, words: list[str], line: int) -> Outcome:
    if len(words) < 3:
        session.complain("usage", line, "fdt rm needs a path")
        return False
    tree = session.state.tree
    path = tree.path(words[2])
    if len(words) > 3:
        tree.nodes.get(path, {}).pop(words[3], None)
    elif path != "/":
        tree.remove(path)
    return None


def _chosen(session: Session, words: list[str], line: int) -> Outcome:
    if len(words) not in (2, 4):
        session.complain(
            "usage", line, "fdt chosen takes no argument, or an initrd's start and end"
        )
        return False
    tree = session.state.tree
    tree.nodes.setdefault("/chosen", {})
    tree.lines.setdefault("/chosen", line)
    bootargs = session.state.environment.get("bootargs")
    if bootargs:
        value = Value(strings=(bootargs,), line=line)
        tree.nodes["/chosen"]["bootargs"] = value
        _grow(session, line, 12 + (value.size + 3) // 4 * 4)
    return True
