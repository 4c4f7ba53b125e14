"""A headless Chromium, spoken to through a pipe by its own protocol: no driver and no library."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
_DEADLINE_SECONDS = 60
#: For every text that is seen: its contrast to what is behind it, where that is below WCAG AA.
_CONTRAST = r"""
(() => {
  const part = c => { c /= 255; return c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4; };
  const light = ([r, g, b]) => .2126 * part(r) + .7152 * part(g) + .0722 * part(b);
  const read = text => (text.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = read(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.tagName === 'title') continue;
    const style = getComputedStyle(element);
    const inBox = element.closest('.box');
    const back = inBox ? read(getComputedStyle(inBox.querySelector('rect')).fill) : behind(element);
    const ink = read(element instanceof SVGElement ? style.fill : style.color);
    const [high, low] = [light(ink), light(back)].sort((a, b) => b - a);
    const ratio = (high + .05) / (low + .05);
    if (ratio < 4.5) found.push(`${element.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return found;
})()
"""
_OVERFLOW = r"""
(() => {
  const wide = [...document.querySelectorAll('body *')].filter(
    element => element.checkVisibility() && element.getBoundingClientRect().right > innerWidth + 1);
  return wide.map(element => `${element.tagName} ${element.textContent.trim().slice(0, 40)}`).slice(0, 5)
    .concat(document.documentElement.scrollWidth > innerWidth ? [`page ${document.documentElement.scrollWidth}`] : []);
})()
"""


@dataclass
class Seen:
    """What became of a page: what it asked for, what it complained of, what sticks out, what is hard to read."""

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    overflow: list[str] = field(default_factory=list)
    faint: list[str] = field(default_factory=list)
    text: str = ""


class Chromium:
    """A browser with a directory of its own; use it as a context."""

    def __init__(self) -> None:
        program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        if not program:
            raise FileNotFoundError("There is no Chromium. Install it: apt-get install -y chromium")
        self._home = tempfile.mkdtemp(prefix="chromium-")
        child_in, self._out = os.pipe()
        self._in, child_out = os.pipe()
        # The protocol's pipe is file descriptors 3 and 4 of the browser.
        command = f'exec "$@" 3<&{child_in} 4>&{child_out}'
        flags = (*_FLAGS, "--remote-debugging-pipe", f"--user-data-dir={self._home}", "about:blank")
        self._process = subprocess.Popen(
            ["bash", "-c", command, "chromium", program, *flags],
            pass_fds=(child_in, child_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(child_in)
        os.close(child_out)
        self._rest = b""
        self._number = 0
        self._events: list[dict[str, Any]] = []

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._call("Browser.close")
            self._process.wait(10)
        except (OSError, TimeoutError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        finally:
            os.close(self._in)
            os.close(self._out)
            shutil.rmtree(self._home, ignore_errors=True)

    def look(self, page: Path, *, width: int, dark: bool, picture: Path, phone: bool = False) -> Seen:
        """Opens a file as a screen of `width` shows it, keeps a picture of all of it, and says what was seen."""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

        def call(method: str, **parameters: Any) -> dict[str, Any]:
            return self._call(method, session, **parameters)

        def value(expression: str) -> Any:
            return call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

        for domain in ("Page", "Network", "Log", "Runtime"):
            call(f"{domain}.enable")
        self._events.clear()
        call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        call("Emulation.setEmulatedMedia", features=[scheme])
        call("Page.navigate", url=page.resolve().as_uri())
        self._await("Page.loadEventFired", session)
        seen = Seen(overflow=value(_OVERFLOW), text=str(value("document.body.innerText")))
        # What is folded is read too.
        value("document.querySelectorAll('details').forEach(one => { one.open = true })")
        seen.overflow += value(_OVERFLOW)
        seen.faint = value(_CONTRAST)
        value("document.querySelectorAll('main details').forEach(one => { one.open = false })")
        size = call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": width, "height": min(size["height"], 12000), "scale": 1}
        shot = call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)["data"]
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(base64.b64decode(shot))
        for event in self._events:
            if event.get("sessionId") != session:
                continue
            told = event["params"]
            if event["method"] == "Network.requestWillBeSent":
                seen.requests.append(told["request"]["url"])
            elif event["method"] == "Log.entryAdded":
                seen.complaints.append(told["entry"]["text"])
            elif event["method"] in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
                seen.complaints.append(json.dumps(told)[:300])
        self._call("Target.closeTarget", targetId=target)
        return seen

    def _call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self._out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while True:
            answer = self._read(deadline)
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result

    def _await(self, method: str, session: str) -> None:
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while not any(event["method"] == method and event.get("sessionId") == session for event in self._events):
            self._read(deadline)

    def _read(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            if not select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"Chromium did not answer within {_DEADLINE_SECONDS} seconds.")
            part = os.read(self._in, 1 << 20)
            if not part:
                raise OSError("Chromium ended. Run it by hand to see why: chromium --headless --no-sandbox about:blank")
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        if "method" in answer:
            self._events.append(answer)
        return answer
