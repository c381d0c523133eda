"Comments beside parameters: read from every shape of definition, shown where a learner asks."
import builtins
import contextlib
import functools
import importlib
import inspect
import io
import pydoc
import subprocess
import sys
import textwrap
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path

import pytest

from dljourney.kit.course import described, docments

root = Path(__file__).parent.parent
here = "dljourney.test_docments"  # as if this file belonged to the package


def ours(thing):
    layer = thing
    while layer:
        layer.__module__ = here
        layer = getattr(layer, "__wrapped__", None)
    return thing


def plain(f):
    @functools.wraps(f)
    def wrapped(*args, **kwargs):
        return f(*args, **kwargs)
    return wrapped


@ours
@plain
def every_kind(
    first,  # position only
    /,
    a, b=(1,
          2),  # two on a line: # and a second sign
    *rest: "int, # no comment",  # what is left
    key=lambda x: {"a": x},  # by name
    silent=1,
    # a line of its own
    below=2,
    **more,  # the others
) -> dict[str, int]:  # what comes back
    # not a docment
    return {}


@ours
def closed(
    x,  # in
):  # out
    return x


@ours
def one_line(x): return x  # of the body


@ours
def one_line_head(x: int) -> int:  # twice x
    return 2 * x


@ours
class Base:
    "A base."

    def __init__(self, x, y=0):
        self.x = x  # across
        self.y = y + 1  # not a docment

    def move(
        self, dx,  # to the right
        dy,  # up
    ) -> None:
        "Go there."

    @property
    def place(self) -> tuple:  # (x, y)
        return self.x, self.y


@ours
class Child(Base):
    def move(self, dx, dy=0): ...


@ours
@dataclass
class Row:
    n: int  # how many
    name: str = ""  # of what
    silent: bool = False
    said: int = 0


def row(
    n: int,  # not this
    said: int,  # by what makes it
    other: int,  # not a field
) -> Row: ...


for method in (row, Base.__init__, Base.move, Base.place.fget, Child.move):
    method.__module__ = here
sys.modules[here] = sys.modules[__name__]


@pytest.mark.parametrize("thing, expected", [
    (every_kind, {"first": "position only", "b": "two on a line: # and a second sign",
                  "rest": "what is left", "key": "by name", "below": "a line of its own",
                  "more": "the others", "return": "what comes back"}),
    (closed, {"x": "in", "return": "out"}),
    (one_line, {}),
    (one_line_head, {"return": "twice x"}),
    (Base, {"x": "across"}),
    (Base.move, {"dx": "to the right", "dy": "up"}),
    (Base(1).move, {"dx": "to the right", "dy": "up"}),
    (Base.place, {"return": "(x, y)"}),
    (Child.move, {"dx": "to the right", "dy": "up"}),
    (Child, {"x": "across"}),
    (Row, {"n": "how many", "name": "of what", "said": "by what makes it"}),
])
def test_each_shape_of_definition(thing, expected):
    assert docments(thing) == expected


@pytest.mark.parametrize("thing", [
    len, 3, None, "text", pytest, Path, Path.read_text, functools.partial(closed, 1),
])
def test_nothing_is_added_to_what_is_not_ours(thing):
    assert docments(thing) == {}
    assert described("as it was", thing) == "as it was"


def test_no_source_no_error():
    space = {"__name__": "dljourney.typed_in"}
    exec("def f(x):  # a comment\n    'Text.'", space)
    assert docments(space["f"]) == {} and described("Text.", space["f"]) == "Text."


def test_long_comments_are_wrapped_and_stay_whole():
    text = described("Base.", closed)
    assert text.startswith("Base.\n\nParameters\n  x  in\n\nReturns\n  out")
    from dljourney.kit.pictures import photos

    text = described(photos.__doc__, photos)
    assert max(map(len, text.splitlines())) <= 110
    assert " ".join(docments(photos)["cache"].split()) in " ".join(text.split())


