"""What the harness costs, measured. `make bench` runs all of it.

Each benchmark prints a table and exits 1 if its bound is not kept.
"""
