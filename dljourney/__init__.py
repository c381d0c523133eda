__version__ = "0.1.0"

from .kit.docments import show_in_help

show_in_help()
