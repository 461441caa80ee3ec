"""Draw docs/images/terminal.svg: commands of docs/command-line.md and what they print.

python docs/figures/terminal.py [FILE]

The page's own code writes the files and its own `fit` the model, in a temporary folder.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

DOCS = Path(__file__).resolve().parents[1]
TARGET = DOCS / "images" / "terminal.svg"
#: What is run, by its beginning in the page, and whether it is drawn.
STEPS = {"madapt fit": False, "madapt recommend": True, "madapt evaluate": True}
FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
WIDTH = 100  # columns


def commands(page: str) -> dict[str, str]:
    """Return the page's command of each step."""
    lines = re.findall(r"^\$ (madapt .*)$", page, re.MULTILINE)
    return {
        step: next(line for line in lines if line.startswith(step) and "--dry-run" not in line)
        for step in STEPS
    }


def printed(command: str, folder: str) -> str:
    """Run a command in a folder and return what it printed."""
    arguments = [sys.executable, "-m", "madapt", *shlex.split(command)[1:]]
    paths = [str(DOCS.parent), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run(
        arguments, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.rstrip()


def svg_of(console: Console) -> str:
    """Return what was recorded as a picture that needs no font from elsewhere."""
    svg = console.export_svg(title="madapt", theme=MONOKAI, unique_id="terminal")
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: ?[^;]+;", f"font-family: {FONTS};", svg)
    return re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE)


def main() -> None:
    """Run the commands and draw them."""
    page = (DOCS / "command-line.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    console = Console(record=True, width=WIDTH, file=io.StringIO(), highlight=False)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
        for step, command in commands(page).items():
            output = printed(command, folder)
            if STEPS[step]:
                console.print(Text(f"$ {command}", style="bold green"))
                console.print(Text(output + "\n"))
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    target.write_text(svg_of(console) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
