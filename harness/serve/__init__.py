"""Artifacts -> the network of a booting board."""
