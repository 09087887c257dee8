"""Imported by the process that servers of the browser tests are forked from: what each of them would load and compile anew."""

import dashboard.app  # noqa: F401
from core.map.raster import warm
from dashboard import charts

warm()
charts.warm()
