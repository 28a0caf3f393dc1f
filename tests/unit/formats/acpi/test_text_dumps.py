from __future__ import annotations

import html
import re
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FormatError
from harness.formats.acpi.header import Header, build_header, sealed
from harness.formats.acpi.text_dumps import NoTableError, parse_text

HEAD = build_header(Header("IVRS", 0, 2, 0, "AMD", "AmdTable", 1, "AMD ", 1))
# The text columns of its rows look like hex digits, and one row is like the one before.
TABLE = sealed(
    HEAD + bytes(12) + b"AB CD EF 01 2345" + b"12  34 ab|\xf0<b>&" + b"\xa5" * 48 + b"\0\1\2beef"
)


def shown(data: bytes) -> str:
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data)


def rows(data: bytes, size: int = 16) -> list[tuple[int, bytes]]:
    return [(at, data[at : at + size]) for at in range(0, len(data), size)]


def acpidump(data: bytes) -> str:
    made = f"{data[:4].decode('latin-1')} @ 0x0000000000000000\n"
    for at, row in rows(data):
        made += f"    {at:04X}: {row.hex(' ').upper():48} {shown(row)}\n"
    return made + "\n"


def xxd(data: bytes) -> str:
    made = ""
    for at, row in rows(data):
        made += f"{at:08x}: {row.hex(' ', -2):40} {shown(row)}\n"
    return made


def hexdump_c(data: bytes) -> str:
    made = ""
    last = b""
    starred = False
    for at, row in rows(data):
        if row == last:
            made += "" if starred else "*\n"
            starred = True
            continue
        last, starred = row, False
        halves = f"{row[:8].hex(' '):23}  {row[8:].hex(' '):23}"
        made += f"{at:08x}  {halves}  |{shown(row)}|\n"
    return made + f"{len(data):08x}\n"


def words(data: bytes, offset: str) -> str:
    made = ""
    for at, row in rows(data):
        even = row + b"\0" if len(row) % 2 else row
        pairs = [even[i : i + 2][::-1].hex() for i in range(0, len(even), 2)]
        made += f"{at:{offset}} {' '.join(pairs)}\n"
    return made + f"{len(data):{offset}}\n"


def hexdump(data: bytes) -> str:
    return words(data, "07x")


def od_x(data: bytes) -> str:
    return words(data, "07o")


def od_d(data: bytes) -> str:
    made = "".join(f"{at:07d} {row.hex(' '):48} >{shown(row)}<\n" for at, row in rows(data))
    return made + f"{len(data):07d}\n"


def od_t(data: bytes) -> str:
    return "".join(f"{at:07o} {row.hex(' ')}\n" for at, row in rows(data)) + f"{len(data):07o}\n"


def uefi(data: bytes) -> str:
    made = ""
    for at, row in rows(data):
        half = row[:8].hex(" ") + ("-" if len(row) > 8 else " ") + row[8:].hex(" ")
        made += f"  {at:08X}: {half.upper():48} *{shown(row)}*\n"
    return made


def uboot_md(data: bytes) -> str:
    made = ""
    for at, row in rows(data):
        made += f"{0x7FFE0000 + at:08x}: {row.hex(' '):48}    {shown(row)}\n"
    return made


FORMS = (acpidump, xxd, hexdump_c, hexdump, od_x, od_d, od_t, uefi, uboot_md)
EVERY_FORM = pytest.mark.parametrize("form", FORMS)


def each_line(before: str) -> Callable[[str], str]:
    return lambda text: "".join(f"{before}{line}\n" for line in text.splitlines())


def numbered(text: str) -> str:
    return "".join(f"{at:6}\t{line}\n" for at, line in enumerate(text.splitlines(), 1))


def numbered_high(text: str) -> str:
    return "".join(f"{at:6}  {line}\n" for at, line in enumerate(text.splitlines(), 1000))


def as_html(text: str) -> str:
    escaped = html.escape(text).replace(" ", "&nbsp;").replace("\n", "<br>\n")
    return f'<pre class="dump"><code>{escaped}</code></pre>'


def single_spaces(text: str) -> str:
    return "".join(re.sub(" +", " ", line).strip() + "\n" for line in text.splitlines())


def in_a_mail(text: str) -> str:
    return (
        "Hello,\nsince 2024-01-02 03:04 it fails at 0x30:\n\n# cat x | xxd\n"
        f"{text}\nThe row\n00000030: 5649 5253 5253\nis wrong. 00:14.0: 49 56\nfeed\n"
    )


PASTED: dict[str, Callable[[str], str]] = {
    "as printed": str,
    "quoted": each_line("> "),
    "quoted twice": each_line("> > "),
    "quoted tightly": each_line(">>"),
    "dmesg": each_line("[    0.004711] "),
    "journal": each_line("Jan 02 03:04:05 apu2 kernel: "),
    "Xen": each_line("(XEN) [2024-01-02 03:04:05.678] "),
    "time": each_line("[03:04:05.678] "),
    "comment": each_line("// "),
    "numbered": numbered,
    "numbered high": numbered_high,
    "quoted numbers": lambda text: each_line("> ")(numbered(text)),
    "html": as_html,
    "nbsp": lambda text: text.replace(" ", "\u00a0"),
    "single spaces": single_spaces,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "mail": in_a_mail,
    "no line feed": lambda text: text.rstrip("\n"),
}


