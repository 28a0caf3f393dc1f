from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.toolstack.dom0 import Dom0
from harness.toolstack.xenstore import XenStoreError
from tests.unit.toolstack.conftest import Program

DATA = Path(__file__).parents[2] / "data/xl/x86-4.17"


def test_a_value_is_read_as_it_is(dom0: Dom0, program: Program) -> None:
    calls = program("xenstore-read", r"two\nlines \x1b" + "\n")
    assert dom0.xenstore.read("/local/domain/0/name") == "two\nlines \x1b"
    assert calls.read_text() == "/local/domain/0/name\n"


def test_a_value_is_written_whatever_is_in_it(dom0: Dom0, program: Program) -> None:
    calls = program("xenstore-write")
    dom0.xenstore.write("/a b", "it's\n$x \\ é")
    assert calls.read_text() == "/a b it's\\n$x \\\\ \\xc3\\xa9\n"
    with pytest.raises(UsageError, match="cannot be typed"):
        dom0.xenstore.write("/a\nb", "x")


def test_a_tree(dom0: Dom0, program: Program) -> None:
    calls = program("xenstore-ls", (DATA / "xenstore-ls.txt").read_text())
    assert dom0.xenstore.ls().find("local/domain/0/domid") is not None
    assert list(dom0.xenstore.ls("/local/domain").children) == ["0"]
    assert calls.read_text() == "-f -p /\n-f -p /local/domain\n"


def test_names(dom0: Dom0, program: Program) -> None:
    program("xenstore-list", "vif\nvbd\n")
    assert dom0.xenstore.names("/local") == ("vif", "vbd")
    program("xenstore-list", "")
    assert dom0.xenstore.names("/local") == ()


def test_changes(dom0: Dom0, program: Program) -> None:
    removed, changed = program("xenstore-rm"), program("xenstore-chmod")
    dom0.xenstore.rm("/a")
    dom0.xenstore.chmod("/a", "n0", "b7")
    dom0.xenstore.chmod("/a", "r3", recursive=True)
    assert removed.read_text() == "/a\n"
    assert changed.read_text() == "/a n0 b7\n-r /a r3\n"


def test_what_is_not_there(dom0: Dom0, program: Program) -> None:
    program("xenstore-read", (DATA / "xenstore-read-none.txt").read_text(), 1)
    assert not dom0.xenstore.exists("/nowhere")
    with pytest.raises(XenStoreError, match="couldn't read path /nowhere") as caught:
        dom0.xenstore.read("/nowhere")
    assert caught.value.missing
    program("xenstore-ls", (DATA / "xenstore-ls-none.txt").read_text(), 1)
    with pytest.raises(XenStoreError, match="No such file") as caught:
        dom0.xenstore.ls("/nowhere")
    assert caught.value.missing


def test_no_xenstored(dom0: Dom0, program: Program) -> None:
    program("xenstore-read", "xenstore-read: xs_open: Connection refused\n", 1)
    with pytest.raises(XenStoreError) as caught:
        dom0.xenstore.exists("/a")
    assert not caught.value.missing
    assert "xenstored does not run" in str(caught.value.hint)


def test_waiting_for_a_value(dom0: Dom0, program: Program, tmp_path: Path) -> None:
    count = tmp_path / "count"
    none = (DATA / "xenstore-read-none.txt").read_text().strip()
    program(
        "xenstore-read",
        script=f'echo x >>{count}; case $(wc -l <{count}) in 1) echo "{none}"; exit 1;; '
        "2) echo early;; *) echo late;; esac",
    )
    assert dom0.xenstore.wait_for("/a") == "early"
    count.unlink()
    assert dom0.xenstore.wait_for("/a", "late") == "late"
    dom0.scale = 0.1
    with pytest.raises(XenStoreError, match="did not become 'never'") as caught:
        dom0.xenstore.wait_for("/a", "never", timeout=1)
    assert caught.value.hint == "it is 'late'"
    program("xenstore-read", none + "\n", 1)
    with pytest.raises(XenStoreError, match="did not appear") as caught:
        dom0.xenstore.wait_for("/a", timeout=1)
    assert caught.value.hint == "it is not there"
