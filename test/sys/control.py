# SPDX-License-Identifier: GPL-2.0-or-later
"""control.py SOCKET PID PROGRAM - the control socket as its clients have it, good ones and bad ones"""
import json, os, resource, socket, sys, threading, time
from varlink import Error, Varlink

PATH, PID, PROGRAM = sys.argv[1], int(sys.argv[2]), sys.argv[3]
HERE = "org.passt.control."
number = 0


def case(name):
    def run(f):
        global number
        number += 1
        try:
            why = f()
        except Exception as e:
            why = f"line {e.__traceback__.tb_next.tb_lineno if e.__traceback__.tb_next else '?'}: {type(e).__name__} {e}"
        print(f"{'not ' if why else ''}ok {number} - {PROGRAM}: {name}" + (f": {why}" if why else ""), flush=True)
    return run


def same(got, want):
    return None if got == want else f"got {got}, want {want}"


def error(v, f, *args, **kw):
    """Name and parameters of the error that a call ends with"""
    try:
        return "none", f(*args, **kw)
    except Error as e:
        return e.name, e.parameters


def rules(v):
    return [(r["option"], r["value"]) for r in v.call("Rules")["rules"]]


def fds():
    return len(os.listdir(f"/proc/{PID}/fd"))


def rss():
    return int(next(l for l in open(f"/proc/{PID}/status") if l.startswith("VmRSS")).split()[1])


def until(f):
    end = time.monotonic() + 20
    while not f():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def listens(port):
    return any(int(l.split()[1].rpartition(":")[2], 16) == port and l.split()[3] == "0A"
               for name in ("tcp", "tcp6") for l in open("/proc/net/" + name).readlines()[1:])


@case("GetInfo")
def _():
    with Varlink(PATH) as v:
        i = v.call("org.varlink.service.GetInfo")
        return same((i["product"], i["interfaces"], sorted(i)), (PROGRAM, ["org.varlink.service", "org.passt.control"],
                    ["interfaces", "product", "url", "vendor", "version"]))


@case("descriptions")
def _():
    with Varlink(PATH) as v:
        for i in v.call("org.varlink.service.GetInfo")["interfaces"]:
            d = v.call("org.varlink.service.GetInterfaceDescription", interface=i)["description"]
            if f"\ninterface {i}\n" not in "\n" + d or "method Get" not in d + "method Get" or "error " not in d:
                return d


@case("Status")
def _():
    with Varlink(PATH) as v:
        s = v.call("Status")
        return same((s["program"], s["pid"], "frame" in s["dropped"], sorted(s["flows"])),
                    (PROGRAM, PID, True, ["ping", "spliced", "tcp", "udp"]))


@case("standard errors")
def _():
    with Varlink(PATH) as v:
        return same([
            error(v, v.call, "org.passt.nothing.Call"),
            error(v, v.call, "org.passt.control.Nothing"),
            error(v, v.call, "org.varlink.service.Nothing"),
            error(v, v.call, "org.varlink.service.GetInterfaceDescription", interface="org.nothing"),
            error(v, v.call, "org.varlink.service.GetInterfaceDescription"),
            error(v, v.call, "Rules", nothing=1),
            error(v, v.call, "Change", steps={}),
            error(v, v.call, "Change"),
            error(v, v.call, "Flows"),
        ], [
            ("InterfaceNotFound", {"interface": "org.passt.nothing"}),
            ("MethodNotFound", {"method": "org.passt.control.Nothing"}),
            ("MethodNotFound", {"method": "org.varlink.service.Nothing"}),
            ("InterfaceNotFound", {"interface": "org.nothing"}),
            ("InvalidParameter", {"parameter": "interface"}),
            ("InvalidParameter", {"parameter": "nothing"}),
            ("InvalidParameter", {"parameter": "steps"}),
            ("InvalidParameter", {"parameter": "steps"}),
            ("ExpectedMore", {}),
        ])


@case("steps that make no sense, and nothing changes")
def _():
    with Varlink(PATH) as v:
        before, bad = rules(v), []
        for step, parameter in [
            (1, "steps"), ({}, "action"), ({"action": "ad", "option": "t", "value": "1"}, "action"),
            ({"action": "add"}, "option"), ({"action": "add", "option": "t"}, "value"),
            ({"action": "add", "option": "x", "value": "1"}, "option"), ({"action": "add", "option": "", "value": "1"},
                                                                         "option"),
            ({"action": "add", "option": "tu", "value": "1"}, "option"), ({"action": "add", "option": "t", "value": 1},
                                                                          "value"),
            ({"action": "add", "option": "t", "value": "1" * 9000}, "value"), ({"action": "add", "id": 1}, "id"),
            ({"action": "delete", "id": "1"}, "id"), ({"action": "delete", "id": 1, "option": "t"}, "option"),
            ({"action": "delete", "id": 1, "value": "1"}, "value"), ({"action": "clear", "option": "t", "value": "1"},
                                                                     "value"),
            ({"action": "clear", "option": "t", "vaule": "1"}, "vaule"), ({"action": None}, "action"),
        ]:
            got = error(v, v.call, "Change", steps=[{"action": "add", "option": "t", "value": "20000"}, step])
            if got != ("InvalidParameter", {"parameter": parameter}):
                bad.append((step, got))
        return same((bad, rules(v)), ([], before))


