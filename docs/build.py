"""Lay the site's pages in a folder and let Sphinx build them: `make docs`, or this with a FOLDER.

The chapters are the committed notebooks with the outputs that `make notebooks` stored. Nothing is
executed.
"""
import argparse
import base64
import copy
import gc
import json
import re
import shutil
import sys
from html import escape
from pathlib import Path

here = Path(__file__).parent
root = here.parent
sys.path[:0] = [str(here), str(root)]

from alive import place  # noqa: E402
from house import modules, public_names  # noqa: E402

from dljourney.kit.course import Chapter, chapters  # noqa: E402

families = {  # heading -> which modules; those of the exercises hold no names of their own
    "Chapters": ["whole_game", "samuel", "checkers", "sgd", "optimisers", "universal",
                 "overfitting", "transfer", "program", "pretraining"],
    "Experiments": ["experiments."],
    "Demos": ["demos."],
    "The kit": ["kit."],
    "The course and its commands": ["cli."],
}


# Notebooks


def page_of(notebook: dict, name: str, demos: Path | None = None) -> dict:
    """A notebook as a page: directives and hidden cells gone, pictures with their words and size.

    Behind a demo that can live in a page comes the place for it; its page goes to `demos`.
    """
    notebook = copy.deepcopy(notebook)
    notebook["metadata"]["language_info"] = {"name": "python", "pygments_lexer": "python3"}
    cells = []
    for cell in notebook["cells"]:
        shown = cell_of(cell)
        cells += [shown] if shown else []
        if demos and shown and (html := demo_after(shown, demos)):
            cells.append({"cell_type": "markdown", "id": f"{cell['id']}-alive", "metadata": {},
                          "source": html})
    still = {"cell_type": "markdown", "id": "still-copy", "metadata": {}}
    cells.insert(1, still | {"source": still_note(name)})
    notebook["cells"] = cells
    return notebook


aside = ("00_start", "your_guesses", "glossary")  # pages that are no chapters


def still_note(name: str) -> str:
    "What a reader of a still page should know."
    text = ("A copy to read. Some demos live here, the others are pictures; in the notebook all of "
            "them move, the cells run, and the exercises answer:")
    if name in aside:
        text = "This page is also a notebook of the course:"
    start = "[start the course](index.md#Start) on your own computer."
    return f":::{{container}} still-note\n{text} {start}\n:::"


def cell_of(cell: dict) -> dict | None:
    "A cell as it is shown, or None where it is nothing for readers."
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return cell
    directives = re.findall(r"^#\|\s*(\w+)", source, re.M)
    if "hide" in directives or "default_exp" in directives:
        return None
    source = re.sub(r"^#\|.*\n?", "", source, flags=re.M).strip("\n")
    if not source and not cell["outputs"]:
        return None
    cell["source"] = source
    imports_only = all(re.match(r"(from|import|\s|\)|$)", line) for line in source.splitlines())
    if "exporti" in directives or ("export" in directives and imports_only):
        cell["metadata"]["tags"] = ["hide-input"]
    for output in cell["outputs"]:
        picture(cell, output)
        if "text/html" in output.get("data", {}):
            html = "".join(output["data"]["text/html"])
            output["data"]["text/html"] = re.sub(r'href="(\w+)\.ipynb', r'href="\1.html', html)
    return cell


