"""The configuration of ImageBuilder: what is understood, and what is refused instead of run."""

from __future__ import annotations

import shlex
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FormatError
from harness.formats.imagebuilder import Config, parse


def values(config: Config) -> dict[str, str]:
    return {entry.name: entry.value for entry in config.entries}


UNDERSTOOD = r"""# a comment
MEMORY_START="0x0"   # another
MEMORY_END='0x80000000'; XEN=xen A=1

DIR="a b"
XEN_CMD="console=dtuart name='inner' \"deep\" \$5 \n"
DOM0_KERNEL=${DIR}/Image"-of "'$DIR'
DOM0_CMD="root=$DIR $ 5"
LONG="one \
two"
	DOMU_KERNEL[0]="$DIR/k0"
DOMU_KERNEL[1]=${DOMU_KERNEL[0]}.1
DOMU_MEM=(128 "256" [5]=0x200 # in between
  64)
GLUED=a\ b\#c#d
EMPTY=
NUM_DOMUS=2
NUM_DOMUS=3
"""


def test_what_a_list_of_variables_has_is_understood() -> None:
    assert values(parse(UNDERSTOOD)) == {
        "MEMORY_START": "0x0",
        "MEMORY_END": "0x80000000",
        "XEN": "xen",
        "A": "1",
        "DIR": "a b",
        "XEN_CMD": "console=dtuart name='inner' \"deep\" $5 \\n",
        "DOM0_KERNEL": "a b/Image-of $DIR",
        "DOM0_CMD": "root=a b $ 5",
        "LONG": "one two",
        "DOMU_KERNEL[0]": "a b/k0",
        "DOMU_KERNEL[1]": "a b/k0.1",
        "DOMU_MEM[0]": "128",
        "DOMU_MEM[1]": "256",
        "DOMU_MEM[5]": "0x200",
        "DOMU_MEM[6]": "64",
        "GLUED": "a b#c#d",
        "EMPTY": "",
        "NUM_DOMUS": "3",
    }


def test_bash_reads_the_same() -> None:
    bash = shutil.which("bash")
    assert bash is not None
    for name, value in values(parse(UNDERSTOOD)).items():
        asked = f'{UNDERSTOOD}\nprintf "%s" "${{{name}}}"'
        done = subprocess.run([bash, "-c", asked], capture_output=True, text=True, check=True)
        assert done.stdout == value, name


def test_lines_helpers_and_empty_values() -> None:
    config = parse('D=x\nXEN="${D}" \\\n  DOM0_CMD=""\n', "file")
    xen = config.get("XEN")
    assert xen is not None
    assert (xen.value, xen.line, config.where(xen)) == ("x", 2, "file:2, XEN")
    assert config.get("DOM0_CMD") is None
    assert config.helpers == {"D"}
    first = parse("K=1\nK[0]=2\n")
    assert values(first) == {"K[0]": "2"}
    assert first.get("K") == first.get("K", 0)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("A=1\nB=$(rm -rf x)\n", 2, "command substitution"),
        ('B="`id`"', 1, "command substitution"),
        ("B=`id`", 1, "command substitution"),
        ("B=$((1+1))", 1, "command substitution"),
        ("A=1\n\nif [ -f x ]; then", 3, "'if' is not a variable"),
        ("source other", 1, "'source' is not a variable"),
        ("export A=1", 1, "'export' is not a variable"),
        ("A=1 make", 1, "'make' is not a variable"),
        ("A=1\nB=2 || true", 2, "'||' is not a variable"),
        ("A=1&", 1, "'&' outside of quotes"),
        ("A=$(", 1, "command substitution"),
        ("A=<(x)", 1, "'<' outside of quotes"),
        ("A+=1", 1, "appends"),
        ("A[x]=1", 1, "the index 'x'"),
        ("A[99999]=1", 1, "the index"),
        ("A[1=1", 1, "[ without ]"),
        ("A[1]=(a b)", 1, "set to a list"),
        ("A=(a b\nB=1", 1, "is not closed"),
        ("A=(a *.bin)", 1, "outside of quotes in a list"),
        ('A="a b"\nB=($A)', 2, "split"),
        ('A=1\nB="no end\nC=2\n', 2, 'quote " is not closed'),
        ("A='no end\n'", 1, "quote ' is not closed"),
        ("A=~/xen", 1, "home folder"),
        ("A=$HOME/xen", 1, "HOME has no value here"),
        ("A=${B:-x}", 1, "the expansion"),
        ("A=${B", 1, "the expansion"),
        ("A=$1", 1, "$1"),
        ("A=$'x'", 1, "$'"),
        ("A=1\r\nB=2\r\n", 1, "U+000D"),
        ("A=1\nB=\x00\n", 2, "U+0000"),
        ("A", 1, "'A' is not a variable"),
        ("=1", 1, "'=1' is not a variable"),
        ('A="x"(', 1, "'(' outside of quotes"),
    ],
)
def test_everything_else_is_refused_with_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse(text, "conf")
    assert caught.value.where == f"conf:{line}"
    assert says in caught.value.message


def test_values_that_grow_end() -> None:
    doubling = "A0=xxxxxxxx\n" + "".join(f'A{n}="$A{n - 1}$A{n - 1}"\n' for n in range(1, 64))
    with pytest.raises(FormatError, match="a value without end"):
        parse(doubling)
    many = "A=" + "x" * 10_000 + "\n" + "".join(f'B{n}="$A"\n' for n in range(1000))
    with pytest.raises(FormatError, match="values without end"):
        parse(many)


@pytest.mark.parametrize(
    ("text", "number"),
    [("512", 512), ("0x8000_0000", None), ("0x80000000", 1 << 31), ("010", 8), ("0", 0)]
    + [(bad, None) for bad in ("08", "-1", "1G", "", "0x", "1" * 31, "1 2", "\u0661")],
)
def test_numbers_are_those_of_bash(text: str, number: int | None) -> None:
    config = parse(f'A="{text}x"\nB="{text} "\n', "conf")
    entry = config.entries[1]
    if number is not None:
        assert config.number(entry) == number
        return
    with pytest.raises(FormatError) as caught:
        config.number(entry)
    assert caught.value.where == "conf:2, B"


def outcome(text: str) -> str:
    """Where it was refused, or "" if it was read."""
    try:
        parse(text, "conf")
    except FormatError as bad:
        return bad.where or "nowhere"
    return ""


@given(st.one_of(st.text(), st.text(alphabet="AB01=[](){}$\"'\\ \n#;`~*-", max_size=60)))
def test_any_text_is_read_or_refused_with_its_line(text: str) -> None:
    where = outcome(text)
    assert not where or 1 <= int(where.removeprefix("conf:")) <= text.count("\n") + 1


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_a_quoted_value_comes_back(value: str) -> None:
    assert parse(f"KEY={shlex.quote(value)}").entries[0].value == value