@EVERY_FORM
@pytest.mark.parametrize("pasted", PASTED)
def test_every_form_however_it_was_pasted(form: Callable[[bytes], str], pasted: str) -> None:
    (table,) = parse_text(PASTED[pasted](form(TABLE)))
    assert table.data == TABLE
    assert table.signature == "IVRS"
    assert table.origin.startswith("line ")


@EVERY_FORM
@given(content=st.binary(max_size=100))
def test_any_content_in_every_form(form: Callable[[bytes], str], content: bytes) -> None:
    data = sealed(HEAD + content)
    (table,) = parse_text(form(data))
    assert table.data == data


@given(content=st.binary(max_size=100), pasted=st.sampled_from(sorted(PASTED)))
def test_any_content_pasted_in_any_way(content: bytes, pasted: str) -> None:
    data = sealed(HEAD + content)
    for form in (acpidump, hexdump_c, hexdump):
        (table,) = parse_text(PASTED[pasted](form(data)))
        assert table.data == data


def test_notes_and_origin() -> None:
    (plain,) = parse_text(xxd(TABLE))
    assert (plain.origin, plain.notes) == ("line 1", ())
    (based,) = parse_text(uboot_md(TABLE))
    assert based.notes == ("the offsets begin at 0x7ffe0000",)
    (mailed,) = parse_text(in_a_mail(xxd(TABLE)))
    assert mailed.origin == "line 5"
    assert mailed.notes[0].startswith("passed over: line 16")


def test_several_tables_each_once() -> None:
    other = sealed(build_header(Header("APIC", 0, 1, 0, "", "", 0, "", 0)) + bytes(8))
    text = acpidump(TABLE) + acpidump(other) + xxd(TABLE)
    assert [one.data for one in parse_text(text)] == [TABLE, other]
    assert [one.data for one in parse_text(text + each_line("> ")(text))] == [TABLE, other]
    found = parse_text(hexdump(other + TABLE))
    assert [one.data for one in found] == [other, TABLE]
    assert found[1].origin == "line 1, offset 0x2c"


def test_a_missing_heading_does_not_matter() -> None:
    text = acpidump(TABLE).split("\n", 1)[1]
    assert parse_text(text)[0].data == TABLE


def test_text_between_rows_does_not_matter() -> None:
    lines = xxd(TABLE).splitlines()
    text = "\n".join([*lines[:3], "(XEN) something else", "--- 8< ---", "", *lines[3:]])
    assert parse_text(text)[0].data == TABLE


def test_digits_that_were_changed_win_over_the_text_column() -> None:
    text = xxd(TABLE).replace("0200 0000", "0300 0000")
    changed = text.replace("4142 2043", "4242 2043")
    (table,) = parse_text(changed)
    assert table.data[0x30] == 0x42
    assert table.notes == ("line 4: the text column does not match the bytes",)


def test_a_table_that_is_cut_short_is_kept_with_a_note() -> None:
    (table,) = parse_text("\n".join(xxd(TABLE).splitlines()[:-1]))
    assert table.data == TABLE[: len(TABLE) // 16 * 16]
    assert "the source ends after" in table.notes[0]


@EVERY_FORM
def test_first_rows_missing(form: Callable[[bytes], str]) -> None:
    text = "".join(line + "\n" for line in form(TABLE).splitlines()[2 if form is acpidump else 1 :])
    with pytest.raises(NoTableError, match="begin at offset 0x") as caught:
        parse_text(text)
    assert "the first rows too" in str(caught.value)
    assert caught.value.where is not None
    assert "line 1" in caught.value.where


@EVERY_FORM
def test_a_row_missing_in_the_middle(form: Callable[[bytes], str]) -> None:
    data = sealed(HEAD + bytes(range(100)))
    lines = form(data).splitlines()
    del lines[4]
    with pytest.raises(FormatError, match=r"is known up to 0x[34]0") as caught:
        parse_text("\n".join(lines))
    assert not isinstance(caught.value, NoTableError)
    assert "every row" in str(caught.value)


def test_rows_left_out_without_an_end() -> None:
    text = hexdump_c(sealed(HEAD + bytes(100)))
    lines = text.splitlines()
    assert lines[-3] == "*"
    cut = "\n".join(lines[:-2])
    with pytest.raises(FormatError, match="left out") as caught:
        parse_text(cut)
    assert "hexdump -Cv" in str(caught.value)


def test_a_repetition_without_bounds_is_refused() -> None:
    text = f"00000000  {HEAD[:16].hex(' ')}\n*\nfffffff0\n"
    with pytest.raises(FormatError):
        parse_text(text)
    with pytest.raises(FormatError, match="more than 16 MiB"):
        parse_text(
            f"00000000  {HEAD[:16].hex(' ')}\n*\n00fffff0\n*\n01fffff0\n".replace(
                "00fffff0\n", f"00fffff0  {HEAD[:16].hex(' ')}\n"
            )
        )


def test_a_heading_of_another_table() -> None:
    text = acpidump(TABLE).replace("IVRS @", "APIC @")
    with pytest.raises(FormatError, match="the heading says APIC, the bytes say 'IVRS'"):
        parse_text(text)


def test_a_damaged_table_under_a_heading_is_not_passed_over() -> None:
    text = acpidump(TABLE).replace("49 56 52 53", "00 00 00 00") + xxd(TABLE)
    with pytest.raises(FormatError, match="begin with 00 00 00 00"):
        parse_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no dump at all\n",
        "00:00.2 IOMMU: AMD\n00: 22 10 23 14 04 00 10 00 00 00 06 08 00 00 00 00\n",
        "IVRS @ 0x0000000000000000\n",
        "*\n00000010\n",
        "(XEN) ffff82d040467c70: 0000000000000001 0000000000000001\n",
    ],
)
def test_text_without_a_dump(text: str) -> None:
    with pytest.raises(NoTableError, match="holds no hex dump"):
        parse_text(text)


