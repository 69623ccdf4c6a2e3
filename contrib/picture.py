#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""picture.py TEXT > SVG: boxes, lines, arrows and words of a text, as a picture

Boxes are of "+", "-" and "|"; those with corners "*" have a colour. Lines start and end at a box, a corner or an arrow's
head, "<" or ">". Words with two spaces in between are apart.
"""
import re, sys
from html import escape

X, Y = 9, 20			# size of a character


def boxes(at, rows):
    """(row, column, row, column, colour) of corners, the outer ones first"""
    for top, row in enumerate(rows):
        for m in re.finditer(r"(?=([+*])-+[-+]*\1)", row):
            left, corner = m.start(), m.group(1)
            right = row.index(corner, left + 1)
            bottom = top + 1
            while at(bottom, left) in "|+" and at(bottom, right) in "|+" and at(bottom, left) + at(bottom, right) != "++":
                bottom += 1
            if bottom > top + 1 and at(bottom, left) == at(bottom, right) == corner:
                yield top, left, bottom, right, corner == "*"


def lines(at, rows, edges):
    """(x, y, x, y, heads) of lines that are no edges of boxes"""
    for r, row in enumerate(rows):
        for m in re.finditer(r"<?[-+]*--[-+]*>?", row):
            cells = [c for c in range(m.start(), m.end()) if (r, c) not in edges or at(r, c) == "+"]
            if len(cells) < m.end() - m.start():
                continue
            first = m.start() - (at(r, m.start() - 1) in "|+*")
            last = m.end() - 1 + (at(r, m.end()) in "|+*")
            yield first, r, last, r, m.group()[0] + m.group()[-1]
    for c in range(max(map(len, rows))):
        column = "".join(at(r, c) for r in range(len(rows)))
        for m in re.finditer(r"\+[|+]*\||\|[|+]*\+", column):
            if not any((r, c) in edges for r in range(*m.span())):
                last = m.end() if at(m.end(), c) in "+*" else m.end() - 1
                yield c, m.start(), c, last, ""


def words(rows, drawn):
    """(middle, row, text)"""
    for r, row in enumerate(rows):
        rest = "".join(" " if (r, c) in drawn else char for c, char in enumerate(row))
        for m in re.finditer(r"\S+(?: \S+)*", rest):
            yield (m.start() + m.end()) / 2, r, m.group()


def picture(text):
    rows = text.rstrip("\n").split("\n")

    def at(r, c):
        return rows[r][c] if 0 <= r < len(rows) and 0 <= c < len(rows[r]) else " "

    found = list(boxes(at, rows))
    edges = {(r, c) for t, l, b, e, _ in found for r in range(t, b + 1) for c in range(l, e + 1)
             if r in (t, b) or c in (l, e)}
    drawn = set(edges)
    width, height = X * max(map(len, rows)) + 2 * X, Y * len(rows) + Y
    yield f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    yield ' font-family="sans-serif" font-size="15" text-anchor="middle" stroke-width="1.5">'
    yield '<rect width="100%" height="100%" fill="#fff"/>'
    for n, (top, left, bottom, right, colour) in enumerate(found):
        fill = "#cfe3ff" if colour else "#fff" if n else "#f3f4f6"
        yield (f'<rect x="{X * left + X * 3 // 2}" y="{Y * (top + 1)}" width="{X * (right - left)}" '
               f'height="{Y * (bottom - top)}" rx="6" fill="{fill}" stroke="#444"/>')
    for x1, y1, x2, y2, heads in lines(at, rows, edges):
        drawn |= {(r, c) for r in range(y1, y2 + 1) for c in range(x1, x2 + 1)}
        a, b, y1, y2 = X * x1 + X * 3 // 2, X * x2 + X * 3 // 2, Y * (y1 + 1), Y * (y2 + 1)
        yield f'<path d="M{a} {y1}L{b} {y2}" stroke="#444"/>'
        if heads.startswith("<"):
            yield f'<path d="M{a} {y1}l9 -5v10z" fill="#444"/>'
        if heads.endswith(">"):
            yield f'<path d="M{b} {y1}l-9 -5v10z" fill="#444"/>'
    for middle, row, word in words(rows, drawn):
        yield f'<text x="{X * (middle + 1):g}" y="{Y * (row + 1) + 5}">{escape(word)}</text>'
    yield "</svg>"


with open(sys.argv[1]) as source:
    print("\n".join(picture(source.read())))
