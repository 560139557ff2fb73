"""Looks at pages as a phone shows them: opens each in headless Chromium and says what is wider than the screen.

    python tools/look.py FOLDER_OR_PAGE.html ... [--width 390] [--dark] [--print] [--shots FOLDER]

Prints a line per page; exit code 1 if any would scroll sideways. Needs Chromium or Chrome, and no network.
"""

import argparse
import base64
import itertools
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

NAMES = ("chromium", "google-chrome", "google-chrome-stable", "chrome", "chromium-browser")
MEASURE = """(() => {
  const wide = document.documentElement.clientWidth, out = [];
  for (const e of document.querySelectorAll("body *")) {
    let up = e.parentElement, inside = getComputedStyle(e).position === "fixed";
    for (; up && up !== document.body; up = up.parentElement)
      if (getComputedStyle(up).overflowX !== "visible" || getComputedStyle(up).position === "fixed") inside = true;
    const box = e.getBoundingClientRect();
    if (!inside && box.width && box.right > wide + 1) out.push(`${e.tagName} ${e.className} ${Math.round(box.right)}`);
  }
  const page = document.documentElement;
  return {scroll: page.scrollWidth, height: page.scrollHeight, out: out.slice(0, 4)};
})()"""


class Browser:
    """Chromium, spoken to through two pipes; a context manager."""

    def __enter__(self):
        (their_in, our_out), (our_in, their_out) = os.pipe(), os.pipe()
        self._profile, self._numbers = tempfile.TemporaryDirectory(ignore_cleanup_errors=True), itertools.count(1)
        found = (path for name in NAMES if (path := shutil.which(name)))
        program = os.environ.get("CHROMIUM") or next(found, None)
        if program is None:
            raise FileNotFoundError(
                f"none of {', '.join(NAMES)} is on the path; install one, or say where: CHROMIUM=FILE."
            )
        line = f"exec {shlex.quote(program)} --headless --no-sandbox --disable-gpu --hide-scrollbars "
        line += f"--remote-debugging-pipe --user-data-dir={self._profile.name} 3<&{their_in} 4>&{their_out}"
        self._process = subprocess.Popen(
            ["bash", "-c", line], pass_fds=(their_in, their_out), stderr=subprocess.DEVNULL
        )
        self._out, self._in, self._seen = os.fdopen(our_out, "wb"), os.fdopen(our_in, "rb"), b""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.ask("Page.enable")
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()
        self._profile.cleanup()

    def ask(self, method: str, **parameters):
        """The answer of the page to a command."""
        return self._ask(method, self._session, **parameters)

    def _ask(self, method: str, session: str | None = None, **parameters):
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        self._out.write(json.dumps(message).encode() + b"\0")
        self._out.flush()
        while (said := self._next()).get("id") != number:
            pass
        if "error" in said:
            raise RuntimeError(f"{method}: {said['error']['message']}")
        return said["result"]

    def wait_for(self, event: str) -> None:
        """Read until the page says so."""
        while self._next().get("method") != event:
            pass

    def _next(self) -> dict:
        while b"\0" not in self._seen:
            self._seen += self._in.read1(1 << 16)
        first, self._seen = self._seen.split(b"\0", 1)
        return json.loads(first)


def look(browser: Browser, page: Path, width: int, medium: str, scheme: str, shot: Path | None) -> dict:
    """How far a page scrolls at a width, and what sticks out of it."""
    browser.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.ask("Emulation.setEmulatedMedia", media=medium, features=features)
    browser.ask("Page.navigate", url=page.resolve().as_uri())
    browser.wait_for("Page.loadEventFired")
    found = browser.ask("Runtime.evaluate", expression=MEASURE, returnByValue=True)["result"]["value"]
    if shot is not None:
        size = {"x": 0, "y": 0, "width": width, "height": min(found["height"], 12000), "scale": 1}
        picture = browser.ask("Page.captureScreenshot", captureBeyondViewport=True, clip=size)["data"]
        shot.write_bytes(base64.b64decode(picture))
    return found


def main() -> int:
    """Look at all that is asked for; 1 if a page is too wide."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--width", type=int, default=390)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--print", action="store_true", help="as on paper")
    parser.add_argument("--shots", type=Path, help="folder for screenshots")
    asked = parser.parse_args()
    pages = [page for each in asked.pages for page in (sorted(each.rglob("*.html")) if each.is_dir() else [each])]
    if asked.shots:
        asked.shots.mkdir(parents=True, exist_ok=True)
    worst = 0
    with Browser() as browser:
        for page in pages:
            shot = asked.shots and asked.shots / f"{page.parent.name}-{page.stem}.png"
            medium, scheme = "print" if asked.print else "screen", "dark" if asked.dark else "light"
            found = look(browser, page, asked.width, medium, scheme, shot)
            worst |= found["scroll"] > asked.width
            print(page, f"{found['scroll']} pixels wide", *found["out"], sep=" | ")
    return int(worst)


if __name__ == "__main__":
    sys.exit(main())
