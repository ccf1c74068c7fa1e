"""`research`: finds the passages of a folder's documents that answer a question best.

No model is involved: passages are ranked with BM25 (Robertson and Zaragoza, 2009, "The
Probabilistic Relevance Framework: BM25 and Beyond"), and quoted with file and line.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import bm25s
from pydantic import Field

from moderately.runtime import Context, agent

__all__ = ["Answer", "Passage", "Quote", "find_documents", "rank", "read_passages", "research"]

SUFFIXES: Final = frozenset({".md", ".markdown", ".rst", ".txt", ".py", ".adoc"})
FILE_BYTES: Final = 1024 * 1024
FILE_LIMIT: Final = 5_000
BATCH: Final = 200
PASSAGE_LINES: Final = 30
_HEADING: Final = re.compile(r"#{1,6} |[=\-~]{4,}\s*$")
_WORD: Final = re.compile(r"[A-Za-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Passage:
    """A paragraph of a document, with the heading above it."""

    file: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Quote:
    """A passage that was found."""

    file: str
    line: int
    score: float
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What `research` gives."""

    question: str
    documents: int
    passages: list[Quote]
    answer: str


@agent("research", version="1", timeout=300.0)
async def research(
    ctx: Context,
    folder: Annotated[str, Field(min_length=1, description="The folder with the documents.")],
    question: Annotated[str, Field(min_length=1, description="What to look for.")],
    limit: Annotated[int, Field(ge=1, le=50, description="How many passages to quote.")] = 5,
) -> Answer:
    """Find the passages of a folder's documents that answer a question best."""
    found = await ctx.step("list documents", find_documents, folder)
    files = found[:FILE_LIMIT]
    if len(found) > len(files):
        ctx.log(f"only the first {FILE_LIMIT} documents are read", level="warning", all=len(found))
    passages: list[Passage] = []
    for start in range(0, len(files), BATCH):
        batch = files[start : start + BATCH]
        passages += await ctx.step(f"read from {batch[0]}", read_passages, folder, batch)
        done = start + len(batch)
        ctx.progress(0.8 * done / len(files), f"read {done} of {len(files)} documents")
    quotes = await ctx.step("rank passages", rank, passages, question, limit)
    ctx.progress(1.0, f"ranked {len(passages)} passages")
    return Answer(
        question=question,
        documents=len(files),
        passages=quotes,
        answer=_answer(question, quotes, len(files)),
    )


def find_documents(folder: str) -> list[str]:
    """The documents of a folder, by their paths within it, in order.

    Hidden files and folders are left out, and links that lead outside.

    Raises:
        NotADirectoryError: If there is no such folder.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise NotADirectoryError(f"folder {folder!r} does not exist on the service's machine")
    found = []
    for place, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__")))
        for name in files:
            path = Path(place, name)
            if name.startswith(".") or path.suffix.lower() not in SUFFIXES:
                continue
            if path.is_file() and path.resolve().is_relative_to(root.resolve()):
                found.append(path.relative_to(root).as_posix())
    return sorted(found)


def read_passages(folder: str, files: list[str]) -> list[Passage]:
    """Read documents and cut them into passages. What is no text, or too large, has none."""
    passages: list[Passage] = []
    for file in files:
        path = Path(folder).expanduser() / file
        try:
            if path.stat().st_size > FILE_BYTES:
                continue
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        passages += [Passage(file, line, part) for line, part in _cut(text)]
    return passages


def _cut(text: str) -> Iterator[tuple[int, str]]:
    start, lines = 1, list[str]()
    for number, line in enumerate([*text.splitlines(), ""], 1):
        # A heading stays with the paragraph below it.
        is_heading_only = len(lines) == 1 and _HEADING.match(lines[0])
        if (not line.strip() and not is_heading_only) or len(lines) >= PASSAGE_LINES:
            if any(_WORD.search(found) for found in lines):
                yield start, "\n".join(lines)
            lines = []
        if line.strip():
            if not lines:
                start = number
            lines.append(line.rstrip())
    if lines:
        yield start, "\n".join(lines)


def rank(passages: list[Passage], question: str, limit: int) -> list[Quote]:
    """The passages that share most with the question, the best first; none that share nothing."""
    options = {"stopwords": "en", "show_progress": False}
    words = [str(word) for word in bm25s.tokenize([question], return_ids=False, **options)[0]]
    corpus = [f"{passage.file} {passage.text}".replace("_", " ") for passage in passages]
    if not words or not corpus:
        return []
    index = bm25s.BM25()
    index.index(bm25s.tokenize(corpus, **options), show_progress=False)
    known = [word for word in words if word in index.vocab_dict]
    if not known:
        return []
    scores = index.get_scores(known)
    order = sorted(range(len(passages)), key=lambda n: (-float(scores[n]), n))[:limit]
    return [
        Quote(
            file=passages[n].file,
            line=passages[n].line,
            score=round(float(scores[n]), 3),
            text=passages[n].text,
        )
        for n in order
        if scores[n] > 0
    ]


def _answer(question: str, quotes: list[Quote], documents: int) -> str:
    if not quotes:
        return f"None of the words of {question!r} occurs in the {documents} documents."
    best = quotes[0]
    return (
        f"The best of {len(quotes)} passages in {documents} documents is at"
        f" {best.file}:{best.line}."
    )