@case("rules: added, again, listed, deleted by ID and by value")
def _():
    with Varlink(PATH) as v:
        before = rules(v)
        v.change(("add", "t", "127.0.0.1/20000-20009:30000-30009"), ("add", "u", "[::1]%lo/20000"))
        v.change(("add", "t", "127.0.0.1/20000-20009:30000-30009"))
        added = [r for r in v.call("Rules")["rules"] if r["first"] == 20000]
        ids = [r.pop("id") for r in added]
        want = [
            dict(protocol="tcp", direction="in", option="t", value="127.0.0.1/20000-20009:30000-30009",
                 address="127.0.0.1",
                 first=20000, last=20009, to=30000, weak=False, automatic=False, accepted=0),
            dict(protocol="udp", direction="in", option="u", value="[::1]%lo/20000", address="::1", interface="lo",
                 first=20000, last=20000, to=20000, weak=False, automatic=False, accepted=0)]
        if added != want:
            return same(added, want)
        v.change(("delete", ids[0]), ("delete", "u", "::1%lo/20000"))
        gone = error(v, v.change, ("delete", ids[0])), error(v, v.change, ("delete", "u", "[::1]%lo/20000"))
        return same((rules(v), gone), (before, (("NoSuchRule", {"step": 0, "id": ids[0]}), ("NoSuchRule",
                    {"step": 0, "option": "u", "value": "[::1]%lo/20000"}))))


@case("FWD-19 a change is done as a whole or not at all")
def _():
    taken = socket.create_server(("127.0.0.1", 20103))
    with taken, Varlink(PATH) as v:
        v.change(("add", "t", "20100"))
        before = v.call("Rules")["rules"]
        bind = error(v, v.change, ("clear", "t"), ("add", "t", "20101"), ("add", "t", "20102-20105:1"),)
        bind2 = error(v, v.change, ("clear", "t"), ("add", "t", "20101"), ("add", "t", "20102-20105"))
        invalid = error(v, v.change, ("clear", "t"), ("add", "u", "22x"))
        none = error(v, v.change, ("add", "t", "20101"), ("delete", "t", "20100:1"))
        after = v.call("Rules")["rules"]
        v.change(("delete", "t", "20100"))
        if after != before or not listens(20103) or listens(20101):
            return f"{before} {after}"
        return same((bind, bind2, invalid, none), (
            ("InvalidRule", {"step": 2, "option": "t", "value": "20102-20105:1",
                             "reason": "ranges of different lengths"}),
            ("BindFailed", {"step": 2, "option": "t", "value": "20102-20105", "port": 20103,
                            "reason": "Address already in use"}),
            ("InvalidRule", {"step": 1, "option": "u", "value": "22x", "reason": "not a port number"}),
            ("NoSuchRule", {"step": 1, "option": "t", "value": "20100:1"})))


@case("a change is there when it is answered, and gone when that is")
def _():
    with Varlink(PATH) as v:
        for n in range(50):
            v.change(("add", "t", "127.0.0.1/20200"))
            socket.create_connection(("127.0.0.1", 20200)).close()
            v.change(("clear", "t") if n % 10 == 9 else ("delete", "t", "127.0.0.1/20200"))
            try:
                socket.create_connection(("127.0.0.1", 20200)).close()
                return "still there"
            except ConnectionRefusedError:
                pass


@case("FWD-19 another table for the same ports: accepting all along")
def _():
    with Varlink(PATH) as v:
        v.change(("add", "t", "127.0.0.1/20300"))
        for n in range(100):
            v.change(("clear", "t"), ("add", "t", f"127.0.0.1/20300:{30000 + n}"))
            socket.create_connection(("127.0.0.1", 20300)).close()
        v.change(("clear", "t"))


