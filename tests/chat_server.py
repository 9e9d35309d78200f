"""An OpenAI-compatible endpoint on the loopback interface that misbehaves where it is told to."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-notARealKeyButItMustNotBePrinted"
Judge = Callable[[str, str], bool]
"""(system prompt, explanation) -> whether it belongs to the category."""


class ChatServer(ThreadingHTTPServer):
    """The endpoint.

    Attributes:
        faults: by explanation: what its next requests get instead of an answer, first come first served;
            `429`, `500`, `401`, `slow`, `broken`, `prose`, `other label`, `cut off`, `no choices`.
        bodies: the requests, by explanation; times: when each came; at_once: the most at a time.
    """

    daemon_threads = True

    def __init__(self, judge: Judge) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.judge = judge
        self.faults: dict[str, list[str]] = {}
        self.bodies: dict[str, list[Any]] = defaultdict(list)
        self.times: dict[str, list[float]] = defaultdict(list)
        self.keys: set[str] = set()
        self.delay_s = 0.0
        self.now = self.at_once = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def requests(self) -> int:
        return sum(map(len, self.bodies.values()))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up."""


class Handler(BaseHTTPRequestHandler):
    """Answers POST /v1/chat/completions."""

    protocol_version = "HTTP/1.1"
    server: ChatServer

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        system, text = (message["content"] for message in body["messages"])
        server = self.server
        with server.lock:
            server.bodies[text].append(body)
            server.times[text].append(time.monotonic())
            server.keys.add(self.headers["Authorization"])
            server.now += 1
            server.at_once = max(server.at_once, server.now)
            fault = server.faults[text].pop(0) if server.faults.get(text) else ""
        time.sleep(server.delay_s)
        try:
            self._misbehave(fault, body, system, text)
        finally:
            with server.lock:
                server.now -= 1

    def _misbehave(self, fault: str, body: Any, system: str, text: str) -> None:
        yes, no = body["response_format"]["json_schema"]["schema"]["properties"]["label"]["enum"]
        right = json.dumps({"label": yes if self.server.judge(system, text) else no})
        if fault in ("401", "429", "500"):
            # A server may quote the key; nobody must repeat what it says.
            said = json.dumps({"error": {"message": f"refused: {self.headers['Authorization']}"}})
            self._send(int(fault), said, {"Retry-After": "1"} if fault == "429" else {})
        elif fault == "slow":
            time.sleep(1.5)
            self._send(200, self._completion(right))
        elif fault == "broken":
            self._send(200, self._completion(right)[:40])
        elif fault == "no choices":
            self._send(200, json.dumps({"object": "chat.completion", "choices": []}))
        elif fault == "cut off":
            self._send(200, self._completion(right[:5], finish="length"))
        else:
            content = {"prose": f"It is {yes}.", "other label": '{"label": "maybe"}'}.get(fault, right)
            self._send(200, self._completion(content))

    def _completion(self, content: str, finish: str = "stop") -> str:
        choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content}}
        usage = {"prompt_tokens": 100, "completion_tokens": 9, "total_tokens": 109}
        return json.dumps(
            {
                "id": "x",
                "object": "chat.completion",
                "created": 0,
                "model": "judge-1",
                "choices": [choice],
                "usage": usage,
            }
        )

    def _send(self, status: int, body: str, headers: dict[str, str] | None = None) -> None:
        data = body.encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):  # the client of a slow answer has gone
            self.wfile.write(data)


@contextlib.contextmanager
def chatting(judge: Judge) -> Iterator[ChatServer]:
    """An endpoint that runs until the block ends."""
    server = ChatServer(judge)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
