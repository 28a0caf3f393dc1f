"""Releases of Xen, and how they differ as readers of an IVRS table.

Each branch stands for its last point release (4.14 is 4.14.6, 4.17 is 4.17.7, 4.20 is
4.20.4): what a point release of the stable branch brought is taken as brought by the
branch. Overlapping IVMD blocks, for one, are an error in 4.13.5 and not yet in 4.13.0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.errors import UsageError

OLDEST = 8
NEWEST = 20
_NAME = re.compile(r"(?:xen-)?4\.(\d+)(?:[.+~-].*)?")


@dataclass(frozen=True, order=True, slots=True)
class XenVersion:
    """Xen 4.minor, from 4.8 to 4.20."""

    minor: int

    def __post_init__(self) -> None:
        if not OLDEST <= self.minor <= NEWEST:
            raise UsageError(
                f"Xen 4.{self.minor} is not known",
                expected=f"a release from 4.{OLDEST} to 4.{NEWEST}",
            )

    @classmethod
    def parse(cls, text: str) -> XenVersion:
        """Read "4.17", "4.17.7", "xen-4.17" or a package's version such as "4.17.7+13-g2445b30a44".

        Raises:
            UsageError: anything else, or a release that the model does not know.
        """
        match = _NAME.fullmatch(text.strip())
        if match is None or len(match[1]) > 3:
            raise UsageError(f"{text!r} is no release of Xen", expected=f"4.{OLDEST} to 4.{NEWEST}")
        return cls(int(match[1]))

    def __str__(self) -> str:
        return f"4.{self.minor}"

    @property
    def name(self) -> str:
        return f"xen-4.{self.minor}"

    @property
    def measured(self) -> bool:
        """Whether the model of this release was compared with the real Xen."""
        return self.minor in (14, 17, 20)

    @property
    def type_before_detection(self) -> bool:
        """The type of IVHD is chosen first, with the checksum; before, detection knew 10h only.

        Since 4.16: commit d8bd82327b, "AMD/IOMMU: obtain IVHD type to use earlier".
        """
        return self.minor >= 16

    @property
    def features_from_table(self) -> bool:
        """EFRSup of IVinfo decides whether the table or the hardware tells the features."""
        return self.minor >= 16

    @property
    def early_detection(self) -> bool:
        """Detection runs with the other early ACPI parsing, and says nothing of its own."""
        return self.minor >= 13

    @property
    def unity_maps_are_kept_apart(self) -> bool:
        """Unity ranges of a device may not overlap, and need page-table levels."""
        return self.minor >= 13

    @property
    def checks_memory_map(self) -> bool:
        """IVMD ranges are compared with the widths in IVinfo and with the E820 map."""
        return self.minor >= 16

    @property
    def takes_ram_for_reserved(self) -> bool:
        """4.16 tests the type of a page the wrong way round: RAM passes, reserved pages do not."""
        return self.minor == 16

    @property
    def words_unity_region(self) -> bool:
        """The E820 comparison moved to iommu_unity_region_ok(), with other words."""
        return self.minor >= 19

    @property
    def ivmd_without_iommu_is_warning(self) -> bool:
        return self.minor >= 18

    @property
    def needs_cx16(self) -> bool:
        return self.minor >= 18

    @property
    def leaves_out_iommu(self) -> bool:
        """An IOMMU is not behind itself, even if the table says so."""
        return self.minor >= 13

    @property
    def polls_for_ever(self) -> bool:
        """A command that the IOMMU does not complete is waited for; before, 1000 times."""
        return self.minor >= 13

    @property
    def polls_status(self) -> bool:
        """Completion is read from the status register, since 4.16 from memory."""
        return self.minor < 16

    @property
    def says_block_address(self) -> bool:
        return self.minor >= 20

    @property
    def clears_registers(self) -> bool:
        """The IOMMU's registers are all written with 0 first; 4.20.4 clears only the control."""
        return self.minor < 20
