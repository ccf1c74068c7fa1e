"""Every snippet of the README runs, in its order, in one empty folder.

A Python block whose first line names a file is saved under that name; any other one runs. In a
console block `$ make …` must name a target, `$ moderately serve …` starts a service, and any other
command must end with 0.
"""

import re
import subprocess
import sys
from pathlib import Path

from moderately.testing import ServiceProcess

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\w+\.py)\n")


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


def test_every_snippet_runs(tmp_path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    scripts = f"{Path(sys.executable).parent}"
    service: ServiceProcess | None = None
    ran = 0
    try:
        for language, text in BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8")):
            if language == "python" and (named := FILE.match(text)):
                (tmp_path / named[1]).write_text(text, encoding="utf-8")
            elif language == "python":
                assert service is not None
                execute([sys.executable, "-c", text], service, tmp_path)
                ran += 1
            for line in text.splitlines() if language == "console" else []:
                command = line.removeprefix("$ ")
                if command.startswith("make "):
                    assert command.split()[1] in targets
                elif command.startswith("moderately serve "):
                    agents = [tmp_path / name for name in command.split()[2:]]
                    service = ServiceProcess(agents, data=tmp_path / "data")
                    service.env["PATH"] = f"{scripts}:{service.env['PATH']}"
                    service.start()
                else:
                    assert service is not None
                    execute(command, service, tmp_path)
                ran += 1
    finally:
        if service is not None:
            service.__exit__()
    assert ran >= 5


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
