"""A server for the SDKs: every wire that they speak, as fast as it can be.

The last part of a path says when the run ends: `t1795553827.25` at that time (seconds since 1970),
`dribble` replies for five seconds, byte by byte.
"""

import asyncio
import json
import re
import time
from urllib.parse import urlsplit

_WAIT = re.compile(r"prefer: *wait=([0-9.]+)", re.IGNORECASE)
_DRIBBLE_SECONDS = 5.0


def run(name: str) -> dict[str, object]:
    """A run, in the words of all of them."""
    ended = not name.startswith("t") or time.time() >= float(name[1:])
    status = "completed" if ended else "running"
    return {
        "id": name,
        "object": "thread.run",
        "status": status if ended else "in_progress",
        "run_id": name,
        "thread_id": "t",
        "agent_id": "a",
        "is_terminal": ended,
        "created_at": 1,
        "output_data": {"answer": 42},
        "padding": "x" * 300,
    }


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := (await reader.readuntil(b"\r\n\r\n")).decode("latin-1"):
            parts = urlsplit(head.split(" ", 2)[1]).path.strip("/").split("/")
            is_join = parts[-1] == "join"
            name = parts[-2] if is_join else parts[-1]
            held = _WAIT.search(head)
            if name.startswith("t") and (held or is_join):
                left = max(0.0, float(name[1:]) - time.time())
                await asyncio.sleep(min(left, float(held[1])) if held else left)
            body = json.dumps(run(name)).encode()
            applied = f"Preference-Applied: wait={held[1]}\r\n" if held else ""
            lines = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{applied}"
            writer.write(f"{lines}Content-Length: {len(body)}\r\n\r\n".encode())
            if name == "dribble":
                for byte in body:
                    await asyncio.sleep(_DRIBBLE_SECONDS / len(body))
                    if writer.is_closing():
                        return
                    writer.write(bytes([byte]))
            else:
                writer.write(body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
