"""Who may log in, and what the login screen says: the same words in every root that we make."""

from __future__ import annotations

import re

from harness.errors import ProfileError
from harness.formats.shacrypt import sha512_crypt

# The password is on the login screen for everyone to read; the salt hides nothing, it is
# fixed so that the bytes are.
_SALT = "initramfs"
_AGES = "19000:0:99999:7:::"
_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


def account_files(
    user: str, password: str, *, login_shell: str, groups: str = ""
) -> dict[str, str]:
    """The files of /etc that hold the accounts, as path -> text.

    Args:
        user: who logs in; one other than root gets uid 1000, and root is then locked.
        login_shell: path of the login shell.
        groups: more lines of etc/group.
    """
    users = f"root:x:0:0:root:/root:{login_shell}\n"
    members = f"root:x:0:\ntty:x:5:\n{groups}"
    hashed = sha512_crypt(password, _SALT)
    # The numbers, which nobody uses here, may not be left out: busybox 1.35 takes a record
    # that ends in nothing but colons for a wrong password.
    shadow = f"{user}:{hashed}:{_AGES}\n"
    if user != "root":
        users += f"{user}:x:1000:1000::/home/{user}:{login_shell}\n"
        members += f"{user}:x:1000:\n"
        shadow = f"root:*:{_AGES}\n{shadow}"
    return {"etc/passwd": users, "etc/group": members, "etc/shadow": shadow}


def issue_of(banner: str, hostname: str, console: str, user: str, password: str) -> str:
    """The line above `login:`, with the credentials."""
    return f"{banner} {hostname} {console} [{user}:{password}]"


def for_getty(text: str) -> str:
    r"""`text` as it stands in /etc/issue: getty reads \ and % as the start of an escape."""
    return text.replace("\\", "\\\\").replace("%", "%%")


def os_release(banner: str, kind: str) -> str:
    """/etc/os-release, os-release(5).

    Args:
        kind: what is special about this system, in a few words.
    """
    quoted = re.sub(r'(["$`\\])', r"\\\1", banner)
    return f'NAME="{quoted}"\nPRETTY_NAME="{quoted} ({kind})"\n'


def check_account(where: str, hostname: str, user: str, password: str, banner: str) -> None:
    """Refuse what the files of a root cannot express.

    Args:
        where: what the fields are of, for the error: "initrd".

    Raises:
        ProfileError: with the field.
    """
    rules = (
        ("hostname", hostname, _HOST, "letters, digits and -, at most 63"),
        ("user", user, _NAME, "a small letter or _, then small letters, digits, _ and -"),
    )
    for field, value, rule, expected in rules:
        if not rule.fullmatch(value):
            raise ProfileError(
                f"{value!r} cannot be the {field}", where=f"{where}.{field}", expected=expected
            )
    for field, value in (("password", password), ("banner", banner)):
        if not value or not value.isprintable():
            raise ProfileError(
                f"{value!r} cannot be the {field}",
                where=f"{where}.{field}",
                expected="printable characters, at least one",
            )


def check_extra(where: str, extra: tuple[tuple[str, int, bytes], ...]) -> None:
    """Refuse more files that have no place in a root.

    Args:
        where: as in `check_account`.
        extra: (path without leading slash, permissions, content).

    Raises:
        ProfileError: with the path.
    """
    for path, mode, _ in extra:
        parts = path.split("/")
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise ProfileError(
                f"{path!r} is not a path inside the root",
                where=f"{where}.extra",
                expected='a path without leading slash, empty parts, "." and ".."',
            )
        if not 0 <= mode <= 0o7777:
            raise ProfileError(
                f"{mode:#o} are no permissions",
                where=f"{where}.extra, {path}",
                expected="0 to 0o7777",
            )
