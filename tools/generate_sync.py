"""Makes the synchronous client of the asynchronous one.

    python tools/generate_sync.py            writes src/moderately/client/_sync
    python tools/generate_sync.py --check    exits with 1 where the files differ

Words are replaced, whole: `await` goes, `async with` becomes `with`, `AsyncTransport` becomes
`Transport`. `io.py` and `open_reply.py`, which touch the world, are written by hand on both sides.
"""

import re
import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).parent.parent / "src/moderately/client"
BY_HAND = {"io.py", "open_reply.py"}
WORDS = [
    # A list that is asked for asynchronously is awaited, or iterated over; here it is a page.
    (r"\bAsyncListing\b", "PaginatedResponse"),
    (r"\bAwaitable, ", ""),
    (r"\bAwaitable\[(.+?)\]", r"\1"),
    (r"\b__aiter__\b", "__iter__"),
    (r"\b__anext__\b", "__next__"),
    (r"\bStopAsyncIteration\b", "StopIteration"),
    (r"\bawait ", ""),
    (r"\basync (?=def |with |for )", ""),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\b_async\b", "_sync"),
    (r"\b__aenter__\b", "__enter__"),
    (r"\b__aexit__\b", "__exit__"),
    (r"\baclose\b", "close"),
    (r"  # noqa: ASYNC109[^\n]*", ""),
    (
        r"The asynchronous client, written by hand\. `_sync` is made of it by `[^`]*`\.",
        "The synchronous client: made of `_async` by `tools/generate_sync.py`, but for `io.py`.",
    ),
]


def generate(name: str) -> str:
    """The synchronous twin of a file, formatted."""
    text = (CLIENT / "_async" / name).read_text(encoding="utf-8")
    for pattern, replacement in WORDS:
        text = re.sub(pattern, replacement, text)
    for command in (["format", "-"], ["check", "--fix", "--quiet", "--select=I", "-"]):
        text = subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-m", "ruff", *command, f"--stdin-filename={CLIENT / '_sync' / name}"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    return text


def main() -> int:
    """Write the files, or compare them."""
    stale = []
    for source in sorted((CLIENT / "_async").glob("*.py")):
        target = CLIENT / "_sync" / source.name
        if source.name in BY_HAND:
            continue
        text = generate(source.name)
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            stale.append(target.name)
            if "--check" not in sys.argv:
                target.write_text(text, encoding="utf-8")
    if stale and "--check" in sys.argv:
        print(f"not what it is made of: {', '.join(stale)}; run: make sync")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
