__version__ = "0.1.0"

from .kit.course.signatures import show_in_help

show_in_help()
