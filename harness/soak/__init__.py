"""Many boots of one board: what is asked for, what is kept, and how the outcomes are told apart.

plan.py         what a soak is asked to be; the seed and the injected recipe of each boot
asking.py       the options of it that are text: "1/30@95", "20%:RECIPE"
outcome.py      what is kept of a boot that ended
signature.py    which boots failed in the same way
normalise.py    texts without what varies from boot to boot: numbers, addresses, times
journal.py      what was started and what has ended, on disk: nothing lost, nothing counted twice
lines.py        the lines of that file
summary.py      all boots so far: rate, clusters, times
text.py         ... as text
injection.py    failures made on purpose
tasks.py        a boot as plain data, and back
work.py         the unit of work: boots once; worker.py is a process that does it
executors/      where boots run: here, or on a cluster
kept.py         the run folder of a boot: small, whole, or brought home
memory.py       whether so many machines have room here
running.py      the soak while it runs
"""
