"""Open pages in the browser of this machine."""

import os
import sys
import webbrowser


def open_page(address: str) -> bool:
    """Open an address in the browser; return False on a machine without a screen."""
    graphical = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if graphical or sys.platform in ("darwin", "win32"):
        return webbrowser.open(address)
    return False
