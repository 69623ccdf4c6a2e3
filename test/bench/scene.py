# SPDX-License-Identifier: GPL-2.0-or-later
"""Namespaces, programs and generators that a group of figures is measured with.

    R: remote host              H: host                  C, one for each program: guest
    198.51.100.10, .1           198.51.100.2             a namespace of its own
    2001:db8:1::10, ::1         2001:db8:1::2
          ext ------ veth or wan ------ ext    program ------ ext    in0 ------ wan ------ ext
                                                                                           B, behind some guests:
                                                                                           10.9.N.2, fd00:9:N::2

All programs are there at the same time, each with ports of its own, so that they can take turns. A limit is a pseudo
program: "veth" is a namespace with a veth pair to R, "host" is H itself, "forward" is as veth and has a B, "user" is
qemu's own network, and "bridge" is namespaces on a bridge in H, made by each figure. The process that makes a scene is
the first of a PID namespace, and in H: all ends with it.
"""
import os, re, select, subprocess, tempfile, time

LIMITS = "veth", "host", "forward", "user", "bridge"
ADDR = {4: dict(R="198.51.100.10", H="198.51.100.2", lo="127.0.0.1", veth_R="203.0.113.1", veth_C="203.0.113.2"),
        6: dict(R="2001:db8:1::10", H="2001:db8:1::2", lo="::1", veth_R="2001:db8:2::1", veth_C="2001:db8:2::2")}
PATIENCE = 15   # seconds that something may take longer than it should
HZ = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    pass


class Skipped(Exception):
    """This machine can't, for a reason that is no failure"""


def run(*args):
    r = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True)
    if r.returncode:
        raise Failed(f"{' '.join(args)}: {r.stdout.strip()}")
    return r.stdout


def pids():
    return {int(p) for p in os.listdir("/proc") if p.isdigit()}


def read(path):
    with open(path) as f:
        return f.read()


def descendants(roots):
    """Processes below those, and they themselves, as far as they live"""
    parents = {}
    for p in pids():
        try:
            state, parent = read(f"/proc/{p}/stat").rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue
        if state != "Z":
            parents[p] = int(parent)
    found, more = set(), set(roots)
    while more:
        found |= more
        more = {p for p, parent in parents.items() if parent in found} - found
    return found & set(parents)


def cpu_of(processes):
    """Seconds of CPU time so far"""
    ticks = 0
    for p in processes:
        try:
            fields = read(f"/proc/{p}/stat").rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return ticks / HZ


def cpu_total():
    """Of the whole machine, whoever it was for"""
    f = [int(x) for x in read("/proc/stat").splitlines()[0].split()[1:]]
    return (f[0] + f[1] + f[2] + f[5] + f[6]) / HZ


class Proc:
    """A process that is there once it has said so: something that matches @ready"""

    def __init__(self, args, ready=None, patience=PATIENCE):
        self.p = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        end, said = time.monotonic() + patience, b""
        while ready and not re.search(ready.encode(), said):
            left = end - time.monotonic()
            more = left > 0 and select.select([self.p.stdout], [], [], left)[0] and os.read(self.p.stdout.fileno(),
                                                                                            65536)
            if not more:
                self.p.kill()
                raise Failed(f"{' '.join(args)}: not ready: {self.stop()}")
            said += more

    def stop(self):
        """What it has said since"""
        if self.p.poll() is None:
            self.p.kill()
        return b" ".join(self.p.communicate()).decode(errors="replace").strip()


def output(args, seconds):
    try:
        r = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                           timeout=seconds + PATIENCE)
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(args)}: no end") from None
    if r.returncode:
        raise Failed(f"{' '.join(args)}: {(r.stderr + r.stdout).strip()[-300:]}")
    return r.stdout


