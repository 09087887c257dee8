"""Guards: this checkout's code is what runs, and `core` loads no user interface."""

import pkgutil
import re
from pathlib import Path

import core
import dashboard
from dashboard.theme import tokens
from tools.rooms import with_picture

ROOT = Path(__file__).resolve().parents[1]


def test_packages_come_from_this_checkout():
    assert Path(core.__file__).parent == ROOT / "core"
    assert Path(dashboard.__file__).parent == ROOT / "dashboard"


def test_the_picture_of_the_rooms_is_as_the_code_is():
    page = (ROOT / "ARCHITECTURE.md").read_text()
    assert with_picture(page) == page, "say 'make rooms'"


def test_the_glossary_is_short_and_names_code_that_is_there():
    words = re.findall(r"^\| ([\w -]+) \| .+ \| `([\w.]+)` \|$", (ROOT / "ARCHITECTURE.md").read_text(), re.M)
    assert 20 <= len(words) <= 25
    for _, place in words:
        pkgutil.resolve_name(place)


def test_every_room_says_in_one_line_what_lives_there():
    for file in ROOT.glob("core/*/__init__.py"):
        assert re.fullmatch(r'""".+\."""\n', file.read_text()), file


def test_nothing_outside_core_touches_the_catalog():
    for file in ROOT.glob("dashboard/**/*.py"):
        assert not re.search(r"\.catalog\b(?!\.\w+ import)", file.read_text()), file


def test_tests_of_core_import_nothing_of_the_dashboard():
    """As `core` itself: neither an import, nor `python -m dashboard`, nor a way round through another test."""
    for file in (ROOT / "tests" / "core").rglob("*.py"):
        assert "dashboard" not in file.read_text(), file
        assert not re.search(r"tests\.(?:dashboard|ui)\b", file.read_text()), file


def test_the_workspace_is_state_and_short():
    assert len((ROOT / "core" / "workspace.py").read_text().splitlines()) < 400


def test_the_readmes_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert {"setup", "run", "test", "test-all", "check", "fix", "bench"} <= targets
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / "README.md").read_text(), re.M)) <= targets


def test_nothing_is_pickled_and_nothing_is_drawn_by_gradio():
    for file in [*ROOT.glob("core/**/*.py"), *ROOT.glob("dashboard/**/*.py")]:
        text = file.read_text()
        assert not re.search(r"^\s*(import|from) (pickle|joblib|gradio|streamlit)", text, re.M), file
        assert "allow_pickle=True" not in text, file


INLINE_STYLES = re.compile(
    r"""\bstyles\s*=|\bstyle\s*=\s*\\?["'{]|\.cssText\b|\.style\.(?!setProperty\("--)|\bsx\s*=|<style>(?!\{)"""
)


def test_the_styles_of_the_page_are_in_stylesheets():
    """Only data (a class's colour, a place on the map) is set on an element itself, as a custom property."""
    files = [file for kind in ("py", "js", "html") for file in ROOT.glob(f"dashboard/**/*.{kind}")]
    found = [f"{file.relative_to(ROOT)}: {match[0]}" for file in files for match in INLINE_STYLES.finditer(file.read_text())]
    assert found == []


COLOUR = re.compile(r"#(?:[0-9a-f]{8}|[0-9a-f]{6}|[0-9a-f]{3,4})\b|\b(?:rgb|hsl)a?\(", re.IGNORECASE)


def test_colours_are_in_the_palette():
    """Python takes them from `core.palette`, a stylesheet as variables from `dashboard.theme`."""
    kinds = (".py", ".css", ".js", ".html")
    files = [file for room in ("core", "dashboard") for file in ROOT.glob(f"{room}/**/*") if file.suffix in kinds]
    assert [file for file in files if COLOUR.search(file.read_text())] == [ROOT / "core" / "palette.py"]


def test_stylesheets_use_only_variables_that_are_set():
    libraries = re.compile("mui-|panel-|bokeh-")
    scripts = "".join(file.read_text() for file in ROOT.glob("dashboard/**/*.js"))
    known = set(re.findall(r"--([\w-]+):", tokens())) | set(re.findall(r'setProperty\("--([\w-]+)"', scripts))
    used = {name for file in ROOT.glob("dashboard/**/*.css") for name in re.findall(r"var\(--([\w-]+)", file.read_text())}
    assert {name for name in used if not libraries.match(name)} <= known


def test_stylesheets_and_scripts_are_used():
    code = "".join(file.read_text() for file in ROOT.glob("dashboard/**/*.py"))
    for file in [*ROOT.glob("dashboard/views/**/*.css"), *ROOT.glob("dashboard/views/**/*.js")]:
        assert f'"{file.name}"' in code or f'"{file.stem}"' in code, file


SEVERAL = (
    "All {",
    "that are",
    "1 to {",
    "{done:,} of {total:,}",
    " of the {",
    " check images are",
    "at least {",
    " of {n:,} images",
    "{experiment.n_images:,}",
)


def test_numbers_agree_with_their_nouns():
    """`core.wording.counted` writes a number before a plural, unless its context says that there are several."""
    plural = re.compile(r"\{[^{}]*:,\} (images|files|labels|clusters|thumbnails|pictures|check images)\b")
    for file in [*ROOT.glob("core/**/*.py"), *ROOT.glob("dashboard/**/*.py")]:
        wrong = [line.strip() for line in file.read_text().splitlines() if plural.search(line)]
        assert [line for line in wrong if not any(words in line for words in SEVERAL)] == [], file
