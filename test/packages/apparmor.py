#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""apparmor.py FOLDER PROFILE TRACE...: accesses in traces by "strace -f -y" that the profile does not allow

A replay, for kernels without AppArmor: files that were opened, bound, connected to, removed and executed, mounts,
kinds of sockets.
Files are judged by the path that strace shows for the descriptor, which is resolved, as AppArmor's. Descriptors for
O_PATH are not mediated. Capabilities can't be traced so: CAPS_STARTUP of isolate.c must be in the profile. PLACES are
allowed without a trace.
"""
import os, re, sys

VARIABLES = {"PROC": "/proc", "pid": "[0-9]*", "uid": "[0-9]*", "HOME": "{/root,/home/*}", "run": "/{,var/}run"}


def expression(glob):
    """Of a path with AppArmor's wildcards"""
    glob = re.sub(r"@\{(\w+)\}", lambda m: VARIABLES.get(m.group(1), m.group(0)), glob)
    out, i, depth = "", 0, 0
    while i < len(glob):
        c = glob[i]
        if glob.startswith("**", i):
            out += ".+" if out.endswith("/") else ".*"
            i += 1
        elif c == "*":
            out += "[^/]+" if out.endswith("/") else "[^/]*"
        elif c == "?":
            out += "[^/]"
        elif c == "[":
            end = glob.index("]", i)
            out += glob[i:end + 1]
            i = end
        elif c in "{}":
            depth += 1 if c == "{" else -1
            out += "(?:" if c == "{" else ")"
        elif c == "," and depth:
            out += "|"
        else:
            out += re.escape(c)
        i += 1
    return re.compile(out)


def options(text):
    return frozenset(o.replace("make-", "") for o in re.split(r"[ ,]+", text) if o)


class Profile:
    def __init__(self, folder, name):
        self.files, self.mounts, self.pivots, self.umounts = [], [], [], []
        self.capabilities, self.network = set(), set()
        self.folder = folder
        self.read(os.path.join(folder, name))

    def read(self, path):
        for line in open(path):
            self.rule(line.split("#")[0].strip().rstrip(","))

    def rule(self, line):
        path = r'([/@]\S*)'
        if m := re.match(r"include <(abstractions/(?:passt|pasta))>", line):
            self.read(os.path.join(self.folder, m.group(1)))
        elif line == "include <abstractions/base>":
            for rule in "/etc/ld.so.cache r", "/{usr/,}lib/** mr", "/dev/null rw":
                self.rule(rule)
        elif m := re.match(rf"(owner )?{path} ([rwmpuxi]+)$", line):
            self.files.append((expression(m.group(2)), m.group(3), m.group(1)))
        elif m := re.match(r"capability (\w+)", line):
            self.capabilities.add(m.group(1))
        elif m := re.match(rf"mount (?:fstype=(\w+) )?options=\((.*)\) -> {path}", line):
            self.mounts.append((m.group(1), options(m.group(2)), expression(m.group(3))))
        elif m := re.match(rf"pivot_root oldroot={path} {path}", line):
            self.pivots.append((expression(m.group(1)), expression(m.group(2))))
        elif m := re.match(rf"umount {path}", line):
            self.umounts.append(expression(m.group(1)))
        elif m := re.match(r"network (\w+) ?(\w*)", line):
            self.network.add(m.groups())

    def may(self, path, perms, owner=True):
        """Each permission, by some rule; @owner: of the file"""
        return all(any(p in have and glob.fullmatch(path) and (owner or not owned) for glob, have, owned in self.files)
                   for p in perms)


# Paths that no traced program used, with permissions and by the owner of the file or not: log and flow log are read,
# too; root's pesto finds users' control sockets
PLACES = {"usr.bin.passt": [("/var/log/passt.log", "rw", True)],
          "usr.bin.pasta": [("/var/log/pasta.log", "rw", True)],
          "usr.bin.pesto": [("/var/lib/control", "rw", False), ("/home/user/control", "rw", False)]}

FLAGS = {"MS_RDONLY": "ro", "MS_NOSUID": "nosuid", "MS_NODEV": "nodev", "MS_NOEXEC": "noexec", "MS_MOVE": "move",
         "MS_BIND": "bind", "MS_UNBINDABLE": "unbindable", "MS_SLAVE": "slave", "MS_PRIVATE": "private"}


def mount_options(flags):
    names = {FLAGS[f] for f in flags.split("|") if f in FLAGS}
    if "MS_REC" in flags.split("|"):
        names = {"r" + n if n in ("unbindable", "slave", "private", "bind") else n for n in names}
    return frozenset(names | ({"rw"} - ({"rw"} if "ro" in names else set())))