class Namespace:
    def __init__(self, *unshare):
        self.proc = Proc(["unshare", *unshare, "-n", "sh", "-c", "echo ready; exec sleep infinity"], "ready")
        self.pid = self.proc.p.pid
        self.enter = ["nsenter", "-t", str(self.pid), "-n", "--"]
        self.path = f"/proc/{self.pid}/ns/net"
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *args):
        return run(*self.enter, *args)

    def addr(self, name, v4, v6):
        self.run("ip", "addr", "add", v4, "dev", name)
        self.run("ip", "addr", "add", v6, "dev", name, "nodad")

    def sysctl(self, *settings):
        if settings:
            self.run("sysctl", "-qw", *settings)

    def packets(self):
        """That passed its interfaces, either way"""
        n = 0
        for line in self.run("cat", "/proc/self/net/dev").splitlines()[2:]:
            name, rest = line.split(":")
            if name.strip() != "lo":
                n += int(rest.split()[1]) + int(rest.split()[9])
        return n


class Here(Namespace):
    """H, where we are"""

    def __init__(self):
        self.enter, self.path, self.pid = [], "/proc/self/ns/net", os.getpid()
        self.run("ip", "link", "set", "lo", "up")


class Subject:
    """One that takes its turn: a program with its guest, or a limit"""

    def __init__(self, name, port, binary=None):
        self.name, self.port, self.binary = name, port, binary
        self.ns = self.roots = self.behind = None
        self.limit = binary is None

    def processes(self):
        return descendants(self.roots) if self.roots else set()


