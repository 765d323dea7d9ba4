"""The picture of docs/play.md: the live board after some steps, photographed by Chromium: `make pictures`."""

import shutil
from pathlib import Path
from threading import Thread

from playwright.sync_api import sync_playwright

from handgrad.cli.play import SETTINGS
from handgrad.machine.environment import one_thread
from handgrad.play.board import Board
from handgrad.play.server import Server

PICTURE = Path(__file__).parents[1] / "pictures" / "play.png"
SIZE = (1280, 1500)
STEPS = 300


def main() -> None:
    with one_thread():
        board = Board("moons", SETTINGS)
        board.change("hidden", "8,4")
        for _ in range(STEPS // 10):  # so that the curve has places
            board.advance(10)
            board.frame()
        server = Server(board)
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            photograph(server.url)
        finally:
            server.shutdown()
            server.end()
    print(f"{PICTURE}, {PICTURE.stat().st_size // 1000} kB")


def photograph(url: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]}, color_scheme="light")
        page.goto(url)
        page.locator("#numbers button").first.wait_for()
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
