"""Values made readable: JSON as a tree, Markdown, long text folded. Pure.

What an agent or a caller has written is never trusted: all of it is escaped, and of Markdown only
tags of a known few are made, with links to `http`, `https` and `mailto` alone.
"""

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import islice
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup, escape

__all__ = ["TextMode", "looks_like_markdown", "render_markdown", "render_text", "render_value"]

_OPEN_DEPTH: Final = 3
_OPEN_CHILDREN: Final = 40
_DEEPEST: Final = 24
_CHARACTERS_PER_NODE: Final = 100
_MOST_CHARACTERS: Final = 200_000
_LONG_CHARACTERS: Final = 600
_LONG_LINES: Final = 14
_PEEK: Final = 90
_MARKDOWN_LIMIT: Final = 40_000
_LINK: Final = re.compile(r"(?:https?://|mailto:)[^\s<>\"]+", re.IGNORECASE)
_MARKDOWN: Final = re.compile(
    r"^#{1,6} \S|^```|^ {0,3}[-*+] \S|^ {0,3}\d{1,3}\. \S|^\|.*\|\s*$|^> \S"
    r"|\*\*\S[^*\n]*\*\*|\[[^\[\]\n]+\]\(https?://",
    re.MULTILINE,
)
_PEEKED: Final = 20_000


class TextMode(StrEnum):
    """How texts are shown."""

    AUTO = "auto"
    MARKDOWN = "markdown"
    PLAIN = "plain"


class _Budget:
    """How much more of a value is shown, so that a huge one does not make a huge page."""

    def __init__(self, characters: int) -> None:
        self.nodes = 1 + characters // _CHARACTERS_PER_NODE
        self.characters = characters
        self.is_cut = False

    def take(self, text: str) -> str:
        """As much of a text as is shown."""
        self.nodes -= 1
        shown = text[: max(0, self.characters)]
        self.characters -= len(shown)
        self.is_cut = self.is_cut or len(shown) < len(text)
        return shown


def render_value(
    value: Any,
    *,
    raw_url: str | None = None,
    mode: TextMode = TextMode.AUTO,
    characters: int = _MOST_CHARACTERS,
) -> Markup:
    """A JSON value as HTML.

    Args:
        value: The value.
        raw_url: Where all of it is, for one too large to be shown.
        mode: How texts are shown.
        characters: How much of it is shown at most.

    Example:
        >>> render_value("<b>")
        Markup('<p class="text">&lt;b&gt;</p>')
    """
    budget = _Budget(characters)
    if isinstance(value, str):
        shown = render_text(budget.take(value), mode)
    elif isinstance(value, dict | list) and value:
        shown = _children(value, 0, budget, mode)
    else:
        shown = _scalar(value, budget, mode)
    if not budget.is_cut:
        return shown
    where = Markup(' <a href="{}">All of it as JSON</a>').format(raw_url) if raw_url else Markup("")
    return shown + Markup('<p class="cut">Too much to show: the rest is left out.{}</p>').format(
        where
    )


def render_text(text: str, mode: TextMode = TextMode.AUTO) -> Markup:
    """A text as HTML: Markdown where it looks like that, or plain; folded where it is long."""
    is_markdown = mode is TextMode.MARKDOWN or (mode is TextMode.AUTO and looks_like_markdown(text))
    if is_markdown and len(text) <= _MARKDOWN_LIMIT:
        body = Markup('<div class="markdown">{}</div>').format(render_markdown(text))
    elif "\n" in text:
        body = Markup('<pre class="text">{}</pre>').format(text)
    else:
        body = Markup('<p class="text">{}</p>').format(text)
    return _folded(text, body) if _is_long(text) else body


def looks_like_markdown(text: str) -> bool:
    """Whether a text is better read as Markdown: it has a heading, a list, a table, or the like."""
    return _MARKDOWN.search(text, 0, _PEEKED) is not None


def render_markdown(text: str) -> Markup:
    """Markdown as HTML, with no markup but its own, no image, and no link to anything odd."""
    tokens = _markdown.parse(text)
    for token in tokens:
        _tame(token)
    html = _markdown.renderer.render(tokens, _markdown.options, {})
    return Markup(html)  # noqa: S704 - its renderer escapes whatever is not its own


