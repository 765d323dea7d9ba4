"""The board behind a page of this machine's own: the standard library's server on 127.0.0.1, and nothing from outside.

Another site that is open in the same browser can neither read the board nor change it: a request must name this server
as its host, come from no page of another, and bring JSON, which a browser lets no foreign page send.
"""

import json
import re
import sys
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from threading import Lock
from typing import Any

from contract.names import ACTIVATIONS, SIDES
from handgrad.errors import BadInputError, one_line
from handgrad.experiments.csv_file import POLICIES
from handgrad.play.board import LONGEST, PASTED, Board
from handgrad.report import svg, template
from handgrad.report.plots import CLASS_COLOURS
from handgrad.trace.as_json import plain
from handgrad.trace.page import fragment
from handgrad.trace.page import page as trace_page

FOLDER = Path(__file__).parent
HOST = "127.0.0.1"
LONGEST_BODY = 6 * LONGEST + 10_000  # bytes: JSON may write a character of pasted rows in six
MOST_STEPS = 1000  # of one request

HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def page(board: Board) -> tuple[str, str]:
    """The board's page, and the security policy to send with it: its own style and script, this server, no other."""
    script = template.script(FOLDER / "play.js")
    html = template.render(
        FOLDER / "page.html.j2",
        script=script,
        policy=f"{template.policy(script)}; connect-src 'self'",
        experiments=board.experiments,
        pasted=PASTED,
        activations=list(ACTIVATIONS),
        optimizers=board.optimizers,
        policies=POLICIES,
        sides=SIDES,
        drawing={"shapes": svg.SHAPES, "colours": CLASS_COLOURS, "sides": SIDES, "pasted": PASTED},
    )
    style = "".join(re.findall(r"<style>(.*?)</style>", html, re.DOTALL))
    hashed = b64encode(sha256(style.encode()).digest()).decode()
    policy = template.policy(script).replace("'unsafe-inline'", f"'sha256-{hashed}'")
    return html, f"{policy}; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class Server(ThreadingHTTPServer):
    """Serves one board. Its requests take turns: each finds a board on which no other is at work.

    OSError where the port is taken; port 0 is one that is free.
    """

    daemon_threads = True

    def __init__(self, board: Board, port: int = 0) -> None:
        self.board, self.turn = board, Lock()
        self.html, self.policy = page(board)
        super().__init__((HOST, port), Handler)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's own asks the network what this machine is called
        self.server_name, self.server_port = HOST, self.socket.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that closes its window breaks a connection off, which is no error."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def end(self) -> None:
        """Take no more requests, and let the step in progress come to its end."""
        self.server_close()
        self.turn.acquire()  # for good: whoever waits for a turn gets none

    # --- what the page asks for ---------------------------------------------------------------------------------------

    def frame(self, run: int, steps: int | None, parameter: str, gradients: bool) -> dict[str, Any]:
        """Train a little and show what came of it; to whoever knows another run, also what stays as it is in this."""
        if steps is not None and not 0 <= steps <= MOST_STEPS:
            raise BadInputError(f"steps must be from 0 to {MOST_STEPS}, or null: as many as fit; got {steps}")
        made = self.board.advance(steps)
        found = {**self.board.frame(parameter, gradients), "made": made}
        return found if run == self.board.number else {**found, "scene": self.board.scene()}

    def change(self, name: str, text: str) -> dict[str, Any]:
        return {"said": self.board.change(name, text), "settings": self.board.settings()}

    def paste(self, text: str, target: str, missing: str, leave_out: str) -> dict[str, Any]:
        columns = [name.strip() for name in leave_out.split(",") if name.strip()]
        return {"said": self.board.paste(text, target.strip(), missing, columns)}

    def reset(self) -> dict[str, Any]:
        return {"said": self.board.reset()}

    def unfold(self, entry: str, depth: int) -> dict[str, Any]:
        line = self.board.opened(entry, depth)
        return {"what": line.what, "step": self.board.trace().step, "html": fragment(line)}

    def whole_step(self) -> str:
        """The page of `handgrad trace --html`."""
        return trace_page(self.board.trace())


Kinds = type | tuple[type, ...]
ASKED: dict[str, dict[str, Kinds]] = {
    "frame": {"run": int, "steps": (int, type(None)), "parameter": str, "gradients": bool},
    "change": {"name": str, "text": str},
    "paste": {"text": str, "target": str, "missing": str, "leave_out": str},
    "reset": {},
    "unfold": {"entry": str, "depth": int},
}
"""The methods of the server that a page may call, and what each takes."""


class Handler(BaseHTTPRequestHandler):
    """One connection of a browser."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together: apart, the second would wait for the first's acknowledgement
    timeout = 60

    def do_GET(self) -> None:
        if not self._own():
            return
        if self.path == "/":
            self._send(HTTPStatus.OK, "text/html", self.server.html, self.server.policy)
        elif self.path == "/step":
            self._send(HTTPStatus.OK, *self._made(self.server.whole_step, "text/html", "text/plain"))
        else:
            self._refuse(HTTPStatus.NOT_FOUND, f"there is no {self.path[:80]}: / is the board, /step its last step")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal() and int(length[:20]) <= LONGEST_BODY):
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request has at most {LONGEST_BODY:,} bytes")
            return
        body = self.rfile.read(int(length))
        name = self.path.removeprefix("/")
        if not self._own():
            return
        if self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a request must be application/json")
        elif name not in ASKED:
            self._refuse(HTTPStatus.NOT_FOUND, f"there is no {self.path[:80]}: {', '.join(ASKED)}")
        elif (given := _object(body, ASKED[name])) is None:
            self._refuse(HTTPStatus.BAD_REQUEST, f"{name} takes a JSON object of {', '.join(ASKED[name]) or 'nothing'}")
        else:
            self._send(HTTPStatus.OK, *self._made(partial(getattr(self.server, name), **given)))

    def _own(self) -> bool:
        """Whether the request is for this server by its own name, and from no page of another."""
        hosts = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if host in hosts and origin in (None, f"http://{host}"):
            return True
        self._refuse(HTTPStatus.FORBIDDEN, "the board answers its own page alone")
        return False

    def _made(
        self, make: Callable[[], Any], kind: str = "application/json", refused: str = "application/json"
    ) -> tuple[str, str]:
        """What `make` gives while no other request is at work, or in one line why it does not: a kind and a text."""
        try:
            with self.server.turn:
                made = make()
        except Exception as error:  # the page says it in one line, as the command line would; python -X dev shows all
            if sys.flags.dev_mode and not isinstance(error, BadInputError):
                raise
            kind, made = refused, " ".join(one_line(error, BadInputError).split())
            made = {"refused": made} if refused == "application/json" else made
        return kind, made if isinstance(made, str) else json.dumps(plain(made), allow_nan=False)

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        self.close_connection = True
        self._send(status, "text/plain", text)

    def _send(self, status: HTTPStatus, kind: str, text: str, policy: str = "") -> None:
        content = text.encode("utf-8", "backslashreplace")
        headers = {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(content)), **HEADERS}
        if policy:
            headers["Content-Security-Policy"] = policy
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: a line for each frame would fill the terminal."""


def _object(body: bytes, takes: dict[str, Kinds]) -> dict[str, Any] | None:
    """The JSON object of a request, if it holds what is taken and nothing else."""
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(given, dict) or given.keys() != takes.keys():
        return None
    return given if all(isinstance(value, takes[name]) for name, value in given.items()) else None
