"""IVMD ranges against the memory map.

Sources: xen/arch/x86/e820.c e820_all_mapped(), e820_add_range(); xen/arch/x86/mm.c
page_get_ram_type(); since 4.19 xen/drivers/passthrough/x86/iommu.c iommu_unity_region_ok().
Pages are taken in runs of one type, not one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from harness.lint.acpi_model.machine import ACPI_DATA, ACPI_NVS, RAM, RESERVED, UNUSABLE, Region
from harness.lint.acpi_model.state import MASK64, PAGE, Ended, GaveUp, State
from harness.lint.acpi_model.wording import hexadecimal

MAX_ENTRIES = 1024  # E820MAX
# Xen looks at each page: about 10 million of them in some seconds on a slow processor.
PATIENCE = 1 << 26

_UNKNOWN = 0
_CHECK = "iommu_acpi.c: parse_ivmd_block()"
_CHECK_NEW = "passthrough/x86/iommu.c: iommu_unity_region_ok()"


def check_region(state: State, start: int, limit: int, offset: int) -> None:
    """The pages start ... limit (addresses of the first and the last page).

    Raises:
        GaveUp: a page is RAM, or the map has no room for it.
        Ended: there are so many pages that Xen seems to hang.
    """
    if state.e820 is None:
        return
    end = (limit + PAGE) & MASK64
    if _all_reserved(state.e820, start, end):
        return
    _say(state, "not-reserved", offset, start=start, end=limit if _new(state) else end)
    if start > limit:
        return
    seen = 0
    for page, last, types in _runs(state.e820, start, limit):
        pages = (last - page) // PAGE + 1
        seen += pages
        if seen > PATIENCE:
            state.note(
                "ivmd-pages",
                _source(state),
                f"Xen looks at more than {PATIENCE} pages one by one",
                offset=offset + 24,
                field="IVMD memory block length",
            )
            raise Ended("hang")
        if types == {_UNKNOWN}:
            # Added page by page, and joined to the entry before or behind it.
            if not _add(state.e820, page, last + PAGE):
                _say(state, "page-map", offset, page=page)
                raise GaveUp
            continue
        good = bool(types & {RESERVED, ACPI_DATA, ACPI_NVS, UNUSABLE})
        if state.version.takes_ram_for_reserved:
            good = not good
        if not good:
            _say(state, "page-ram", offset, page=page)
            raise GaveUp


def _new(state: State) -> bool:
    return state.version.words_unity_region


def _source(state: State) -> str:
    return _CHECK_NEW if _new(state) else _CHECK


def _say(state: State, what: str, offset: int, **values: int) -> None:
    texts = {
        "not-reserved": "part of the range is not reserved in the memory map",
        "page-ram": "a page of the range is RAM",
        "page-map": "a page of the range cannot be added to the memory map",
    }
    shown: dict[str, str]
    if _new(state):
        shown = {name: hexadecimal(value) for name, value in values.items()}
        if "page" in values:
            shown["page"] = _frame(values["page"] // PAGE)
    else:
        shown = {name: f"{value:x}" for name, value in values.items()}
    state.say(
        ("unity-" if _new(state) else "ivmd-") + what,
        _source(state),
        texts[what],
        offset=offset + 16,
        field="IVMD start address",
        **shown,
    )


def _frame(number: int) -> str:
    """ "%#05lx": at least five characters, the "0x" counted."""
    return f"{number:#05x}" if number else "00000"


def _all_reserved(e820: list[Region], start: int, end: int) -> bool:
    """e820_all_mapped(): whether reserved entries, in their order, cover [start, end)."""
    for region in e820:
        if region.type != RESERVED or region.start >= end or region.end <= start:
            continue
        if region.start <= start:
            start = region.end
        if start >= end:
            return True
    return False


def _types(e820: list[Region], page: int) -> set[int]:
    """page_get_ram_type(): all types that the page has a part in."""
    types: set[int] = set()
    last = 0
    for region in e820:
        if page + PAGE > last and page < region.start:
            types.add(_UNKNOWN)
        if page + PAGE > region.start and page < region.end:
            types.add(region.type if RAM <= region.type <= UNUSABLE else _UNKNOWN)
        last = region.end
    return types or {_UNKNOWN}


def _runs(e820: list[Region], start: int, limit: int) -> Iterator[tuple[int, int, set[int]]]:
    """(first page, last page, types) of runs of pages whose types are the same."""
    edges = {start, limit + PAGE}
    for region in e820:
        for edge in (region.start, region.end):
            for page in (edge & -PAGE, (edge & -PAGE) + PAGE):
                if start < page <= limit:
                    edges.add(page)
    ordered = sorted(edges)
    for first, behind in pairwise(ordered):
        yield first, behind - PAGE, _types(e820, first)


def _add(e820: list[Region], start: int, end: int) -> bool:
    """e820_add_range() of a reserved range."""
    place = len(e820)
    for index, region in enumerate(e820):
        if region.start == end and region.type == RESERVED:
            e820[index] = Region(start, region.end, RESERVED)
            return True
        free_behind = index + 1 == len(e820) or e820[index + 1].start >= end
        if region.end == start and region.type == RESERVED and free_behind:
            e820[index] = Region(region.start, end, RESERVED)
            return True
        if region.start >= end:
            place = index
            break
        if region.end > start:
            return False
    if len(e820) >= MAX_ENTRIES:
        return False
    e820.insert(place, Region(start, end, RESERVED))
    return True
