"""The demos of the site: pages that live without Python, beside the still pictures they stand for.

A demo's text says what it is made of, `RollDownhill(landscape='ravine', lr=0.3, ...)`, so it can be
made again without its notebook being run.
"""
import ast
import re
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from dljourney.kit.live.pages import RECORDED

# Demos that need Python are recorded: these of their values, at these stops of their work.
recordings: dict[str, dict] = {
    "DoubleDescent": dict(over={"n": [50, 100, 200], "ridge": [0.0, 1e-3],
                                "width": [0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.0,
                                          3.0, 4.0, 5.5, 8.0]}),
    "ShuffledLabels": dict(over={"fraction": [0.0, 0.25, 0.5, 0.75, 1.0]}, stops=range(0, 150, 6)),
}

# What changes a demo and is not told by its text: such a demo stays a picture. So does Studio,
# whose text counts its pictures: a page with photonet weighs three times as much as one of TeachMe.
own = {"rule", "data", "best_head", "teach", "train"}


def demo_of(source: str, told: str) -> Any:
    "The demo that a cell has shown, told by its text, or None where no page can be it."
    try:
        call = ast.parse(told, mode="eval").body
        cell = ast.walk(ast.parse(re.sub(r"^[%!].*", "", source, flags=re.M)))
    except SyntaxError:
        return None
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)): return None
    name = call.func.id
    made = [node for node in cell if isinstance(node, ast.Call) and named(node.func) == name]
    if any(node.args or {k.arg for k in node.keywords} & own for node in made) or not made:
        return None
    steps = re.search(r"\.step\((\d+)\)", source)
    return built(name, told, int(steps[1]) if steps else 0)


def named(function: ast.expr) -> str:
    "`RollDownhill`, as `demos.RollDownhill`, too."
    return getattr(function, "id", getattr(function, "attr", ""))


@cache
def built(name: str, told: str, steps: int) -> Any:
    "A demo that lives in a page, or is recorded for one; or None."
    from dljourney import demos

    if name not in dir(demos): return None
    call = ast.parse(told, mode="eval").body
    values = {k.arg: ast.literal_eval(k.value) for k in call.keywords}  # type: ignore[attr-defined]
    try:
        demo = getattr(demos, name)(**values)
        if name not in recordings: demo.alive()
    except (AttributeError, TypeError):  # it needs Python
        return None
    if steps and name not in recordings: demo.step(steps)
    return demo


@cache
def written(name: str, told: str, steps: int, folder: Path) -> str:
    "The file of a demo's page in `folder`, written once."
    known = sum(1 for p in folder.glob(f"{file_name(name)}*.html"))
    path = folder / f"{file_name(name)}{f'-{known + 1}' if known else ''}.html"
    folder.mkdir(parents=True, exist_ok=True)
    built(name, told, steps).to_html(path, **recordings.get(name, {}))
    return path.name


def file_name(name: str) -> str:
    "BeTheOptimiser -> be_the_optimiser"
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def place(source: str, told: str, folder: Path) -> str:
    "HTML that puts a demo's page where the picture before it is; empty where there is none."
    demo = demo_of(source, told)
    if demo is None: return ""
    steps = re.search(r"\.step\((\d+)\)", source)
    name = type(demo).__name__
    file = written(name, told, int(steps[1]) if steps else 0, folder)
    recording = f". {RECORDED.replace('page', 'demo')}" if name in recordings else ""
    title = escape(demo.title or file_name(name).replace("_", " ").capitalize())
    return (f'<p class="alive" data-title="{title}"><a href="demos/{file}">{title} as a page of '
            f"its own</a>, to play with, to keep, to send{recording}</p>")
