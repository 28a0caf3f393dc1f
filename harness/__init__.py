"""The test harness for boards that must boot Xen. Start reading at `harness/boot.py`."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("boot-harness")
except PackageNotFoundError:  # a checkout that nobody installed
    __version__ = "0+unknown"
