"""Renders the templates of bootscripts/; a variable that a template lacks is an error."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.data import folder


@cache
def environment() -> Environment:
    """The one Jinja environment: strict, and without the blank lines of its own tags."""
    return Environment(
        loader=FileSystemLoader(folder("bootscripts")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - scripts for firmware, not HTML
    )


def render(template: str, **variables: object) -> str:
    """The text of `bootscripts/TEMPLATE` with these variables.

    Raises:
        jinja2.UndefinedError: the caller does not give all variables: a bug of ours.
    """
    return environment().get_template(template).render(variables)
