"""What this site adds to Sphinx: docments in the API, links from prose to it, formulas as MathML.

Nothing here is needed to run the course.
"""
import ast
import re
from functools import cache
from pathlib import Path

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx import addnodes
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

from dljourney.kit.course import docments
from dljourney.kit.faces import rooms

logger = logging.getLogger(__name__)
package = Path(__file__).parent.parent / "dljourney"
word = re.compile(r"[A-Za-z_][\w.]*")


def jupyter_anchor(heading: str) -> str:
    "A heading's anchor as Jupyter makes it, so that one link leads there in both."
    return heading.strip().replace(" ", "-")


# What there is to link to


@cache
def modules() -> dict[str, Path]:
    "Every module with public names, by its name without `dljourney.`."
    paths = [p for p in sorted(package.rglob("*.py")) if not p.stem.startswith("_")]
    return {".".join(p.relative_to(package).with_suffix("").parts): p for p in paths}


@cache
def public_names(module: str) -> dict[str, str]:
    "Each name in a module's `__all__` -> the full name where it is defined."
    path = modules()[module]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    homes: dict[str, str] = {}
    everything: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            here = ("dljourney." + module).split(".")[: -node.level] if node.level else []
            source = ".".join([*here, *filter(None, [node.module])])
            if source.startswith("dljourney"):
                homes |= {a.asname or a.name: f"{source}.{a.name}" for a in node.names}
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            everything = ast.literal_eval(node.value)
    full = lambda name: home(homes[name]) if name in homes else f"dljourney.{module}.{name}"
    return {name: full(name) for name in everything}


@cache
def handed_out(module: str) -> dict[str, str]:
    "What the face of a wing hands out: each name, and where it is defined."
    found = rooms(f"dljourney.{module}") if module.startswith("kit.") else {}
    return {name: f"{room}.{name}" for name, room in found.items()}


def home(full: str) -> str:
    "Where a name that is passed on comes from."
    module, _, name = full.removeprefix("dljourney.").rpartition(".")
    if name in handed_out(module):
        return home(handed_out(module)[name])
    return public_names(module).get(name, full) if module in modules() else full


def resolve(text: str, module: str = "", imported: dict[str, str] | None = None) -> str | None:
    "The full name of what `text` in backticks means, on a page about `module`; None: no public."
    found = word.match(text)
    rest = text[found.end() :] if found else text
    if not found or (rest and not re.fullmatch(r"\(.*\)", rest)):
        return None
    name = found[0].removeprefix("dljourney.")
    known = {**(imported or {}), **(public_names(module) if module in modules() else {})}
    first, _, tail = name.partition(".")
    if first in known:
        return known[first] + (f".{tail}" if tail else "")
    for end in range(name.count("."), 0, -1):
        parts = name.split(".")
        source, target, tail = ".".join(parts[:end]), parts[end], parts[end + 1 :]
        if target in handed_out(source):
            return ".".join([home(handed_out(source)[target]), *tail])
        if source in modules() and target in public_names(source):
            return ".".join([public_names(source)[target], *tail])
    return f"dljourney.{name}" if name in modules() and "dljourney." in text else None


# API pages


def as_rst(text: str, module: str) -> str:
    "A line of a docstring or a comment: `code` stays code or becomes a link; no other markup."
    def part(i: int, piece: str) -> str:
        if i % 2 == 0:
            return re.sub(r"([*_|\\<>:])", r"\\\1", piece)
        full = resolve(piece, module)
        shown = piece.replace("\\", "\\\\")
        return rf":py:obj:`{shown} <{full}>`\ " if full and "<" not in piece else rf"``{piece}``\ "
    pieces = text.split("`")
    if len(pieces) % 2 == 0 or any(not p.strip() or p != p.strip() for p in pieces[1::2]):
        return re.sub(r"([*_|\\<>:`])", r"\\\1", text)
    return "".join(part(i, p) for i, p in enumerate(pieces))


def add_docments(app, what, name, obj, options, lines):
    "The docstring in house style, then what each parameter means."
    if what == "module" or not name.startswith("dljourney."):
        return
    module = max((m for m in modules() if name.startswith(f"dljourney.{m}.")), key=len, default="")
    if what in ("data", "attribute") and not docments(obj):
        is_plain = isinstance(obj, (str, int, float, dict, tuple, list))
        lines[:] = [] if is_plain else [as_rst(line, module) for line in lines]
        return
    if what == "method" and str(obj.__module__).split(".")[0] != "dljourney":
        lines[:] = []  # a field that holds a function of another package: that one tells of it
        return
    lines[:] = [as_rst(line, module) for line in lines]
    found = docments(obj)
    back = found.pop("return", None)
    lines += ["", *(f":param {p}: {as_rst(text, module)}" for p, text in found.items())]
    lines += [f":returns: {as_rst(back, module)}"] if back else []
    lines.append("")


def skip_plumbing(app, what, name, obj, skip, options):
    "Fields are told with the class; traits of a widget are its plumbing."
    import traitlets

    is_field = type(obj).__name__ in ("_tuplegetter", "member_descriptor")
    return True if is_field or isinstance(obj, traitlets.TraitType) else skip


# Links from prose


