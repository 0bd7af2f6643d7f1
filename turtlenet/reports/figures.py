"""Figures of reports: small SVG pictures and PNG files, each for light and for dark paper.

Colors are those of Okabe and Ito, which most color-blind people can tell apart; markers and line styles tell the
lines apart as well.
"""

import base64
import contextlib
import io
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, ClassVar

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine

from turtlenet.reports.format import clip

STYLES = ("-", "--", "-.", ":")


MARKERS = "osD^vP"


@dataclass(frozen=True, kw_only=True)
class Plot:
    """One plot, twice.

    Attributes:
        title: What the plot shows, in a sentence.
        alt: The figures behind it, for those who cannot see it.
        light: SVG text for light paper.
        dark: SVG text for dark paper.
        name: A word for it, by which `plot` of a report finds it.
        size: Width and height in inches.
        draw: What drew it; see `new_plot`.
    """

    title: str
    alt: str
    light: str
    dark: str
    name: str = ""
    size: tuple[float, float] = (5.0, 3.0)
    draw: "_Draw | None" = field(default=None, compare=False, repr=False)

    file: ClassVar[str] = ""
    png: ClassVar[bytes] = b""
    sharp: ClassVar[bool] = False

    @property
    def light_uri(self) -> str:
        """The light picture as a data URI."""
        return _uri("svg+xml", self.light.encode())

    @property
    def dark_uri(self) -> str:
        """The dark picture as a data URI."""
        return _uri("svg+xml", self.dark.encode())

    def figure(self) -> Figure:
        """The plot as a figure of `matplotlib.pyplot`, with its title."""
        with _paper(_LIGHT):
            figure = _shown(self.size)
            if self.draw:
                self.draw(figure, _LIGHT)
            title = textwrap.fill(self.title, round(12 * self.size[0]))
            if figure.legends:
                # Both have their place above the plot.
                figure.legends[0].set_title(title, prop=FontProperties(size="medium"))
                figure.legends[0].set_alignment("left")
            else:
                figure.suptitle(title, fontsize="medium")
        return figure


