"""The parts of the device drill (`benchmarks/device_drill.py`)."""
