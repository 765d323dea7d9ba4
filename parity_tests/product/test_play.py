"""`handgrad play`: its numbers are those of training and of trace, what is refused changes nothing, no other site is
answered. What the page does stands in test_browser.py."""

import json
import signal
import threading
from http.client import HTTPConnection
from itertools import islice

import numpy as np
import pytest

from contract.names import ACTIVATIONS
from handgrad import cli
from handgrad.cli.options import OPTIMIZERS
from handgrad.cli.play import SETTINGS
from handgrad.errors import BadInputError
from handgrad.experiments import EXPERIMENTS
from handgrad.experiments.overrides import with_overrides
from handgrad.play import board as board_module
from handgrad.play.board import Board, offered
from handgrad.play.server import LONGEST_BODY, Server
from handgrad.trace import trace, unfold
from handgrad.training.train import batches, prepare

ROWS = "height,width,kind\n" + "".join(f"{i},{i % 3 - 0.5},{'rose' if i < 8 else 'iris'}\n" for i in range(20))
CASES = {
    "the recipe as it is": ("moons", {}),
    "another net": ("moons", {"hidden": "8,4", "activation": "tanh"}),
    "a layer that draws": ("quadrants", {"activation": "rrelu"}),
    "another optimizer at its own rate": ("iris", {"optimizer": "nadam"}),
    "momentum that the recipe has not": ("line", {"optimizer": "adamw", "lr": "0.02"}),
    "batches and a seed": ("iris", {"batch_size": "7", "seed": "3"}),
    "one batch": ("five-features", {"lr": "0.3"}),
    "LBFGS": ("regression", {"optimizer": "lbfgs"}),
    "a net of its own": ("relu-tanh", {}),
}


def made(name: str, given: dict[str, str]) -> Board:
    board = Board(name, SETTINGS, tuple(OPTIMIZERS))
    for setting, text in given.items():
        board.change(setting, text)
    return board


def trained(name: str, given: dict[str, str], steps: int):
    """Both sides after so many steps of their trainers, as `handgrad compare` makes them, and the last losses."""
    values = {setting: SETTINGS[setting](setting, text) for setting, text in given.items()}
    prepared, losses = prepare(with_overrides(EXPERIMENTS[name], values)), {}
    for rows in islice(batches(prepared), steps):
        for side, trainer in prepared.trainers.items():
            losses[side] = trainer.step(*(trainer.asarray(prepared.cast[n][rows]) for n in ("x_train", "y_train")))
    return prepared, losses


def weights(trainers):
    return {(side, n): a.copy() for side, t in trainers.items() for n, a in t.model.state_dict().items()}