def test_dumps_of_something_else() -> None:
    elf = xxd(b"\x7fELF" + bytes(60))
    with pytest.raises(NoTableError, match="begin with 7f 45 4c 46") as caught:
        parse_text(elf)
    assert caught.value.where == "line 1, Signature"
    assert parse_text(elf + xxd(TABLE))[0].data == TABLE


@given(st.text(max_size=300))
def test_any_text_is_refused_or_read(text: str) -> None:
    with suppress(FormatError):
        parse_text(text)


@given(
    st.lists(st.sampled_from([*acpidump(TABLE).split("\n"), *hexdump_c(TABLE).split("\n"), "*"]))
)
def test_rows_in_any_order_are_refused_or_read(lines: list[str]) -> None:
    try:
        tables = parse_text("\n".join(lines))
    except FormatError:
        return
    for table in tables:
        assert table.data[:16] == TABLE[:16]


@given(st.integers(0, len(xxd(TABLE))), st.sampled_from(FORMS))
def test_a_dump_cut_anywhere_gives_a_beginning_or_an_error(
    size: int, form: Callable[[bytes], str]
) -> None:
    try:
        tables = parse_text(form(TABLE)[:size])
    except FormatError:
        return
    for table in tables:
        # The last row of a dump of words may have been cut within a word.
        assert TABLE.startswith(table.data[: len(table.data) // 16 * 16])


@pytest.mark.parametrize(
    "line",
    [
        "00000000: 4956 5253 1801 0000\n",
        "[ 1.0] 12 > (XEN) feed beef abcd dead\n",
        "IVRS @ 0x0000000000000000\n",
        "*\n",
        "aaaaaaaaaa\n",
        "a ",
        "> ",
        "<p ",
        "&#",
    ],
)
def test_a_megabyte_of_anything_ends_soon(line: str) -> None:
    started = time.monotonic()
    with pytest.raises(FormatError):
        parse_text(line * ((1 << 20) // len(line)))
    assert time.monotonic() - started < 20


COMMANDS = [
    "acpidump -f FILE",
    "xxd FILE",
    "xxd -g1 FILE",
    "xxd -e FILE",
    "xxd -a FILE",
    "xxd -u -g4 -c 32 FILE",
    "hexdump FILE",
    "hexdump -C FILE",
    "od -tx1 FILE",
    "od -w8 -tx1 FILE",
    "od -Ad -tx1z FILE",
    "od -x FILE",
    "od -Ax -tx4 FILE",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_what_the_real_programs_print(
    command: str, tool: Callable[[str], str], tmp_path: Path
) -> None:
    odd = [sealed(HEAD + b"\xff" * size) for size in range(1, 33)]
    for index, data in enumerate((TABLE, sealed(HEAD + bytes(200)), *odd)):
        (tmp_path / "table").write_bytes(data)
        program, *options = command.replace("FILE", str(tmp_path / "table")).split()
        ran = subprocess.run([tool(program), *options], capture_output=True, text=True, check=True)
        assert [one.data for one in parse_text(ran.stdout)] == [data], index


def test_what_iasl_adds_below_its_listing(tool: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "ivrs.dat").write_bytes(TABLE)
    ran = [tool("iasl"), "-d", str(tmp_path / "ivrs.dat")]
    subprocess.run(ran, check=True, capture_output=True)
    text = (tmp_path / "ivrs.dsl").read_text("latin-1")
    assert [one.data for one in parse_text(text)] == [TABLE]


def test_real_tables_in_every_form(corpus: Callable[[str], list[tuple[str, bytes]]]) -> None:
    for machine, data in corpus("IVRS") + corpus("HPET"):
        for form in (acpidump, xxd, hexdump_c, hexdump):
            assert [one.data for one in parse_text(form(data))] == [data], machine
