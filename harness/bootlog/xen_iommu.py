"""Rules for what Xen says about the IOMMU, and what became of it.

Formats: xen/drivers/passthrough/amd/iommu_*.c and xen/drivers/passthrough/iommu.c of Xen 4.8 to
4.20: until 4.15 problems are worded `IVHD Error: ...`, since 4.16 `AMD-Vi: Error: ...`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from harness.bootlog.draft import (
    MAX_ITEMS,
    Action,
    Draft,
    Rules,
    adds,
    apply,
    consumed,
    first_word,
    number,
    opens,
    rule,
    sets,
)
from harness.bootlog.iommu_facts import IommuState, IvhdEntry, IvhdSpecial, IvmdBlock, IvrsBlock
from harness.bootlog.lines import Line
from harness.bootlog.notes import Note
from harness.bootlog.panic_facts import Panic

_NUMBER = r"(0x[0-9a-f]+|\d+)"
_BLOCK = rf"type {_NUMBER} flags {_NUMBER} len {_NUMBER} id {_NUMBER}"
_PROBLEM = re.compile(
    r"error|warning|invalid|not found|fail|conflict|duplicate|unrecogni[sz]ed|unknown|exceeded"
    r"|erratum|fault|cannot|disabling|taking too long|supported$",
    re.IGNORECASE,
)
NOT_FOUND = "AMD-Vi: IOMMU not found!"  # said by Xen 4.12 and older; newer ones say nothing


def _message(draft: Draft, _match: re.Match[str] | None, line: Line) -> None:
    text = line.text.removeprefix("(XEN) ").strip()
    draft.add("iommu_messages", text)
    draft.add("notes", Note(line.number, line.at, "amd-vi", text))


def _block(name: str) -> Action:
    def action(draft: Draft, m: re.Match[str], _line: Line) -> None:
        draft.add(name, IvrsBlock(number(m[1]), number(m[2]), number(m[3]), number(m[4])))

    return action


def _last_block(draft: Draft) -> IvrsBlock | None:
    blocks = draft.many.get("ivrs_blocks")
    return blocks[-1] if blocks else None


def _set_last_block(draft: Draft, block: IvrsBlock) -> None:
    draft.many["ivrs_blocks"][-1] = block
    draft.changes += 1


def _iommu_address(draft: Draft, m: re.Match[str], _line: Line) -> None:
    block = _last_block(draft)
    if block:
        base, cap, segment, info, attr = (number(text) for text in m.groups())
        _set_last_block(
            draft,
            replace(block, base=base, cap=cap, segment=segment, info=info, attr=attr),
        )


def _entry(draft: Draft, m: re.Match[str], _line: Line) -> None:
    block = _last_block(draft)
    if block and len(block.entries) < MAX_ITEMS:
        entry = IvhdEntry(number(m[1]), number(m[2]), number(m[3]))
        _set_last_block(draft, replace(block, entries=(*block.entries, entry)))


def _extend_entry(draft: Draft, **fields: int | IvhdSpecial | None) -> None:
    block = _last_block(draft)
    if block and block.entries:
        entry = replace(block.entries[-1], **fields)  # type: ignore[arg-type]
        _set_last_block(draft, replace(block, entries=(*block.entries[:-1], entry)))


def _special(draft: Draft, m: re.Match[str], _line: Line) -> None:
    _extend_entry(draft, special=IvhdSpecial(m[1], number(m[2]), number(m[3])))


def _range(draft: Draft, m: re.Match[str], _line: Line) -> None:
    _extend_entry(draft, range_end=number(m[2]), alias=None if m[3] is None else number(m[3]))


def _header(name: str, *, numeric: bool = False) -> Action:
    def action(draft: Draft, m: re.Match[str], _line: Line) -> None:
        draft.set("ivrs." + name, number(m[1]) if numeric else m[1].rstrip())

    return action


_AMD_VI: Rules = {
    "IVRS": [
        rule(f"IVRS Block: Found {_BLOCK}", _block("ivrs_found")),
        rule(f"IVRS Block: {_BLOCK}", _block("ivrs_blocks")),
    ],
    "IVHD": [
        rule(rf"IVHD Device Entry: type {_NUMBER} id {_NUMBER} flags {_NUMBER}", _entry),
        rule(rf"IVHD Special: (\S+) variety {_NUMBER} handle {_NUMBER}", _special),
    ],
    "IVHD:": [
        rule(
            rf"IVHD: IOMMU @ {_NUMBER} cap @ {_NUMBER} seg {_NUMBER} info {_NUMBER} "
            rf"attr {_NUMBER}",
            _iommu_address,
        ),
        rule(r"IVHD: Command line override", consumed),
    ],
    "IVMD": [
        rule(
            rf"IVMD Block: type {_NUMBER} phys {_NUMBER} len {_NUMBER}",
            lambda draft, m, _line: draft.add(
                "ivmd_blocks", IvmdBlock(number(m[1]), number(m[2]), number(m[3]))
            ),
        )
    ],
    "Using": [rule(rf"Using IVHD type {_NUMBER}", sets("ivhd_type_used", number))],
    "IOMMU": [
        rule(r"IOMMU Extended Features:", opens("iommu-features")),
        rule(r"IOMMU (\d+) Enabled", adds("iommus_enabled", int)),
        rule(r"IOMMU not found!", _message),
    ],
    "": [
        rule(
            rf" Dev_Id Range: {_NUMBER} -> {_NUMBER}(?: alias {_NUMBER})?",
            _range,
        ),
        rule(
            rf" Dev_Id Alias: {_NUMBER}",
            lambda draft, m, _line: _extend_entry(draft, alias=number(m[1])),
        ),
        rule(r" Signature (.*)", _header("signature")),
        rule(rf" Length {_NUMBER}", _header("length", numeric=True)),
        rule(rf" Revision {_NUMBER}", _header("revision", numeric=True)),
        rule(rf" CheckSum {_NUMBER}", _header("checksum", numeric=True)),
        rule(r" OEM_Id (.*)", _header("oem_id")),
        rule(r" OEM_Table_Id (.*)", _header("oem_table_id")),
        rule(rf" OEM_Revision {_NUMBER}", _header("oem_revision", numeric=True)),
        rule(r" Creator_Id (.*)", _header("creator_id")),
        rule(rf" Creator_Revision {_NUMBER}", _header("creator_revision", numeric=True)),
    ],
    # "will fall back to hardware" tells no problem, though it reads like one.
    "EFRSup": [rule(r"EFRSup not set", consumed)],
}


def amd_vi_line(draft: Draft, text: str, line: Line) -> bool:
    """The text of a line behind `AMD-Vi: `; False if it is neither known nor a problem."""
    rules = _AMD_VI.get(first_word(text), ())
    return apply(rules, draft, text, line) or amd_vi_problem(draft, text, line)


def amd_vi_problem(draft: Draft, text: str, line: Line) -> bool:
    """Only the problems among them: after the boot, the rest is a listing of the log."""
    if _PROBLEM.search(text):
        _message(draft, None, line)
        return True
    return False


def _io_virtualisation(draft: Draft, m: re.Match[str], _line: Line) -> None:
    draft.set("io_virtualisation", m[1] == "enabled")
    draft.section = "iommu"


IOMMU_RULES: Rules = {
    "I/O": [
        rule(
            r"I/O virtualisation (enabled|disabled)",
            _io_virtualisation,
        )
    ],
    "Interrupt": [
        rule(
            r"Interrupt remapping (enabled|disabled)",
            sets("interrupt_remapping", lambda text: text == "enabled"),
        )
    ],
    "ACPI": [rule(r"ACPI (?:BIOS )?(?:Warning|Error).*\[(?:IVRS|DMAR)\]", _message)],
    "AMD": [rule(r"AMD IOMMU .*(?:too long|fault|error)", _message)],
    "IVHD": [rule(r"IVHD Error", _message)],
    "IVRS": [rule(r"IVRS Error", _message)],
    "IVMD": [rule(r"IVMD Error", _message)],
    "Error:": [rule(r"Error: \w+: Too many IO APICs", _message)],
    "No": [rule(r"No southbridge IO-APIC found in IVRS table", _message)],
    "Unrecognized": [rule(r"Unrecognized IVHD", _message)],
    "Only": [rule(r"Only one IVHD HPET entry is supported", _message)],
    "Cannot": [rule(r"Cannot find supported IVHD type", _message)],
    "[VT-D]": [rule(r"\[VT-D\].*(?:[Ff]ault|[Ff]ail|[Ee]rror|not supported|disabl)", _message)],
}
IOMMU_SECTIONS: Rules = {
    "iommu": [rule(r" - Dom0 mode: (.*)", sets("dom0_mode"))],
    "iommu-features": [rule(r"- (.*)", adds("iommu_features"))],
}

_OFF = {"0", "no", "off", "false", "disable"}
_ON = {"1", "yes", "on", "true", "enable", "force", "required"}


def iommu_option(command_line: str | None) -> bool | None:
    """What Xen's command line asks for: True on, False off, None nothing. The last one counts."""
    asked: bool | None = None
    for word in (command_line or "").split():
        name, _, value = word.partition("=")
        if name in {"no-iommu", "-iommu"}:
            asked = False
        elif name == "iommu":
            for item in value.split(","):
                if item in _OFF:
                    asked = False
                elif item in _ON:
                    asked = True
    return asked


