"""Renders results for people and programs; decides nothing."""