def _tame(token: Token) -> None:
    if token.type in {"heading_open", "heading_close"}:
        # The page has the first levels.
        token.tag = f"h{min(6, int(token.tag[1:]) + 2)}"
    if token.type in {"th_open", "td_open"} and token.attrs.pop("style", None) == (
        "text-align:right"
    ):
        token.attrSet("class", "number")


def _link_open(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    tokens[index].attrSet("rel", "noopener noreferrer nofollow")
    return self.renderToken(tokens, index, options, env)


def _image(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    token = tokens[index]
    text = self.renderInlineAsText(token.children or [], options, env) or "image"
    return Markup('<a href="{}" rel="noopener noreferrer nofollow">{}</a>').format(
        str(token.attrs["src"]), text
    )


def _make_markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    markdown.validateLink = _is_link  # type: ignore[method-assign]
    markdown.add_render_rule("link_open", _link_open)
    markdown.add_render_rule("image", _image)
    return markdown


def _is_link(url: str) -> bool:
    return _LINK.fullmatch(url) is not None


_markdown: Final = _make_markdown()


def _is_long(text: str) -> bool:
    return len(text) > _LONG_CHARACTERS or text.count("\n") >= _LONG_LINES


def _folded(text: str, body: Markup) -> Markup:
    return Markup(
        '<details class="long"><summary>{}… <span class="size">{} characters</span></summary>'
        "{}</details>"
    ).format(" ".join(text[: _PEEK * 2].split())[:_PEEK], f"{len(text):,}", body)


def _children(
    value: dict[str, Any] | list[Any], depth: int, budget: _Budget, mode: TextMode
) -> Markup:
    pairs: Iterable[tuple[str | int, Any]] = (
        value.items() if isinstance(value, dict) else enumerate(value)
    )
    rows = [
        _row(key, item, depth, budget, mode)
        for key, item in islice(pairs, max(0, min(budget.nodes, len(value))))
        if budget.nodes > 0
    ]
    left = len(value) - len(rows)
    if left:
        budget.is_cut = True
        rows.append(Markup('<li class="cut">… {} more</li>').format(f"{left:,}"))
    return Markup('<ul class="tree">{}</ul>').format(Markup("").join(rows))


def _row(key: str | int, value: Any, depth: int, budget: _Budget, mode: TextMode) -> Markup:
    kind = "index" if isinstance(key, int) else "key"
    name = Markup('<span class="{}">{}</span>').format(kind, budget.take(str(key)))
    if not isinstance(value, dict | list) or not value:
        return Markup("<li>{} {}</li>").format(name, _scalar(value, budget, mode))
    count = len(value)
    one, many = ("field", "fields") if isinstance(value, dict) else ("item", "items")
    size = f"{count:,} {one if count == 1 else many}"
    if depth >= _DEEPEST:
        budget.is_cut = True
        return Markup('<li class="cut">{} {}, nested too deep</li>').format(name, size)
    is_open = depth + 1 < _OPEN_DEPTH and count <= _OPEN_CHILDREN
    return Markup(
        '<li><details{}><summary>{} <span class="size">{}</span></summary>{}</details></li>'
    ).format(
        Markup(" open") if is_open else "", name, size, _children(value, depth + 1, budget, mode)
    )


def _scalar(value: Any, budget: _Budget, mode: TextMode) -> Markup:
    if isinstance(value, str):
        return _string(budget.take(value), mode)
    if value is None or isinstance(value, bool):
        text, kind = {None: "null", True: "true", False: "false"}[value], "literal"
    elif isinstance(value, dict | list):
        text, kind = "{}" if isinstance(value, dict) else "[]", "literal"
    else:
        text, kind = str(value), "number"
    return Markup('<span class="{}">{}</span>').format(kind, budget.take(text))


def _string(text: str, mode: TextMode) -> Markup:
    if "\n" in text and mode is not TextMode.PLAIN:
        return render_text(text, mode)
    if _is_long(text):
        return _folded(text, Markup('<pre class="text">{}</pre>').format(text))
    shown = escape(text)
    if _LINK.fullmatch(text):
        link = Markup('<a href="{}" rel="noopener noreferrer nofollow">{}</a>')
        shown = link.format(text, text)
    return Markup('<span class="string">{}</span>').format(shown)
