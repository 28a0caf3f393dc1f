from __future__ import annotations

import shutil
import subprocess

import pytest

from harness.errors import FormatError
from harness.formats.shacrypt import sha512_crypt

# The vectors of the specification, "Unix crypt using SHA-256 and SHA-512", version 0.4:
# (salt, rounds, password, what stands before the hash, the hash).
VECTORS = [
    (
        "saltstring",
        None,
        "Hello world!",
        "$6$saltstring$",
        "svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
    ),
    (
        "saltstringsaltstring",
        10000,
        "Hello world!",
        "$6$rounds=10000$saltstringsaltst$",
        "OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
    ),
    (
        "toolongsaltstring",
        5000,
        "This is just a test",
        "$6$rounds=5000$toolongsaltstrin$",
        "lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6JMxxl8audkUEm0",
    ),
    (
        "anotherlongsaltstring",
        1400,
        "a very much longer text to encrypt.  This one even stretches over morethan one line.",
        "$6$rounds=1400$anotherlongsalts$",
        "POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1",
    ),
    (
        "roundstoolow",
        10,
        "the minimum number is still observed",
        "$6$rounds=1000$roundstoolow$",
        "kUMsbe306n21p9R.FRkW3IGn.S9NPN0x50YhH1xhLsPuWGsUSklZt58jaTfF4ZEQpyUNGc0dqbpBYYBaHHrsX.",
    ),
]


@pytest.mark.parametrize(("salt", "rounds", "password", "head", "hashed"), VECTORS)
def test_the_vectors_of_the_specification(
    salt: str, rounds: int | None, password: str, head: str, hashed: str
) -> None:
    assert sha512_crypt(password, salt, rounds) == head + hashed


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("password", ["debian", "a", "x" * 63, "y" * 64, "z" * 65, "é %\\"])
def test_openssl_computes_the_same(password: str) -> None:
    said = subprocess.run(
        ["openssl", "passwd", "-6", "-salt", "initramfs", "-stdin"],  # noqa: S607
        input=f"{password}\n",
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.strip() == sha512_crypt(password, "initramfs")


@pytest.mark.parametrize("salt", ["a$b", "a:b", "a b", "a\nb", "é"])
def test_a_salt_that_would_break_the_file_is_refused(salt: str) -> None:
    with pytest.raises(FormatError) as caught:
        sha512_crypt("debian", salt)
    assert caught.value.field == "salt"


def test_a_password_with_nul_is_refused() -> None:
    with pytest.raises(FormatError) as caught:
        sha512_crypt("a\0b", "salt")
    assert caught.value.field == "password"
