# SPDX-License-Identifier: GPL-2.0-or-later
"""The flow log, as its readers have it

lines FILE			every line is as it has to be, ends belong to what began: what happened, sorted
count FILE			lines by event, lost ones by their number
sum FILE			of all of them
metrics				standard input is OpenMetrics text; names of families
deny N ADDRESS PORT		so many connections that are refused
slow SOCKET N ADDRESS PORT	the same, by a client of Events that reads only afterwards
top ROWS COLUMNS COMMAND...	COMMAND in a terminal, until it has drawn twice and q was pressed
"""
import datetime, fcntl, json, os, pty, re, select, socket, struct, subprocess, sys, termios, time
from collections import Counter
from varlink import Varlink

COMMON = ["v", "time", "event"]
FLOW = ["id", "dir", "guest", "proto", "address"]
VERDICT = ["port", "name", "sni", "rule", "reason"]


def check(line, begun, ended):
    """A line, as a dictionary"""
    e = json.loads(line)
    assert line == json.dumps(e, separators=(",", ":"), ensure_ascii=False).replace('\\"', "\\u0022"), "spelling"
    assert e["v"] == 1 and list(e)[:3] == COMMON, "first keys"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", e["time"]), "time"
    then = datetime.datetime.strptime(e["time"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)
    assert abs(then.timestamp() - time.time()) < 600, "the time is now"
    keys = list(e)[3:]
    if e["event"] == "lost":
        assert keys == ["count"] and e["count"] > 0
        return e
    assert keys[:5] == FLOW, "a flow's keys"
    assert ("port" in e) == (e["proto"] in ("tcp", "udp")), "ports"
    if e["event"] == "end":
        assert [k for k in keys[5:] if k != "port"] == ["from_guest", "to_guest", "ms"], "keys of an end"
        assert e["id"] not in ended, "one end each"
        ended.add(e["id"])
        b = begun.get(e["id"])
        assert b and all(b.get(k) == e.get(k) for k in ("dir", "guest", "proto", "address", "port")), \
            "end of what began"
    else:
        assert e["event"] in ("allow", "deny") and not set(keys[5:]) - set(VERDICT), "keys of a verdict"
        assert e["id"] not in begun, "numbers are unique"
        begun[e["id"]] = e
    return e


def lines(path):
    begun, ended, seen = {}, set(), Counter()
    for line in open(path, encoding="utf-8", errors="strict").read().splitlines():
        try:
            e = check(line, begun, ended)
        except Exception as why:
            print(f"{type(why).__name__} {why}: {line}")
            continue
        text = " ".join((e["event"], e["dir"], e["proto"], e["address"]))
        if e["dir"] == "out" and "port" in e:		# a client's differs
            text += f" {e['port']}"
        for k in ("rule", "reason"):
            text += f" {k}={e[k]}" if k in e else ""
        if e["event"] == "end" and e["proto"] == "tcp" and e["dir"] == "out":
            text += f" {e['from_guest']}/{e['to_guest']}"
        seen[text] += 1
    for i, e in begun.items():
        if e["event"] == "allow" and i not in ended:
            print("no end:", e)
    for text in sorted(seen):
        print(text)


def counts(path):
    n = Counter()
    for line in open(path).read().rpartition("\n")[0].splitlines():
        e = json.loads(line)
        n[e["event"]] += e.get("count", 1)
    return n


def metrics(text):
    """OpenMetrics 1.0, the ABNF's part that counters and gauges without a timestamp need"""
    name = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
    label = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
    assert text.endswith("# EOF\n"), "the end"
    families, kind, family, samples, helped = {}, None, None, set(), False
    for line in text[:-6].splitlines():
        if m := re.fullmatch(rf"# TYPE ({name}) (counter|gauge)", line):
            family, kind, helped = *m.groups(), False
            assert family not in families and not family.endswith("_total"), f"family twice: {family}"
            families[family] = 0
        elif m := re.fullmatch(rf"# HELP ({name}) ((?:[^\\\n]|\\[\\n])+)", line):
            assert m.group(1) == family and not helped and not families[family], line
            helped = True
        elif m := re.fullmatch(rf"({name})(\{{{label}(?:,{label})*\}})? ([0-9]+)", line):
            assert m.group(1) == family + ("_total" if kind == "counter" else ""), line
            assert m.group(1, 2) not in samples, f"sample twice: {line}"
            samples.add(m.group(1, 2))
            families[family] += 1
        else:
            raise AssertionError(f"not OpenMetrics: {line}")
    return families


def deny(n, address, port):
    for _ in range(n):
        try:
            socket.create_connection((address, port), timeout=20)
            sys.exit("connected")
        except ConnectionRefusedError:
            pass


def slow(path, n, address, port):
    with Varlink(path, 60) as v:
        events = v.more("Events")
        assert next(events) == {"events": []}, "nothing at first"
        deny(n, address, port)
        seen = Counter()
        while seen["deny"] + seen["lost"] < n:
            for e in next(events)["events"]:
                seen[e["event"]] += e.get("count", 1)
        print("some lost" if seen["lost"] else "none lost")


def top(rows, columns, command):
    fd, tty = pty.openpty()
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    before = termios.tcgetattr(fd)
    child = subprocess.Popen(command, stdin=tty, stdout=tty, stderr=tty, start_new_session=True)
    os.close(tty)
    out, end = b"", time.monotonic() + 20
    while out.count(b"\033[H") < 4 and time.monotonic() < end:
        if select.select([fd], [], [], 1)[0]:
            out += os.read(fd, 65536)
    during = termios.tcgetattr(fd)
    os.write(fd, b"q")
    while time.monotonic() < end:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        out += data
    status = child.wait()
    assert not during[3] & termios.ECHO and termios.tcgetattr(fd) == before, "the terminal is as it was"
    screen = out.decode().split("\033[H")[-1]
    drawn = [re.sub(r"\033\[[JK]", "", l) for l in screen.rstrip("\r\n").split("\r\n")]
    assert all(len(l) <= columns for l in drawn), drawn
    assert len(drawn) <= rows, drawn
    print(f"status {status}")
    print("\n".join(drawn))


if __name__ == "__main__":
    what, args = sys.argv[1], sys.argv[2:]
    if what == "lines":
        lines(args[0])
    elif what == "count":
        print(*(f"{k}={n}" for k, n in sorted(counts(args[0]).items())))
    elif what == "sum":
        print(counts(args[0]).total())
    elif what == "metrics":
        print(*(f for f, n in metrics(sys.stdin.read()).items() if n))
    elif what == "deny":
        deny(int(args[0]), args[1], int(args[2]))
    elif what == "slow":
        slow(args[0], int(args[1]), args[2], int(args[3]))
    elif what == "top":
        top(int(args[0]), int(args[1]), args[2:])
