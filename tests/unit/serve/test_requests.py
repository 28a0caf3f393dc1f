from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from harness.formats.netboot import DhcpMessage, TftpTransfer
from harness.serve.requests import Request, RequestLog, capture_zero, from_capture

NOBODY = "0.0.0.0"  # noqa: S104
ONE = Request(1.0, "http", "127.0.0.1", "GET", "/x", 200, 0, 0.0, complete=False)


def dhcp(at: float, kind: str, *, xid: int = 1, file: str = "") -> DhcpMessage:
    return DhcpMessage(
        at=at,
        kind=kind,
        from_client=kind in ("discover", "request"),
        xid=xid,
        mac="00:0d:b9:43:3f:bc",
        address=NOBODY,
        server=NOBODY,
        file=file,
        vendor_class="",
        user_class="iPXE",
        cut=False,
    )


@pytest.fixture
def warsaw(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_log_keeps_the_order_of_the_questions() -> None:
    log = RequestLog()
    first, second = log.begin(ONE), log.begin(ONE)
    later = Request(2.0, "http", "127.0.0.1", "GET", "/y", 404, 3, 0.5, complete=True)
    log.end(second, later)
    assert log.snapshot() == [ONE, later]
    log.end(first, later)
    assert log.snapshot() == [later, later]


def test_dhcp_questions_have_their_answers() -> None:
    made = from_capture(
        [
            dhcp(101.0, "discover"),
            dhcp(101.25, "offer", file="menu.ipxe"),
            dhcp(102.0, "request"),
            dhcp(102.0, "request", xid=2),
            dhcp(102.5, "nak"),
        ],
        zero=100.0,
    )
    mac = "00:0d:b9:43:3f:bc"
    assert made == [
        Request(1.0, "dhcp", mac, "discover", "menu.ipxe", 200, 0, 0.25, complete=True),
        Request(2.0, "dhcp", mac, "request", "", 403, 0, 0.5, complete=True),
        Request(2.0, "dhcp", mac, "request", "", 0, 0, 0.0, complete=False),
    ]


def test_a_question_that_had_to_be_asked_again_was_not_answered() -> None:
    made = from_capture([dhcp(1.0, "discover"), dhcp(2.0, "discover"), dhcp(2.5, "offer")], 0.0)
    assert [one.status for one in made] == [0, 200]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"answered": True, "bytes_sent": 5, "complete": True}, 200),
        ({"answered": True, "bytes_sent": 5}, 200),
        ({}, 0),
        ({"answered": True, "error_code": 1}, 404),
        ({"answered": True, "error_code": 2}, 403),
        ({"answered": True, "error_code": 0}, 500),
        ({"answered": True, "error_code": 8, "error_by_client": True}, 200),
    ],
)
def test_tftp_transfers(changes: dict[str, int], status: int) -> None:
    transfer = TftpTransfer(10.5, "192.168.42.15", "192.168.42.1", "menu.ipxe", "octet", **changes)  # type: ignore[arg-type]
    (made,) = from_capture([transfer], zero=10.0)
    assert made == Request(
        0.5,
        "tftp",
        "192.168.42.15",
        "RRQ",
        "menu.ipxe",
        status,
        transfer.bytes_sent,
        0.0,
        complete=transfer.complete,
    )


@pytest.mark.usefixtures("warsaw")
def test_the_clock_of_qemu_is_off_by_the_zone_of_the_host() -> None:
    assert capture_zero(1795241077.471) == 1795241077 - 3600
    assert capture_zero(1782241077.999) == 1782241077 - 7200 + 3600
