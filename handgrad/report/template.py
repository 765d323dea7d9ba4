"""How every page is put together: one frame, one style, one script, and a rule that lets the browser load nothing."""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import handgrad

SHARED = Path(__file__).parent  # base.html.j2, parts.html.j2, style.css, shared.js, report.js


def render(template: Path, **values: Any) -> str:
    """The page that `template` makes of `values`. It may extend and import what is in `SHARED`."""
    return _environment(template.parent).get_template(template.name).render(**values)


@cache
def _environment(folder: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([folder, SHARED]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    report = script(SHARED / "report.js")
    environment.filters["commented"] = _commented
    environment.globals |= {"version": handgrad.__version__, "script": report, "policy": policy(report)}
    return environment


def _commented(program: str) -> list[tuple[str, str]]:
    """The code of each line and its comment."""
    lines = []
    for line in program.splitlines():
        code = line.partition("#" if line.lstrip().startswith("#") else "  # ")[0]
        lines.append((code, line[len(code) :]))
    return lines


def script(file: Path) -> Markup:
    """A page's script: what all of them share, and that of the file."""
    parts = [path.read_text(encoding="utf-8") for path in (SHARED / "shared.js", file)]
    return Markup("\n" + "\n".join(parts))


def policy(script: str) -> str:
    """A content security policy: the browser refuses every request, and every script but this one by its hash."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"
