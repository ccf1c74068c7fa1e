"""Every snippet of the README runs, in its order, in one empty folder.

A Python block whose first line names a file is saved under that name; any other one runs. In a
console block `$ make …` must name a target, `$ moderately serve …` and `$ moderately worker …`
start processes, on a real database where they name one, and any other command must end with 0.
"""

import re
import shlex
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from moderately.testing import ServiceProcess, WorkerProcess

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\w+\.py)\n")
DATABASE = re.compile(r"postgresql://\S+")


def execute(command: list[str] | str, service: ServiceProcess, folder: Path) -> None:
    found = subprocess.run(
        command,
        shell=isinstance(command, str),
        cwd=folder,
        env=service.env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.returncode == 0, f"{command}:\n{found.stdout}{found.stderr}"


def start(words: list[str], folder: Path, number: int) -> ServiceProcess | WorkerProcess:
    """Start what `moderately serve` or `moderately worker` with these words starts."""
    agents = [folder / word for word in words[2:] if word.endswith(".py")]
    args = [word for word in words[2:] if not word.endswith(".py")]
    kind = ServiceProcess if words[1] == "serve" else WorkerProcess
    process = kind(agents, data=folder / f"data-{number}", args=args)
    process.env["PATH"] = f"{Path(sys.executable).parent}:{process.env['PATH']}"
    return process


def test_every_snippet_runs(tmp_path: Path, postgres_url: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    service: ServiceProcess | None = None
    ran = 0
    with ExitStack() as stack:
        for language, text in BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8")):
            if language == "python" and (named := FILE.match(text)):
                (tmp_path / named[1]).write_text(text, encoding="utf-8")
            elif language == "python":
                assert service is not None
                execute([sys.executable, "-c", text], service, tmp_path)
                ran += 1
            for line in text.splitlines() if language == "console" else []:
                command = DATABASE.sub(postgres_url, line.removeprefix("$ "))
                words = shlex.split(command)
                if words[0] == "make":
                    assert words[1] in targets
                elif words[1] in ("serve", "worker"):
                    process = stack.enter_context(start(words, tmp_path, ran))
                    service = process if isinstance(process, ServiceProcess) else service
                else:
                    assert service is not None
                    execute(command, service, tmp_path)
                ran += 1
        assert service is not None
        # The last service runs nothing itself: the worker beside it does.
        execute('moderately run word-count --input \'{"text": "a b"}\'', service, tmp_path)
    assert ran >= 8


def test_every_file_that_the_documents_link_to_is_there() -> None:
    for document in [ROOT / "README.md", *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_every_test_that_the_documents_name_is_there() -> None:
    text = (ROOT / "docs/durability.md").read_text(encoding="utf-8")
    files = {path.name: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    for name in re.findall(r"\b(test_\w+\.py)\b", text):
        assert name in files, name
    everything = "\n".join(files.values())
    named = re.findall(r"::(test_\w+)", text)
    assert named
    for name in named:
        assert f"def {name}(" in everything, name
