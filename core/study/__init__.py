"""The label-efficiency study: simulate, run, report. Imports `probe`, `training` and below."""