def demo_after(cell: dict, folder: Path) -> str:
    "Where the page of a cell's demo stands, as HTML; empty where there is none."
    told = [o["data"] for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
    return place(cell["source"], "".join(told[-1].get("text/plain", "")), folder) if told else ""


def picture(cell: dict, output: dict) -> None:
    "A picture's alternative text and size, told the way MyST-NB reads them."
    data = output.get("data", {})
    if "image/png" not in data:
        return
    data.pop("image/svg+xml", None)
    plain = "".join(data.get("text/plain", ""))
    told = output["metadata"].get("image/png", {})
    alt = told.get("alt") or re.sub(r"^(Figure|Diagram): ", "", plain)
    width = told.get("width") or round(png_width(base64.b64decode("".join(data["image/png"]))) / 2)
    cell["metadata"]["mystnb"] = {"image": {"alt": alt, "width": f"{width}px"}}


def png_width(png: bytes) -> int:
    "Pixels in a row."
    return int.from_bytes(png[16:20], "big")


def face(notebook: dict, chapter: Chapter) -> bytes:
    "The picture that stands for a chapter: the fullest of its demos, else of its figures."
    if chapter.name == "01_whole_game":  # its demo starts with an empty pad
        return (here / "images" / "teach_me.png").read_bytes()
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    found = [output["data"] for output in outputs if "image/png" in output.get("data", {})]
    pictures = [(base64.b64decode("".join(data["image/png"])), "".join(data.get("text/plain", "")))
                for data in found]
    demos = [png for png, plain in pictures if re.match(r"[A-Z]\w+\(", plain)]
    return max(demos or [png for png, _ in pictures], key=len)


# Pages


front_demos = {"the whole game": "TeachMe()", "the playground": "Playground()"}


def card(chapter: Chapter, notebook: dict, folder: Path) -> str:
    "A chapter on the front page: picture, title, summary, minutes."
    (folder / "cards").mkdir(exist_ok=True)
    image = f"cards/{chapter.name}.png"
    (folder / image).write_bytes(face(notebook, chapter))
    minutes = f"\n\n{chapter.minutes} minutes" if chapter.minutes else ""
    title = f"**[{escape(numbered(chapter))}]({chapter.name}.ipynb)**"
    alt = f"The picture of {numbered(chapter)}"
    picture = f"![{alt}]({image})"
    return f":::{{container}} card\n{picture}\n\n{title}\n\n{chapter.summary}{minutes}\n:::\n"


def numbered(chapter: Chapter) -> str:
    "A chapter's title with its number, where it has one."
    number = chapter.name[:2]
    return f"{number} {chapter.title}" if number.isdigit() and number != "00" else chapter.title


def heading(text: str, line: str = "=") -> str:
    return f"{text}\n{line * len(text)}\n\n"


def api_page(module: str, chapter: Chapter | None) -> str:
    "One module: what it is about, and every public name that it defines."
    full = f"dljourney.{module}"
    text = heading(full) + f".. py:module:: {full}\n\n{summary(module)}\n\n"
    if chapter:
        text += f"Built in :doc:`{chapter.title} </{chapter.name}>`.\n\n"
    passed_on = []
    for name, target in public_names(module).items():
        if target != f"{full}.{name}":
            passed_on.append(f":py:obj:`{name} <{target}>`")
            continue
        kind = kind_of(module, name)
        text += f".. auto{kind}:: {full}.{name}\n"
        text += "   :members:\n\n" if kind == "class" else "\n"
    return text + (f"Also found here: {', '.join(passed_on)}.\n" if passed_on else "")


def summary(module: str) -> str:
    import ast

    from house import as_rst

    tree = ast.parse(modules()[module].read_text(encoding="utf-8"))
    return as_rst(ast.get_docstring(tree) or "", module)


def kind_of(module: str, name: str) -> str:
    text = modules()[module].read_text(encoding="utf-8")
    found = re.search(rf"^(async def|def|class) {name}\b", text, re.M)
    kinds = {"class": "class", "def": "function", "async def": "function"}
    return kinds[found[1]] if found else "data"


def lay(folder: Path) -> None:
    "Write every source page into `folder`; Sphinx leaves unchanged ones alone."
    nbs = {c.name: c for c in chapters(root / "nbs")}
    pages: dict[str, str] = {}
    cards = []
    folder.mkdir(parents=True, exist_ok=True)
    for name, chapter in nbs.items():
        notebook = json.loads(chapter.path.read_text(encoding="utf-8"))
        page = page_of(notebook, name, folder.parent / "demos")
        pages[f"{name}.ipynb"] = json.dumps(page, ensure_ascii=False)
        if name not in aside:
            cards.append(card(chapter, notebook, folder))
    front = (here / "index.md").read_text(encoding="utf-8")
    shown = "::::{container} cards\n" + "\n".join(cards) + "::::"
    front = front.replace("<!-- chapters -->", shown)
    for name, told in front_demos.items():
        html = place(told, told, folder.parent / "demos")
        front = front.replace(f"<!-- {name} -->", html)
    contents = "\n".join(f"{numbered(c)} <{name}>" for name, c in nbs.items())
    pages["index.md"] = front.replace("<!-- contents -->", contents)
    pages["processes.md"] = (here / "processes.md").read_text(encoding="utf-8")
    by_module = {re.sub(r"^\d+_", "", name): c for name, c in nbs.items()}
    index = heading("API reference") + (here / "api.rst").read_text(encoding="utf-8")
    for title, starts in families.items():
        is_one = lambda m, starts=starts: m in starts or m.partition(".")[0] + "." in starts
        names = [m for m in modules() if public_names(m) and is_one(m)]
        names.sort(key=lambda m: starts.index(m) if m in starts else 0)
        index += heading(title, "-") + ".. toctree::\n   :hidden:\n\n"
        index += "".join(f"   {m} <{m}>\n" for m in names)
        index += "\n.. list-table::\n   :widths: 30 70\n\n"
        index += "".join(f"   * - :doc:`{m} <{m}>`\n     - {summary(m)}\n" for m in names) + "\n"
        for m in names:
            pages[f"api/{m}.rst"] = api_page(m, by_module.get(m))
    pages["api/index.rst"] = index
    shutil.copytree(here / "images", folder / "images", dirs_exist_ok=True)
    for path in [p for p in folder.rglob("*") if p.suffix in (".ipynb", ".rst", ".md")]:
        if path.relative_to(folder).as_posix() not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", default=root / "_docs", type=Path,
                        help="the site goes to html/ in it")
    folder = parser.parse_args().folder
    shutil.rmtree(folder / "demos", ignore_errors=True)
    lay(folder / "pages")
    from sphinx.cmd.build import build_main

    gc.set_threshold(200_000, 50, 50)  # the pages are one large tree that nothing leaves
    places = [str(folder / name) for name in ("doctrees", "pages", "html")]
    options = ["-W", "--keep-going", "-q", "-b", "html", "-c", str(here), "-d"]
    failed = build_main([*options, *places])
    shutil.copytree(folder / "demos", folder / "html" / "demos", dirs_exist_ok=True)
    if not failed:
        print(f"The site is {folder / 'html' / 'index.html'}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
