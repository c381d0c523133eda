"What every test stands on: one thread, no progress written, examples that repeat, one execution."
import copy
import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

# Before torch is imported: two threads on two shared cores are slower than one, and a rerun must be
# bit-identical.
os.environ.update(OMP_NUM_THREADS="1", DLJOURNEY_NO_PROGRESS="1", MPLBACKEND="Agg",
                  HF_HUB_OFFLINE="1")
os.environ.setdefault("PYTHONHASHSEED", "0")
# else each of a hundred processes compiles the package
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's way in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # nohup does so
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

import pytest
from hypothesis import HealthCheck, settings

root = Path(__file__).parent.parent
sys.path.insert(0, str(Path(__file__).parent))  # so that tests share their helpers

quiet = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
common = dict(deadline=None, suppress_health_check=quiet)
settings.register_profile("default", derandomize=True, **common)
settings.register_profile("soak", max_examples=2000, **common)
settings.load_profile("soak" if os.environ.get("MINUTES") else "default")


def notebook_paths():
    "Every notebook of the project, chapters first."
    paths = [p for p in (root / "nbs").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts]
    return sorted(paths, key=lambda p: (len(p.relative_to(root / "nbs").parts), str(p)))


def library_notebooks():
    """All but the chapters. These run in nbdev's runner and share what they import, a chapter runs
    in a real kernel, as for a reader; `make soak` runs all in both.
    """
    return [p for p in notebook_paths() if p.parent != root / "nbs"]


no_network = """
import socket
def refuse(self, address, *rest):
    host = address[0] if isinstance(address, tuple) else address
    here = host in ("127.0.0.1", "::1", "localhost")
    if self.family != getattr(socket, "AF_UNIX", None) and not here:
        raise OSError(f"the network is blocked in this test: {host}")
    return connect(self, address, *rest)
connect, socket.socket.connect = socket.socket.connect, refuse
lookup = socket.getaddrinfo
def look_up(host, *rest, **more):
    if host not in (None, "", "127.0.0.1", "::1", "localhost", socket.gethostname()):
        raise socket.gaierror(f"the network is blocked in this test: {host}")
    return lookup(host, *rest, **more)
socket.getaddrinfo = look_up
"""


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in its turn of this hook
def pytest_collection_modifyitems(items):
    """What takes longest first, as `make test` deals groups of tests to two processes: the tests
    of a file that drive a browser, and the others.

    Browsers last: Playwright's event loop runs in this thread, and others must not meet it. Of
    them the files that take long come first, so that both processes end at nearly the same time.
    """
    order = ["notebooks", "site", None, "browser"]

    def turn(item):
        marks = (mark for mark in order if mark and item.get_closest_marker(mark))
        return order.index(next(marks, None))

    def group(item):
        drives = "browser" if item.get_closest_marker("browser") else "the others"
        return f"{item.path.name}, {drives}"

    def place(item):
        drives = turn(item) == order.index("browser")
        return turn(item), long.index(item.path.stem) if drives and item.path.stem in long else 99

    long = ["test_browser_late", "test_browser_access", "test_browser", "test_browser_studio",
            "test_browser_learner", "test_browser_asleep", "test_browser_pages",
            "test_browser_whole_game", "test_browser_samuel", "test_browser_teach_page"]
    items.sort(key=place)
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))


def pytest_generate_tests(metafunc):
    "REPEAT=10 runs every browser test ten times; not the soak's, which goes on as long as told."
    n = int(os.environ.get("REPEAT", "1"))
    marked = metafunc.definition.get_closest_marker
    if n > 1 and marked("browser") and not marked("soak"):
        if "repeat" not in metafunc.fixturenames:
            metafunc.fixturenames.append("repeat")
        metafunc.parametrize("repeat", range(n), indirect=True, scope="module")


@pytest.fixture(scope="module")
def repeat(request):
    "Which repeat this is: fixtures that hold a page's state depend on it."
    return getattr(request, "param", 0)


@pytest.fixture(scope="session")
def front():
    "One JupyterLab and one Chromium for all tests of a session."
    from browser import Front

    front = Front()
    yield front
    front.close()