@dataclass(frozen=True, kw_only=True)
class PictureFile:
    """A picture that is a file of its own beside the report.

    Attributes:
        title: What it shows, in a sentence.
        alt: The figures behind it, for those who cannot see it.
        file: Its name.
        png: Its content, on white paper.
        sharp: Whether its pixels stay sharp where it is enlarged.
        dark: Draws a PNG of the same for dark pages, on no paper; None where one serves both.
    """

    title: str
    alt: str
    file: str
    png: bytes
    sharp: bool = False
    dark: Callable[[], bytes] | None = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        """A word for it, by which `plot` of a report finds it."""
        return PurePath(self.file).stem

    @property
    def light_uri(self) -> str:
        """The picture as a data URI."""
        return _uri("png", self.png)

    @property
    def dark_uri(self) -> str:
        """That for dark pages as a data URI; empty where there is none."""
        return _uri("png", self.dark()) if self.dark else ""

    def figure(self) -> Figure:
        """The picture in a figure of `matplotlib.pyplot`."""
        pixels = mpl.image.imread(io.BytesIO(self.png))
        figure = _shown((pixels.shape[1] / 160, pixels.shape[0] / 160), layout="none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.imshow(pixels)
        axes.set_axis_off()
        return figure


@dataclass(frozen=True)
class Theme:
    """The colors of light or of dark paper: of words, of lines that guide the eye, and of models."""

    ink: str
    faint: str
    colors: tuple[str, ...]

    def color(self, index: int, total: int) -> str:
        """The last model, the one a reader came for, is always blue."""
        return self.colors[(total - 1 - index) % len(self.colors)]


_LIGHT = Theme("#24292f", "#d5dae0", ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"))


_DARK = Theme("#e3e7ec", "#3a424c", ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#D55E00"))


_Draw = Callable[[Figure, Theme], None]


def new_plot(title: str, alt: str, size: tuple[float, float], draw: _Draw, name: str = "") -> Plot:
    """Draws a plot twice; `draw` is given an empty figure of this size in inches, and the theme."""
    light, dark = _svg(size, _LIGHT, draw), _svg(size, _DARK, draw)
    return Plot(title=title, alt=alt, light=light, dark=dark, name=name, size=size, draw=draw)


def _shown(size: tuple[float, float], layout: Any = None) -> Figure:
    """A figure that `matplotlib.pyplot` and notebooks know of; imported late, as it chooses a window system."""
    from matplotlib import pyplot

    return pyplot.figure(figsize=size, layout=layout or ConstrainedLayoutEngine(h_pad=0.08))


_DrawLines = Callable[[Axes, Sequence[dict[str, Any]], Theme], None]


def new_picture(
    title: str, alt: str, file: str, size: tuple[float, float], entries: Sequence[str], draw: _DrawLines
) -> PictureFile:
    """Draws a picture twice: a file on white paper that stands alone, and the same for dark pages.

    Args:
        title: What it shows, in a sentence.
        alt: The figures behind it, for those who cannot see it.
        file: Its name.
        size: Width and height in inches.
        entries: Names of the lines, for the legend above.
        draw: Is given the axes, for each line the color, the line style and the marker to draw it with, and the theme;
            the first lines with a label are those of the legend.
    """
    return PictureFile(
        title=title,
        alt=alt,
        file=file,
        png=_png(size, _LIGHT, entries, draw),
        # Only a page shows it.
        dark=lambda: _png(size, _DARK, entries, draw),
    )


def _png(size: tuple[float, float], theme: Theme, entries: Sequence[str], draw: _DrawLines) -> bytes:
    page = io.BytesIO()
    with _paper(theme):
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.08))
        axes = new_axes(figure)
        looks = zip(theme.colors, STYLES * 2, MARKERS, strict=False)
        draw(axes, [{"color": color, "linestyle": style, "marker": marker} for color, style, marker in looks], theme)
        legend(figure, axes, entries)
        figure.savefig(page, format="png", dpi=160, transparent=theme is _DARK, metadata={"Software": None})
    return page.getvalue()


def _svg(size: tuple[float, float], theme: Theme, draw: _Draw) -> str:
    page = io.StringIO()
    with _paper(theme):
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.08))
        draw(figure, theme)
        figure.savefig(page, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return page.getvalue()


@contextlib.contextmanager
def _paper(theme: Theme) -> Iterator[None]:
    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": "turtlenet",
        "text.parse_math": False,
        "font.family": "sans-serif",
        "font.size": 10.5,
        **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), theme.ink),
        "axes.edgecolor": theme.faint,
        "grid.color": theme.faint,
    }
    with mpl.rc_context(settings), warnings.catch_warnings():
        # A name may hold letters that the measuring font lacks; the reader's browser has its own fonts.
        warnings.filterwarnings("ignore", message="Glyph|Matplotlib currently does not support")
        yield


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def look(theme: Theme, index: int, total: int) -> dict[str, Any]:
    """Color, line style and marker of one model of several."""
    style, marker = STYLES[index % len(STYLES)], MARKERS[index % len(MARKERS)]
    return {"color": theme.color(index, total), "linestyle": style, "marker": marker}


def new_axes(figure: Figure, *place: int) -> Axes:
    """Axes with few lines, at a place such as `2, 1, 1` of the figure, or all over it."""
    axes = figure.add_subplot(*place)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=0, pad=7)
    axes.set_axisbelow(True)
    return axes


def legend(figure: Figure, axes: Axes, entries: Sequence[str]) -> None:
    """A legend above the plot, two names a row; matplotlib would hide a name that starts with an underscore."""
    handles, _ = axes.get_legend_handles_labels()
    labels = [f" {clip(entry, 23)}" for entry in entries]
    figure.legend(handles, labels, loc="outside upper left", ncols=2, frameon=False, borderpad=0, handlelength=2.2)
