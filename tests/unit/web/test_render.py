"""Values made readable, and harmless."""

import time
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderately.web.render import (
    TextMode,
    looks_like_markdown,
    render_markdown,
    render_text,
    render_value,
)

TAGS = {
    *(
        "a",
        "blockquote",
        "br",
        "code",
        "details",
        "div",
        "em",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "li",
        "ol",
    ),
    *("p", "pre", "s", "span", "strong", "summary", "table", "tbody", "td", "th", "thead", "tr"),
    "ul",
}
ATTRIBUTES = {"class", "href", "rel", "open", "start", "title"}
REL = "noopener noreferrer nofollow"

TRICKS = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt&#58;alert(1))",
    "[a](&#x6A;avascript:alert(1))",
    "[a](java\tscript:alert(1))",
    "[a](data:text/html;base64,PHNjcmlwdD4=)",
    "![a](data:image/svg+xml;base64,PHN2Zz4=)",
    "![a](https://evil.example/pixel.png)",
    '![a" onerror="alert(1)](https://evil.example/x"onerror="alert(1))',
    "<javascript:alert(1)>",
    "<https://example.com/\"onclick='alert(1)'>",
    "[a]: javascript:alert(1)\n\n[a]",
    '[a](https://example.com "x\\" onclick=\\"alert(1)")',
    '```"><script>alert(1)</script>\ncode\n```',
    '```js" onclick="alert(1)\ncode\n```',
    "| a |\n|:-:|\n| <b onclick=alert(1)> |",
    "<!--",
    "<![CDATA[",
    "&lt;script&gt;",
    "[a](vbscript:x)",
    "[a](//evil.example)",
    "[a](/ui/sign-out)",
    "[a](file:///etc/passwd)",
    "https://example.com/'onclick=alert(1)",
]


class Judge(HTMLParser):
    """Finds what must not be in a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.wrong: list[str] = []
        self.depth: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        self.wrong += [tag] if tag not in TAGS else []
        self.wrong += [name for name in names if name not in ATTRIBUTES]
        if "href" in names:
            is_link = (names["href"] or "").lower().startswith(("http://", "https://", "mailto:"))
            self.wrong += [] if is_link and names.get("rel") == REL else [str(names["href"])]
        if tag not in {"br", "hr"}:
            self.depth.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self.depth or self.depth.pop() != tag:
            self.wrong.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.wrong.append(f"comment {data}")

    def handle_decl(self, decl: str) -> None:
        self.wrong.append(f"declaration {decl}")

    unknown_decl = handle_decl
    handle_pi = handle_decl


def judge(html: str) -> Judge:
    found = Judge()
    found.feed(html)
    found.close()
    assert found.wrong == [], html
    assert found.depth == [], html
    return found


texts = st.one_of(
    st.text(),
    st.sampled_from(TRICKS),
    st.lists(st.sampled_from([*TRICKS, "\n", "\n\n", "- ", "> ", "# ", "**", "`", "| "])).map(
        "".join
    ),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(texts, inner, max_size=5)),
)


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("mode", TextMode)
def test_no_known_trick_gets_through(trick: str, mode: TextMode) -> None:
    judge(render_text(trick, mode))
    judge(render_value({trick: [trick, {trick: trick * 100}]}, mode=mode))


@given(texts)
def test_no_text_makes_markup_that_is_not_ours(text: str) -> None:
    judge(render_markdown(text))
    for mode in TextMode:
        judge(render_text(text, mode))


@given(values)
def test_no_value_makes_markup_that_is_not_ours(value: Any) -> None:
    judge(render_value(value))


@given(st.text().filter(lambda text: "\r" not in text and "\0" not in text))
def test_a_plain_text_is_shown_as_it_is(text: str) -> None:
    assert text in judge(render_text(text, TextMode.PLAIN)).text


def test_a_tree_shows_keys_values_and_sizes() -> None:
    text = judge(render_value({"a": [1, 2.5, None], "b": {"c": True}, "d": {}})).text
    assert text == "a 3 items0 11 2.52 nullb 1 fieldc trued {}"


def test_what_is_deep_or_wide_is_folded() -> None:
    html = render_value({"a": {"b": {"c": {"d": 1}}}, "wide": list(range(100))})
    assert html.count("<details open>") == 2
    assert html.count("<details>") == 2


def test_a_long_text_is_folded_with_its_length() -> None:
    html = render_value({"text": "word " * 1000})
    assert '<span class="size">5,000 characters</span>' in html


def test_a_huge_value_is_cut_and_says_where_all_of_it_is() -> None:
    html = render_value({"rows": [{"n": n} for n in range(100_000)]}, raw_url="/raw?a=1&b=2")
    assert len(html) < 300_000
    assert '<a href="/raw?a=1&amp;b=2">All of it as JSON</a>' in html
    assert len(render_value("x" * 10_000_000)) < 1_000_000


def test_a_value_that_nests_deep_is_cut() -> None:
    value: Any = 1
    for _ in range(900):
        value = [value]
    assert "nested too deep" in render_value(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# Title\ntext", True),
        ("some\n- list\n- more", True),
        ("a **bold** word", True),
        ("see [this](https://example.com)", True),
        ("| a | b |\n|---|---|", True),
        ("plain words", False),
        ("a - b - c", False),
        ("2 * 3 * 4 ** 5", False),
        ("C# and F#", False),
    ],
)
def test_markdown_is_told_from_plain_text(text: str, *, expected: bool) -> None:
    assert looks_like_markdown(text) is expected


def test_markdown_is_rendered_below_the_pages_headings() -> None:
    html = render_markdown("# One\n\n**two** `three`\n\n| a |\n|--:|\n| 1 |\n")
    assert "<h3>One</h3>" in html
    assert "<strong>two</strong> <code>three</code>" in html
    assert '<td class="number">1</td>' in html
    assert "style" not in html


def test_an_image_is_a_link_and_is_not_loaded() -> None:
    html = render_markdown("![a cat](https://example.com/cat.png)")
    assert "<img" not in html
    assert f'<a href="https://example.com/cat.png" rel="{REL}">a cat</a>' in html


@pytest.mark.parametrize("text", ["[" * 20_000, "[a](" * 5_000, "**a" * 6_000, "|a" * 10_000])
def test_whether_a_text_is_markdown_is_soon_seen(text: str) -> None:
    begun = time.process_time()
    looks_like_markdown(text)
    assert time.process_time() - begun < 0.25
