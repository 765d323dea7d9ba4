"""A result as one HTML file: who wins where, then every picture and table."""

from pathlib import Path

from markupsafe import Markup

from benchmarks.result import Result, rows_of
from benchmarks.sections import about, environment_of, machine, sections
from handgrad.format import plain
from handgrad.report import template
from handgrad.report.plots import to_svg


def html_page(result: Result) -> str:
    """The page. It loads nothing."""
    shown = list(sections(result))
    return template.render(
        Path(__file__).parent / "html_page.html.j2",
        result=result,
        machine=machine(result),
        about=about(result),
        said=" ".join(section.said for section in shown if section.said),
        sections=[
            (section, Markup(to_svg(section.figure, section.question.name, _label(section.question.title))))
            if section.figure
            else (section, "")
            for section in shown
        ],
        refused=sorted({name for _, _, row in rows_of(result) for name in row.get("refused", ())}),
        environment=[(key.replace("_", " "), plain(value)) for key, value in environment_of(result).items()],
    )


def _label(title: str) -> str:
    return f"{title}: its numbers are in the table below"
