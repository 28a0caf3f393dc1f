"""Board profiles: frozen, validated, loaded from `boards/NAME.yaml`."""

from __future__ import annotations

from harness.board.load import available, load, search_path
from harness.board.model import Board

__all__ = ["Board", "available", "load", "search_path"]
