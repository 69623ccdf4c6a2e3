# SPDX-License-Identifier: GPL-2.0-or-later
"""What the scripts of this folder share: a check is run on examples that it must find, then on the tree."""
import os, re, sys, tempfile


def layers(path="doc/architecture.md"):
    """The first fenced block that begins with a layer's number: {file: (layer, room)}, "room (file file)" """
    found = {}
    for block in re.findall(r"^```\n(\d .*?)^```", open(path).read(), re.M | re.S):
        level = room = None
        for line in block.splitlines():
            m = re.match(r"(\d+) +\S+(.*)", line)
            if m:
                level, line = int(m.group(1)), m.group(2)
            inside = False
            for word in re.findall(r"[()]|[\w.]+", line):
                if word in "()":
                    inside = word == "("
                    continue
                room = room if inside else word
                found[word] = (level, room)
        break
    return found


def code(text):
    """C with comments and the inside of literals blanked: offsets and lines stay"""
    def blank(m):
        s = m.group(0)
        return re.sub(r"[^\n]", " ", s) if s[0] == "/" else s[0] + re.sub(r"[^\n]", "_", s[1:-1]) + s[-1]
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+'", blank, text, flags=re.S)


def complaints_about(check, files):
    """Complaints of @check about @files, {path: text}, in a folder of their own"""
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for path, text in files.items():
                os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
                open(path, "w").write(text)
            return list(check())
        finally:
            os.chdir(here)


def main(check, good, bad, example=None):
    """Checks the check, then the tree

    @check:	generator of complaints about the current folder
    @good:	{path: text}, about which there is none
    @bad:	{complaint: {path: text}}: with these changes to @good, exactly one, with that text in it
    @example:	what takes the place of @check on examples
    """
    example = example or check
    wrong = [f"about a good example: {c}" for c in complaints_about(example, good)]
    for want, files in bad.items():
        got = complaints_about(example, {**good, **files})
        if len(got) != 1 or want not in got[0]:
            wrong.append(f"no \"{want}\", but {got}")
    for w in wrong:
        print(f"{sys.argv[0]} itself: {w}")
    complaints = list(check())
    for c in complaints:
        print(c)
    sys.exit(bool(wrong or complaints))
