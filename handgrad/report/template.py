"""How every page is put together: one frame, one style, one script, and a rule that lets the browser load nothing."""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import handgrad

SHARED = Path(__file__).parent  # base.html.j2, parts.html.j2, style.css, report.js


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
    script = f"\n{(SHARED / 'report.js').read_text(encoding='utf-8')}"
    environment.filters["commented"] = _commented
    environment.globals |= {"version": handgrad.__version__, "script": Markup(script), "policy": policy(script)}
    return environment


def _commented(program: str) -> list[tuple[str, str]]:
    """The code of each line and its comment."""
    lines = []
    for line in program.splitlines():
        code = line.partition("#" if line.lstrip().startswith("#") else "  # ")[0]
        lines.append((code, line[len(code) :]))
    return lines


def policy(script: str) -> str:
    """A content security policy: the browser refuses every request, and every script but this one by its hash."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"