def assert_equal(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        np.testing.assert_array_equal(weight, theirs[name], err_msg=str(name))


@pytest.mark.parametrize("case", CASES)
def test_its_numbers_are_those_of_training(case):
    """To the bit, whatever was judged, looked at and opened on the way."""
    board, steps = made(*CASES[case]), 0
    for count in (0, 1, 4, 2):
        steps += board.advance(count)
        frame = board.frame()
        if count == 4:
            name = next(name for name, shape in board.scene()["parameters"].items() if len(shape) == 2)
            board.opened(f"{name}[0,0]")
    prepared, losses = trained(*CASES[case], 7)
    assert frame["step"] == steps == 7
    assert {side: found["batch_loss"] for side, found in frame["sides"].items()} == losses
    assert all(found["held"] and found["verdict"].startswith("held: 3 steps") for found in frame["sides"].values())
    assert_equal(weights(board.run.prepared.trainers), weights(prepared.trainers))


@pytest.mark.parametrize("entry", ["layers.0.weight[2,1]", "update layers.2.bias[1]", "delta layers.0[3,2]"])
@pytest.mark.parametrize("steps", [0, 5])
def test_a_number_opens_into_what_trace_says(entry, steps):
    """Of the step that was made last; before there is one, of the first to come."""
    given = {"hidden": "4", "batch_size": "8"}
    board = made("moons", given)
    board.advance(steps)
    values = {setting: SETTINGS[setting](setting, text) for setting, text in given.items()}
    expected = trace(prepare(with_overrides(EXPERIMENTS["moons"], values)), max(steps, 1))
    assert board.opened(entry, depth=3) == unfold(expected, entry, depth=3)
    if steps and not entry.startswith("delta"):
        name, _, index = entry.removeprefix("update ").partition("[")
        table = board.frame(name, gradients=not entry.startswith("update"))["table"]["rows"]
        *i, j = map(int, index.rstrip("]").split(","))
        assert table[i[0] if i else 0][j].ours == str(np.float32(board.opened(entry).number.ours))
    assert board.command() == f"handgrad trace moons --step {max(steps, 1)} --hidden 4 --batch-size 8"


def test_a_learning_rate_acts_at_the_next_step_and_the_net_goes_on():
    board, (prepared, _) = made("moons", {}), trained("moons", {}, 3)
    board.advance(3)
    assert board.change("lr", "0.5") == "lr is 0.5 from step 4 on"
    assert (board.number, board.run.step, board.settings()["lr"], board.command()) == (1, 3, "0.5", "")
    board.advance(2)
    for trainer in prepared.trainers.values():
        trainer.optimizer.param_groups[0]["lr"] = 0.5
    for rows in islice(batches(prepared), 3, 5):
        for trainer in prepared.trainers.values():
            trainer.step(prepared.cast["x_train"][rows], prepared.cast["y_train"][rows])
    assert_equal(weights(board.run.prepared.trainers), weights(prepared.trainers))
    assert board.run.sides["scratch"].tally.held


BAD = {
    "a net": ("change", ("hidden", "8,x"), ["hidden must be", "64,32", "'8,x'"]),
    "a net too large": ("change", ("hidden", "999999999"), ["20,000 weights", "'999999999'"]),
    "a net too deep": ("change", ("hidden", "1," * 20 + "1"), ["20 hidden layers"]),
    "an activation": ("change", ("activation", "rely"), ["did you mean 'relu'"]),
    "an optimizer": ("change", ("optimizer", "adamm"), ["did you mean 'adam'"]),
    "a rate": ("change", ("lr", "-1"), ["lr must be a finite number >= 0", "'-1'"]),
    "a rate beyond float32": ("change", ("lr", "1e300"), ["finite in float32"]),
    "a batch": ("change", ("batch_size", "0"), ["batch_size must be a whole number >= 1"]),
    "a seed": ("change", ("seed", "-1"), ["seed must be"]),
    "data": ("change", ("data", "digits"), ["data must be one of moons", "'digits'"]),
    "a file of code": ("change", ("data", "mine.py:experiment"), ["data must be one of"]),
    "a setting": ("change", ("epochs", "3"), ["a setting is one of data, hidden", "'epochs'"]),
    "no rows": ("paste", ("", "kind", "refuse", ()), ["pasted.csv is empty"]),
    "a cell": (
        "paste",
        (ROWS.replace("\n7,", "\n7 or 8,"), "kind", "refuse", ()),
        ["pasted.csv", "'7 or 8'", "line 9"],
    ),
    "a target": ("paste", (ROWS, "kin", "refuse", ()), ["did you mean 'kind'"]),
    "no target": ("paste", (ROWS, "", "refuse", ()), ["height, width, kind"]),
    "too much": ("paste", (ROWS * 5000, "kind", "refuse", ()), ["1,000,000 characters", "compare --csv"]),
    "an entry": ("opened", ("layers.9.weight[0,0]",), ["layers.0.weight"]),
    "an index": ("opened", ("layers.0.weight[99,0]",), ["(16, 2)"]),
    "a depth": ("opened", ("layers.0.weight[0,0]", 9), ["more than 2,000 lines"]),
}


@pytest.fixture(scope="module")
def asked_in_vain():
    """A board after three steps, and what it shows then."""
    board = made("moons", {"seed": "1"})
    board.advance(3)
    return board, json.dumps([board.frame(), board.scene()], default=str)


@pytest.mark.parametrize("case", BAD)
def test_what_is_refused_leaves_the_board_as_it_was(case, asked_in_vain):
    board, seen = asked_in_vain
    before, (method, arguments, words) = weights(board.run.prepared.trainers), BAD[case]
    with pytest.raises(BadInputError) as caught:
        getattr(board, method)(*arguments)
    assert [word for word in words if word not in str(caught.value)] == []
    assert "\n" not in str(caught.value)
    assert_equal(weights(board.run.prepared.trainers), before)
    assert json.dumps([board.frame(), board.scene()], default=str) == seen


def test_after_all_that_was_refused_the_net_goes_on(asked_in_vain):
    board, _ = asked_in_vain
    board.advance(2)
    prepared, _ = trained("moons", {"seed": "1"}, 5)
    assert_equal(weights(board.run.prepared.trainers), weights(prepared.trainers))


def test_pasted_rows_are_trained_on_as_a_file_is(tmp_path):
    from handgrad.experiments.csv_file import read

    board = made("moons", {"hidden": "3"})
    board.advance(2)
    assert "new net" in board.paste(ROWS, "kind", "refuse", ())
    board.advance(3)
    (tmp_path / "rows.csv").write_text(ROWS)
    prepared = prepare(read(tmp_path / "rows.csv", "kind"))
    for rows in islice(batches(prepared), 3):
        for trainer in prepared.trainers.values():
            trainer.step(prepared.cast["x_train"][rows], prepared.cast["y_train"][rows])
    assert_equal(weights(board.run.prepared.trainers), weights(prepared.trainers))
    scene = board.scene()
    assert (scene["classes"], scene["plane"]["names"]) == (["iris", "rose"], ["height", "width"])
    assert (board.number, board.command(), board.settings()["data"]) == (3, "", "pasted.csv")
    board.change("data", "line")
    board.change("data", "pasted.csv")  # they stay there to be chosen
    assert board.scene()["classes"] == ["iris", "rose"]


def test_other_settings_start_a_new_net_and_data_bring_their_recipe():
    board = made("moons", {"hidden": "3", "lr": "0.5"})
    board.advance(2)
    board.change("optimizer", "sgd")
    assert (board.number, board.run.step, board.settings()["hidden"]) == (3, 0, "3")
    assert board.settings()["lr"] == "0.001"  # of SGD itself: the recipe's means nothing to it
    board.change("hidden", "")
    assert board.settings()["hidden"] == "16,16"  # the recipe's own
    board.change("data", "line")
    expected = {"data": "line", "hidden": "5", "activation": "relu", "optimizer": "sgd", "lr": "1.0"}
    assert board.settings() == {**expected, "batch_size": "100", "seed": "0"}


def test_what_the_plane_shows():
    board = made("moons", {})
    board.advance(100)
    frame, plane = board.frame(), board.scene()["plane"]
    assert all(
        len(found["answer"]) == len(found["lead"]) == -(-(plane["side"] ** 2) // 3) * 4
        for found in frame["maps"].values()
    )
    assert "upper moon on " in frame["maps"]["torch"]["said"]
    assert {kind for *_, kind in plane["points"]} == {0, 1}
    assert all(0 < x < 1 and 0 < y < 1 for x, y, _ in plane["points"])
    assert board.frame()["curve"][0][0] == 100
    assert made("prod", {}).frame()["maps"]["scratch"]["said"].count(" to ") == 1
    for other in ("iris", "grow-1"):
        assert made(other, {}).scene()["plane"] is made(other, {}).frame()["maps"] is None


def test_a_frame_has_one_step_at_least_and_the_last_is_judged(monkeypatch):
    monkeypatch.setattr(board_module, "SECONDS", 0.0)
    board = made("moons", {})
    assert [board.advance(), board.advance()] == [1, 1]
    assert board.run.sides["torch"].tally.steps == 2
    monkeypatch.setattr(board_module, "CURVE", 4)
    for _ in range(20):
        board.advance(1)
        steps = [step for step, *_ in board.frame()["curve"]]
        assert len(steps) <= 4
        assert steps[-1] == board.run.step
        assert steps == sorted(set(steps))


def test_a_loss_that_is_not_finite_ends_the_run_until_it_is_reset():
    board = made("diabetes", {"optimizer": "sgd", "lr": "1e30"})
    assert 0 < board.advance(50) < 50
    frame = board.frame()
    assert "not finite" in frame["ended"]
    assert board.advance(50) == 0
    text = json.dumps(Served(board).frame(board.number, 0, "", True))
    assert not [word for word in ("NaN", "Infinity") if word in text]
    board.opened("layers.0.weight[0,0]")  # what is seen can be opened
    board.change("lr", "0.01")
    board.reset()
    assert board.advance(2) == 2


def test_a_step_that_cannot_be_made_is_said(monkeypatch):
    board = made("moons", {})
    board.advance(2)
    monkeypatch.setattr(board.run.prepared.trainers["torch"], "step", lambda x, y: 1 / 0)
    board.advance(3)
    assert board.frame()["ended"] == "step 3 failed on the side torch: ZeroDivisionError: division by zero"
    with pytest.raises(BadInputError, match="step 3 failed"):
        board.opened("layers.0.weight[0,0]")


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name != "digits"])
def test_every_experiment_that_is_offered_plays(name):
    board = made(name, {})
    assert name in board.experiments
    assert "digits" not in board.experiments
    assert board.advance(1) == 1
    frame = board.frame()
    assert all(found["held"] for found in frame["sides"].values())
    assert frame["table"]["rows"]


