"""The first bad version among many, when a bad one fails only sometimes.

candidates.py  which versions stand between a good one and a bad one
said.py        what one boot says of its version; which failure is searched
measuring.py   how often the bad version fails
steps.py       how many boots a version needs, and what its boots say of it
search.py      which version is next, what is found, how sure that is
running.py     boots versions until the first bad one is known
events.py      what happens meanwhile
report.py      what is asked, what comes out
gitcodes.py    the exit codes that `git bisect run` understands
"""
