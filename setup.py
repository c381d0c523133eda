"Everything about the package is said once, in settings.ini; this file only reads it."
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
parser = ConfigParser(delimiters=["="], interpolation=None)
parser.read(here / "settings.ini", encoding="utf-8")
cfg = parser["DEFAULT"]
names = "course", "photos", "onnx", "distributed", "docs", "dev"
extras = {name: cfg[f"{name}_requirements"].split() for name in names}
notebooks = "dljourney.notebooks"  # nbs/ travels in the wheel under this name

setup(
    name=cfg["lib_name"],
    version=cfg["version"],
    description=cfg["description"],
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author=cfg["author"],
    author_email=cfg["author_email"],
    keywords=cfg["keywords"].split(),
    license="Apache-2.0",
    python_requires=f">={cfg['min_python']}",
    install_requires=cfg["requirements"].split(),
    extras_require=extras,
    entry_points={"console_scripts": [cfg["console_scripts"].replace("=", " = ", 1)]},
    packages=find_packages(include=["dljourney", "dljourney.*"]) + [notebooks],
    package_dir={notebooks: "nbs"},
    package_data={
        "dljourney": ["py.typed", "static/*.js", "static/*.css", "static/*.html",
                      "static/jupyter/*/*.json", "weights/*"],
        notebooks: ["*.ipynb", "results/*.json"],
    },
    include_package_data=False,
    zip_safe=False,
)
