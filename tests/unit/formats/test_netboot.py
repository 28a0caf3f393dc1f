from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from harness.formats.netboot import DhcpMessage, TftpTransfer, events
from harness.formats.pcap import Packet

MAC = bytes.fromhex("000db9433fbc")
BOARD, QEMU = "192.168.42.15", "192.168.42.1"
NOBODY = "0.0.0.0"  # noqa: S104


def ip(address: str) -> bytes:
    return bytes(int(part) for part in address.split("."))


def udp(
    at: float,
    source: tuple[str, int],
    target: tuple[str, int],
    data: bytes,
    *,
    cut: int | None = None,
    vlan: bool = False,
    options: bytes = b"",
    fragment: int = 0,
) -> Packet:
    """A UDP datagram as an Ethernet frame, cut off at `cut` bytes."""
    inner = struct.pack(">HHHH", source[1], target[1], 8 + len(data), 0) + data
    head = struct.pack(
        ">BBHHHBBH",
        0x45 + len(options) // 4,
        0,
        20 + len(options) + len(inner),
        0,
        fragment,
        64,
        17,
        0,
    )
    tag = b"\x81\x00\x00\x05" if vlan else b""
    frame = b"\xff" * 6 + MAC + tag + b"\x08\x00" + head + ip(source[0]) + ip(target[0])
    frame += options + inner
    return Packet(at, frame[:cut], len(frame))


def dhcp(op: int, kind: int, file: bytes = b"", *options: tuple[int, bytes]) -> bytes:
    fixed = struct.pack(">BBBBIHH", op, 1, 6, 0, 0x12345678, 0, 0)
    fixed += bytes(4) + ip(BOARD if op == 2 else NOBODY)
    fixed += ip(QEMU if op == 2 else NOBODY) + bytes(4)
    fixed += MAC.ljust(16, b"\0") + bytes(64) + file.ljust(128, b"\0")
    rows = [(53, bytes([kind])), *options]
    coded = b"".join(bytes([number, len(value)]) + value for number, value in rows)
    return (fixed + b"\x63\x82\x53\x63" + b"\0" + coded + b"\xff").ljust(300, b"\0")


def asks(at: float, data: bytes, cut: int | None = None) -> Packet:
    return udp(at, (NOBODY, 68), ("255.255.255.255", 67), data, cut=cut)


def answers(at: float, data: bytes, cut: int | None = None) -> Packet:
    return udp(at, (QEMU, 67), ("255.255.255.255", 68), data, cut=cut)


def board(at: float, data: bytes, port: int = 49153, to: int = 69) -> Packet:
    return udp(at, (BOARD, port), (QEMU, to), data)


def qemu(at: float, data: bytes, port: int = 49153, cut: int | None = None) -> Packet:
    return udp(at, (QEMU, 69), (BOARD, port), data, cut=cut)


def rrq(name: bytes) -> bytes:
    return b"\0\1" + name + b"\0octet\0blksize\0" + b"1432\0tsize\0" + b"0\0"


def block(number: int, size: int) -> bytes:
    return struct.pack(">HH", 3, number & 0xFFFF) + b"d" * size


def ack(number: int) -> bytes:
    return struct.pack(">HH", 4, number & 0xFFFF)


OACK = b"\0\6blksize\0" + b"1432\0tsize\0" + b"3000\0"


def only(*packets: Packet) -> TftpTransfer:
    (found,) = events(packets)
    assert isinstance(found, TftpTransfer)
    return found


def test_the_four_messages_of_an_address() -> None:
    classes = (60, b"PXEClient:Arch:00000:UNDI:002001"), (77, b"iPXE")
    found = events(
        [
            asks(1.0, dhcp(1, 1, b"", *classes)),
            answers(1.5, dhcp(2, 2, b"menu.ipxe")),
            asks(2.0, dhcp(1, 3, b"", *classes)),
            answers(2.5, dhcp(2, 5, b"menu.ipxe")),
        ]
    )
    assert found[0] == DhcpMessage(
        at=1.0,
        kind="discover",
        from_client=True,
        xid=0x12345678,
        mac="00:0d:b9:43:3f:bc",
        address=NOBODY,
        server=NOBODY,
        file="",
        vendor_class="PXEClient:Arch:00000:UNDI:002001",
        user_class="iPXE",
        cut=False,
    )
    assert found[1] == DhcpMessage(
        at=1.5,
        kind="offer",
        from_client=False,
        xid=0x12345678,
        mac="00:0d:b9:43:3f:bc",
        address=BOARD,
        server=QEMU,
        file="menu.ipxe",
        vendor_class="",
        user_class="",
        cut=False,
    )
    assert [one.kind for one in found if isinstance(one, DhcpMessage)] == [
        "discover",
        "offer",
        "request",
        "ack",
    ]


def test_a_boot_file_as_an_option_and_a_class_with_its_length() -> None:
    (found,) = events([answers(1.0, dhcp(2, 5, b"", (67, b"xen.efi"), (77, b"\x04iPXE")))])
    assert isinstance(found, DhcpMessage)
    assert (found.file, found.user_class) == ("xen.efi", "iPXE")


def test_a_message_that_was_cut_before_its_options() -> None:
    (found,) = events([asks(1.0, dhcp(1, 1), cut=256)])
    assert isinstance(found, DhcpMessage)
    assert (found.kind, found.mac, found.cut) == ("bootrequest", "00:0d:b9:43:3f:bc", True)


def test_a_file_name_prints() -> None:
    (found,) = events([answers(1.0, dhcp(2, 5, b"\x1b[2J"))])
    assert isinstance(found, DhcpMessage)
    assert found.file == "%1B[2J"


