# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured: the table of figures, and how each is taken.

A figure is a function of (scene, subject, seconds) that returns a dict: value; amount, what CPU time and system calls
are divided by (bytes, or exchanges); and anything else that is worth recording.

Goals: ("limit", part): of the limit's figure; ("peer", times): of the first peer's; ("most", value); ("least", value).
"""
import contextlib, json, os, resource, shutil, signal, subprocess, sys
from dataclasses import dataclass

from scene import PATIENCE, Failed, Namespace, Proc, Skipped, Subject, descendants, output

IDLE_MAX = 20000    # connections to one port

# Delay one way in ms, Mb/s, loss in %
LINKS = {"wan5": (5, 1000, 0), "wan25": (25, 1000, 0), "wan25loss": (25, 300, 0.01), "wan100": (100, 200, 0)}

# Links of clients behind the guest (test/tools/lossy.h), first to the client, then from it
BEHIND = {"loss1": ("1 % lost, round trip of 5 ms", "loss=1,delay=2.5"),
          "loss01": ("0.1 % lost, round trip of 20 ms", "loss=0.1,delay=10"),
          "loss3": ("3 % lost, round trip of 1 ms", "loss=3,delay=0.5"),
          "late": ("1 % behind the next 3, round trip of 1 ms", "reorder=1:3,delay=0.5"),
          "tail": ("round trip of 5 ms", "once=1:999,delay=2.5/delay=2.5")}
TAIL_TRIP_MS = 5
ANSWER = 14700      # bytes, of which the last segment has fewer than 999 in both families, with timestamps and without
SLOW = 64000        # bytes per second
LAN_GUESTS = 64
RING, RING_LARGE = 32, 4096
IPXE = os.environ.get("IPXE", "/usr/lib/ipxe/ipxe.lkrn")
IPXE_BYTES = int(os.environ.get("IPXE_BYTES", 64 << 20))
IPXE_PATIENCE = 60 + IPXE_BYTES / 250000    # s


@dataclass(frozen=True)
class Figure:
    name: str
    what: str
    how: object
    unit: str = "Gb/s"
    kind: str = "pasta"     # of scene
    limit: str = "veth"
    goal: tuple = None
    also: tuple = None      # another goal
    cpu_goal: tuple = None  # of CPU time per amount
    more: bool = True       # is better
    per: str = "GB"         # what CPU time is per: GB, or exchange; none if empty
    calls: bool = True      # system calls are counted
    packets: bool = True    # ... per packet on the guest's link; else, per exchange, or MB
    mtus: bool = False      # taken at every MTU, not just the first one
    realtime: bool = False  # better with real-time priority
    longer: float = 1       # than others
    rounds: int = 0         # at most, if not 0


# ---- Bulk

def bulk(way, *args, scale=1e9):
    def how(scene, s, seconds):
        client, server, addr = scene.path(s, way)
        port = str(s.port + 1)
        listen = Proc([*server.enter, "iperf3", "-s", "-1", "-p", port, "--forceflush"], "listening")
        try:
            out = output([*client.enter, "iperf3", "-J", "-c", addr, "-p", port, "-t", str(max(1, round(seconds))),
                          *args], seconds)
        except Failed as e:
            raise Failed(f"{e}; server: {listen.stop().strip()[-200:]}") from None
        finally:
            listen.stop()
        end = json.loads(out)["end"]
        got = end.get("sum_received", end.get("sum"))
        if not got or not got["bytes"] and "-u" not in args:
            raise Failed("nothing arrived")
        more = {"retransmits": end["sum_sent"]["retransmits"]} if "retransmits" in end.get("sum_sent", {}) else {}
        if "-u" in args:
            more = {"lost": round(got["lost_percent"], 2)}
        return dict(value=got["bits_per_second"] / scale, amount=got["bytes"], **more)
    how.iperf3 = True
    return how


def udp(way, size, segments, mbit=0, scene=None, s=None, seconds=0):
    client, server, addr = scene.path(s, way)
    port = str(s.port + 2)
    listen = Proc([*server.enter, scene.bench("udp"), "recv", port], "ready")
    try:
        r = json.loads(output([*client.enter, scene.bench("udp"), "send", addr, port, str(seconds), str(size),
                               str(segments), *([f"{mbit:.1f}"] if mbit else [])], seconds))
    finally:
        listen.stop()
    return dict(value=r["rate"] / 1000, amount=r["bytes"], lost=r["lost"])


def datagrams(way, segments):
    return lambda scene, s, seconds: udp(way, 1400, segments, 0, scene, s, seconds)


def paced(way):
    """Loss at 80 % of what went through at full speed just before"""
    def how(scene, s, seconds):
        best = udp(way, 1400, 1, 0, scene, s, seconds / 2)
        r = udp(way, 1400, 1, best["value"] * 800, scene, s, seconds)
        return dict(value=r["lost"], amount=r["amount"], at=round(r["value"], 3))
    return how


# ---- Exchanges

def server_of(scene, s, way):
    """One rr server for each program and way, as long as the scene"""
    client, server, addr = scene.path(s, way)
    servers = scene.__dict__.setdefault("servers", {})
    key = server.path, s.port
    if key not in servers:
        servers[key] = Proc([*server.enter, scene.bench("rr"), "serve", str(s.port)], "ready")
    return client, addr


def rr(way, what, flows, size=None):
    def how(scene, s, seconds):
        client, addr = server_of(scene, s, way)
        r = json.loads(output([*client.enter, scene.bench("rr"), what, addr, str(s.port), str(seconds), str(flows),
                               *([str(size)] if size else [])], seconds))
        if not r["count"]:
            raise Failed("no exchange at all")
        return dict(value=r["rate"], amount=r["count"], failed=r["failed"], p50_us=r["p50_us"], p99_us=r["p99_us"])
    return how


def beside(way, flows):
    """A ping-pong next to bulk flows"""
    def how(scene, s, seconds):
        client, server, addr = scene.path(s, way)
        port = str(s.port + 3)
        listen = Proc([*server.enter, "iperf3", "-s", "-1", "-p", port, "--forceflush"], "listening")
        load = Proc([*client.enter, "iperf3", "-c", addr, "-p", port, "-t", str(round(seconds) + PATIENCE), "-P",
                     str(flows),
                     "--forceflush"], r"\b0\.00-")
        try:
            return rr(way, "tcp", 1, 1)(scene, s, seconds)
        finally:
            load.stop()
            listen.stop()
    how.iperf3 = True
    return how


# ---- Links that lose

def stall(scene, s, seconds):
    """Longer than without loss: the last segment of each answer is lost once"""
    r = rr("out", "tcp", 1, ANSWER)(scene, s, seconds)
    return dict(value=r["p50_us"] / 1000 - TAIL_TRIP_MS, amount=r["amount"])


def again(scene, s, seconds):
    """Segments that a guest got twice, whose application reads slowly"""
    def twice():
        lines = [x.split() for x in s.ns.run("cat", "/proc/self/net/netstat").splitlines() if x.startswith("TcpExt:")]
        values = dict(zip(*lines))
        return int(values["TCPDSACKOldSent"]) + int(values["DelayedACKLost"])

    client, server, addr = scene.path(s, "out")
    before = twice()
    job = (f"tcp slow c={client.path} s={server.path} to={addr} port={s.port + 4} down={round(SLOW * seconds)} "
           f"rate={SLOW} rcvbuf=16384 close=server\n")
    r = subprocess.run([f"{scene.tools}/xfer", "-t", str(PATIENCE)], input=job, stdout=subprocess.PIPE, text=True)
    if r.returncode:
        raise Failed(r.stdout)
    return dict(value=twice() - before)


def rings(scene, s, seconds):
    """To a virtual machine whose card takes RING frames of a burst, as part of the same with RING_LARGE"""
    values = []
    for n in RING_LARGE, RING:
        t = Subject(s.name, s.port, s.binary)
        t.ns = Namespace("-Ur")
        scene.settings(t.ns)
        pids, _, base = scene.launch(s, t.ns, "-t", "none", "-u", "none", "-m", "1500")
        try:
            scene.guest_up(t, base + ".socket", "-m", "1500", "-l", f"/burst={n}")
            values.append(bulk("out", "-R")(scene, t, seconds)["value"])
        finally:
            end(pids)
            t.ns.proc.stop()
    return dict(value=values[1] / values[0], small=round(values[1], 3), large=round(values[0], 3))
rings.iperf3 = True


def ipxe(card, family):
    """IPXE_BYTES by HTTP, to iPXE (IPXE: another ipxe.lkrn than Debian's); MB/s"""
    def machine(scene, s, netdev, addr, port):
        script = f"{scene.dir}/{s.name}.ipxe"
        with open(script, "w") as f:
            f.write("\n".join(["#!ipxe", "dhcp" if family == 4 else "ifconf -c ipv6",
                               f"imgfetch http://{addr}:{port}/file", f"imgfetch http://{addr}:{port}/done", ""]))
        return Proc(["qemu-system-x86_64", "-accel", "tcg", "-m", "512", "-display", "none",
                     "-nodefaults", "-no-user-config", "-kernel", IPXE, "-initrd", script,
                     "-netdev", f"{netdev},id=n", "-device", f"{card},netdev=n"])

    def how(scene, s, seconds):
        if not shutil.which("qemu-system-x86_64") or not os.path.exists(IPXE):
            raise Skipped(f"no qemu-system-x86_64, or no {IPXE}: Debian's packages qemu-system-x86 and ipxe")
        addr, port, pids, vm = ("198.51.100.10", "2001:db8:1::10")[family == 6], s.port + 5, (), None
        web = Proc([*scene.R.enter, sys.executable, scene.here("web.py"), addr, str(port), str(IPXE_BYTES)], "ready")
        try:
            netdev = "user"
            if not s.limit:
                pids, _, base = scene.launch(s, None, "-t", "none", "-u", "none")
                netdev = f"stream,server=off,addr.type=unix,addr.path={base}.socket"
            vm = machine(scene, s, netdev, f"[{addr}]" if family == 6 else addr, port)
            try:
                web.p.wait(IPXE_PATIENCE)
            except subprocess.TimeoutExpired:
                raise Failed(f"not there in {IPXE_PATIENCE:.0f} s: {vm.stop()[-300:]}") from None
            took = json.loads(web.p.communicate()[0])["seconds"]
        finally:
            web.stop()
            if vm:
                vm.stop()
            end(pids)
        return dict(value=IPXE_BYTES / 1e6 / took)
    return how


# ---- Guests on a network of their own (--lan), or on a kernel's bridge

@contextlib.contextmanager
def lan(scene, s, n, guests=LAN_GUESTS):
    """Namespaces of @n guests, at 192.168.77.2 and so on, and the program's processes"""
    peers, pids, running = [Namespace(*(() if s.limit else ("-Ur",))) for _ in range(n)], (), []
    try:
        if not s.limit:
            pids, _, base = scene.launch(s, None, "-t", "none", "-u", "none", "--guests", str(guests), "--lan",
                                         "192.168.77.0/24")
        else:
            scene.H.run("ip", "link", "add", "lan", "up", "type", "bridge")
        for i, ns in enumerate(peers):
            scene.settings(ns)
            if s.limit:
                scene.H.run("ip", "link", "add", f"lan{i}", "up", "master", "lan", "type", "veth", "peer", "name",
                            "ext", "netns", str(ns.pid))
                ns.run("ip", "link", "set", "ext", "mtu", str(scene.spec["mtu"]), "up")
                scene.H.run("ip", "link", "set", f"lan{i}", "mtu", str(scene.spec["mtu"]))
            else:
                tool = scene.stand_in()
                running.append(Proc([*tool, "-m", str(scene.spec["mtu"]), "-a", f"02:00:00:00:00:{i + 1:02x}",
                                     base + ".socket", ns.path], "ready"))
            ns.run("ip", "link", "set", "ext", "txqueuelen", "16384")
            ns.run("ip", "addr", "add", f"192.168.77.{i + 2}/24", "dev", "ext")
            ns.run("ip", "route", "add", "default", "via", "192.168.77.1")
        yield peers, descendants(pids) if pids else set()
    finally:
        for p in running:
            p.stop()
        end(pids)
        for ns in peers:
            ns.proc.stop()
        if s.limit:
            subprocess.run([*scene.H.enter, "ip", "link", "del", "lan"], stderr=subprocess.DEVNULL)


def lan_tcp(scene, s, seconds):
    """From guest to guest"""
    with lan(scene, s, 2) as (ns, _):
        listen = Proc([*ns[1].enter, "iperf3", "-s", "-1", "--forceflush"], "listening")
        try:
            out = output([*ns[0].enter, "iperf3", "-J", "-c", "192.168.77.3", "-t", str(max(1, round(seconds)))],
                         seconds)
        finally:
            listen.stop()
    return dict(value=json.loads(out)["end"]["sum_received"]["bits_per_second"] / 1e9)
lan_tcp.iperf3 = True


def lan_rss(scene, s, seconds):
    """kB that each further guest adds, connected, seen and idle"""
    kb = []
    for n in 1, LAN_GUESTS:
        with lan(scene, s, n) as (peers, processes):
            for ns in peers:
                ns.run("sh", "-c", "ping -qc1 -W.1 192.168.77.1; ip neigh show 192.168.77.1 | grep lladdr")
            kb.append(rss_kb(processes))
    return dict(value=(kb[1] - kb[0]) / (LAN_GUESTS - 1), one=kb[0], all=kb[1])


def finished(processes, seconds):
    """What each has printed, of JSON"""
    found = []
    for p in processes:
        try:
            out, err = p.p.communicate(timeout=seconds + PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failed(f"no end: {p.stop()[-300:]}") from None
        if p.p.returncode:
            raise Failed(err.decode()[-300:])
        found.append(json.loads(out))
    return found


def lan_crr(scene, s, seconds):
    """Connections of all guests at once to R, each one at a time"""
    port, running = str(s.port), []
    with lan(scene, s, LAN_GUESTS) as (peers, _):
        serve = Proc([*scene.R.enter, scene.bench("rr"), "serve", port], "ready")
        try:
            running = [Proc([*ns.enter, scene.bench("rr"), "crr", scene.addr["R"], port, str(seconds), "1"])
                       for ns in peers]
            rates = [r["rate"] for r in finished(running, seconds)]
        finally:
            for p in [*running, serve]:
                p.stop()
    return dict(value=sum(rates), least=min(rates) * len(rates) / sum(rates) if sum(rates) else 0)


def lan_fair(scene, s, seconds):
    """Four guests send to R by TCP, one of them on 16 connections: the part of its share that the poorest has"""
    running, servers = [], []
    with lan(scene, s, 4) as (peers, _):
        try:
            for i, ns in enumerate(peers):
                port = str(s.port + 1 + i)
                servers.append(Proc([*scene.R.enter, "iperf3", "-s", "-1", "-p", port, "--forceflush"], "listening"))
            for i, ns in enumerate(peers):
                running.append(Proc([*ns.enter, "iperf3", "-J", "-c", scene.addr["R"], "-p", str(s.port + 1 + i), "-t",
                                     str(max(1, round(seconds))), "-P", "1" if i else "16"]))
            got = [r["end"]["sum_received"]["bytes"] for r in finished(running, seconds)]
        finally:
            for p in running + servers:
                p.stop()
    return dict(value=min(got) * len(got) / sum(got), flood=round(got[0] * len(got) / sum(got), 3))
lan_fair.iperf3 = True


# ---- Memory, start

def rss_kb(processes):
    """Of the program's own: not what it maps of a virtual machine's memory, which is shared"""
    kb = 0
    for p in processes:
        try:
            with open(f"/proc/{p}/status") as f:
                kb += sum(int(line.split()[1]) for line in f if line.startswith(("RssAnon:", "RssFile:")))
        except (OSError, ValueError):
            pass
    return kb


def end(pids):
    for p in descendants(pids) if pids else ():
        try:
            os.kill(p, signal.SIGKILL)
        except ProcessLookupError:
            pass


def fresh(scene, s, then):
    """Another one of the program, just started"""
    ns = Namespace("-Ur")
    pids, took, _ = scene.launch(s, ns, "-t", "none", "-u", "none")
    try:
        return then(descendants(pids), took, ns)
    finally:
        end(pids)
        ns.proc.stop()


def start(scene, s, seconds):
    took = sorted(fresh(scene, s, lambda pids, took, ns: took) for _ in range(5))
    return dict(value=took[2] * 1000)


def rest(scene, s, seconds):
    return dict(value=fresh(scene, s, lambda pids, took, ns: rss_kb(pids)) / 1000)


def after(scene, s, seconds):
    return dict(value=rss_kb(s.processes()) / 1000)


def idle(flows):
    """With connections that were used once each, to several ports, as a port has no more than some 28,000; what each
    adds"""
    def connected(scene, s, pids, guest):
        before, running = rss_kb(pids), []
        try:
            for i in range(-(-flows // IDLE_MAX)):
                port, n = str(s.port + 4 + i), min(IDLE_MAX, flows - i * IDLE_MAX)
                running.append(Proc([*scene.R.enter, scene.bench("rr"), "serve", port], "ready"))
                running.append(Proc([*guest.enter, scene.bench("rr"), "idle", scene.addr["R"], port, str(n)], "ready",
                                    60))
            kb = rss_kb(pids)
        finally:
            for p in running:
                p.stop()
        return dict(value=kb / 1000, added_bytes=round((kb - before) * 1024 / flows))

    def how(scene, s, seconds):
        if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < flows + 1000:
            raise Skipped(f"not so many files can be open here: ulimit -Hn {flows + 1000}")
        return fresh(scene, s, lambda pids, took, ns: connected(scene, s, pids, ns))
    return how


def table():
    tcp = dict(mtus=True, realtime=True)
    each = dict(unit="1/s", per="exchange", packets=False)
    size = dict(unit="MB", limit=None, more=False, per="")
    figures = [
        Figure("tcp_out", "one TCP stream from the guest", bulk("out"), goal=("limit", .70), **tcp),
        Figure("tcp_in", "one TCP stream to the guest, which is the server", bulk("in"), goal=("limit", .80),
               cpu_goal=("peer", .55), **tcp),
        Figure("tcp_rev", "one TCP stream to the guest, which is the client", bulk("out", "-R"), goal=("limit", .80),
               cpu_goal=("peer", .55), **tcp),
        Figure("tcp_out_4", "four TCP streams from the guest", bulk("out", "-P4"), goal=("limit", .65), **tcp),
        Figure("udp_out", "datagrams of 1400 bytes from the guest, one a call", bulk("out", "-u", "-b0", "-l1400"),
               goal=("limit", .50)),
        Figure("udp_in", "datagrams of 1400 bytes to the guest, one a call", bulk("in", "-u", "-b0", "-l1400"),
               goal=("limit", .50)),
        Figure("udp_gso_out", "datagrams of 1400 bytes from the guest, 44 a call by UDP_SEGMENT", datagrams("out", 44),
               goal=("peer", 8)),
        Figure("udp_gso_in", "datagrams of 1400 bytes to the guest, 44 a call by UDP_SEGMENT", datagrams("in", 44),
               goal=("peer", 8)),
        Figure("udp_lost_out", "datagrams lost at 80 % of the highest rate, from the guest", paced("out"), unit="%",
               limit=None,
               goal=("most", .01), more=False, per=""),
        Figure("udp_lost_in", "datagrams lost at 80 % of the highest rate, to the guest", paced("in"), unit="%",
               limit=None,
               goal=("most", .01), more=False, per=""),
        Figure("rr_tcp", "exchanges of one byte on a TCP connection", rr("out", "tcp", 1, 1), goal=("limit", .80),
               **each),
        Figure("rr_udp", "exchanges of one byte by UDP", rr("out", "udp", 1, 1), goal=("limit", .90), **each),
        Figure("rr_tcp_50", "exchanges of 100 bytes on 50 TCP connections", rr("out", "tcp", 50, 100),
               goal=("limit", .50),
               realtime=True, **each),
        Figure("rr_udp_50", "exchanges of 100 bytes on 50 UDP flows", rr("out", "udp", 50, 100), goal=("limit", .50),
               realtime=True, **each),
        Figure("rr_beside_4", "exchanges of one byte on a TCP connection, beside four TCP streams", beside("out", 4),
               goal=("limit", .50), **each),
        Figure("crr_out", "connections from the guest: opened, one byte there and back, closed; 16 at a time",
               rr("out", "crr", 16), goal=("limit", .80), realtime=True, **each),
        Figure("crr_in", "the same to the guest", rr("in", "crr", 16), goal=("limit", .90), realtime=True, **each),
        Figure("splice_tcp", "one TCP stream from the host's loopback interface to the guest, past the link",
               bulk("local"),
               limit="host", packets=False, realtime=True),
        Figure("splice_rr_50", "exchanges of 100 bytes on 50 such connections", rr("local", "tcp", 50, 100),
               limit="host",
               realtime=True, **each),
        Figure("splice_crr", "such connections: opened, one byte there and back, closed; 8 at a time",
               rr("local", "crr", 8),
               limit="host", realtime=True, **each),
        Figure("start", "from the command to its end, when all is ready: in the background", start, unit="ms",
               limit=None,
               goal=("most", 8), more=False, per=""),
        Figure("rss_rest", "resident memory, just started", rest, goal=("most", 2.5), **size),
        Figure("rss_after", "resident memory after all figures before this one", after, goal=("most", 6), rounds=1,
               **size),
        Figure("passt_tcp_out", "one TCP stream from a virtual machine", bulk("out"), kind="passt", goal=("peer", 25),
               **tcp),
        Figure("passt_tcp_in", "one TCP stream to a virtual machine, which is the server", bulk("in"), kind="passt",
               goal=("peer", 1.3), **tcp),
        Figure("passt_tcp_rev", "one TCP stream to a virtual machine, which is the client", bulk("out", "-R"),
               kind="passt", **tcp),
        Figure("passt_udp_out", "datagrams of 1400 bytes from a virtual machine", bulk("out", "-u", "-b0", "-l1400"),
               kind="passt"),
        Figure("passt_udp_in", "datagrams of 1400 bytes to a virtual machine", bulk("in", "-u", "-b0", "-l1400"),
               kind="passt"),
        Figure("passt_rr_tcp", "exchanges of one byte on a TCP connection, virtual machine", rr("out", "tcp", 1, 1),
               kind="passt",
               **each),
        Figure("passt_rr_udp", "exchanges of one byte by UDP, virtual machine", rr("out", "udp", 1, 1), kind="passt",
               **each),
        Figure("passt_crr_out", "connections from a virtual machine, as crr_out", rr("out", "crr", 16), kind="passt",
               realtime=True, **each),
        Figure("passt_crr_in", "connections to a virtual machine, as crr_in", rr("in", "crr", 16), kind="passt",
               realtime=True,
               **each),
        Figure("passt_start", "as start", start, kind="passt", unit="ms", limit=None, goal=("most", 8), more=False,
               per=""),
        Figure("passt_rss_rest", "as rss_rest", rest, kind="passt", goal=("most", 2.5), **size),
        Figure("passt_rss_after", "as rss_after", after, kind="passt", goal=("most", 6), rounds=1, **size),
    ]
    vhost = dict(kind="vhost")
    for name, what, how, goal, more in (
            ("tcp_out", "one TCP stream from the guest", bulk("out"), 10, tcp),
            ("tcp_in", "one TCP stream to the guest, which is the server", bulk("in"), 1.5, tcp),
            ("tcp_rev", "one TCP stream to the guest, which is the client", bulk("out", "-R"), 1.5, tcp),
            ("udp_out", "datagrams of 1400 bytes from the guest", bulk("out", "-u", "-b0", "-l1400"), 1.3, {}),
            ("udp_in", "datagrams of 1400 bytes to the guest", bulk("in", "-u", "-b0", "-l1400"), 1.3, {}),
            ("udp_gso_out", "as udp_gso_out", datagrams("out", 44), 5, {}),
            ("udp_gso_in", "as udp_gso_in", datagrams("in", 44), 5, {}),
            ("rr_tcp", "exchanges of one byte on a TCP connection", rr("out", "tcp", 1, 1), 1.2, each),
            ("rr_udp", "exchanges of one byte by UDP", rr("out", "udp", 1, 1), 1.2, each),
            ("rr_tcp_50", "exchanges of 100 bytes on 50 TCP connections", rr("out", "tcp", 50, 100), 1.5, each),
            ("rr_udp_50", "exchanges of 100 bytes on 50 UDP flows", rr("out", "udp", 50, 100), 1.5, each),
            ("crr_out", "connections from the guest, as crr_out", rr("out", "crr", 16), 1.3, each),
            ("crr_in", "connections to the guest, as crr_in", rr("in", "crr", 16), 1.3, each)):
        figures.append(Figure(f"vhost_{name}", f"vhost-user: {what}", how, goal=("peer", goal), **vhost, **more))
    figures.append(Figure("vhost_rss_after", "vhost-user: resident memory after all figures before this one", after,
                          goal=("most", 6), rounds=1, **vhost, **size))
    for n in 10, 100, 1000, 10000:
        figures.append(Figure(f"many_rr_{n}", f"exchanges of 100 bytes on {n:,} TCP connections",
                              rr("out", "tcp", n, 100),
                              kind="many", realtime=True, calls=n < 1000, **each))
    for n in 1000, 10000, 100000:
        figures.append(Figure(f"many_rss_{n}", f"resident memory with {n:,} idle connections", idle(n), kind="many",
                              rounds=1,
                              **size))
    for link, (delay, mbit, loss) in LINKS.items():
        text = f"over a link of {delay} ms each way, {mbit} Mb/s" + (f", {loss} % lost" if loss else "")
        wan = dict(kind=link, limit="host", goal=("limit", .98), longer=2, realtime=True, unit="Mb/s")
        figures += [Figure(f"{link}_{name}", f"one TCP stream {what}, {text}", bulk(*how, scale=1e6), **wan)
                    for name, what, how in (("out", "from the guest", ("out",)),
                                            ("rev", "to the guest, the client", ("out", "-R")),
                                            ("in", "to the guest, the server", ("in",)))]
    for name, (text, _) in BEHIND.items():
        lossy = dict(kind=name, limit="forward")
        if name == "tail":
            figures.append(Figure("tail_stall", "how much longer an answer takes whose last segment is lost, to a client "
                                  "behind the guest, " + text, stall, unit="ms",
                                  goal=("most", 3 * TAIL_TRIP_MS + 10), more=False, per="", **lossy))
            continue
        figures += [Figure(f"{name}_{way}", f"one TCP stream {what} a client behind the guest, {text}", bulk("out", *args),
                           goal=("limit", .80), longer=2, calls=False, **lossy)
                    for way, what, args in (("up", "from", ()), ("down", "to", ("-R",)))]
    figures += [
        Figure("slow_again", f"segments that a guest gets twice that reads {SLOW // 1000} kB/s", again, unit="",
               limit=None, goal=("most", 0), more=False, per="", longer=2),
        Figure("passt_ring_32", f"TCP to a card that drops what is beyond {RING} frames of a burst, as part of the "
               f"same with {RING_LARGE:,}", rings, kind="passt", unit="", limit=None, goal=("least", .80), per="", longer=2),
    ]
    for link, text, goal in ("stream", "by the stream socket", None), ("vhost", "by vhost-user", ("limit", .5)):
        figures.append(Figure(f"lan_tcp_{link}", f"one TCP stream from guest to guest, {text}", lan_tcp,
                              kind=f"lan_{link}", limit="bridge", goal=goal, per=""))
        figures.append(Figure(f"lan_fair_{link}", "four guests that send by TCP, one of them on 16 connections: the "
                              f"smallest part of a share, {text}", lan_fair, kind=f"lan_{link}", unit="", limit=None,
                              goal=("least", .8), per=""))
    figures += [
        Figure("lan_rss", f"memory of each further guest of {LAN_GUESTS}, idle", lan_rss, kind="lan_stream", unit="kB",
               limit=None, goal=("most", 100), more=False, per="", rounds=1),
        Figure("lan_crr", f"connections of {LAN_GUESTS} guests at once, as crr_out, one each at a time", lan_crr,
               kind="lan_stream", unit="1/s", limit=None, per=""),
    ]
    for card in "e1000", "rtl8139", "virtio-net":
        figures += [Figure(f"ipxe_{card}_{family}", f"64 MiB by HTTP to iPXE, {card}, IPv{family}", ipxe(card, family),
                           kind="ipxe", unit="MB/s", limit="user", goal=("peer", 1), also=("limit", 1), per="", longer=5)
                    for family in (4, 6)]
    return figures


FIGURES = table()
