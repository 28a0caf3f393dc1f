"""Rules for the domain configurations of xl."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from harness.lint.cfg_keys import KEYS
from harness.lint.facts import Facts
from harness.lint.rule import Found, Hit, Missing, Rule, rule
from harness.lint.xlcfg import Config, Setting

ACTIONS = (
    "destroy",
    "restart",
    "rename-restart",
    "preserve",
    "coredump-destroy",
    "coredump-restart",
    "soft-reset",
)
_EVENTS = ("on_poweroff", "on_reboot", "on_watchdog", "on_crash", "on_soft_reset")
_MAN = "Xen docs/man/xl.cfg.5.pod.in, "
_PARSER = "Xen tools/xl/xl_parse.c, "
_NUMBERS = (
    "memory",
    "maxmem",
    "vcpus",
    "maxvcpus",
    "nr_spis",
    "shadow_memory",
    "cpu_weight",
    "cap",
    "max_grant_frames",
    "max_event_channels",
)


@dataclass(frozen=True)
class Domain:
    """A configuration; `kernel` is the base name of its kernel file, "" without one."""

    config: Config

    @property
    def kernel(self) -> str:
        return (self.config.text("kernel") or "").rpartition("/")[2]


def _number(setting: Setting | None) -> int | None:
    """A whole number as strtol(..., 0) reads it; None if it is none."""
    if setting is None or not isinstance(setting.value, str):
        return None
    text = setting.value.strip()
    base = 16 if text[:2].lower() == "0x" else 8 if text[:1] == "0" else 10
    try:
        return int(text, base)
    except ValueError:
        return None


@rule(
    "cfg.syntax",
    "error",
    checks="xl can parse the file.",
    reference="Xen tools/libs/util/libxlu_cfg_y.y, libxlu_cfg_l.l",
    consequence='xl says "config parsing error" and creates nothing.',
)
def _syntax(domain: Domain, facts: Facts) -> Found:
    del facts
    for mistake in domain.config.mistakes:
        yield Hit(mistake.message, mistake.line, hint=mistake.hint)


@rule(
    "cfg.unknown-key",
    "warning",
    checks="xl knows every key.",
    reference=_MAN + "all options; " + _PARSER + "parse_config_data",
    consequence="xl passes over the line without a word.",
)
def _unknown_key(domain: Domain, facts: Facts) -> Found:
    del facts
    for setting in domain.config.settings:
        if setting.key not in KEYS:
            near = difflib.get_close_matches(setting.key, KEYS, 1, 0.7)
            hint = f"{near[0]}?" if near else "xl.cfg(5) has the keys"
            yield Hit(f"xl has no key {setting.key}", setting.line, hint=hint)


@rule(
    "cfg.twice",
    "warning",
    checks="No key is set twice.",
    reference="Xen tools/libs/util/libxlu_cfg.c, xlu__cfg_set_store",
    consequence="Only the last one counts.",
)
def _twice(domain: Domain, facts: Facts) -> Found:
    del facts
    seen: dict[str, int] = {}
    for setting in domain.config.settings:
        if setting.key in seen and not setting.adds:
            yield Hit(f"{setting.key} was set in line {seen[setting.key]} too", setting.line)
        seen[setting.key] = setting.line


@rule(
    "cfg.name",
    "error",
    checks="The domain has a name.",
    reference=_PARSER + "parse_config_data (name)",
    consequence='xl says "Domain name must be specified." and creates nothing.',
)
def _name(domain: Domain, facts: Facts) -> Found:
    del facts
    setting = domain.config.get("name")
    if setting is None:
        yield Hit("there is no name", hint='name = "guest"')
    elif not setting.value or not isinstance(setting.value, str):
        yield Hit("name is not a text", setting.line, hint='name = "guest"')


@rule(
    "cfg.kernel",
    "error",
    checks="The domain has a kernel, and its file is there.",
    reference=_MAN + "kernel",
    consequence="xl create ends before the domain exists: it cannot open the kernel.",
)
def _kernel(domain: Domain, facts: Facts) -> Found:
    setting = domain.config.get("kernel")
    if setting is None:
        if domain.config.get("bootloader") is None:
            yield Hit(
                "there is no kernel, and no bootloader that finds one", hint='kernel = "guest.bin"'
            )
        return
    if not domain.kernel:
        yield Hit("kernel names no file", setting.line)
    elif domain.kernel not in facts.files:
        why = f"{setting.value}: beside the configuration is no file {domain.kernel} to read"
        if str(setting.value).startswith("/"):
            yield Missing(why + ", it may be on the board", domain.kernel)
        else:
            yield Hit(
                why,
                setting.line,
                hint="a path is looked up from where xl is started: an absolute one is safe",
                severity="warning",
            )


@rule(
    "cfg.memory",
    "error",
    checks="memory is a number of MiB, more than 0, and not more than the board has.",
    reference=_MAN + "memory",
    consequence="xl gives a domain without memory= 32 MiB; one of 0 MiB cannot be built, and more "
    'than there is ends with "failed to free memory for the domain".',
)
def _memory(domain: Domain, facts: Facts) -> Found:
    setting = domain.config.get("memory")
    value = _number(setting)
    if setting is None:
        yield Hit("there is no memory", hint="memory = 64", severity="warning")
    elif value is not None and value <= 0:
        yield Hit(f"memory = {value}", setting.line, hint="memory = 64")
    elif value is not None and facts.ram:
        total = sum(one.size for one in facts.ram) >> 20
        if value >= total:
            yield Hit(f"memory = {value}, the board has {total} MiB", setting.line)


@rule(
    "cfg.number",
    "error",
    checks="Keys that take a number have one.",
    reference="Xen tools/libs/util/libxlu_cfg.c, xlu_cfg_get_long",
    consequence='xl says "parameter is not a valid number" and does without it, or ends.',
)
def _not_a_number(domain: Domain, facts: Facts) -> Found:
    del facts
    for setting in domain.config.settings:
        if setting.key in _NUMBERS and _number(setting) is None:
            yield Hit(f"{setting.key} is no whole number", setting.line, hint=f"{setting.key} = 1")


@rule(
    "cfg.vcpus",
    "error",
    checks="vcpus is more than 0, and not more than maxvcpus.",
    reference=_MAN + "vcpus, maxvcpus",
    consequence="xl creates nothing.",
)
def _vcpus(domain: Domain, facts: Facts) -> Found:
    setting = domain.config.get("vcpus")
    value, most = _number(setting), _number(domain.config.get("maxvcpus"))
    if setting is None or value is None:
        return
    if value < 1:
        yield Hit(f"vcpus = {value}", setting.line, hint="vcpus = 1")
    elif most is not None and value > most:
        yield Hit(f"vcpus = {value}, maxvcpus = {most}", setting.line)
    elif facts.cpus is not None and value > facts.cpus:
        message = f"vcpus = {value}, the board has {facts.cpus} CPUs"
        yield Hit(message, setting.line, severity="note", consequence="They share the real ones.")


@rule(
    "cfg.action",
    "error",
    checks=f"on_crash and its like have one of their values: {', '.join(ACTIONS)}.",
    reference=_PARSER + "action_on_shutdown_names",
    consequence='xl says "Unknown on_crash action ... specified" and creates nothing.',
)
def _action(domain: Domain, facts: Facts) -> Found:
    del facts
    for key in _EVENTS:
        setting = domain.config.get(key)
        if setting is not None and setting.value not in ACTIONS:
            said = setting.value if isinstance(setting.value, str) else "a list"
            near = difflib.get_close_matches(said, ACTIONS, 1, 0.4)
            hint = f'"{near[0]}"?' if near else f"one of {', '.join(ACTIONS)}"
            yield Hit(f'{key} = "{said}"', setting.line, hint=hint)


RULES: tuple[Rule, ...] = (
    _syntax,
    _unknown_key,
    _twice,
    _name,
    _kernel,
    _memory,
    _not_a_number,
    _vcpus,
    _action,
)
