"""Failure rates of many boots, comparisons, stopping rules, times. Pure: numbers in, numbers out.

binomial.py     one rate: its exact interval, how many clean boots exclude a rate
comparing.py    two rates: Fisher's exact test, how large the difference is, what would decide
sequential.py   when a soak may stop, and the interval that stays true although it looked early
timing.py       time per stage: quantiles, outliers, drift
wording.py      all of it in the words of an engineer
"""