# --- the server -------------------------------------------------------------------------------------------------------


class Served:
    """A board's server without a network: what its methods answer, as the page reads it."""

    def __init__(self, board):
        from handgrad.trace.as_json import plain

        self.server, self.plain = Server(board), plain
        self.server.server_close()

    def __getattr__(self, name):
        return lambda *given: self.plain(getattr(self.server, name)(*given))


@pytest.fixture(scope="module")
def server():
    server = Server(made("moons", {"hidden": "4"}))
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    yield server
    server.shutdown()
    serving.join()
    server.end()


def asked(server, path, given=None, **headers):
    """Status, kind, text and headers of an answer; a header None is left out."""
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    body = b"" if given is None else given if isinstance(given, bytes) else json.dumps(given).encode()
    usual = {"Host": f"127.0.0.1:{server.server_port}"}
    if given is not None:
        usual |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.putrequest("GET" if given is None else "POST", path, skip_host=True, skip_accept_encoding=True)
    for name, value in {**usual, **named}.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    found = answer.status, answer.headers.get_content_type(), answer.read().decode(), dict(answer.headers)
    connection.close()
    return found


FRAME = {"run": 0, "steps": 2, "parameter": "layers.0.bias", "gradients": True}
REFUSED = {
    "another host": ("/frame", FRAME, {"Host": "example.org"}, 403),
    "another host's port": ("/frame", FRAME, {"Host": "127.0.0.1:1"}, 403),
    "no host": ("/frame", FRAME, {"Host": None}, 403),
    "another page": ("/frame", FRAME, {"Origin": "https://example.org"}, 403),
    "a page that hides where it is from": ("/frame", FRAME, {"Origin": "null"}, 403),
    "another page that reads": ("/", None, {"Origin": "https://example.org"}, 403),
    "another host that reads": ("/step", None, {"Host": "example.org"}, 403),
    "a form": ("/frame", FRAME, {"Content_Type": "text/plain"}, 415),
    "no such thing": ("/board", {}, {}, 404),
    "no such page": ("/../board.py", None, {}, 404),
    "no method of the server's own": ("/server_close", {}, {}, 404),
    "no JSON": ("/frame", b"{", {}, 400),
    "no object": ("/frame", [], {}, 400),
    "too little": ("/frame", {"run": 0}, {}, 400),
    "too much": ("/reset", {"run": 0}, {}, 400),
    "another kind": ("/frame", {**FRAME, "steps": "2"}, {}, 400),
    "endless": ("/frame", FRAME, {"Content_Length": str(LONGEST_BODY + 1)}, 413),
    "no length": ("/frame", FRAME, {"Content_Length": "-1"}, 413),
}