def test_a_transfer_with_options_cut_packets_and_a_block_twice() -> None:
    found = only(
        board(1.0, rrq(b"menu.ipxe")),
        qemu(1.1, OACK),
        board(1.1, ack(0)),
        qemu(1.2, block(1, 1432), cut=256),
        board(1.2, ack(1)),
        qemu(1.3, block(1, 1432), cut=256),
        qemu(1.3, block(2, 1432), cut=256),
        board(1.4, ack(2)),
        qemu(1.4, block(3, 136)),
        board(1.5, ack(3)),
    )
    assert found == TftpTransfer(
        at=1.0,
        client=BOARD,
        server=QEMU,
        file="menu.ipxe",
        mode="octet",
        size=3000,
        answered=True,
        bytes_sent=3000,
        duration=0.5,
        complete=True,
    )


def test_a_transfer_without_options_from_a_port_of_its_own() -> None:
    def server(at: float, data: bytes) -> Packet:
        return udp(at, (QEMU, 4321), (BOARD, 49153), data)

    packets = [
        board(1.0, b"\0\1boot.scr\0OCTET\0"),
        server(1.1, block(1, 512)),
        board(1.2, ack(1), to=4321),
        server(1.3, block(2, 0)),
        board(1.4, ack(2), to=4321),
    ]
    found = only(*packets)
    assert (found.file, found.mode, found.size) == ("boot.scr", "octet", None)
    assert (found.bytes_sent, found.complete) == (512, True)
    assert not only(*packets[:-1]).complete
    assert not only(*packets[:3]).complete


def test_block_numbers_start_again() -> None:
    packets = [board(0.0, b"\0\1big\0octet\0")]
    packets += [qemu(1.0, block(number, 512)) for number in range(1, 65540)]
    packets += [qemu(2.0, block(65540, 100)), board(2.0, ack(65540))]
    found = only(*packets)
    assert (found.bytes_sent, found.complete) == (65539 * 512 + 100, True)


def test_what_the_server_does_not_have() -> None:
    found = only(board(1.0, rrq(b"missing")), qemu(1.25, b"\0\5\0\1File not found\0"))
    assert (found.error_code, found.error_text) == (1, "File not found")
    assert (found.error_by_client, found.complete, found.duration) == (False, False, 0.25)


def test_a_client_that_gives_up() -> None:
    found = only(board(1.0, rrq(b"x")), qemu(1.1, OACK), board(1.2, b"\0\5\0\x08enough\0"))
    assert (found.error_code, found.error_by_client, found.answered) == (8, True, True)


def test_nobody_answers_and_asking_again_is_the_same_request() -> None:
    found = only(board(1.0, rrq(b"x")), board(2.0, rrq(b"x")), board(4.0, rrq(b"x")))
    assert (found.at, found.answered, found.bytes_sent) == (1.0, False, 0)


def test_two_transfers_at_once_and_one_more_on_a_used_port() -> None:
    found = events(
        [
            board(1.0, rrq(b"a"), port=1001),
            board(1.1, rrq(b"b"), port=1002),
            qemu(1.2, block(1, 5), port=1002),
            qemu(1.3, b"\0\5\0\1no\0", port=1001),
            board(2.0, rrq(b"c"), port=1001),
        ]
    )
    got = [
        (one.file, one.bytes_sent, one.error_code) for one in found if isinstance(one, TftpTransfer)
    ]
    assert got == [("a", 0, 1), ("b", 5, None), ("c", 0, None)]


def test_a_tagged_frame_and_ip_options() -> None:
    data = dhcp(1, 1)
    tagged = udp(1.0, (NOBODY, 68), ("255.255.255.255", 67), data, vlan=True, options=bytes(8))
    assert len(events([tagged])) == 1


def test_other_packets_are_passed_over() -> None:
    good = asks(1.0, dhcp(1, 1)).data
    others = [
        b"",
        good[:13],
        good[:12] + b"\x86\xdd" + good[14:],
        good[:14] + b"\x65" + good[15:],
        good[:14] + b"\x41" + good[15:],
        good[:23] + b"\x06" + good[24:],
        good[:20] + b"\x00\x01" + good[22:],
        good[:40],
        good[:60],
        good[:38] + b"\0\0" + good[40:],
        good[:42] + b"\x07" + good[43:],
        qemu(1.0, block(1, 5)).data,
        board(1.0, b"\1").data,
    ]
    assert events([Packet(1.0, data, len(data)) for data in others]) == []


@given(st.lists(st.binary(max_size=400), max_size=5))
def test_any_frames(frames: list[bytes]) -> None:
    events([Packet(float(at), frame, len(frame)) for at, frame in enumerate(frames)])


@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.sampled_from([67, 68, 69, 1001]),
            st.binary(max_size=300),
            st.none() | st.integers(30, 300),
        ),
        max_size=8,
    )
)
def test_any_datagrams(rows: list[tuple[bool, int, bytes, int | None]]) -> None:
    packets = [
        udp(1.0, (BOARD, 1001), (QEMU, port), data, cut=cut)
        if up
        else udp(1.0, (QEMU, port), (BOARD, 1001), data, cut=cut)
        for up, port, data, cut in rows
    ]
    for event in events(packets):
        assert event.at == 1.0


@given(st.binary(max_size=300), st.integers(0, 320))
def test_any_dhcp_message(rest: bytes, cut: int) -> None:
    data = dhcp(1, 1)[:240] + rest
    for event in events([asks(1.0, data[:cut]), asks(1.0, data)]):
        assert isinstance(event, DhcpMessage)
        assert event.from_client
