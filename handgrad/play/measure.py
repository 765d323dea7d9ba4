"""How long a frame takes: asked for over the network as the page asks, one after the other."""

import json
from http.client import HTTPConnection
from threading import Thread
from time import perf_counter

from handgrad.play.server import HOST, Server


def frame_times(server: Server, frames: int) -> tuple[list[float], int]:
    """Seconds of every frame, and the steps that were made in all of them; the server runs meanwhile."""
    serving = Thread(target=server.serve_forever, daemon=True)
    serving.start()
    connection, times, steps = HTTPConnection(HOST, server.server_port), [], 0
    asked = json.dumps({"run": server.board.number, "steps": None, "parameter": "", "gradients": True})
    try:
        for _ in range(frames):
            start = perf_counter()
            connection.request("POST", "/frame", asked, {"Content-Type": "application/json"})
            answer = json.loads(connection.getresponse().read())
            times.append(perf_counter() - start)
            steps += answer["made"]
    finally:
        connection.close()
        server.shutdown()
    return times, steps
