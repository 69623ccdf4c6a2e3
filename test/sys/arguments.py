#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""arguments.py UNPRIVILEGED-COMMAND... - options of --help with values that are empty, of another type, too long, below
zero, too large, or names of files of all kinds.

A program takes a value, or refuses it by one line on stderr with option, value and reason, and status 1; nothing is
left behind then: no file, no process. A warning has the option, too.
"""
import ctypes, os, re, signal, subprocess, sys, time

T, PLACE = os.environ["T"], os.environ["T"] + "/place"
UNPRIVILEGED = sys.argv[1:]
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: daemons are found, and end here

NUMBERS = "-1 0 1 00 +1 65536 4294967296 9223372036854775808 18446744073709551616 1e3 1.5 0x 0x10".split() + ["9" * 30]
TEXTS = ["", " ", "x", "x" * 20, "x" * 70, "x" * 300, "x" * 5000, "%s%n%x", "\x01\x1b[31m", "\u00fc", b"\xff\xfe"]
SIGNS = [
    "a\nb",
    "a\tb",
    *",/:=~*%[",
    "-",
    "--",
    "..",
    ":root",
    "root:",
    "0:0:0",
    "80,",
    "80:81",
    "80-",
    "1-65535",
    "~80",
]
WORDS = "none auto all any lo root open tcp/any icmp/any:80 *.example.org".split()
ADDRESSES = (
    "127.0.0.1 ::1 0.0.0.0 :: 255.255.255.255 224.0.0.1 fe80::1 10.0.0.1 10.0.0.1/24 10.0.0.0/8 2001:db8::1 "
    "2001:db8::1/64 ::ffff:1.2.3.4 10.0.0.1/80 [::1]/80 52:54:00:12:34:56 ff:ff:ff:ff:ff:ff "
    "52:54:00:12:34:56=10.9.0.5 10.9.0.0/24"
).split()
PATHS = ["/none/x", "/dev/full", "/dev/null", "/proc/version", "/proc/x", T + "/full/x"]
PATHS += [PLACE + name for name in ("/folder", "/closed", "/old", "/old/x", "/shut/x", "/" + "y" * 300)]
VALUES = [*NUMBERS, *TEXTS, *SIGNS, *WORDS, *ADDRESSES, *PATHS]

# Options that end the program by themselves, or keep it here
WITHOUT = "help version check print-capabilities foreground top events ask show flows metrics guests".split()
BEFORE = {
    "lease": ["--lan", "10.9.0.0/24"],
    "lan-isolate": ["--lan", "10.9.0.0/24"],
    "now": [],
    "repair-path": ["--vhost-user"],
}
# Sums, and names in other notation
BY_ITSELF = re.compile(
    "[0-9]+ ports to forward by -t, -u, -T, -U .*|--runas: Couldn't change to UID .*|--guests needs --lan|"
    "pesto: --now takes --policy"
)

n = failed = 0


def result(name, wrong):
    global n, failed
    n += 1
    failed += bool(wrong)
    print(f"{'not ok' if wrong else 'ok'} {n} - {name}")
    for w in wrong[:5]:
        print("# " + ascii(w))


def table(program):
    text = subprocess.run([f"{T}/bin/{program}", "--help"], capture_output=True, text=True).stdout
    return [o for o in re.findall(r"^  (?:-(.),|   ) --([a-z0-9-]+)( [^ \n]+)?", text, re.M) if o[1] not in WITHOUT]


def children():
    return open(f"/proc/self/task/{os.getpid()}/children").read().split()


def end_children(patience):
    """Waits for daemons as long as that, then ends them: those that had to be ended"""
    ended, until = set(), time.monotonic() + patience
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0]:
                continue
        except ChildProcessError:
            return ended
        if time.monotonic() >= until:
            for child in children():
                ended.add(child)
                os.kill(int(child), signal.SIGKILL)
        time.sleep(0.002)


def files():
    return {os.path.join(d, f) for top in (PLACE, T + "/full") for d, _, names in os.walk(top) for f in names}


BEGIN = files()
# Warnings about this machine, without any option
ALWAYS = subprocess.run(
    [*UNPRIVILEGED, T + "/bin/pasta", "-q", "true"], stdin=subprocess.DEVNULL, capture_output=True, text=True
).stderr.splitlines()


def shown(value):
    """As in messages: without control characters, cut, invalid bytes replaced"""
    value = (value if isinstance(value, bytes) else value.encode())[:200].decode(errors="replace")
    return re.sub("[\x00-\x1f\x7f]", "?", value).replace("\ufffd", "?")


def same_number(value, line):
    try:
        return str(int(value, 0 if value.startswith("0x") else 10)) in line
    except (ValueError, TypeError):
        return False


def complaint(program, option, value, before, behind):
    letter, name, takes = option
    arg = f"--{name}".encode() + (b"=" + (value if isinstance(value, bytes) else value.encode()) if takes else b"")
    argv = [f"{T}/bin/{program}", *([] if program == "pesto" else ["-q"]), *before, arg, *behind]
    p = subprocess.run([*UNPRIVILEGED, *argv], stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
    left = end_children(2 if p.returncode else 0)
    new = files() - BEGIN
    for f in new:
        os.unlink(f)
    lines = [l for l in p.stderr.decode(errors="replace").replace("\ufffd", "?").splitlines() if l not in ALWAYS]
    named = [f"--{name}" in l or bool(letter and re.search(rf"(^|[ '])-{letter}\b", l)) for l in lines]
    if p.returncode == 0:
        return None if all(named) or name in ("stats", "debug", "trace") else "a warning without the option"
    if p.returncode != 1 or len(lines) != 1 or p.stdout:
        return f"status {p.returncode}, {len(lines)} lines"
    if left or new:
        return f"left behind: {left} {new}"
    if BY_ITSELF.fullmatch(lines[0]):
        return None
    if not named[0]:
        return "without the option"
    if takes and shown(value) not in lines[0] and not same_number(value, lines[0]):
        return "without the value"
    return None if re.search(r"(: |\()\S+", lines[0]) else "without a reason"


def try_option(program, option, behind):
    letter, name, takes = option
    wrong = []
    for value in VALUES if takes else [""]:
        why = complaint(program, option, value, BEFORE.get(name, []), [] if name == "socket" else behind(name))
        if why:
            wrong.append(f"{value}: {why}")
    result(f"{program} --{name}", wrong)


os.mkdir(PLACE + "/folder")
os.mkdir(PLACE + "/shut")
for name, mode in ("closed", 0), ("old", 0o444):
    open(f"{PLACE}/{name}", "w").close()
    os.chmod(f"{PLACE}/{name}", mode)
os.chmod(PLACE + "/shut", 0o555)
BEGIN = files()
for option in table("passt"):
    try_option("passt", option, lambda name: ["-s", PLACE + "/s"])
common = table("passt")
for option in (o for o in table("pasta") if o not in common):
    try_option("pasta", option, lambda name: [] if name == "netns" else ["true"])
for option in table("pesto"):
    try_option("pesto", option, lambda name: [T + "/control"])
print(f"1..{n}")
sys.exit(failed > 0)