@pytest.mark.parametrize("case", REFUSED)
def test_only_the_boards_own_page_is_answered(server, case):
    path, given, headers, status = REFUSED[case]
    before = server.board.number, server.board.run.step
    found = asked(server, path, given, **headers)
    assert found[:2] == (status, "text/plain")
    assert "\n" not in found[2]
    assert (server.board.number, server.board.run.step) == before


def test_frames_and_refusals_are_json(server):
    def answer(path, given):
        status, kind, text, _ = asked(server, path, given, Origin=f"http://127.0.0.1:{server.server_port}")
        assert (status, kind) == (200, "application/json")
        return json.loads(text)

    first = answer("/frame", FRAME)
    assert (first["made"], first["table"]["parameter"], len(first["table"]["rows"][0])) == (2, "layers.0.bias", 4)
    assert first["scene"]["parameters"] == {
        "layers.0.weight": [4, 2],
        "layers.0.bias": [4],
        "layers.2.weight": [2, 4],
        "layers.2.bias": [2],
    }
    assert "scene" not in answer("/frame", {**FRAME, "run": first["run"], "steps": None})
    assert answer("/change", {"name": "hidden", "text": "0"}).keys() == {"refused"}
    assert "1000" in answer("/frame", {**FRAME, "steps": 10**9})["refused"]
    for depth in (0, -1):
        assert f"--depth must be a whole number >= 1; got {depth}" in answer(
            "/unfold", {"entry": "layers.0.weight[1,0]", "depth": depth}
        ).get("refused", "")
    opened = answer("/unfold", {"entry": "layers.0.weight[1,0]", "depth": 2})
    assert opened["what"] == "dL/dweight[1,0] of layers.0"
    assert "Sum, rounded once" in opened["html"]
    assert answer("/change", {"name": "lr", "text": "0.5"})["settings"]["lr"] == "0.5"
    assert answer("/paste", {"text": ROWS, "target": "kind", "missing": "refuse", "leave_out": " width ,"}).keys() == {
        "said"
    }
    assert server.board.scene()["sizes"][0] == 1
    assert "new net" in answer("/reset", {})["said"]


