"""What holds for every kind of table: parse and build are inverse, and nothing else is raised."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FormatError
from harness.formats.acpi import facs, fadt, hpet, madt, mcfg, rsdp, rsdt
from harness.formats.acpi.header import Header, build_header, sealed

Corpus = Callable[[str], list[tuple[str, bytes]]]

TABLES: dict[str, tuple[ModuleType, int]] = {
    "APIC": (madt, 44),
    "FACP": (fadt, 116),
    "HPET": (hpet, 56),
    "MCFG": (mcfg, 44),
    "RSDT": (rsdt, 36),
    "XSDT": (rsdt, 36),
}
KINDS = pytest.mark.parametrize("signature", TABLES)


def table(signature: str, content: bytes, length: int | None = None) -> bytes:
    header = build_header(Header(signature, 0, 1, 0, "OEM", "TABLE", 1, "TEST", 1))
    data = sealed(header + content)
    return data if length is None else data[:4] + length.to_bytes(4, "little") + data[8:]


@pytest.mark.parametrize(("signature", "count"), [("APIC", 86), ("HPET", 80), ("MCFG", 86)])
def test_real_tables_are_built_as_they_were(signature: str, count: int, corpus: Corpus) -> None:
    module = TABLES[signature][0]
    tables = corpus(signature)
    assert len(tables) == count
    for machine, data in tables:
        parsed = module.parse(data)
        assert module.build(parsed) == data, machine
        assert parsed.checksum_ok, machine
        assert parsed.trailing == b"", machine


@pytest.mark.parametrize("signature", ["APIC", "HPET", "MCFG"])
def test_a_real_table_cut_anywhere_is_refused(signature: str, corpus: Corpus) -> None:
    module = TABLES[signature][0]
    for machine, data in corpus(signature):
        for size in range(len(data)):
            try:
                module.parse(data[:size])
            except FormatError as bad:
                assert bad.field in ("header", "Length"), (machine, size)  # noqa: PT017
            else:
                pytest.fail(f"{machine}: {size} bytes of {len(data)} were accepted")


@KINDS
@given(content=st.binary(max_size=300), behind=st.binary(max_size=8))
def test_whatever_is_accepted_is_built_as_it_was(
    signature: str, content: bytes, behind: bytes
) -> None:
    module, _least = TABLES[signature]
    data = table(signature, content) + behind
    try:
        parsed = module.parse(data)
    except FormatError:
        return
    assert module.build(parsed) == data
    assert parsed.checksum_ok


@KINDS
@given(content=st.binary(max_size=300), length=st.integers(0, 400))
def test_a_wrong_length_is_refused_or_kept(signature: str, content: bytes, length: int) -> None:
    module, least = TABLES[signature]
    data = table(signature, content, length)
    try:
        parsed = module.parse(data)
    except FormatError as bad:
        if bad.offset == 4:
            assert not least <= length <= len(data)
        return
    assert least <= length <= len(data)
    assert module.build(parsed) == data


@KINDS
def test_a_wrong_checksum_is_told_and_no_error(signature: str) -> None:
    module, least = TABLES[signature]
    data = bytearray(table(signature, bytes(least - 36)))
    assert module.parse(bytes(data)).checksum_ok
    data[9] ^= 1
    assert not module.parse(bytes(data)).checksum_ok


@KINDS
def test_another_signature_is_refused(signature: str) -> None:
    module, least = TABLES[signature]
    with pytest.raises(FormatError, match="the signature is 'OEMX'") as caught:
        module.parse(table("OEMX", bytes(least)))
    assert (caught.value.field, caught.value.offset) == ("Signature", 0)


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_format_errors(data: bytes) -> None:
    for module in (madt, fadt, hpet, mcfg, rsdt, rsdp, facs):
        for start in (b"", b"RSD PTR ", b"FACS"):
            try:
                parsed = module.parse(start + data)
            except FormatError:
                continue
            made = module.build(parsed)
            assert (start + data).startswith(made)