@case("1,000 rules in one call, and in many: descriptors and memory stay")
def _():
    with Varlink(PATH) as v:
        if not until(lambda: not any(v.call("Status")["flows"].values())):
            return "flows of connections before, which have ended, stay"

        def all_at_once():
            v.change(*[("add", "tu"[n % 2], f"127.0.0.1/{21000 + n}:1000") for n in range(1000)])
            have = v.call("Rules")["rules"]
            v.change(*[("delete", r["id"]) for r in have if r["first"] >= 21000])
            return len([r for r in have if 21000 <= r["first"] < 22000])
        n = all_at_once()
        d, m = fds(), rss()
        again, many = (3, 1000) if PROGRAM == "pasta" else (1, 100)     # the same code
        for _ in range(again):
            n += all_at_once()
        for n1 in range(many):
            v.send("Change", {"steps": [{"action": "add", "option": "t", "value": f"127.0.0.1/{21000 + n1}"}]})
            v.reply()
        big = len(rules(v))
        for n1 in range(many):
            v.change(("delete", "t", f"127.0.0.1/{21000 + n1}"))
        after = len(rules(v))
        if fds() != d or rss() > m + 500:
            return f"descriptors {d} -> {fds()}, memory {m} -> {rss()} kB"
        return same((n, big - after), (1000 * (1 + again), many))


@case("more rules than there may be")
def _():
    with Varlink(PATH) as v:
        got = error(v, v.change, ("add", "t", ",".join(str(p) for p in range(20000, 21100))))
        return same((got[0], got[1]["reason"], rules(v)), ("InvalidRule", "too many port ranges", []))


@case("calls one after the other, without waiting: answered in order")
def _():
    with Varlink(PATH) as v:
        for n in range(20):
            v.send("Change", {"steps": [{"action": "delete", "id": 1000000 + n}]})
            v.send("Status", oneway=True)
            v.send("Rules")
        for n in range(20):
            m = v.recv()
            if m.get("parameters", {}).get("id") != 1000000 + n or "rules" not in v.recv()["parameters"]:
                return m


@case("a call in single bytes; two and a half in one piece")
def _():
    call = json.dumps({"method": HERE + "Rules"}).encode() + b"\0"
    with Varlink(PATH) as v:
        for b in call:
            v.s.sendall(bytes([b]))
        v.reply()
        v.s.sendall(call + call + call[:20])
        v.reply(), v.reply()
        v.s.sendall(call[20:])
        v.reply()


@case("calls, and the end of them: all are answered first")
def _():
    with Varlink(PATH) as v:
        for n in range(20):
            v.send("Status")
        v.s.shutdown(socket.SHUT_WR)
        return same(([v.reply()[1] for n in range(20)], v.recv()), ([False] * 20, None))


@case("oneway: done, and not answered; nor is its error")
def _():
    with Varlink(PATH) as v:
        v.send("Change", {"steps": [{"action": "add", "option": "t", "value": "127.0.0.1/20400"}]}, oneway=True)
        v.send("Change", {"steps": [{"action": "add", "option": "t", "value": "x"}]}, oneway=True)
        v.send("Nothing", oneway=True)
        v.send("Flows", oneway=True, more=True)
        got = rules(v)
        v.change(("clear", "t"))
        return same(got, [("t", "127.0.0.1/20400")])


@case("FWD-19 what is no call ends the connection, and that alone")
def _():
    bad = []
    with Varlink(PATH) as other:
        for text in [b"\0", b"garbage\0", b"{}\0", b"[]\0", b'{"method":1}\0', b'{"method":"a.b","more":1}\0',
                     b'{"method":"a\xff"}\0',
                     b'{"method":"a.b","parameters":[]}\0', b'{"method":"a.b"}x\0', b"[" * 100000 + b"\0", bytes(1000),
                     b'{"method":"' + b"a" * 300 + b'"}\0',
                     b'{"method":"org.passt.control.Rules"}' + b" " * (128 << 10) + b"\0"]:
            with Varlink(PATH) as v:
                v.s.sendall(text)
                try:
                    if v.recv() is not None:
                        bad.append(text[:40])
                except ConnectionResetError:
                    pass
            other.call("Rules")
    return same(bad, [])


@case("FWD-19 a gigabyte without an end, or all of it in calls: cut off, and memory is that of a call")
def _():
    m = rss()
    for chunk in b"a" * (1 << 20), b" " * (1 << 20):
        with Varlink(PATH) as v:
            sent = 0
            try:
                while sent < 1 << 30:
                    sent += v.s.send(chunk)
            except (BrokenPipeError, ConnectionResetError):
                pass
            if sent > 4 << 20:
                return f"{sent} bytes"
    return rss() > m + 1280 + 500 and f"{m} -> {rss()} kB"     # one client's buffer


