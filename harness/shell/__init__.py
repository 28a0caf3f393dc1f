"""Prompts on a console that run a command and give its output and status."""
