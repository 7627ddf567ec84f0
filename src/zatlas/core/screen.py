"""Showing a page to whoever sits before the screen, if there is one."""

import os
import sys
import webbrowser


def open_page(address: str) -> bool:
    """Open an address in the browser; False on a machine without a screen."""
    graphical = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if graphical or sys.platform in ("darwin", "win32"):
        return webbrowser.open(address)
    return False
