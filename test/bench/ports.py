#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""ports.py [-n ROUNDS] [-p PORTS] PROGRAM... - what forwarded ports cost, programs side by side

Each PROGRAM, pasta or one with its options, forwards PORTS ports of TCP, of UDP, of both, and all there may be, in turn
with the others, in namespaces of its own. Columns: ms until the program is in the background; its descriptors; kB
resident, and bytes of these for each port, over no ports; kernel memory for each port, in bytes: of slab objects, those
of caches that had at least one for five ports, and of MemAvailable, over no ports; objects of each such cache for a
port. Medians of ROUNDS; of slab objects, which are the whole machine's, the least. Run as root, on a machine that does
nothing else.
"""
import argparse, os, re, signal, statistics, subprocess, sys, time

parser = argparse.ArgumentParser()
parser.add_argument("-n", type=int, default=3)
parser.add_argument("-p", type=int, default=5000)
parser.add_argument("program", nargs="+")
args = parser.parse_args()

# A machine of our own: user, mount, PID and network namespaces that end with this process
if "PORTS_INSIDE" not in os.environ:
    os.environ["PORTS_INSIDE"] = "1"
    command = ["unshare", "-Urnmpf", "--mount-proc", "--kill-child", sys.executable, os.path.abspath(__file__),
               *sys.argv[1:]]
    sys.exit(subprocess.run(command).returncode)

last = 10000 + args.p - 1
half = min(args.p, 9000)
CASES = (("none", 0, []), ("tcp", args.p, ["-t", f"10000-{last}"]), ("udp", args.p, ["-u", f"10000-{last}"]),
         ("both", 2 * args.p, ["-t", f"10000-{last}", "-u", f"10000-{last}"]), ("all", 2 * half,
                                                                                ["-t", "all", "-u", "all"]))
MORE = ["--config-net", "-q", "-T", "none", "-U", "none"]


def meminfo(name):
    with open("/proc/meminfo") as f:
        return int(re.search(rf"^{name}:\s*(\d+)", f.read(), re.M)[1]) * 1024


def slab():
    """Objects in use and their size, by cache"""
    try:
        with open("/proc/slabinfo") as f:
            return {w[0]: (int(w[1]), int(w[3])) for w in (line.split() for line in list(f)[2:])}
    except PermissionError:
        return {}


def settle():
    """What was freed is given back in the background: until it is"""
    before = None
    for _ in range(50):
        now = meminfo("Slab")
        if before is not None and abs(now - before) < 65536:
            return
        before = now
        time.sleep(0.2)


def measure(program, ports, options):
    subprocess.run("touch /run/ns && unshare -n mount --bind /proc/self/ns/net /run/ns", shell=True, check=True)
    settle()
    objects, available = slab(), meminfo("MemAvailable")
    command = [*program.split(), *MORE, "-P", "/run/ports.pid", *options, "--netns", "/run/ns"]
    start = time.monotonic()
    run = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    took = time.monotonic() - start
    if run.returncode:
        subprocess.run(["umount", "-l", "/run/ns"], check=True)
        print(f"{' '.join(command)}: {run.stderr.strip()}", file=sys.stderr)
        return None
    with open("/run/ports.pid") as f:
        pid = int(f.read())
    settle()
    after = slab()
    more = {c: n - objects.get(c, (0, 0))[0] for c, (n, _) in after.items()}
    with open(f"/proc/{pid}/status") as f:
        rss = int(re.search(r"VmRSS:\s*(\d+)", f.read())[1])
    result = {"ms": took * 1000, "fds": os.stat(f"/proc/{pid}/fd").st_size, "rss": rss,
              "available": available - meminfo("MemAvailable"), "more": more,
              "size": {c: size for c, (_, size) in after.items()}}
    subprocess.run(["umount", "-l", "/run/ns"], check=True)
    os.kill(pid, signal.SIGTERM)
    while os.path.exists(f"/proc/{pid}"):
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            time.sleep(0.01)
    return result


subprocess.run("mount -t tmpfs none /run && ip link set lo up && ip link add d0 type veth peer name d1 && "
               "ip link set d1 up && ip addr add 198.51.100.2/24 dev d0 "
               "&& ip addr add 2001:db8::2/64 dev d0 nodad && ip link set d0 up && ip route add default via 198.51.100.1 && "
               "ip -6 route add default via 2001:db8::1 && sysctl -qw net.ipv4.ip_unprivileged_port_start=0 "
               f"'net.ipv4.ip_local_port_range={half + 1} 65535'", shell=True, check=True)
print(f"{'':12}{'program':28}{'ms':>8}{'fds':>8}{'RSS kB':>8}{'B/port':>8}{'slab/port':>10}{'avail/port':>11}  objects a port")
none = {}
for name, ports, options in CASES:
    rounds = {p: [] for p in args.program}
    for _ in range(args.n):
        for p in args.program:
            rounds[p].append(measure(p, ports, options))
    for p in args.program:
        got = [r for r in rounds[p] if r]
        if not got:
            print(f"{name:12}{p[-26:]:28}  failed")
            continue
        m = {k: statistics.median(r[k] for r in got) for k in ("ms", "fds", "rss", "available")}
        if not ports:
            none[p] = m["rss"], m["available"]
        n = ports or 1
        less = none.get(p, (0, 0)) if ports else (m["rss"], m["available"])
        per = {c: min(r["more"].get(c, 0) for r in got) / n for c in got[0]["more"]} if ports else {}
        per = {c: v for c, v in sorted(per.items(), key=lambda x: -x[1]) if v >= .2}
        memory = sum(v * got[0]["size"][c] for c, v in per.items())
        text = " ".join(f"{c}:{v:.2f}" for c, v in per.items())
        print(f"{name:12}{p[-26:]:28}{m['ms']:8.1f}{m['fds']:8.0f}{m['rss']:8.0f}{(m['rss'] - less[0]) * 1024 / n:8.0f}"
              f"{memory:10.0f}{(m['available'] - less[1]) / n:11.0f}  {text}", flush=True)
