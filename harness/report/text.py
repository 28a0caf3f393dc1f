"""The verdict as text, for a terminal or a bug report. Renders result.json, decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Result = Mapping[str, Any]


def text_report(result: Result) -> str:
    """The report of one run: verdict first, then the cause, then what supports it."""
    rows = [_headline(result), f"  cause     {result['cause']}"]
    rows += _where(result)
    rows += _forensics(result)
    rows += _facts(result)
    rows += _tables(result)
    rows += _expectations(result)
    rows += _refused(result)
    rows += _lint(result)
    rows += _warnings(result)
    rows += _evidence(result)
    if result["run_folder"]:
        rows.append(f"  run       {result['run_folder']}")
    # What a board printed must not act on the reader's terminal.
    return "\n".join("".join(c if c.isprintable() else "?" for c in row) for row in rows)


def _headline(result: Result) -> str:
    board = result["board"] or "no board (generic rules)"
    took = f", {result['seconds']:.1f} s" if result.get("seconds") is not None else ""
    machine = result.get("stand_in")
    stand_in = f" (stand-in: {machine['soc']})" if machine else ""
    start = ", from a snapshot" if result["snapshot"] else ""
    where = f"{board} on {result['target']} ({result['evidence']}{start})"
    return f"{result['verdict']}  {where}{took}{stand_in}"


def _where(result: Result) -> list[str]:
    rows = []
    stages = [name if at is None else f"{name} {at:.1f}" for name, at in result["stages"].items()]
    if stages:
        rows.append(f"  stages    {'  '.join(stages)}")
    if result["verdict"] == "PASS":
        return rows
    reached = result["stage"] or "none"
    missing = f", next would be {result['next_stage']}" if result["next_stage"] else ""
    rows.append(f"  reached   {reached}{missing}")
    rows.append(f"  last line {result['last_line']}")
    if result["partial_line"]:
        rows.append(f"  partial   {result['partial_line']!r} (no line end)")
    if result["context"]:
        rows.append("  around it")
        rows += [f"    {line}" for line in result["context"]]
    return rows


def _forensics(result: Result) -> list[str]:
    """What the CPUs of a board that hung were found to do."""
    found = result.get("forensics")
    if not found:
        return []
    first, *others = found["summary"] or ["nothing could be found out"]
    rows = [f"  the hang  {first}", *(f"            {line}" for line in others)]
    where = f"{result['run_folder']}/{found['file']}" if result["run_folder"] else found["file"]
    return [*rows, f"            all of it: {where}"]


def _facts(result: Result) -> list[str]:
    xen = result.get("xen") or {}
    iommu = xen.get("iommu") or {}
    if not xen.get("version") and not iommu.get("state"):
        return []
    cpus = xen.get("cpus")
    # A log that begins after Xen's banner does not say which Xen it is.
    version = f"Xen {xen['version']}" if xen.get("version") else "version not said"
    words = [version, f"IOMMU {iommu.get('state') or 'not said'}"]
    if cpus:
        words.append(f"{cpus} CPUs up")
    rows = [f"  xen       {', '.join(words)}"]
    if iommu.get("state") in {"failed", "hang", "panic"}:
        rows += [f"            {message}" for message in iommu.get("messages", [])[:6]]
    return rows


def _tables(result: Result) -> list[str]:
    """The ACPI tables that the boot was given, and what the model of Xen says about them."""
    acpi = result.get("acpi")
    if not acpi:
        return []
    rows = [f"  tables    {', '.join(acpi['files'])}"]
    rows += [f"            {change}" for change in acpi["rebased"]]
    predicted = acpi["predicted"]
    have = ((result.get("xen") or {}).get("iommu") or {}).get("state")
    if predicted and (predicted["outcome"] != "enabled" or have != "enabled"):
        decided = predicted["decided"]
        why = f": {decided['text']}" if decided else ""
        at = f" (IVRS offset {decided['offset']:#x})" if why and decided["offset"] else ""
        rows.append(f"            predicted: IOMMU {predicted['outcome']}{why}{at}")
    return rows


def _expectations(result: Result) -> list[str]:
    outcomes = result["expectations"]
    count = dict.fromkeys(("met", "failed", "not judged"), 0)
    for outcome in outcomes:
        count[outcome["state"]] += 1
    rows = ["  expected  " + ", ".join(f"{n} {state}" for state, n in count.items())]
    for outcome in outcomes:
        if outcome["state"] == "failed":
            line = f" (line {outcome['line']})" if outcome["line"] else ""
            rows.append(f"    failed: {outcome['id']}{line}: {outcome['detail']}")
    return rows


def _refused(result: Result) -> list[str]:
    refused = [r for r in result["requests"] if r["status"] >= 400]
    return [
        f"  refused   {r['protocol']} {r['method']} {r['path']}: {r['status']} at {r['at']:.1f} s"
        for r in refused
    ]


def _lint(result: Result) -> list[str]:
    """What lint says of the card; of a boot that passed, errors only."""
    shown = ("error",) if result["verdict"] == "PASS" else ("error", "warning")
    return [
        f"  lint      {one['severity']} {one['where']}: {one['message']} ({one['rule']})"
        for one in result.get("lint", ())
        if one["severity"] in shown
    ]


def _warnings(result: Result) -> list[str]:
    """What the loader and Xen complained of in a boot that passed all the same."""
    if result["verdict"] != "PASS":  # there the first of them is the cause
        return []
    return [
        f"  warning   line {one['line']}: {one['text']!r}: {one['meaning']}"
        for one in result.get("warnings", ())
    ]


def _evidence(result: Result) -> list[str]:
    if not result["differs"]:
        return []
    rows = ["  emulated: the board itself has"]
    rows += [f"    {d['what']}: {d['board']}; here: {d['here']}" for d in result["differs"]]
    return rows
