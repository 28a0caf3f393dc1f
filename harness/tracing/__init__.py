"""Traces of Xen: xentrace in dom0 for some seconds, xenalyze's summary of it as figures.

`taking` drives the tools, `causes` knows why they refuse, `doubts` what may be wrong with the
figures, `record` has the result and its files.
"""

from harness.tracing.causes import TraceError
from harness.tracing.record import Trace, domain_name
from harness.tracing.taking import BUFFER_PAGES, trace

__all__ = ["BUFFER_PAGES", "Trace", "TraceError", "domain_name", "trace"]