class Scene:
    """@spec: kind ("pasta", "passt", "vhost": passt by vhost-user), link: of H to R, a wan; behind: options of the link
    to B; bare: the program is started by each figure; mtu, cc, family, sysctl, subjects, tools"""

    def __init__(self, spec):
        self.spec, self.tools, self.family = spec, spec["tools"], spec["family"]
        self.addr = ADDR[self.family]
        self.dir = tempfile.mkdtemp(prefix="scene.", dir=spec["dir"])
        self.serial = 0
        self.H, self.R = Here(), Namespace()
        self.network(spec.get("link"))
        self.subjects = [Subject(name, 7000 + 10 * i, binary) for i, (name, binary) in enumerate(spec["subjects"])]
        self.absent = {}
        for s in self.subjects:
            try:
                self.limit_up(s) if s.limit else self.program_up(s)
                if spec.get("behind"):
                    self.behind_up(s, spec["behind"])
            except Failed as e:
                self.absent[s.name] = str(e)
        self.subjects = [s for s in self.subjects if s.name not in self.absent]

    def bench(self, tool):
        return f"{self.tools}/../bench/{tool}"

    def here(self, name):
        return os.path.join(os.path.dirname(os.path.abspath(__file__)), name)

    def network(self, link):
        if link:
            self.wan = Proc([f"{self.tools}/wan", *(str(x) for x in link), self.H.path, "ext", self.R.path, "ext"],
                            "ready")
        else:
            self.H.run("ip", "link", "add", "ext", "type", "veth", "peer", "name", "ext", "netns", str(self.R.pid))
        self.H.addr("ext", "198.51.100.2/24", "2001:db8:1::2/64")
        self.R.addr("ext", "198.51.100.10/24", "2001:db8:1::10/64")
        self.R.run("ip", "addr", "add", "198.51.100.1/24", "dev", "ext")
        self.R.run("ip", "addr", "add", "2001:db8:1::1/64", "dev", "ext", "nodad", "preferred_lft", "0")
        for ns in self.H, self.R:
            ns.run("ip", "link", "set", "ext", *(["txqueuelen", "16384"] if link else []), "up")
            self.settings(ns)
        self.H.run("ip", "route", "add", "default", "via", "198.51.100.1")
        self.H.run("ip", "route", "add", "default", "via", "2001:db8:1::1")

    def settings(self, ns):
        ns.sysctl(f"net.ipv4.tcp_congestion_control={self.spec['cc']}", *self.spec["sysctl"])

    def limit_up(self, s):
        if s.name in ("host", "user", "bridge"):
            s.ns = self.H
            return
        s.ns = Namespace()
        name = f"c{s.port}"
        self.R.run("ip", "link", "add", name, "type", "veth", "peer", "name", "ext", "netns", str(s.ns.pid))
        self.R.addr(name, "203.0.113.1/24", "2001:db8:2::1/64")
        s.ns.addr("ext", "203.0.113.2/24", "2001:db8:2::2/64")
        self.R.run("ip", "link", "set", name, "up")
        s.ns.run("ip", "link", "set", "ext", "up")
        self.settings(s.ns)

    def behind_up(self, s, options):
        """B; the guest's kernel forwards for it, or that of the limit. R knows the way back in the latter case."""
        n, guest = (s.port - 7000) // 10, s.ns
        s.behind = Namespace()
        s.line = Proc([f"{self.tools}/wan", "0", "0", "0", guest.path, "in0", s.behind.path, "ext", options], "ready")
        guest.sysctl("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        for ns, name, host in (guest, "in0", 1), (s.behind, "ext", 2):
            ns.run("ip", "link", "set", name, "txqueuelen", "16384")
            ns.addr(name, f"10.9.{n}.{host}/24", f"fd00:9:{n}::{host}/64")
        s.behind.run("ip", "route", "add", "default", "via", f"10.9.{n}.1")
        s.behind.run("ip", "route", "add", "default", "via", f"fd00:9:{n}::1")
        if s.limit:
            self.R.run("ip", "route", "add", f"10.9.{n}.0/24", "via", ADDR[4]["veth_C"])
            self.R.run("ip", "route", "add", f"fd00:9:{n}::/64", "via", ADDR[6]["veth_C"])
        self.settings(s.behind)

    def launch(self, s, ns, *args):
        """Starts it, as a user would, in the background; its processes, and seconds until it was ready"""
        self.serial += 1
        base = f"{self.dir}/{s.name}.{self.serial}"
        link = [] if self.spec["kind"] == "pasta" else ["-s", base + ".socket"]
        if self.spec["kind"] == "vhost":
            link.append("--vhost-user")
        outward = ["-T", "none", "-U", "none"] if not link else []
        args = [s.binary, "-P", base + ".pid", "-l", base + ".log", "-m", str(self.spec["mtu"]), *link, *outward, *args,
                *self.spec["options"], *([] if link else ["--config-net", str(ns.pid)])]
        before, log = pids(), open(base + ".out", "w+")
        begin = time.monotonic()
        p = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log, stderr=log, close_fds=False)
        rc = p.wait()
        took = time.monotonic() - begin
        if rc:
            log.seek(0)
            logged = read(base + ".log") if os.path.exists(base + ".log") else ""
            raise Failed(f"{' '.join(args)}: status {rc}: {log.read()[-300:]} {logged[-300:]}")
        log.close()
        return pids() - before, took, base

    def program_up(self, s):
        if self.spec.get("bare"):
            return
        s.ns = Namespace("-Ur")
        self.settings(s.ns)
        ports = f"{s.port}-{s.port + 9}"
        s.roots, _, base = self.launch(s, s.ns, "-t", ports, "-u", ports)
        if self.spec["kind"] != "pasta":
            self.guest_up(s, base + ".socket")

    def stand_in(self):
        """One region, a frame in one descriptor: not every program takes more"""
        tool = ["guest_vhost", "-g", "1", "-c", "131072"] if self.spec["kind"] == "vhost" else ["guest"]
        return [f"{self.tools}/{tool[0]}", *tool[1:]]

    def guest_up(self, s, socket, *options):
        """The namespace's kernel is the guest; the device's queue is larger, as a virtual machine's doesn't drop"""
        mtu = str(self.spec["mtu"])
        s.ns.sysctl("net.ipv6.conf.default.accept_ra=0", "net.ipv6.conf.default.accept_dad=0")
        s.guest = Proc([*self.stand_in(), "-m", mtu, *options, socket, s.ns.path], "ready")
        s.ns.run("ip", "link", "set", "ext", "txqueuelen", "16384")
        s.ns.addr("ext", "198.51.100.2/24", "2001:db8:1::2/64")
        s.ns.run("ip", "route", "add", "default", "via", "198.51.100.1")
        s.ns.run("ip", "route", "add", "default", "via", "2001:db8:1::1")

    def path(self, s, way):
        """Namespaces of client and server, and the address that the client connects to"""
        a = self.addr
        if way == "local":
            return self.H, s.ns, a["lo"]
        if way == "out":
            return s.behind or s.ns, self.R, a["veth_R"] if s.name in ("veth", "forward") else a["R"]
        return self.R, s.ns, a["veth_C"] if s.name == "veth" else a["H"]
