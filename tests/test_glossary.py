"The glossary: each term once, in one sentence; every link leads to a heading that is there."
import json
import re
from pathlib import Path

import pytest

from dljourney.kit.course import chapters

nbs = Path(__file__).parent.parent / "nbs"
entry = re.compile(r"^- \*\*(.+?)\*\*: (.+?) \[(.+?)\]\((.+?)\)$", re.M)


def words(name):
    cells = json.loads((nbs / name).read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def anchors(name):
    "The headings of a notebook as Jupyter makes links of them."
    return {h.strip().replace(" ", "-") for h in re.findall(r"^#+ (.+)$", words(name), re.M)}


def broken(link):
    "What is wrong with a link to a notebook, or None."
    file, _, anchor = link.partition("#")
    if not (nbs / file).is_file():
        return f"{link}: there is no notebook {file}"
    if anchor and anchor not in anchors(file):
        return f"{link}: {file} has no such heading, but {', '.join(sorted(anchors(file)))}"
    return None


def links(name):
    return re.findall(r"\]\(((?!https?:)[^)\s]+\.ipynb[^)\s]*)\)", words(name))


def test_each_term_stands_once_in_one_sentence():
    found = entry.findall(words("glossary.ipynb"))
    bullets = re.findall(r"^- ", words("glossary.ipynb"), re.M)
    assert len(found) == len(bullets) >= 60
    terms = [term.lower() for term, *_ in found]
    assert len(set(terms)) == len(terms)
    for name, letters in re.findall(r"^## ((.) to .)$", words("glossary.ipynb"), re.M):
        assert letters == name[0]
    assert terms == sorted(terms)
    for term, sentence, _, link in found:
        assert sentence[0].isupper() and sentence[-1] == "." and len(sentence) <= 140, term
        assert re.match(r"(\d\d_|\w+_more\b).*#", link), term  # to the part that shows it


def test_each_chapter_is_in_it():
    chapters = {p.name for p in nbs.glob("[0-9][0-9]_*.ipynb")} - {"00_start.ipynb"}
    led_to = {link.partition("#")[0] for *_, link in entry.findall(words("glossary.ipynb"))}
    missing = chapters - led_to
    assert not missing, f"no term leads to {sorted(missing)}"


def laid():
    "The notebooks that a learner has."
    return [c.path.name for c in chapters(nbs)]


@pytest.mark.parametrize("name", laid())
def test_every_link_leads_somewhere(name):
    "And to what stands beside it in a learner's folder."
    assert links(name)
    wrong = [problem for problem in map(broken, links(name)) if problem]
    away = {link.partition("#")[0] for link in links(name)} - {*laid()}
    assert not wrong and not away, "\n".join([*wrong, *away])


def test_a_wrong_link_is_found():
    assert "no notebook" in broken("99_nothing.ipynb")
    assert "no such heading" in broken("01_whole_game.ipynb#Nowhere")
    assert broken("01_whole_game.ipynb#6.-Open-it-up") is None


def test_every_chapter_invites_to_play():
    "An experiment without a right answer, one a chapter: a box, or a heading above a demo."
    play = re.compile(r"^> \*\*Play\.\*\*|^#+ Play: ", re.M)
    names = sorted(p.name for p in nbs.glob("[01][0-9]_*.ipynb"))[1:]
    without = [name for name in names if not play.search(words(name))]
    assert not without, f"no Play box in {without}"


ONE_WORD = {"learnt": "learned", "dear": "expensive", "dearer": "more expensive"}


def test_one_word_for_one_thing_in_everything_that_is_read():
    for path in sorted(nbs.rglob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            found = set(re.findall(r"[a-z]+", "".join(cell["source"]).lower())) & set(ONE_WORD)
            assert not found, f"{path.name}: {', '.join(f'{w} -> {ONE_WORD[w]}' for w in found)}"
