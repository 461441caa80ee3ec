"""The command `madapt`: what it is asked for, what it prints, and its exit codes."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import madapt
from madapt.exceptions import MadaptError, MadaptWarning

__all__ = ["main"]

#: Exit codes; the last two are those of shells, 128 and the number of the signal.
ERROR, INTERRUPTED, PIPE_CLOSED = 2, 130, 141
MOST_SEED = 2**32 - 1
PICTURES = (".pdf", ".png", ".svg")
#: The commands that need typer; `madapt NAME --help` says more of each.
COMMANDS = {
    "fit": "learn an adaptor from a file of vectors",
    "transform": "adapt a file of vectors, block by block",
    "evaluate": "measure search by the number of dims kept",
    "recommend": "say which dim keeps enough",
    "report": "write a page of curves, bytes and cost",
    "export": "write a model for ONNX, FAISS and others",
    "info": "say what a model's file holds",
}

_EXAMPLES = """\
examples:
  madapt demo                     see what madapt does, without data and without a network
  madapt demo --output curve.png  the same, with the picture saved elsewhere
  madapt fit corpus.parquet -o model.safetensors
  madapt transform model.safetensors corpus.parquet -o small.parquet --dim 64
"""
_DEMO = """\
Fit on the collection that comes with madapt, 1,400 abstracts and 225 judged queries with
their vectors, without labels and with those of 125 queries. Then print how well the other
100 queries find their documents with vectors of 8 dims and more, show one search, and save
the curves as a picture. Takes about a minute on two cores and needs no network.
"""
_DEMO_EXAMPLES = """\
examples:
  madapt demo
  madapt demo --output curve.svg --seed 1
  madapt demo --no-plot
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str or None, default=None
        The arguments; None takes them from the command line.

    Returns
    -------
    int
        The exit code: 0, 2 after an error, 130 after Ctrl-C, 141 where nobody reads on.
        Errors are one line on stderr.

    Examples
    --------
    >>> from madapt.cli import main
    >>> main(["--version"])
    madapt 0.1.0
    0
    """
    try:
        with _warnings_in_a_line():
            _run(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except SystemExit as ended:  # how argparse ends: help, version, usage
        return ended.code if isinstance(ended.code, int) else 0
    except KeyboardInterrupt:
        print("madapt: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # as in `madapt demo | head`
        # What is left in the buffer must go somewhere when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except (MadaptError, ImportError, MemoryError, OSError, ValueError) as error:
        print("madapt: error:", *str(error).split(), file=sys.stderr)
        return ERROR
    return 0


def _run(arguments: list[str]) -> None:
    """Do what is asked for; demo, help and version need nothing but the standard library."""
    if arguments and arguments[0] in COMMANDS:
        work = _read_by_typer(arguments)
        if callable(work):
            work()
        return
    parsed = _parser().parse_args(arguments)
    parsed.run(parsed)


def _read_by_typer(arguments: list[str]) -> Any:
    """Return what is to be done, or an exit code; usage errors are one line."""
    try:
        import typer  # noqa: F401
    except ImportError:
        raise ImportError(
            f'madapt {arguments[0]} needs typer, which is not installed: pip install "madapt[cli]"'
        ) from None
    from madapt._commands.app import read

    try:
        return read(arguments)
    except Exception as error:
        if not hasattr(error, "format_message"):  # typer does not name its errors of usage
            raise
        message = " ".join(error.format_message().split()).rstrip(".")
        name = f"madapt {arguments[0]}"
        print(f"{name}: error: {message}; see {name} --help", file=sys.stderr)
        raise SystemExit(ERROR) from None


@contextmanager
def _warnings_in_a_line() -> Iterator[None]:
    """Print warnings of madapt as one line each, without the place in the code."""

    def show(message: Any, category: type[Warning], *where: Any, **others: Any) -> None:
        print("madapt: warning:", *str(message).split(), file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("default", MadaptWarning)
        warnings.showwarning = show
        yield


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(ERROR, f"{self.prog}: error: {message}; see {self.prog} --help\n")


class _CommandsHelp(argparse.RawDescriptionHelpFormatter):
    """Room for the names of commands, whose indentation argparse forgets to count."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._action_max_length = 4 + max(map(len, COMMANDS))


def _parser() -> _Parser:
    parser = _Parser(
        prog="madapt",
        description="Make any embedding Matryoshka: each prefix of a vector a good vector.",
        epilog=_EXAMPLES,
        formatter_class=_CommandsHelp,
    )
    parser.add_argument("--version", action="version", version=f"madapt {madapt.__version__}")
    parser.set_defaults(run=lambda arguments: parser.print_help())
    commands = parser.add_subparsers(title="commands", metavar="command")

    demo = _command(commands, "demo", _demo, "show what madapt does", _DEMO, _DEMO_EXAMPLES)
    demo.add_argument(
        "--output",
        type=_picture,
        default=Path("demo.png"),
        metavar="FILE",
        help="where to save the picture: .png, .svg or .pdf (default: demo.png)",
    )
    demo.add_argument(
        "--seed", type=_seed, default=0, metavar="N", help="seed of the fits (default: 0)"
    )
    demo.add_argument("--no-plot", action="store_true", help="make no picture")
    for name, summary in COMMANDS.items():  # for the list; `_run` has them read by typer
        commands.add_parser(name, help=summary)
    return parser


def _command(
    commands: argparse._SubParsersAction[_Parser],
    name: str,
    run: Callable[[argparse.Namespace], None],
    summary: str,
    description: str,
    examples: str,
) -> _Parser:
    """Add a command, to which its own arguments can be added."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def _demo(arguments: argparse.Namespace) -> None:
    from madapt._demo import NEXT_STEPS, run_demo

    demo = run_demo(arguments.seed, sys.stderr)
    width = min(max(shutil.get_terminal_size((100, 24)).columns, 80), 120)
    print(f"\n{demo.table()}\n\n{demo.search(width)}\n", flush=True)
    if not arguments.no_plot:
        try:
            demo.draw(arguments.output)
            print(f"The curves are drawn in {arguments.output}\n")
        except ImportError:
            print("For a picture of the curves: pip install 'madapt[plot]'\n")
    print(NEXT_STEPS)


def _picture(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in PICTURES:
        raise argparse.ArgumentTypeError(f"must end in {', '.join(PICTURES)}, got {text!r}")
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"must be a file in a folder that exists, got {text!r}")
    return path


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) > MOST_SEED:
        raise argparse.ArgumentTypeError(f"must lie in 0..{MOST_SEED}, got {text!r}")
    return int(text)
