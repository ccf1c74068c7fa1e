"""Agents whose every text is an attack on who looks at it."""

import asyncio
import os
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from moderately import Context, agent

ATTACKS: Final = (
    "<script>window.__xss='script'</script>",
    "<img src=x onerror=\"window.__xss='img'\">",
    '"><svg onload="window.__xss=\'svg\'">',
    "'><details open ontoggle=\"window.__xss='toggle'\">",
    '" autofocus onfocus="window.__xss=\'focus\'" x="',
    "</textarea></title></style></script><script>window.__xss='closed'</script>",
    "--><iframe srcdoc=\"<script>parent.__xss='frame'</script>\"></iframe>",
    "<a href=\"javascript:window.__xss='link'\">link</a>",
    "[link](javascript:window.__xss='markdown')",
    "[link](data:text/html,<script>parent.__xss='data'</script>)",
    "![image](http://elsewhere.example/image.png\"onerror=\"window.__xss='image')",
    "<javascript:window.__xss='auto'>",
    '<meta http-equiv=refresh content="0;url=http://elsewhere.example/">',
    "<base href=http://elsewhere.example/><link rel=stylesheet href=http://elsewhere.example/x>",
    '<math><mtext><table><mglyph><style><!--</style><img title="--><img src onerror=__xss=1>">',
    "{{7777*7777}} ${7777*7777} {% for a in () %}{% endfor %}",
)
ALL: Final = "# Title\n\n" + "\n\n".join(ATTACKS)
"""All of them, as a text that looks like Markdown."""


class Nested(BaseModel):
    """See <img src=x onerror="window.__xss='nested'">."""

    part: Annotated[str, Field(title=ATTACKS[1], description=ATTACKS[2])] = ATTACKS[5]


class Input(BaseModel):
    """Read <script>window.__xss='doc'</script>."""

    model_config = ConfigDict(title=ATTACKS[0])

    text: Annotated[str, Field(title=ATTACKS[2], description=ALL, examples=[ALL])] = ALL
    choice: Annotated[Literal[ATTACKS], Field(description=ATTACKS[4])] = ATTACKS[0]
    strange: Annotated[str, Field(alias=ATTACKS[4], default=ATTACKS[4])]
    nested: Annotated[Nested, Field(title=ATTACKS[3])] = Nested()
    lines: Annotated[list[str], Field(description=ATTACKS[6])] = [ATTACKS[5], ATTACKS[2]]
    anything: Annotated[dict[str, Any], Field(title=ATTACKS[7])] = {ATTACKS[1]: ATTACKS[2]}
    folder: str = ""
    fails: bool = False


def tree(text: str) -> dict[str, Any]:
    """A value with a text in each place that can hold one."""
    return {text: text, "list": [text, {text[:80]: text}], "long": text * 9, "html": ATTACKS[1]}


@agent(description=ALL, version=os.environ.get("HOSTILE_VERSION", "1"))
async def hostile(ctx: Context, input: Input) -> Any:  # noqa: A002
    text = input.text
    gate = Path(input.folder) / "go"
    while input.folder and not gate.exists():  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.01)
    for attack in ATTACKS:
        ctx.log(attack, level="warning", **{attack: attack})
        ctx.progress(0.5, attack)
        ctx.emit(attack, tree(attack))
        ctx.token(attack)
    for role in ("system", "user", "assistant", "tool"):
        ctx.message(
            text if role != "tool" else tree(text),
            role=role,
            model=ATTACKS[1],
            tool_call_id=ATTACKS[2],
            tool_calls=[{"id": ATTACKS[2], "name": ATTACKS[1], "arguments": tree(text)}],
        )

    async def one(attack: str) -> Any:
        ctx.token(attack)
        await asyncio.sleep(0.05)
        ctx.message(attack, model=attack[:80])
        return tree(attack)

    def fail(attack: str) -> None:
        raise type(attack, (Exception,), {})(attack)

    for attack in ATTACKS:
        await ctx.step(attack[:100], one, attack)
        try:
            await ctx.step(f"fail {attack[:80]}", fail, attack)
        except Exception as error:  # noqa: BLE001 - it is made to raise anything
            ctx.log(str(error))
    if input.fails:
        await ctx.step("last", fail, text)
    await ctx.approve(ATTACKS[1], arguments=tree(text), message=text)
    await ctx.wait_for_input(ATTACKS[2], schema=Input)
    return tree(text)


@agent(max_concurrency_per_key=1)
async def keyed(ctx: Context) -> None:
    """Wait its turn."""
    await ctx.wait_for_input(ATTACKS[1])
    await asyncio.sleep(60)