@pytest.fixture(scope="module")
def bare(front, request):
    "An empty page with the module's SCRIPTS, files in dljourney/static, and no demo."
    from dljourney.kit.live import scoped

    page = front.page()
    page.add_script_tag(content="\n".join(map(scoped, request.module.SCRIPTS)))
    yield page
    assert not page.problems and not page.outside
    page.context.close()


@pytest.fixture
def opened(front, tmp_path):
    "Writes a demo as a page and opens it; in the end it asked nobody, and nothing went wrong."
    pages = []

    def open_page(demo, path=None, **options):
        path = path or demo.to_html(tmp_path / f"{type(demo).__name__}.html")
        page = front.page(**options)
        page.context.set_offline(True)
        page.goto(path.as_uri())
        page.locator("body.ready").wait_for(state="attached")
        page.path = path
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        assert not page.problems
        assert {url for url in page.outside if url != page.path.as_uri()} == set()
        page.context.close()


@pytest.fixture
def with_flags(front):
    "The same server, seen by a browser that was started otherwise."
    from browser import FLAGS, find_chromium

    others = []

    def start(*flags):
        other = copy.copy(front)
        other.browser = front.playwright.chromium.launch(
            executable_path=find_chromium(), args=[*FLAGS, *flags])
        other.n, other.shut_pages = front.n + 100, {}
        front.n += 100
        others.append(other)
        return other

    yield start
    for other in others:
        other.browser.close()


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = tmp_path_factory.mktemp("source") / "dljourney"
    # build from what git would hand out, so that a file missing from the commit is missing here too
    listed = ["git", "ls-files", "-co", "--exclude-standard"]
    files = subprocess.run(listed, cwd=root, capture_output=True, text=True)
    for name in files.stdout.splitlines():
        if (root / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((root / name).read_bytes())
    # the wheel is built from the sdist, so that both are complete
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def site(wheel, tmp_path_factory):
    "The wheel unpacked far from the repository, with the network blocked for who uses it."
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as z:
        z.extractall(folder)
    (folder / "sitecustomize.py").write_text(no_network)
    return folder


def run_as_learner(path, laid, env):
    "Run the copy that was laid for a learner, then the rest; as an `Execution` of the full text."
    import nbformat
    from learners import in_full, read, walk_of

    from dljourney.kit.course import run_notebook

    walk = walk_of(read(path))
    copied = json.loads((laid / path.name).read_text("utf-8"))["cells"]
    assert walk["cells"][: len(copied)] == copied
    (laid / "walks").mkdir(exist_ok=True)
    place = laid / "walks" / path.name
    place.write_text(json.dumps(walk), "utf-8")
    result = run_notebook(place, laid, env=env)
    result.path, result.notebook = path, in_full(nbformat.read(path, 4), result.notebook)
    return result


@pytest.fixture(scope="session")
def executions(site, tmp_path_factory):
    """Notebooks in kernels, each executed once: a function from a path to its `Execution`.

    Of a chapter the learner's copy is run, in a folder that `dljourney course` laid, and after it
    in the same kernel what only the full text has. The outputs stand where they belong in that.

    Two run at a time, or one where another process tests beside this one. The kernels import the
    package from the unpacked wheel and cannot reach the network, so one execution shows that the
    notebooks run, that the wheel is complete, and that nothing needs to be fetched.
    """
    from concurrent.futures import ThreadPoolExecutor

    from dljourney.cli.course import lay_course
    from dljourney.kit.course import run_notebook

    env, laid = {"PYTHONPATH": str(site)}, tmp_path_factory.mktemp("learner") / "course"
    lay_course(laid, source=root / "nbs")

    def run(path):
        if path.parent != root / "nbs": return run_notebook(path, env=env)
        return run_as_learner(path, laid, env)

    with ThreadPoolExecutor(1 if "PYTEST_XDIST_WORKER" in os.environ else 2) as pool:
        chapters = [p for p in notebook_paths() if p.parent == root / "nbs"]
        futures = {p: pool.submit(run, p) for p in chapters}

        def execution(path):
            if path not in futures: futures[path] = pool.submit(run, path)
            return futures[path].result()

        yield execution
        for future in futures.values():
            future.cancel()