def test_the_page_may_load_nothing(server):
    status, kind, text, headers = asked(server, "/")
    assert (status, kind) == (200, "text/html")
    policy = headers["Content-Security-Policy"]
    assert "'unsafe" not in policy
    for rule in ("default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "form-action 'none'"):
        assert rule in policy
    assert headers["Cache-Control"] == "no-store"
    for name in (*ACTIVATIONS, *OPTIMIZERS, *offered()):
        assert f">{name}" in text
    _, kind, step, _ = asked(server, "/step")
    assert kind == "text/html"
    assert "handgrad trace" in step


# --- the command ------------------------------------------------------------------------------------------------------


def test_a_frame_is_measured(capsys, monkeypatch):
    monkeypatch.setattr(board_module, "SECONDS", 0.0)
    assert cli.main(["play", "line", "--frames", "3"]) == 0
    out, _ = capsys.readouterr()
    assert out.startswith("3 frames: ")
    assert out.endswith(" ms at most; 1 steps of both sides in each\n")


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_ctrl_c_ends_it(number, code, word, capsys, monkeypatch):
    opened = []

    def browser(url):
        opened.append(url)
        signal.raise_signal(number)

    monkeypatch.setattr("webbrowser.open", browser)
    assert cli.main(["play", "line"]) == code
    out, err = capsys.readouterr()
    assert out == f"{opened[0]} (Ctrl-C ends it)\n"
    assert err == f"handgrad: {word}\n"
    with pytest.raises(ConnectionRefusedError):
        HTTPConnection("127.0.0.1", int(opened[0].rsplit(":", 1)[1].rstrip("/"))).connect()


def test_a_port_that_is_taken(server, capsys):
    assert cli.main(["play", "--port", str(server.server_port), "--no-browser"]) == 2
    assert f"--port {server.server_port} cannot be used: " in capsys.readouterr().err
