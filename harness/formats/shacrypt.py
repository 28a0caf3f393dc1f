"""The password hash of /etc/shadow that begins with $6$: SHA-512 crypt.

Source: Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512", version 0.4; the numbers
of the comments are its steps. Python's own `crypt` module ends with Python 3.12.
"""

from __future__ import annotations

from hashlib import sha512

from harness.errors import FormatError

ROUNDS = 5000
SALT_MAX = 16

_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ROUNDS_MIN = 1000
_ROUNDS_MAX = 999_999_999


def sha512_crypt(password: str, salt: str, rounds: int | None = None) -> str:
    """The hash of `password` as /etc/shadow holds it.

    Args:
        password: hashed as UTF-8.
        salt: only the first 16 characters count.
        rounds: 5000 when not given, and then not stated in the result; else moved into
            1000..999999999, as the specification has it.

    Raises:
        FormatError: a salt or a password that crypt(3) would not take.
    """
    if any(not "!" <= char <= "~" or char in "$:" for char in salt):
        raise FormatError(
            f"{salt!r} is not a salt", field="salt", expected="printable characters without $ and :"
        )
    if "\0" in password:
        raise FormatError("a password cannot hold NUL", field="password")
    key, seed = password.encode(), salt[:SALT_MAX].encode()
    times = ROUNDS if rounds is None else min(max(rounds, _ROUNDS_MIN), _ROUNDS_MAX)
    stated = "" if rounds is None else f"rounds={times}$"
    digest = _digest(key, seed, times)
    return f"$6${stated}{seed.decode()}${_encode(digest)}"


def _digest(key: bytes, salt: bytes, rounds: int) -> bytes:
    inner = sha512(key + salt + key).digest()  # 4-8
    outer = sha512(key + salt + _stretch(inner, len(key)))  # 1-3, 9-10
    bits = len(key)
    while bits:  # 11
        outer.update(inner if bits & 1 else key)
        bits >>= 1
    digest = outer.digest()  # 12
    keys = _stretch(sha512(key * len(key)).digest(), len(key))  # 13-16
    salts = _stretch(sha512(salt * (16 + digest[0])).digest(), len(salt))  # 17-20
    for turn in range(rounds):  # 21
        part = keys if turn & 1 else digest
        if turn % 3:
            part += salts
        if turn % 7:
            part += keys
        digest = sha512(part + (digest if turn & 1 else keys)).digest()
    return digest


def _stretch(block: bytes, size: int) -> bytes:
    return (block * (size // len(block) + 1))[:size]


def _encode(digest: bytes) -> str:
    """Step 22: groups of three bytes, 21 apart, the first of a group moving on by 22."""
    out = []
    for group in range(21):
        first = 22 * group % 63
        high, middle, low = (digest[(first + step) % 63] for step in (0, 21, 42))
        out += _sextets(high << 16 | middle << 8 | low, 4)
    return "".join(out + _sextets(digest[63], 2))


def _sextets(value: int, count: int) -> list[str]:
    return [_ALPHABET[value >> 6 * place & 0x3F] for place in range(count)]
