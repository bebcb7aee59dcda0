"""Reads pages as strictly as a checker would."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_VOID = frozenset({"meta", "br", "wbr", "input", "link", "img", "hr"})
_APART = frozenset({"dt", "dd", "div", "li", "p", "small", "td", "th", "section"})  # stand on a line of their own
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")


class Element:
    """An element with its attributes, its children and all the text in it."""

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.children: list[Element] = []
        self.texts: list[str] = []

    @property
    def text(self) -> str:
        """The text, spaces as a browser shows them."""
        return " ".join("".join(self.texts).split())

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """Every element below with a tag and attributes, in document order."""
        found = []
        for child in self.children:
            if child.tag == tag and all(child.attributes.get(k.rstrip("_")) == v for k, v in attributes.items()):
                found.append(child)
            found += child.all(tag, **attributes)
        return found

    def one(self, tag: str, **attributes: str) -> Element:
        """The only such element."""
        (found,) = self.all(tag, **attributes)
        return found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)
        if tag in _APART:
            self.handle_data(" ")
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].tag == tag, f"</{tag}> ends <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.texts.append(data)

    def close(self) -> None:
        super().close()
        assert self._open == [self.root], f"never ended: {[element.tag for element in self._open[1:]]}"


def read(page: str) -> Element:
    """Reads a page, and checks what must hold of any: nesting, ids, anchors, nothing foreign, nothing unseen."""
    assert page.startswith("<!doctype html>")
    assert not _CONTROLS.search(page)
    reader = _Reader()
    reader.feed(page)
    reader.close()
    root = reader.root
    everything = _flat(root)
    ids = [element.attributes["id"] for element in everything if "id" in element.attributes]
    assert len(ids) == len(set(ids)), "an id stands twice"
    for element in everything:
        for name, value in element.attributes.items():
            assert not name.startswith("on"), f"<{element.tag} {name}> runs code"
            if name == "href" and value.startswith("#"):
                assert value[1:] in ids, f"{value} leads nowhere"
            if name in ("aria-labelledby", "aria-controls"):
                assert value in ids, f"{value} labels nothing"
            assert name not in ("src", "srcset", "action", "background"), f"<{element.tag} {name}> loads something"
    assert not root.all("link")
    assert "@import" not in page
    assert "url(" not in page
    return root


def _flat(element: Element) -> list[Element]:
    return [each for child in element.children for each in (child, *_flat(child))]