def shown(code, *options):
    command = [sys.executable, *options, "-c", code]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_help_shows_them_in_a_fresh_process():
    text = shown("from dljourney.sgd import train; help(train)")
    assert "\n      epochs     how often to go through the data" in text
    text = shown("from dljourney.kit.course.notebooks import Chapter; help(Chapter)")
    assert "|    minutes  how long a learner needs" in text


def test_importing_the_package_stays_cheap():
    heavy = "{'ast', 'inspect', 'tokenize', 'pydoc', 'typing', 're', 'torch'}"
    code = "import sys; before = set(sys.modules); import dljourney; "
    code += f"print(({heavy} - before) & set(sys.modules))"
    # without the `site` module there is no help, and no error
    assert shown(code, "-S").strip() == "set()"


def test_the_question_mark_shows_them():
    from IPython.core import oinspect
    from IPython.core.interactiveshell import InteractiveShell

    from dljourney.kit.course import show_in_help
    from dljourney.sgd import train

    before = builtins.help, oinspect.getdoc
    try:
        for _ in range(2):  # twice is as good as once
            show_in_help()
        text = InteractiveShell.instance().inspector._get_info(train)["text/plain"]
        assert text.count("how often to go through the data") == 1
        assert "docments" not in InteractiveShell.instance().inspector._get_info(len)["text/plain"]
    finally:
        builtins.help, oinspect.getdoc = before
        InteractiveShell.clear_instance()


def test_help_of_everything_else_is_as_it_was():
    plain = pydoc.getdoc
    before = [pydoc.render_doc(thing) for thing in (textwrap.fill, dict, pydoc)]
    try:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            help(closed)
        assert "x  in" in out.getvalue() and pydoc.getdoc is not plain
        assert before == [pydoc.render_doc(thing) for thing in (textwrap.fill, dict, pydoc)]
    finally:
        pydoc.getdoc = plain


def public():
    "Every public function, class and method of the package: (name, object)."
    for path in sorted((root / "dljourney").rglob("*.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts)
        if path.stem.startswith("_") or name.startswith("dljourney.exercises."):
            continue
        module = importlib.import_module(name)
        for word in module.__all__:
            thing = getattr(module, word)
            if getattr(thing, "__module__", None) != name or not callable(thing):
                continue
            if inspect.isfunction(thing) or isinstance(thing, type):
                yield f"{name}.{word}", thing
            for method, f in vars(thing).items() if isinstance(thing, type) else ():
                f = getattr(f, "__func__", f)
                bases = thing.__mro__[1:]
                replaces = any(method in {**vars(b), **vars(b).get("__annotations__", {})}
                               for b in bases)
                is_own = inspect.isfunction(f) and f.__module__ == name and not replaces
                if is_own and not method.startswith("_"):
                    yield f"{name}.{word}.{method}", f


def undocumented(thing):
    "The parameters of `thing` without a comment."
    found = docments(thing)
    if is_dataclass(thing):
        names = [f.name for f in fields(thing) if f.init and not f.name.startswith("_")]
    elif isinstance(thing, type) and hasattr(thing, "_fields"):
        names = [f for f in thing._fields if not f.startswith("_")]
    else:
        init = thing.__init__ if isinstance(thing, type) else thing
        if not inspect.isfunction(init) or not init.__module__.startswith("dljourney"):
            return []
        names = [p for p in inspect.signature(init).parameters
                 if p != "self" and not p.startswith("_")]
    return [n for n in names if n not in found and n != "cls"]


def test_every_public_parameter_is_documented():
    missing = {name: bare for name, thing in public() if (bare := undocumented(thing))}
    assert not missing, "\n".join(f"{name}: {', '.join(bare)}" for name, bare in missing.items())


def test_the_house_rule_can_fail():
    assert undocumented(every_kind) == ["a", "silent"] and undocumented(Row) == ["silent"]
    assert len(list(public())) > 300
