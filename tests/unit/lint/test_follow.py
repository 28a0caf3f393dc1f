"""What a script does: loads, branches, the tree, the start."""

from __future__ import annotations

from harness.devicetree.tree import Tree
from harness.lint.modules import modules_of
from harness.lint.script_run import follow
from tests.unit.lint.good import node, texts


def test_load_sets_filesize_for_the_next_commands() -> None:
    trace = follow(
        "load mmc 0:1 ${kernel_addr_r} zImage\nfdt addr 4f000000\nfdt chosen\n"
        "fdt mknod /chosen module@0\n"
        'fdt set /chosen/module@0 compatible "multiboot,kernel" "multiboot,module"\n'
        "fdt set /chosen/module@0 reg <0x46000000 0x${filesize}>\nbootz 50000000 - 4f000000\n",
        sizes={"zImage": 0x1234},
    )
    (module,) = modules_of(trace.boots[0].tree)
    assert module.kind == "kernel"
    assert module.size is not None
    assert (module.size.value, module.size.load) == (0x1234, 0)
    assert trace.loads[0].address.text == "${kernel_addr_r}"
    assert trace.loads[0].line == 1


def test_both_arms_of_an_if_that_only_the_board_decides_are_followed_apart() -> None:
    trace = follow(
        "if test -e mmc 0:1 /a; then load mmc 0:1 46000000 /a; setenv x 1\n"
        "else load mmc 0:1 46000000 /b; setenv x 2; fi\nload mmc 0:1 ${x} /c\n"
    )
    assert [load.file for load in trace.loads] == ["/a", "/b", "/c"]
    assert trace.loads[0].branch != trace.loads[1].branch
    assert trace.loads[2].address.text == "${x}"
    assert trace.branches == (1,)


def test_an_if_that_can_be_decided_is() -> None:
    trace = follow('setenv a b\nif test "${a}" = b; then bootz 1 - 2; else go 3; fi')
    assert [boot.command for boot in trace.boots] == ["bootz"]
    assert trace.branches == ()


def test_exit_behind_or_does_not_end_the_script() -> None:
    trace = follow("load mmc 0 1000 /a || exit 1\nload mmc 0 2000 /b")
    assert len(trace.loads) == 2


def test_nothing_behind_an_exit_is_followed() -> None:
    assert follow("exit\nload mmc 0 2000 /b").loads == ()


def test_a_loop_over_words_is_unrolled() -> None:
    trace = follow("for f in a b; do tftp 1000 ${f}; done")
    assert [load.file for load in trace.loads] == ["a", "b"]


def test_run_follows_the_text_of_a_variable() -> None:
    trace = follow("setenv go_on 'load mmc 0 1000 /a; bootz 1000 - 2000'\nrun go_on")
    assert trace.loads[0].line == 2
    assert trace.boots[0].arguments == ("1000", "-", "2000")


def test_commands_are_matched_by_their_first_letters_as_u_boot_does() -> None:
    trace = follow(
        "fdt ad 1000\nfdt cho\nfdt mk /chosen a\nfdt se /chosen/a b c\n"
        "fdt rm /chosen/a b\nbootz 1 - 1000"
    )
    assert trace.boots[0].tree.nodes["/chosen/a"] == {}


def test_a_given_tree_is_what_the_script_starts_from() -> None:
    base = Tree(
        node("/", {}, node("aliases", {"a": texts("/soc/x@1")}), node("soc", {}, node("x@1", {})))
    )
    trace = follow(
        "load mmc 0 1000 /a.dtb\nfdt addr 1000\nfdt set a v 1\nbootz 2 - 1000", base=base
    )
    assert trace.boots[0].tree.text("/soc/x@1", "v") == "1"
    assert trace.problems == ()


def test_an_unknown_command_is_noted() -> None:
    assert follow("frobnicate 1\n").unknown == ((1, "frobnicate"),)