def calls(trace):
    """(process, name, arguments, result) of calls without error, with those in two parts joined"""
    begun = {}
    for line in open(trace, errors="replace"):
        m = re.match(r"(\d+) +(.*)", line)
        if not m:
            continue
        pid, text = m.groups()
        if text.endswith("<unfinished ...>"):
            begun[pid] = text[:-len("<unfinished ...>")]
            continue
        if r := re.match(r"<\.\.\. \w+ resumed>(.*)", text):
            text = begun.pop(pid, "") + r.group(1)
        if c := re.match(r"(\w+)\((.*)\) += (\d.*)$", text):
            yield (pid,) + c.groups()


def refused(profile, trace, program):
    """What the profile does not allow; commands that pasta executes are not its own"""
    foreign, first, folder = set(), True, {}
    for pid, name, args, result in calls(trace):
        if pid in foreign:
            if name in ("clone", "clone3", "fork", "vfork"):
                foreign.add(result.split("<")[0].strip())
            continue
        path = None
        if m := re.search(r'"((?:[^"\\]|\\.)*)"', args):
            path = m.group(1)
        where = re.match(r"(?:AT_FDCWD|\d+)<([^>]*)>", args)
        base = where.group(1) if where else "/"
        absolute = os.path.normpath(os.path.join(base, path)) if path is not None else ""
        if name == "chdir":
            folder[pid] = absolute
        if name == "execve":
            if first:
                first = False
            else:
                if not profile.may(absolute, "x"):
                    yield f"execute {absolute}"
                foreign.add(pid)
        elif name in ("open", "openat", "openat2") and "O_PATH" not in args:
            m = re.match(r"\d+<(.*?)>(?:\(deleted\))?", result)
            opened = re.sub(r"^/proc/\d+/", "/proc/1/", m.group(1)) if m else absolute
            if re.match(r"(net|user|pid|mnt):\[", opened):
                opened = re.sub("/(self|thread-self)/", "/1/", absolute)
            if "O_DIRECTORY" in args and not opened.endswith("/"):
                opened += "/"
            perms = ("" if "O_WRONLY" in args else "r") + ("w" if re.search("O_WRONLY|O_RDWR", args) else "")
            if not profile.may(opened, perms):
                yield f"open {opened} {perms}"
        elif name in ("unlink", "unlinkat", "mkdir", "rename") and not profile.may(absolute, "w"):
            yield f"{name} {absolute}"
        elif name in ("bind", "connect") and (m := re.search(r'sun_path="(/[^"]*)"', args)):
            if not profile.may(m.group(1), "w"):
                yield f"{name} {m.group(1)}"
        elif name == "socket":
            family, kind = re.match(r"AF_(\w+), SOCK_(\w+)", args).groups()
            if not {(family.lower(), kind.lower()), (family.lower(), "")} & profile.network:
                yield f"socket {family} {kind}"
        elif name == "mount":
            m = re.match(r'"[^"]*", "([^"]*)"(?:<[^>]*>)?, (?:"(\w*)"|\w+), ([\w|]+)', args)
            if not m:
                yield f"mount {args}, not understood"
                continue
            at = m.group(1) if m.group(1) == "/" else m.group(1) + "/"
            if not any((fs or None) == (m.group(2) or None) and o == mount_options(m.group(3)) and g.fullmatch(at)
                       for fs, o, g in profile.mounts):
                yield f"mount {args}"
        elif name == "pivot_root":
            at = folder.get(pid, "?") + "/"
            if not any(a.fullmatch(at) and b.fullmatch(at) for a, b in profile.pivots):
                yield f"pivot_root {at}"
        elif name == "umount2" and not any(g.fullmatch("/") for g in profile.umounts):
            yield "umount /"


def main():
    folder, name, traces = sys.argv[1], sys.argv[2], sys.argv[3:]
    profile, bad = Profile(folder, name), set()
    for trace in traces:
        seen = list(calls(trace))
        if len(seen) < (3 if "pesto" in name else 60):
            bad.add(f"{trace}: {len(seen)} calls")
        bad |= set(refused(profile, trace, name))
    bad |= {f"{path} {perms}: not allowed" for path, perms, owner in PLACES[name]
            if not profile.may(path, perms, owner)}
    if name != "usr.bin.pesto":
        source = open("isolate.c").read()
        start = source.index("#define CAPS_STARTUP")
        want = set(c.lower() for c in re.findall(r"CAP\(CAP_(\w+)\)", source[start:source.index("\n\n", start)]))
        if name == "usr.bin.passt":
            want -= {"sys_ptrace", "setfcap"}       # for namespaces of others
        bad |= {f"capability {c}: missing" for c in want - profile.capabilities}
        bad |= {f"capability {c}: not in CAPS_STARTUP" for c in profile.capabilities - want}
    print("\n".join(sorted(bad)))
    return 1 if bad else 0


sys.exit(main())
