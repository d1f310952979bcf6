"""SVG pictures as part of a page: names that no other picture on it has, and colours that follow the page's."""

from __future__ import annotations

import re
from xml.etree import ElementTree

INKS = {
    "#222222": ("ink", "#222222", "#e8e6e1"),
    "#777777": ("dim", "#777777", "#9c9a94"),
    "#cccccc": ("edge", "#cccccc", "#55534e"),
    "#dddddd": ("faint", "#dddddd", "#3a3936"),
    "#ffffff": ("paper", "#ffffff", "#1b1b1a"),
    "#0072b2": ("blue", "#0072b2", "#4aa8e0"),
    "#d55e00": ("orange", "#d55e00", "#f0833a"),
    "#009e73": ("green", "#009e73", "#2fc79c"),
    "#cc79a7": ("purple", "#cc79a7", "#df93bd"),
    "#56b4e9": ("sky", "#56b4e9", "#9ad4f7"),
    "#e69f00": ("amber", "#e69f00", "#f3bd45"),
}
"""The colours of pictures.style: the name of each, and what it is on a light and on a dark page."""
_COLOUR = re.compile("|".join(INKS))


def palette(dark: bool) -> str:
    """The colours as custom properties of CSS."""
    return "; ".join(f"--{name}: {night if dark else day}" for name, day, night in INKS.values())


def inline(svg: bytes, number: int, words: str, shaded: bool = False) -> str:
    """A picture as an element of HTML. `number` is its own on the page, `words` are read out in its place.

    Colours become custom properties, unless they are values (`shaded`).
    """
    root = ElementTree.fromstring(svg)
    own = f"p{number}-"
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for key, value in list(element.attrib.items()):
            del element.attrib[key]
            key = key.rpartition("}")[2]
            if key == "id" or key == "class":
                value = own + value
            elif value.startswith("#") and key == "href":
                value = f"#{own}{value[1:]}"
            value = value.replace("url(#", f"url(#{own}")
            element.set(key, value if shaded or key not in ("style", "fill", "stroke") else _followed(value))
        if element.tag == "style":
            rules = re.sub(
                r"^\*", f"#{own}root *", re.sub(r"^\.", f".{own}", element.text or "", flags=re.M), flags=re.M
            )
            element.text = rules if shaded else _followed(rules)
    for title in root.findall("title"):
        root.remove(title)
    root.attrib |= {"id": f"{own}root", "role": "img", "aria-label": words}
    root.set("style", f"--wide: {root.get('width', '27rem')}")
    return ElementTree.tostring(root, encoding="unicode")


def _followed(style: str) -> str:
    return _COLOUR.sub(lambda found: f"var(--{INKS[found[0]][0]})", style)
