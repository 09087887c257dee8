"""Draw the training log of shipped weights as a picture.

python -m benchmarks.plot_log docs/training/msn-tiny-64.csv docs/training/msn-tiny-64.png
"""

import argparse
import csv
import os
from pathlib import Path

from bokeh.embed import file_html
from bokeh.layouts import row
from bokeh.plotting import figure
from bokeh.resources import INLINE
from playwright.sync_api import sync_playwright

from core.palette import BLUE

CHARTS = {"loss": "Loss", "knn": "kNN accuracy on the watched images", "prototypes_used": "Prototypes used in a batch"}


def main() -> None:
    """Read the log, draw three charts, and take a screenshot in Chromium."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("log", type=Path, help="CSV")
    parser.add_argument("picture", type=Path, help="PNG to write")
    options = parser.parse_args()
    with options.log.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    charts = []
    for name, title in CHARTS.items():
        chart = figure(width=400, height=260, title=title, x_axis_label="step", toolbar_location=None)
        measured = [line for line in lines if line[name]]
        steps, values = [int(line["step"]) for line in measured], [float(line[name]) for line in measured]
        chart.line(steps, values, line_width=2, color=BLUE)
        charts.append(chart)
    with sync_playwright() as playwright:
        path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1220, "height": 280})
        page.set_content(file_html(row(*charts), INLINE))
        page.wait_for_timeout(1_000)
        page.screenshot(path=options.picture)


if __name__ == "__main__":
    main()
