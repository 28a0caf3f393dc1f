"""What iPXE says: its version, network cards, DHCP, downloads, and errors with their links.

Formats: src/core/main.c, src/usr/{ifmgmt,imgmgmt,dhcpmgmt,route}.c and src/core/monojob.c of
iPXE. Its console is 80 columns wide, and so is SeaBIOS's serial one: words are cut there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from harness.bootlog.draft import Draft, apply, rule, sets
from harness.bootlog.lines import Line

COLUMNS = 80


@dataclass(frozen=True, slots=True)
class IpxeNic:
    """link is "up" or "down"."""

    name: str
    mac: str
    driver: str
    location: str
    link: str | None = None


@dataclass(frozen=True, slots=True)
class IpxeConfiguration:
    """One attempt to configure a network card; ok is None if its end is not in the log."""

    nic: str
    mac: str
    ok: bool | None
    result: str


@dataclass(frozen=True, slots=True)
class IpxeDownload:
    """ok is None if the log ends before the result; result is "ok" or the error's text."""

    url: str
    ok: bool | None
    result: str
    line: int


@dataclass(frozen=True, slots=True)
class IpxeError:
    """An error; link is the page that explains it (http://ipxe.org/...)."""

    text: str
    link: str
    line: int


@dataclass(frozen=True, slots=True)
class IpxeFacts:
    """addresses: (card, "address/mask gw gateway"); images: "menu.ipxe : 238 bytes [script]"."""

    version: str | None = None
    features: tuple[str, ...] = ()
    nics: tuple[IpxeNic, ...] = ()
    configurations: tuple[IpxeConfiguration, ...] = ()
    addresses: tuple[tuple[str, str], ...] = ()
    next_server: str | None = None
    filename: str | None = None
    downloads: tuple[IpxeDownload, ...] = ()
    images: tuple[str, ...] = ()
    errors: tuple[IpxeError, ...] = ()


class Unwrapper:
    """Joins what a console of 80 columns cut: a full row goes on in the next line."""

    def __init__(self) -> None:
        self._head: Line | None = None

    def feed(self, line: Line) -> Line | None:
        """The line, joined with what came before it; None while it may go on."""
        full = len(line.text) == COLUMNS and not line.text[-1].isspace()
        if self._head is not None:
            line = replace(self._head, text=self._head.text + line.text)
            self._head = None
        if full and len(line.text) < COLUMNS * 25:
            self._head = line
            return None
        return line

    def flush(self) -> Line | None:
        """The full row at the end, which nothing followed."""
        head, self._head = self._head, None
        return head


def _result(text: str) -> bool | None:
    text = text.strip()
    if text == "ok":
        return True
    return None if not text or text[-1] in ".%" else False


def _nic(draft: Draft, m: re.Match[str], _line: Line) -> None:
    nics = draft.many.get("nics", [])
    if not any(nic.name == m[1] for nic in nics):
        draft.add("nics", IpxeNic(m[1], m[2], m[3], m[4]))


def _link(draft: Draft, m: re.Match[str], _line: Line) -> None:
    nics = draft.many.get("nics")
    if nics:
        nics[-1] = replace(nics[-1], link=m[1])
        draft.changes += 1


def _configuring(draft: Draft, m: re.Match[str], _line: Line) -> None:
    ok = _result(m[3])
    draft.add("configurations", IpxeConfiguration(m[1], m[2], ok, m[3].strip()))


def _download(draft: Draft, m: re.Match[str], line: Line) -> None:
    draft.add("downloads", IpxeDownload(m[1], _result(m[2]), m[2].strip(), line.number))


_URL = r"(?:tftp|https?|ftp|nfs|file|slam)://"
_RULES = (
    rule(r"iPXE (\d\S*(?: \(\w+\))?)(?: -- |$)", sets("version")),
    rule(
        r"Features: (.*)",
        lambda draft, m, _line: draft.set("features", tuple(m[1].split())),
    ),
    rule(
        r"(net\d+(?:\.\d+)?): ([0-9a-f]{2}(?::[0-9a-f]{2}){5}) using (\S+) on (\S+)",
        _nic,
    ),
    rule(r"(?:Configuring|DHCP) \((\S+) ([0-9a-f:]+)\)\.*(.*)", _configuring),
    rule(
        r"(net\d+(?:\.\d+)?): ([0-9a-f.:]+/\S+(?: gw \S+)?)",
        lambda draft, m, _line: draft.add("addresses", (m[1], m[2])),
    ),
    rule(r" +\[Link[: ](?:status: )?(up|down)", _link),
    rule(r"Next server: (\S+)", sets("next_server")),
    rule(r"Filename: (\S+)", sets("filename")),
    rule(rf"({_URL}\S+?)\.\.\.(?!\S*\.\.\.)(.*)", _download),
    rule(r"([\w./%?&=-]+)\.\.\. (ok|.*ipxe\.org/[0-9a-f]{8}.*)$", _download),
    rule(
        r"(\S+ : \d+ bytes.*\S)",
        lambda draft, m, _line: draft.add("images", m[1]),
    ),
)
_ERROR_LINK = re.compile(r"https?://(?:www\.)?ipxe\.org/(?:err/)?[0-9a-f]{6,8}")
_NOT_IPXE = ("(XEN) ", "[")


class IpxeParser:
    """Takes the lines between power-on and Xen; others do no harm."""

    def __init__(self) -> None:
        self._draft = Draft()
        self._rows = Unwrapper()

    @property
    def changes(self) -> int:
        return self._draft.changes

    def feed(self, line: Line) -> None:
        whole = self._rows.feed(line)
        if whole is not None:
            self._take(whole)

    def end(self) -> None:
        """Something else speaks now: a full row does not go on."""
        whole = self._rows.flush()
        if whole is not None:
            self._take(whole)

    def _take(self, line: Line) -> None:
        text = line.text.removeprefix("iPXE> ")
        if not text or text.startswith(_NOT_IPXE):
            return
        apply(_RULES, self._draft, text, line)
        found = "ipxe.org/" in text and _ERROR_LINK.search(text)
        if found:
            self._draft.add("errors", IpxeError(text.strip(), found[0], line.number))

    def facts(self) -> IpxeFacts:
        return IpxeFacts(**self._draft.fields())
