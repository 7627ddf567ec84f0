"""One output of a notebook cell that is updated in place: lines of text, a progress bar and a curve."""

import base64
import sys
from html import escape
from time import perf_counter
from typing import Any

SECONDS = 0.25  # between two updates
WIDTH, HEIGHT = 320, 72  # of the curve, in pixels
COLOURS = ("#3b6fb6", "#d9822b", "#4c9a54")  # of the curves


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook, without an import of IPython."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


class LiveOutput:
    """Shows its lines, the share that is done, and curves; each change updates the same output."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.status, self.share = "", 0.0
        self.series: dict[str, list[float]] = {}
        self.finished = False
        self._handle: Any = None
        self._next = 0.0

    def add_line(self, text: str, *, replaces: str = "") -> None:
        """Add a line; of lines that begin with the text `replaces`, only the last is shown."""
        if replaces and text.startswith(replaces):
            self.lines = [line for line in self.lines if not line.startswith(replaces)]
        self.lines.append(text)
        self._update()

    def set_progress(self, share: float, status: str) -> None:
        """Set the share that is done, from 0 to 1, and the text beside the bar."""
        self.share, self.status = share, status
        self._update()

    def add_values(self, values: dict[str, float]) -> None:
        """Add a value to each named curve."""
        for name, value in values.items():
            self.series.setdefault(name, []).append(value)

    def close(self) -> None:
        """Remove the bar, and show the last state."""
        self.finished = True
        self._update(last=True)

    def __repr__(self) -> str:
        return "\n".join(self.lines)

    def _repr_html_(self) -> str:
        text = "\n".join(map(escape, self.lines))
        style = "margin:0;white-space:pre-wrap"
        bar = f'<div><progress value="{self.share:.4f}"></progress> {escape(self.status)}</div>'
        return f'<pre style="{style}">{text}</pre>{"" if self.finished else bar}{self._curves()}'

    def _curves(self) -> str:
        """Return an SVG of all curves in one range."""
        series = {name: values for name, values in self.series.items() if len(values) > 1}
        if not series:
            return ""
        low = min(min(values) for values in series.values())
        size = max(max(values) for values in series.values()) - low or 1.0
        lines, names = [], []
        for colour, (name, values) in zip(COLOURS, series.items(), strict=False):
            step = WIDTH / (len(values) - 1)
            steps = (f"{i * step:.1f},{HEIGHT * (1 - (v - low) / size):.1f}" for i, v in enumerate(values))
            lines.append(f'<polyline points="{" ".join(steps)}" fill="none" stroke="{colour}"/>')
            names.append(f'<span style="color:{colour}">{escape(name)} {values[-1]:.4g}</span>')
        box = f'viewBox="-2 -2 {WIDTH + 4} {HEIGHT + 4}" width="{WIDTH}" height="{HEIGHT}"'
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" {box}>{"".join(lines)}</svg>'
        # As an image: JupyterLab removes SVG elements from a notebook that it does not trust.
        data = base64.b64encode(svg.encode()).decode()
        return f'<div><img src="data:image/svg+xml;base64,{data}"></div><div>{" &nbsp; ".join(names)}</div>'

    def _update(self, *, last: bool = False) -> None:
        """Show the present state, at most once each `SECONDS`."""
        if not last and perf_counter() < self._next:
            return
        self._next = perf_counter() + SECONDS
        if self._handle is None:
            from IPython.display import display

            self._handle = display(self, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(self)
