"""The regression suites of the shipped boards: `pytest --pyargs harness.suites --board apu2`."""
