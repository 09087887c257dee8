"""The evidence dock's headline: the active probe's precision by recall against a random one's, figures, what is missing."""

import html
import re
from functools import cache, partial
from typing import Any

import holoviews as hv
import panel as pn
import panel_material_ui as pmui
import param

from core.probe.curves import MIN_FLAGGED_AP, CurveKey, NamedCurve, describe_curve
from core.wording import counted, fraction, percents, ranged, target
from dashboard.actions import Actions
from dashboard.charts import NOTHING, Chart, band, line
from dashboard.choices import GOLD_COLUMN
from dashboard.curve_files import FORMATS, Drawn
from dashboard.state import SessionState
from dashboard.theme import ACTIVE, COLUMNS, NAIVE, RANDOM, styled
from dashboard.views.download import Download
from dashboard.views.shown import draw_when_shown
from dashboard.views.terms import explained, hint, term
from dashboard.views.words import words

COLOURS = {"training": NAIVE, "active": ACTIVE, "random": RANDOM, **{f"column-{k}": c for k, c in enumerate(COLUMNS)}}
DASHES = {"training": "dashed"}  # others are solid
BANDS = ("active", "random")
HEIGHT = 300  # px
FIELDS = ("threshold", "recall", "precision", "reviewed", "caught", "low", "high")
COUNTS = (
    ("score ≥", "@threshold{0.00}"),
    ("recall", "@recall{0.0%}"),
    ("precision", "@precision{0.0%} (@low{0.0%} to @high{0.0%})"),
    ("counts", "@caught{0,0} flagged of @reviewed{0,0} reviewed"),
)
SHARES = COUNTS[1:3]  # an average over probes has no threshold of its own
NAMES = {"training": "training labels (optimistic)", "active": "active: your labels", "random": "random labels"}
RANGE, WHOLE = re.compile(r"\(.*\)"), r'<span class="range">\g<0></span>'  # a range goes to the next line as a whole


class CurvesPane(pn.viewable.Viewer):
    """A chart, a table of figures, one sentence on what is missing, and the files."""

    state = param.ClassSelector(class_=SessionState)
    actions = param.ClassSelector(class_=Actions)

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._chart: Chart | None = None  # with the curves there have been: each adds 15 ms to what a page costs to build
        self._place = pn.Column(sizing_mode="stretch_width", margin=0, visible=False, **styled("holds-chart", sheet="evidence"))
        self._words = words(margin=(0, 8), css_classes=["curve-words"], sheets=["evidence"])
        self._ask = pmui.Button(
            label="",
            description="Go to Check and read for live curves",
            variant="text",
            size="small",
            visible=False,
            margin=(0, 4),
            on_click=lambda _: self.actions.read_for_curves(),
        )
        self._switch = pmui.Checkbox.from_param(
            self.state.param.show_gold,
            label="By known answers",
            size="small",
            description="",
            margin=(0, 4),
        )
        self._files = {kind: Download(label=kind.upper(), actions=self.actions) for kind in FORMATS}
        for kind, file in self._files.items():
            file.button.param.update(
                size="small", variant="text", margin=(0, 0), description=f"Download the curves as {kind.upper()}", width=70
            )
        self._switch_hint = hint("known answers")
        self._follow_known_answers()
        self._layout = pn.Column(
            self._place,
            self._words,
            self._ask,
            pn.FlexBox(
                self._switch,
                self._switch_hint,
                *(file.button for file in self._files.values()),
                margin=0,
                align_items="center",
            ),
            sizing_mode="stretch_width",
            margin=0,
        )
        self.state.param.watch(self._follow_known_answers, "images")
        draw_when_shown(self.state, self._draw, ["curves", "random_curves"])

    def _follow_known_answers(self, *_: Any) -> None:
        """Offer the curve by known answers once there are some."""
        self._switch.visible = self._switch_hint.visible = GOLD_COLUMN in self.state.shared.newest_gold_columns()

    def _draw(self) -> None:
        found = self._layers()
        drawn = {layer: named for layer, named in found.items() if named.curve is not None and layer in COLOURS}
        self._words.object = self._say(found)
        if drawn:
            self._draw_curves(drawn)
        self._place.visible = bool(drawn)  # empty axes say nothing
        ask = next((named.ask for named in self.state.curves if named.ask), "")
        self._ask.param.update(label=f"{ask} →", visible=bool(ask))
        self._offer(drawn)

    def _draw_curves(self, drawn: dict[str, NamedCurve]) -> None:
        if self._chart is None or not drawn.keys() <= self._chart.layers.keys():
            self._chart = _chart(("training", "random", *(d for d in drawn if d.startswith("column")), "active")).copy()
            self._place.objects = [pn.pane.Bokeh(self._chart.figure, sizing_mode="stretch_width", margin=0)]
        for layer in self._chart.layers:
            named = drawn.get(layer.removesuffix(" band"))
            points = None if named is None else named.points
            fields = ("recall", "low", "high") if layer.endswith(" band") else FIELDS
            columns = {name: NOTHING if points is None else getattr(points, name) for name in fields}
            self._chart.show(layer, columns)

    def _layers(self) -> dict[str, NamedCurve]:
        """Return each curve by its layer in the chart; of score columns the first have one each, others are words only."""
        exact = self.state.gold_column is not None and any(named.key == CurveKey.GOLD for named in self.state.curves)
        shown = CurveKey.GOLD if exact else CurveKey.CHECK
        by_key = {named.key: named for named in self.state.curves}  # score columns share one
        found = {"active": by_key[shown]} if shown in by_key else {}
        random = self.state.random_curves.get(self.state.gold_column if exact else None)
        if random is not None and "active" in found and found["active"].curve is not None:
            found["random"] = random
        if CurveKey.TRAINING in by_key:
            found["training"] = by_key[CurveKey.TRAINING]
        columns = [named for named in self.state.curves if named.key == CurveKey.COLUMN]
        return found | {f"column-{place}": named for place, named in enumerate(columns)}

    def _offer(self, drawn: dict[str, NamedCurve]) -> None:
        shown = [
            Drawn(_name(layer, named), named, COLOURS[layer], dashed=layer in DASHES, band=layer in BANDS)
            for layer, named in drawn.items()
        ]
        for kind, file in self._files.items():
            if shown:
                file.offer(f"curves.{kind}", tuple(map(id, drawn.values())), partial(FORMATS[kind], shown))
            else:
                file.withdraw()

    def _say(self, found: dict[str, NamedCurve]) -> str:
        if not any(named.curve is not None for named in found.values()):  # one reason for all
            missing = self.state.curves[0].missing if self.state.curves else ""
            return f'<div class="note">{html.escape(missing)}</div>'
        recall = self.state.workspace.check_set.recall
        head = (
            f"<tr><td></td><th>labels</th><th>{term('average precision')}</th>"
            f"<th>{term('precision')} at {target(recall)} {term('recall')}</th></tr>"
        )
        body = "".join(_row(layer, named) for layer, named in found.items() if named.curve is not None)
        notes = [_basis(found), *_notes(found)]
        lines = "".join(f'<div class="fine">{html.escape(said)}</div>' for said in dict.fromkeys(notes) if said)
        return explained(f'<table class="figures">{head}{body}</table>{lines}')

    def __panel__(self) -> pn.viewable.Viewable:
        return self._layout


