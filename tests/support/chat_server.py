"""An OpenAI-compatible endpoint on the loopback interface that misbehaves where it is told to."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from loopback import LoopbackServer, QuietHandler

KEY = "sk-notARealKeyButItMustNotBePrinted"
Judge = Callable[[str, str], bool]
"""(system prompt, explanation) -> whether it belongs to the category."""


class ChatServer(LoopbackServer):
    """The endpoint.

    Attributes:
        faults: by explanation: what its next requests get instead of an answer, first come first served;
            `429`, `500`, `401`, `slow`, `broken`, `prose`, `other label`, `cut off`, `no choices`.
        bodies: the requests, by explanation; times: when each came; at_once: the most at a time.
    """

    def __init__(self, judge: Judge) -> None:
        super().__init__(Handler)
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
        return f"{self.address}/v1"

    @property
    def requests(self) -> int:
        return sum(map(len, self.bodies.values()))


class Handler(QuietHandler):
    """Answers POST /v1/chat/completions."""

    server: ChatServer

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
        self.answer(status, body.encode(), headers or {})
