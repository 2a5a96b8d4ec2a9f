"""A server that speaks what providers of models speak, and behaves as a test tells it to."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CHAT = "/v1/chat/completions"
"""Where OpenAI's form is spoken,"""
MESSAGES = "/v1/messages"
"""and where Anthropic's is."""


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    at: float

    @property
    def key(self) -> str:
        """The key by which it was made."""
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        return self.headers.get("x-api-key", bearer)

    @property
    def is_anthropic(self) -> bool:
        return self.path == MESSAGES

    @property
    def told(self) -> str:
        """What the model was told to do."""
        if self.is_anthropic:
            system = self.body["system"]
            return system if isinstance(system, str) else "".join(one["text"] for one in system)
        return "".join(
            one["content"]
            for one in self.body["messages"]
            if one["role"] in ("system", "developer")
        )

    @property
    def given(self) -> str:
        """What it was told it about."""
        [content] = [one["content"] for one in self.body["messages"] if one["role"] == "user"]
        return content if isinstance(content, str) else "".join(one["text"] for one in content)

    @property
    def tool(self) -> str:
        """The name by which an answer is given."""
        [tool] = self.body["tools"]
        return str(tool["name"] if self.is_anthropic else tool["function"]["name"])


@dataclass(frozen=True)
class Reply:
    """What is answered: an object as the schema has it, or any text in its place."""

    answer: Any = None
    status: int = 200
    seconds: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    is_trickling: bool = False
    """Whether its bytes come one by one, ten a second."""
    read: int = 1_000
    written: int = 100


Behave = Callable[[Asked], Reply]


@dataclass
class ModelServer:
    """A running server: what was asked so far, in order, and how it behaves from now on."""

    behave: Behave
    port: int = 0
    asked: list[Asked] = field(default_factory=list)

    @property
    def openai_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def anthropic_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serving(behave: Behave) -> Iterator[ModelServer]:
    """A server on a free port, for as long as it is needed."""
    server = ModelServer(behave)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.path, headers, body, time.monotonic())
            server.asked.append(asked)
            reply = server.behave(asked)
            time.sleep(reply.seconds)
            said = reply.body if reply.body is not None else _body(asked, reply)
            try:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                for one in (bytes([one]) for one in said) if reply.is_trickling else (said,):
                    self.wfile.write(one)
                    time.sleep(0.1 * reply.is_trickling)
            except OSError:
                # Whoever asked has gone.
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    http.block_on_close = False
    server.port = http.server_port
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def _body(asked: Asked, reply: Reply) -> bytes:
    if reply.status != 200:
        # Providers tell keys in such messages.
        error = {"type": "some_error", "message": f"no, not with key {asked.key}"}
        return json.dumps({"type": "error", "error": error}).encode()
    model = asked.body["model"]
    if asked.is_anthropic:
        said: dict[str, Any] = (
            {"type": "text", "text": reply.answer}
            if isinstance(reply.answer, str)
            else {"type": "tool_use", "id": "toolu_1", "name": asked.tool, "input": reply.answer}
        )
        told: dict[str, Any] = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [said],
            "stop_reason": "tool_use",
            "stop_sequence": None,
            "usage": {"input_tokens": reply.read, "output_tokens": reply.written},
        }
        return json.dumps(told).encode()
    arguments = reply.answer if isinstance(reply.answer, str) else json.dumps(reply.answer)
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": asked.tool, "arguments": arguments},
    }
    told = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_780_000_000,
        "model": model,
        "choices": [
            {
                "index": 0,
                "finish_reason": "tool_calls",
                "message": {"role": "assistant", "content": None, "tool_calls": [call]},
            }
        ],
        "usage": {
            "prompt_tokens": reply.read,
            "completion_tokens": reply.written,
            "total_tokens": reply.read + reply.written,
        },
    }
    return json.dumps(told).encode()
