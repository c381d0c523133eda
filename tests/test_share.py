"A program as a page: what stands in it, what can never run, which file it may replace."

import base64
import hashlib
import html.parser
import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from dljourney.cli.course import main
from dljourney.kit.models import sharing
from dljourney.kit.pictures import Preprocess
from dljourney.program import Program, save
from dljourney.transfer import pretrained
from nets import few

NASTY = ["</script><script>alert(1)</script>", "<!--<script>", "]]>", "-->", "\u2028", "\u202ecat",
         "'\"><img src=x onerror=alert(1)>", "${alert(1)}", "$title", "&lt;", "\x00", "\ud800",
         "javascript:alert(1)", "</pre></style>", "\\u003c/script>", "{{7*7}}", "a" * 300]
texts = st.one_of(st.sampled_from(NASTY), st.text(min_size=1, max_size=20))


def small(*layers):
    torch.manual_seed(0)
    layers = layers or (nn.Flatten(), nn.Linear(16, 3))
    return nn.Sequential(*layers)


def program(labels=("a", "b", "c"), model=None, **card):
    return Program(model or small(), labels, Preprocess(4, channels=1), card)


class Read(html.parser.HTMLParser):
    "What a page is made of: tags with their attributes, and the texts inside them."

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self.inside = [], {}, []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, tuple(attributes)))
        self.inside.append((tag, dict(attributes).get("id") or dict(attributes).get("type")))

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop()[0] != tag: pass

    def handle_data(self, data):
        if self.inside:
            key = self.inside[-1]
            self.texts[key] = self.texts.get(key, "") + data


@pytest.fixture
def one_network(monkeypatch):
    "To follow a network takes a second; where only texts differ, once is enough."
    net = sharing._network(small().eval().requires_grad_(False), Preprocess(4, channels=1))
    monkeypatch.setattr(sharing, "_network", lambda *_: net)


def test_a_page_links_to_nothing_and_its_policy_names_what_it_runs():
    page = sharing.program_page(program(), "three")
    read = Read(page)
    attributes = [(name, value) for _, found in read.tags for name, value in found]
    assert not {name for name, _ in attributes} & {"src", "href", "style", "srcdoc", "action"}
    assert not [name for name, _ in attributes if name.startswith("on")]
    assert "http://" not in page and "https://" not in page and "eval(" not in page
    policy = next(v for name, v in attributes if name == "content" and "default-src" in v)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    for rule, text in (("script-src", read.texts["script", "module"]),
                       ("style-src", read.texts["style", None])):
        digest = hashlib.sha256(text.encode()).digest()
        assert rules[rule] == f"'sha256-{base64.b64encode(digest).decode()}'"


@given(st.lists(texts, min_size=3, max_size=3, unique=True), texts, st.dictionaries(texts, texts))
@few
def test_texts_can_hold_anything_and_never_run(one_network, labels, title, settings):
    page = sharing.program_page(program(labels, settings=settings), title)
    read, plain = Read(page), Read(sharing.program_page(program(settings={}), "plain"))
    assert read.tags == plain.tags, "no text makes a tag or an attribute"
    state, (_, first) = read.texts["script", "state"], ("script", "module")
    assert "<" not in state and json.loads(state)["labels"] == labels
    assert read.texts["script", first] == plain.texts["script", first]


def test_each_nasty_text_is_shown(one_network):
    page = sharing.program_page(program(NASTY[:2] + NASTY[3:4]), NASTY[0])
    for name in (*NASTY[:2], NASTY[3]):
        assert sharing.one_line(name) in Read(page).texts["bdi", None]


def test_what_is_known_is_told(one_network):
    scores = {"accuracy": 0.9, "accuracy_low": 0.8, "accuracy_high": 0.95, "pictures": 120}
    texts = " ".join(Read(sharing.program_page(program(scores=scores), "t")).texts.values())
    assert "90.0% (95% interval: 80.0% to 95.0%)" in texts and "Accuracy low" not in texts
    assert "120" in texts and "Nobody wrote" not in texts and "3 answers" in texts
    assert "Nobody wrote" in " ".join(Read(sharing.program_page(program(), "t")).texts.values())


def test_a_network_without_a_plan_is_refused_by_name(tmp_path, capsys):
    model = small(nn.Flatten(), nn.GELU(), nn.Linear(16, 3))
    with pytest.raises(TypeError, match="layer 1 does gelu.*export_onnx"):
        program(model=model).share(tmp_path / "page.html")
    file = save(model, tmp_path / "p.safetensors", preprocess=Preprocess(4, channels=1))
    assert main(["share", str(file), "--out", str(tmp_path / "page.html")]) == 2
    assert "layer 1 does gelu" in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()


def test_it_replaces_a_page_and_nothing_else(one_network, tmp_path):
    page = tmp_path / "page.html"
    program().share(page, "first")
    assert program().share(page, "second") == page and b"second" in page.read_bytes()
    for other in (b"<!doctype html><p>mine", b"x" * 300 + b'content="dljourney share"'):
        page.write_bytes(other)
        with pytest.raises(FileExistsError, match="a page that was written here"):
            program().share(page)
        assert page.read_bytes() == other
    with pytest.raises(IsADirectoryError, match="name a file in it"):
        program().share(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"], "nothing else is left"


def test_the_command(one_network, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save(small(), "birds.safetensors", list("abc"), preprocess=Preprocess(4, channels=1))
    assert main(["share", "birds.safetensors"]) == 0 and "birds.html" in capsys.readouterr().out
    (tmp_path / "box").mkdir()
    (tmp_path / "birds.safetensors").rename(tmp_path / "box/program.safetensors")
    assert main(["share", "box", "--title", "Which <bird>?"]) == 0
    assert "Which &lt;bird&gt;?" in (tmp_path / "box.html").read_text("utf-8")
    assert main(["share", "nobody.safetensors"]) == 2
    assert main(["share", "box", "--out", "https://example.org/page.html"]) == 2
    assert "a path on this machine" in capsys.readouterr().err


def test_a_page_with_glyphnet_has_at_most_4_mb():
    model = pretrained("glyphnet", 10, in_chans=1)
    torch.manual_seed(0)
    for p in model.parameters(): p.data += 0.01 * torch.randn_like(p)  # no halves any more
    page = sharing.program_page(Program(model, "0123456789", Preprocess.of(model)), "digits")
    told = json.loads(Read(page).texts["script", "state"])["tensors"].values()
    assert {about["type"] for about in told} == {"I16", "F32"} and len(page.encode()) < 4e6


def test_where_16_bits_would_change_the_answers_the_weights_have_32(monkeypatch):
    other = small(nn.Flatten(), nn.Linear(16, 3)).state_dict()
    monkeypatch.setattr(sharing, "as_sent", lambda t: {k: 2 * v.numpy() for k, v in other.items()})
    tensors = json.loads(Read(sharing.program_page(program(), "t")).texts["script", "state"])
    assert {about["type"] for about in tensors["tensors"].values()} == {"F32"}


def test_steps_that_are_not_the_model_are_refused(monkeypatch):
    monkeypatch.setattr(sharing, "NumpyNet", lambda plan, tensors: lambda x: x[:, 0, :3, 0])
    with pytest.raises(ValueError, match="give other scores than the model"):
        sharing.program_page(program(), "t")