class LinkNames(SphinxTransform):
    "A public name in backticks becomes a link to its place in the API."

    default_priority = 400

    def apply(self, **kwargs):
        page = self.env.docname
        if page.startswith(("api/", "_modules")):
            return
        module, imported = names_on(page, Path(self.env.doc2path(page)))
        for literal in list(self.document.findall(nodes.literal)):
            if isinstance(literal.parent, (nodes.reference, nodes.title, addnodes.pending_xref)):
                continue
            full = resolve(literal.astext(), module, imported)
            if full:
                link = addnodes.pending_xref("", refdomain="py", reftype="obj", reftarget=full,
                                             refdoc=page, refwarn=False, refexplicit=True)
                literal.replace_self(link)
                link += literal


class LinkChapters(SphinxTransform):
    "`chapter 02` becomes a link to it, and `section 3` to that section of the page."

    default_priority = 410
    spoken = re.compile(r"\b([Cc]hapter (\d\d)|[Ss]ection (\d+))\b")

    def apply(self, **kwargs):
        page = self.env.docname
        others = [name for name in self.env.found_docs if re.match(r"\d\d_", name) and name != page]
        pages = {name[:2]: name for name in others}
        if page.startswith("api/"):
            return
        sections = [s for s in self.document.findall(nodes.section) if s["ids"]]
        titles = {s[0].astext().partition(".")[0]: s["ids"][0] for s in sections}
        for text in list(self.document.findall(nodes.Text)):
            if not isinstance(text.parent, (nodes.paragraph, nodes.emphasis, nodes.strong)):
                continue
            around, parts, at = text.parent, [], 0
            links = nodes.reference, addnodes.pending_xref
            while around is not None and not isinstance(around, links):
                around = around.parent
            for found in () if around is not None else self.spoken.finditer(str(text)):
                words, chapter, section = found.groups()
                if chapter in pages:
                    target = f"/{pages[chapter]}"
                    link = addnodes.pending_xref(
                        "", refdomain="std", reftype="doc", reftarget=target, refdoc=page,
                        refwarn=True, refexplicit=True)
                elif section in titles:
                    link = nodes.reference("", "", internal=True, refid=titles[section])
                else:
                    continue
                link += nodes.inline("", words)
                parts += [nodes.Text(str(text)[at : found.start()]), link]
                at = found.end()
            if parts:
                text.parent.replace(text, [*parts, nodes.Text(str(text)[at:])])


@cache
def names_on(page: str, path: Path) -> tuple[str, dict[str, str]]:
    "A page's own module, and the names that its cells import from the package."
    if path.suffix != ".ipynb":
        return "", {}
    import json

    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    imported: dict[str, str] = {}
    for source, names in re.findall(r"^from (dljourney\S*) import ([\w, ]+)", code, re.M):
        for name in re.split(r",\s*", names.strip()):
            full = home(f"{source}.{name}")
            if source != "dljourney.kit" and ".exercises." not in source:
                imported[name] = demos().get(full, full)
    return re.sub(r"^\d+_", "", page), imported


@cache
def demos() -> dict[str, str]:
    "`dljourney.demos.Playground` -> where it is defined."
    return {f"dljourney.demos.{name}": full
            for m in modules() if m.startswith("demos.") for name, full in public_names(m).items()}


# Formulas


def formula(self, node):
    "MathML, which browsers draw themselves: no script, no font to fetch."
    code = re.sub(r"\\dots\b", r"\\ldots", node.astext())
    block = isinstance(node, nodes.math_block)
    try:
        text = latex2mathml.tex2mathml(code, as_block=block)
    except MathError as e:
        logger.warning("formula %r: %s", code, e, location=node)
        text = f"<code>{self.encode(code)}</code>"
    self.body.append(f'<div class="formula">{text}</div>' if block else text)
    raise nodes.SkipNode


def titles(contents: nodes.Node) -> nodes.Node:
    "A page's contents without its headings: its title, and which pages are below it."
    contents = contents.deepcopy()
    for inner in list(contents.findall(nodes.bullet_list)):
        if inner is not contents and not next(inner.findall(addnodes.toctree), None):
            inner.parent.remove(inner)
    return contents


def lean_navigation(app, page: str, template: str, context: dict, doctree) -> None:
    "Beside every page stand the titles of all; Sphinx would copy all their headings for that."
    whole, all_titles = context.get("toctree"), app.house_titles
    if whole is None: return

    def toctree(**options):
        kept = app.env.tocs
        app.env.tocs = all_titles if options.get("titles_only") else kept
        try: return whole(**options)
        finally: app.env.tocs = kept

    context["toctree"] = toctree


def keep_titles(app, env) -> None:
    app.house_titles = {name: titles(contents) for name, contents in env.tocs.items()}


def setup(app):
    app.add_html_math_renderer("mathml", (formula, None), (formula, None))
    app.add_transform(LinkNames)
    app.add_transform(LinkChapters)
    app.connect("autodoc-process-docstring", add_docments)
    app.connect("autodoc-skip-member", skip_plumbing)
    app.connect("env-check-consistency", keep_titles)
    app.connect("html-page-context", lean_navigation, priority=400)  # before the theme asks
    return {"parallel_read_safe": True, "parallel_write_safe": True}