@case("FWD-19 clients that never read cost nothing but their slot")
def _():
    lazy = [Varlink(PATH) for n in range(4)]
    for v in lazy:
        v.s.setblocking(False)
        try:
            while True:
                v.s.send(json.dumps({"method": "org.varlink.service.GetInterfaceDescription",
                                     "parameters": {"interface": "org.passt.control"}}).encode() + b"\0")
        except BlockingIOError:
            pass
    ticks = lambda: sum(map(int, open(f"/proc/{PID}/stat").read().split()[13:15]))
    with Varlink(PATH) as v:
        for n in range(100):
            v.call("Rules")
    t = ticks()
    time.sleep(0.5)                                     # what is measured
    t = ticks() - t
    for v in lazy:
        v.s.close()
    return t > 2 and f"{t} ticks of CPU time in 0.5 s"


@case("FWD-19 50 clients that say half of something: all others are served, who is idle for longest gives way")
def _():
    d = fds()
    rude = []
    for n in range(50):
        rude.append(Varlink(PATH))
        rude[-1].s.sendall(b'{"method":')
        with Varlink(PATH) as v:
            v.call("Rules")
    with Varlink(PATH) as v:
        v.call("Rules")
        n = fds()
    gone = rude[0].recv() is None
    for v in rude:
        v.s.close()
    return same((gone, n <= d + 16, until(lambda: fds() <= d)), (True, True, True))


@case("100 clients that leave at once, or in the middle")
def _():
    d = fds()
    for n in range(100):
        with Varlink(PATH) as v:
            if n % 3:
                v.s.sendall(json.dumps({"method": HERE + "Rules"}).encode()[:20 * (n % 3)] + (b"\0" if n % 2 else b""))
    with Varlink(PATH) as v:
        v.call("Rules")
    return same(until(lambda: fds() <= d), True)


def no_descriptor():
    """All numbers up to the highest one in use are, too, and there may be no higher one: an idle client gives way"""
    idle = []
    while (used := set(map(int, os.listdir(f"/proc/{PID}/fd")))) != set(range(max(used) + 1)) or not idle:
        idle.append(Varlink(PATH))
        idle[-1].call("Status")
    limit = lambda *new: resource.prlimit(PID, resource.RLIMIT_NOFILE, *new)
    before = limit()
    limit((len(used), before[1]))
    try:
        got = []
        for n in range(10):
            with Varlink(PATH) as v, Varlink(PATH) as w:
                v.call("Rules"), w.call("Rules")
                got.append(error(v, v.change, ("add", "t", "20500")))
            if not until(lambda: fds() < len(used)):
                return "the end of two clients was not handled in 20 s"
    finally:
        limit(before)
    for v in idle:
        v.s.close()
    return same(got, 10 * [("BindFailed", dict(step=0, option="t", value="20500", port=20500,
                                               reason="Too many open files"))])


def silence():
    """Ends of clients, by what they say, in s from before they connect; 7 s are enough for one that has none, 20 s for
    the others"""
    lazy, asked, seconds = Varlink(PATH), 0, {}
    lazy.s.setblocking(False)
    try:
        while True:                                     # it asks for more than it takes
            lazy.s.send(b'{"method":"org.passt.control.Rules"}\0')
            asked += 1
    except BlockingIOError:
        lazy.s.settimeout(10)

    def said(name, first, then=None):
        start = time.monotonic()
        with Varlink(PATH, 0.5) as v:
            if first:
                v.s.sendall(first)
            while time.monotonic() < start + (7 if name == "calls" else 20):
                try:
                    if not v.s.recv(65536):
                        seconds[name] = time.monotonic() - start
                        return
                except TimeoutError:
                    if then:
                        v.s.sendall(then)               # twice a second
                except (BrokenPipeError, ConnectionResetError):
                    seconds[name] = time.monotonic() - start
                    return

    call = b'{"method":"org.passt.control.Status"}\0'
    clients = [("nothing", b""), ("half a call", call[:9]), ("a byte at a time", b" ", b" "), ("one call", call),
               ("oneway", call[:-2] + b',"oneway":true}\0'), ("calls", call, call),
               ("one call, half of another", call + call[:9]), ("no JSON", b"hello\n")]
    threads = [threading.Thread(target=said, args=c) for c in clients]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    lazy.s.shutdown(socket.SHUT_WR)
    replies = 0
    while lazy.recv():
        replies += 1
    lazy.s.close()
    cut = {name for name, s in seconds.items() if 4.5 <= s < 20}
    return same((cut, len(seconds), replies), ({c[0] for c in clients if c[0] != "calls"}, len(cut), asked)) and \
        f"{seconds}, {replies} of {asked} replies"


if PROGRAM == "pasta":
    case("who makes no whole call for 5 s is cut off; who calls, or has not taken the answer, is not")(silence)

if PROGRAM == "pasta":                                  # whose limits root of its user namespace may set
    case("no descriptor left: clients are served all the same")(no_descriptor)

print(f"1..{number}")
