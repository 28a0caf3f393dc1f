"""Checks of the files that a board boots from: scripts, device trees, domain files, images."""
