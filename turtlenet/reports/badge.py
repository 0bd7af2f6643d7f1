"""A badge: two words and a number as a small SVG, for a README."""

from html import escape

_HEIGHT, _EDGE, _LETTER = 20, 12, 6.3
_GRAY, _UNSURE = "#555", "#9f9f9f"
_COLORS = ((0.5, "#3c8d2f"), (0.25, "#b08800"), (0.0, "#c0392b"))


def color_of(share: float, *, doubted: bool) -> str:
    """Green from a half on, yellow from a quarter on, red below; gray for a number with reasons to doubt it."""
    return _UNSURE if doubted else next(color for least, color in _COLORS if share >= least)


def badge(label: str, value: str, color: str) -> bytes:
    """An SVG with `label` on the left and `value` on the right."""
    left, right = (round(_LETTER * len(text) + _EDGE) for text in (label, value))
    said = escape(f"{label}: {value}")
    texts = "".join(
        f'<text x="{x:g}" y="14" textLength="{width - _EDGE}">{escape(text)}</text>'
        for x, width, text in ((left / 2, left, label), (left + right / 2, right, value))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{_HEIGHT}" role="img" '
        f'aria-label="{said}"><title>{said}</title><rect width="{left}" height="{_HEIGHT}" fill="{_GRAY}"/>'
        f'<rect x="{left}" width="{right}" height="{_HEIGHT}" fill="{color}"/><g fill="#fff" text-anchor="middle" '
        f'font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">{texts}</g></svg>\n'
    ).encode()
