"""A real Chromium without a window, driven by its DevTools protocol over two pipes: no driver, no library."""

import base64
import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
]
_ANSWER_S = 30


class BrowserFailed(AssertionError):
    """The browser refused a command, or a script in the page threw."""


class Page:
    """The browser's one page. `complaints` holds what it logged as an error, and what scripts threw."""

    def __init__(self, commands: int, events: int) -> None:
        self.complaints: list[str] = []
        self._commands = os.fdopen(commands, "wb")
        self._events = os.fdopen(events, "rb", buffering=0)
        self._buffer = b""
        self._number = 0
        self._session: str | None = None

    def __enter__(self) -> Self:
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._send(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._commands.close()
        self._events.close()

    def open(self, url: str) -> None:
        """Go to a URL; returns when the browser has its first bytes."""
        failed = self._send("Page.navigate", url=url).get("errorText")
        if failed:
            raise BrowserFailed(f"{url}: {failed}")

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression in the page, awaited."""
        answer = self._send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserFailed(f"{script}: {_thrown(answer['exceptionDetails'])}")
        return answer["result"].get("value")

    def wait(self, script: str, *, seconds: float = 20) -> Any:
        """Wait until a JavaScript expression is true, and return its value."""
        end = time.monotonic() + seconds
        while not (value := self.run(script)):
            if time.monotonic() > end:
                raise BrowserFailed(f"{script} is still {value!r}; the page reads:\n{self.text()}")
            time.sleep(0.05)
        return value

    def click(self, selector: str) -> None:
        """Click the element, once it is there."""
        self.wait(f"document.querySelector({json.dumps(selector)}) !== null")
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def fill(self, selector: str, text: str) -> None:
        """Paste text into a field as a person does, so that the page's own scripts notice."""
        self.wait(f"document.querySelector({json.dumps(selector)}) !== null")
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        self._send("Input.insertText", text=text)

    def text(self) -> str:
        """What a person reads on the page."""
        return str(self.run("document.body ? document.body.innerText : ''"))[:5000]

    def screenshot(self, file: Path) -> None:
        """Save what a person sees, as PNG."""
        file.write_bytes(base64.b64decode(self._send("Page.captureScreenshot")["data"]))

    def _send(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        command: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        self._commands.write(json.dumps(command).encode() + b"\0")
        self._commands.flush()
        while True:
            message = self._read()
            if message.get("id") == self._number:
                break
            self._note(message)
        if "error" in message:
            raise BrowserFailed(f"{method}: {message['error']['message']}")
        result: dict[str, Any] = message["result"]
        return result

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            block = self._events.read(1 << 16)
            if not block:
                raise BrowserFailed("the browser has ended")
            self._buffer += block
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def _note(self, event: dict[str, Any]) -> None:
        method, told = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(_thrown(told["exceptionDetails"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.complaints.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
        elif method == "Runtime.consoleAPICalled" and told["type"] in {"error", "assert"}:
            self.complaints.append(" ".join(str(value.get("value")) for value in told["args"]))


def _thrown(details: dict[str, Any]) -> str:
    return str(details.get("exception", {}).get("description") or details["text"])


@contextmanager
def browser(folder: Path) -> Iterator[Page]:
    """Run Chromium with its profile in `folder`; everything it started is ended with the block."""
    to_browser, commands = _pipe()
    events, from_browser = _pipe()
    program = shutil.which("chromium") or "chromium"
    # The protocol's descriptors: 3 to read commands from, 4 to write answers to.
    shell = ["bash", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "bash"]
    with (folder / "chromium.log").open("wb") as output:
        process = subprocess.Popen(
            [*shell, program, *_OPTIONS, f"--user-data-dir={folder / 'profile'}"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[to_browser, from_browser],
            start_new_session=True,
        )
    os.close(to_browser)
    os.close(from_browser)
    try:
        with Page(commands, events) as page:
            yield page
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _pipe() -> tuple[int, int]:
    """Reading and writing end of a pipe, numbered out of the way of 3 and 4."""
    low = os.pipe()
    reader, writer = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in low)
    for end in low:
        os.close(end)
    return reader, writer