_IN_IOMMU_CODE = re.compile(r"iommu|ivrs|ivhd|ivmd|amd_vi|vtd|dmar|passthrough/(?:amd|vtd)", re.I)
_IOMMU_REASON = re.compile(r"\bIOMMU\b|iommu=required|amd_iommu|ivrs", re.I)


def _blames_iommu(panic: Panic) -> bool:
    if not panic.kind.startswith("xen"):
        return False
    if any(_IOMMU_REASON.search(reason) for reason in panic.reason):
        return True
    return bool(panic.rip and _IN_IOMMU_CODE.search(panic.rip))


def judge_iommu(draft: Draft, panics: Sequence[Panic]) -> IommuState:
    """The state as far as the log says. A hang shows only at the end of a log: not here."""
    messages = tuple(draft.many.get("iommu_messages", ()))
    remapping = draft.one.get("interrupt_remapping")
    mode = draft.one.get("dom0_mode")
    enabled = draft.one.get("io_virtualisation")
    reasons = tuple(
        reason
        for panic in panics
        if _blames_iommu(panic)
        for reason in (*panic.reason, *([panic.rip] if panic.rip else []))
    )
    if reasons:
        return IommuState("panic", (*messages, *reasons), remapping, mode)
    if enabled is None:
        return IommuState(None, messages, remapping, mode)
    if enabled:
        return IommuState("enabled", messages, remapping, mode)
    if iommu_option(draft.one.get("command_line")) is False:
        return IommuState("disabled", messages, remapping, mode)
    failed = any(message != NOT_FOUND for message in messages)
    return IommuState("failed" if failed else "absent", messages, remapping, mode)


_STUCK = re.compile(
    r"\(XEN\) (?:AMD IOMMU .*completion wait taking too long|AMD-Vi: |IVHD |\[VT-D\])"
)


def hangs_in_iommu(state: IommuState, last_xen_line: str) -> bool:
    """True if this last line of a boot that went silent shows that the IOMMU code hangs.

    Either Xen waits for a command that the IOMMU never completes, or it went silent while it
    was still setting the IOMMU up.
    """
    match = _STUCK.match(last_xen_line)
    if match is None:
        return False
    return state.state is None or "completion wait" in match[0]
