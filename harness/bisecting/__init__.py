"""The first bad version among many, when a bad one fails only sometimes. Pure.

steps.py     how many boots a version needs, and what its boots say of it
search.py    which version is next, what is found, how sure that is
gitcodes.py  the exit codes that `git bisect run` understands
"""