@cache
def _chart(layers: tuple[str, ...]) -> Chart:
    """Draw the axes, bands below and lines above, the last on top; pages show copies."""
    found: dict[str, hv.Element] = {
        f"{layer} band": band("recall", "low", "high", colour=COLOURS[layer], alpha=0.16) for layer in layers if layer in BANDS
    }
    for layer in layers:
        tips = SHARES if layer == "random" else COUNTS
        found[layer] = line(
            "recall", "precision", colour=COLOURS[layer], dash=DASHES.get(layer, "solid"),
            width=2.5 if layer in BANDS else 1.5, more=[name for name in FIELDS if name not in ("recall", "precision")],
            tips=(("", NAMES.get(layer, "score column")), *tips),
        )  # fmt: skip
    return Chart(found, x="recall", y="precision", xlim=(0, 1.01), ylim=(0, 1.03), height=HEIGHT, xticks=6, yticks=6)


def _name(layer: str, named: NamedCurve) -> str:
    return NAMES.get(layer) or named.title.removesuffix(" on the check half")


def _row(layer: str, named: NamedCurve) -> str:
    name, figures, n = _name(layer, named), named.figures, f"{named.n_labels:,}" if named.n_labels else ""
    if figures is not None:
        average = ranged(*figures.average_precision)
        precision = percents(*figures.precision)
    elif named.show_average_precision and named.curve is not None:
        average, precision = fraction(named.curve.average_precision), ""
    else:
        average, precision = f"not below {MIN_FLAGGED_AP} flagged", ""
    cells = "".join(f"<td>{RANGE.sub(WHOLE, html.escape(text))}</td>" for text in (n, average, precision))
    return f'<tr><th class="series {layer}">{html.escape(name)}</th>{cells}</tr>'


def _basis(found: dict[str, NamedCurve]) -> str:
    """Say what the pair of curves is judged on."""
    active = found.get("active")
    if active is None or active.curve is None:
        return "" if active is None else active.missing
    n = active.curve.n
    flagged = f"{active.curve.n_flagged:,} flagged"
    if active.key == CurveKey.GOLD:
        note = f" ({active.note})" if active.note else ""
        return f"Judged on {counted(n, 'check image')} with known answers, {flagged}; none is learned from or sealed{note}."
    return f"Judged on {counted(n, 'random check label')}, {flagged}, which your probe never learned from."


def _notes(found: dict[str, NamedCurve]) -> list[str]:
    """Say what the random curve is and how far the active probe is ahead, and what sets score columns apart."""
    random, said = found.get("random"), []
    if random is not None and random.curve is None:
        said.append(random.missing)
    elif random is not None:
        what = f"{random.title}, {counted(random.n_labels, 'label')} each"
        said.append(f"{what}; {random.note}." if random.note else f"{what}.")
    said += [describe_curve(named) for layer, named in found.items() if layer.startswith("column")]
    return said
