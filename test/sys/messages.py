#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""messages.py UNPRIVILEGED-COMMAND... - every message that ends the program, by a case that runs into it: exactly one
line on stderr, nothing on stdout, status 1, the option and the value in it.

Messages are collected from the sources: formats of die() and err(), of need() and must(), which complete one of die()'s,
and reasons of "Invalid value", which are results of the parsers. One without a case here is a failure, unless ELSEWHERE
has it.
"""
import glob, os, re, socket, subprocess, sys, threading

T, TOP = os.environ["T"], os.environ["TOP"]
BIN, TOOLS = T + "/bin/", os.environ["TOOLS"]
UNPRIVILEGED = sys.argv[1:]
STRING = r'"(?:[^"\\\n]|\\.)*"'
REASONS = "conf.c conf_lan.c conf_ports.c policy_text.c rules.c"
# Functions, and their argument with the text
CALLS = {"die": 0, "err": 0, "bad": 1, "number": 3, "need": 1, "must": 0}

# Text, or file: where else it is tested, or the reason why no case can run into it
ELSEWHERE = {
    "check.c": "sys/check.sh: these are lines of --check",
    "pcap.c": "the program goes on",
    "Link to the guest lost": "unit/loop_test, sys/life.sh: at run time",
    "Couldn't allow files to be read by Landlock": "in a process without stderr, for lack of a descriptor only",
    "processes there could trace this one": "sys/tracer.sh",
    "watch the migration's socket": "no memory for the second of two sockets",
    "watch the control socket": "no memory for the second of two sockets",
    "ask the kernel about addresses": "no descriptor for the second of two netlink sockets",
    "open netlink socket": "the same, in the namespace",
    "No memory for %u guests": "address space without memory, which overcommitment gives",
    "find interface": "somebody else removes the device that was just made",
    "set MAC address of --ns-mac-addr": "unit/ns_net_test",
    "set MTU (-m/--mtu)": "unit/ns_net_test",
    "bring up interface": "unit/ns_net_test",
    "Failed to set IPv4 %s in namespace": "unit/ns_net_test",
    "tuTU": "no message",
    "lo": "no message",
    "0123456789": "no message",
}


def code(text):
    return re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)


def arguments(text, at):
    """Of the call whose bracket is at @at"""
    depth, start, found = 0, at + 1, []
    while True:
        literal = re.compile(STRING + r"|'(?:[^'\\]|\\.)+'").match(text, at)
        if literal:
            at = literal.end()
            continue
        depth += text[at] in "([{"
        depth -= text[at] in ")]}"
        if (text[at] == "," and depth == 1) or depth == 0:
            found.append(text[start:at])
            start = at + 1
        if depth == 0:
            return found
        at += 1


def literals(text):
    """Adjacent ones are one"""
    text = text.replace("RULE_OVERLAP", OVERLAP)
    for m in re.finditer(STRING + r"(?:\s*" + STRING + ")*", text):
        yield re.sub(r"\\(.)", r"\1", "".join(s[1:-1] for s in re.findall(STRING, m.group())))


def collect():
    """(file, kind, text)"""
    for path in sorted(glob.glob(TOP + "/*.c")):
        name, text = os.path.basename(path), code(open(path).read())
        if name == "qrap.c":
            continue
        for m in re.finditer(r"(\w+[ *])?\b(%s)\(" % "|".join(CALLS), text):
            args = arguments(text, m.end() - 1)
            if (m.group(1) or "return ") == "return " and len(args) > CALLS[m.group(2)]:
                yield from ((name, m.group(2), l) for l in literals(args[CALLS[m.group(2)]]))
        for m in re.finditer(r"\b(?:return|why =)\s([^;]*);", text if name in REASONS.split() else ""):
            yield from ((name, "reason", l) for l in literals(m.group(1)))


def pattern(kind, text):
    """Of a line with such a message"""
    p = re.sub(
        r"%[-.\d]*(?:ll)?[a-zA-Z*]+|%%", lambda m: ".*" if m.group() != "%%" else "%", re.sub(r"%\.\*s", "%s", text)
    )
    p = ".*".join(map(re.escape, p.split(".*")))
    if kind == "need":
        return f"Failed to {p}: .*"
    if kind == "must":
        return f"Failed to {p}.* in namespace: .*"
    return p if kind in ("die", "err") else f"(Invalid (value .* for|option) .*: )?{p}"


OVERLAP = re.search(r'#define RULE_OVERLAP\s+(".*")', open(TOP + "/rules.h").read()).group(1)
messages = {(name, text): re.compile(pattern(kind, text), re.S) for name, kind, text in collect()}
seen, n, failed = set(), 0, 0


def result(good, name, *why):
    global n, failed
    n += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {n} - {name}")
    for w in why if not good else ():
        print("# " + str(w))


def case(want, *argv, under=(), names=(), stdin=subprocess.DEVNULL, status=1, **how):
    """@argv ends with @want, a regular expression for the whole line, in which @names are; @status 0: by a warning"""
    argv = [BIN + argv[0], *argv[1:]]
    if os.path.basename(argv[0]) != "pesto":
        argv.insert(1, "-q")
    p = subprocess.run(
        [*under, *argv],
        stdin=stdin,
        stdout=how.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        **how,
    )
    lines = p.stderr.splitlines()
    line = lines[-1] if lines else ""
    good = (
        p.returncode == status
        and len(lines) == 1
        and not p.stdout
        and re.fullmatch(want, line, re.S)
        and all(w in line for w in names)
    )
    result(good, line or want, " ".join(argv), f"status {p.returncode}, want: {want}, {names}", p.stderr, p.stdout)
    seen.update(m for m, p in messages.items() if p.fullmatch(line))


def invalid(reason, option, *values, program="passt", **how):
    """A value that is refused: the line has option, value and reason"""
    for v in values:
        case(
            re.escape(f'Invalid value "{v[:256]}" for ') + f"(-./)?--{option}" + re.escape(": " + reason),
            program,
            f"--{option}={v}",
            **how,
        )


def fails(*rows):
    return [BIN + "failing", *rows, "--"]


def file_of(text, name="file"):
    path = f"{T}/{name}"
    with open(path, "wb" if isinstance(text, bytes) else "w") as f:
        f.write(text)
    return path


# ---- Command line: values

invalid("empty", "socket", "")
invalid("too long", "log-file", "/" * 5000)
invalid("interface name of more than 15 bytes", "interface", "a" * 16)
invalid("not an interface name", "interface", "a b", "..", "a/b")
invalid("not a MAC address", "mac-addr", "52:54", "x")
invalid("not a unicast MAC address", "mac-addr", "01:00:00:00:00:01", "00:00:00:00:00:00")
invalid("seconds expected", "stats", "x", "-1")
invalid("microseconds expected, at most a million", "busy-poll", "1000001")
invalid("bytes expected, at least 40960", "log-size", "1")
invalid("longer than the 107 bytes that the path of a socket may have", "socket", "/" + "a" * 107)
invalid("descriptor number expected", "fd", "x")
invalid("bytes expected, from 68 to 65521, or 0 to not assign any", "mtu", "65522")
invalid("less than 68, the least that IPv4 needs", "mtu", "67")
case(
    r'Invalid value "1279" for -m/--mtu: less than 1280, the least that IPv6 needs, with -6/--ipv6-only',
    "passt",
    "-6",
    "-m",
    "1279",
)
invalid("not a name", "netns", "..", program="pasta")
invalid("no such user", "runas", "nobody-there")
invalid("no such group", "runas", "0:nobody-there")
invalid("not a host name", "hostname", "a b")
invalid("not a list of domains", "search", "a,b")
invalid("not an IPv4 or IPv6 address", "gateway", "1.2.3")
invalid("unspecified address", "dns", "0.0.0.0")
invalid("not a unicast address", "address", "224.0.0.1")
invalid("loopback address", "gateway", "127.0.0.1")
invalid("not a prefix length", "address", "10.0.0.1/33", "10.0.0.1/0")
invalid("neither a number of bits from 1 to 32 nor an IPv4 mask", "netmask", "33")
invalid("mask with gaps", "netmask", "255.0.255.0")
invalid("no network bits", "netmask", "0.0.0.0")
invalid("not an address", "outbound", "1.2.3")
invalid("1 to 3600 seconds expected", "ask-timeout", "0")

# ---- Command line: options

case("-I/--ns-ifname is for pasta mode only", "passt", "-I", "x")
case("-s/--socket is for passt mode only", "pasta", "-s", "x")
case('Invalid PID "0"', "pasta", "0")
case("Both --netns and a command given", "pasta", "--netns", "x", "true")
case("Both --netns and a PID given", "pasta", "--netns", "x", "1")
case("Option '-t 80' and --no-tcp exclude each other", "passt", "-t", "80", "--no-tcp")
case("--no-splice and --splice-only exclude each other", "pasta", "--no-splice", "--splice-only")
case("--check takes no command: it makes its own", "pasta", "--check", "true")
case("-F/--fd and --splice-only exclude each other", "pasta", "-F", "5", "--splice-only")
case("--repair-path is for --vhost-user only", "passt", "--repair-path", "x")
case("passt: unexpected argument 'x'", "passt", "x")
case("passt: option '--no' is ambiguous; possibilities:.*'--no-tcp'.*", "passt", "--no")
case("passt: unrecognized option '--xyz'", "passt", "--xyz")
case("passt: option '--no-tcp' doesn't allow an argument", "passt", "--no-tcp=x")
case("passt: option '--mtu' requires an argument", "passt", "--mtu")
case("passt: invalid option -- 'Z'", "passt", "-Z")
case("passt: option requires an argument -- 'm'", "passt", "-m")
with open("/dev/full", "w") as full:
    case("Couldn't write to standard output: No space left on device", "passt", "--help", stdout=full)

# ---- Guests on a network of their own

LAN = "--lan", "10.9.0.0/24"
invalid("a number from 1 to 64 expected", "guests", "0", "65")
invalid("not an IPv4 prefix, ADDRESS/BITS", "lan", "10.9.0.0", "x/24")
invalid("not an IPv6 prefix, ADDRESS/BITS", "lan", "10.9.0.0/24,fd00::")
invalid("not a prefix of unicast addresses", "lan", "224.0.0.0/24")
invalid("the prefix length of IPv6 is not 64", "lan", "10.9.0.0/24,fd00::/48")
invalid("the prefix length of IPv4 is not between 8 and 30", "lan", "10.9.0.0/31")
invalid("not MAC=ADDRESS", "lease", "x")
invalid("not a unicast MAC address", "lease", "01:00:00:00:00:01=10.9.0.5")
invalid("not an IPv4 or IPv6 address", "lease", "02:00:00:00:00:01=x")
invalid("not a name that a guest may have", "lease", "02:00:00:00:00:01=10.9.0.5,a_b")


def leases(*values):
    return [a for v in values for a in ("--lease", v)]


for reason, value, before in (
    (
        "too many leases",
        "02:00:00:00:01:01=10.9.1.1",
        [f"02:00:00:00:00:{i:02x}=10.9.0.{i}" for i in range(1, 256)]
        + [f"02:00:00:00:02:{i:02x}=fd00::{i:x}" for i in range(1, 256)],
    ),
    ("the MAC address has one already", "02:00:00:00:00:01=10.9.0.6", ["02:00:00:00:00:01=10.9.0.5"]),
    ("another MAC address has this one", "02:00:00:00:00:02=10.9.0.5", ["02:00:00:00:00:01=10.9.0.5"]),
    ("another MAC address has this name", "02:00:00:00:00:02=10.9.0.6,web", ["02:00:00:00:00:01=10.9.0.5,web"]),
):
    case(f'Invalid value ".*" for --lease: {reason}', "passt", *LAN, *leases(*before, value))
for reason, address, mac in (
    ("outside of --lan", "10.8.0.5", "02:00:00:00:00:01"),
    ("this is our address", "10.9.0.1", "02:00:00:00:00:01"),
    ("not an address of one host", "10.9.0.255", "02:00:00:00:00:01"),
    ("this is our MAC address", "10.9.0.5", "9a:55:9a:55:9a:55"),
):
    case(f'Invalid value "{address}" for --lease: {reason}', "passt", *LAN, *leases(f"{mac}={address}"))
case("--lan has fewer addresses for guests than --guests", "passt", "--lan", "10.9.0.0/30", "--guests", "2")
case("-6/--ipv6-only takes an IPv6 prefix in --lan", "passt", *LAN, "-6")
case("--lan excludes --address, --netmask and --gateway", "passt", *LAN, "-a", "10.9.0.5")
case("--guests needs --lan", "passt", "--guests", "2")
case(
    "-F/--fd is given more often than --guests allows", "passt", *LAN, "--guests", "2", "-F", "5", "-F", "6", "-F", "7"
)
case("--lan-isolate needs --lan", "passt", "--lan-isolate")
case("--lease needs --lan", "passt", *leases("02:00:00:00:00:01=10.9.0.5"))

# ---- Ports

invalid("brackets don't match", "tcp-ports", "[::1/80")
invalid("not an interface name after %", "tcp-ports", "127.0.0.1%/80")
invalid("not an IPv4 or IPv6 address before the slash", "tcp-ports", "x/80")
invalid("not a unicast address", "tcp-ports", "224.0.0.1/80")
invalid("port missing", "tcp-ports", "80,,81")
invalid("port above 65535", "tcp-ports", "65536", "80:65530-65536", "99999999999999999999")
invalid("not a port number", "tcp-ports", "http")
invalid("port 0 can't be forwarded", "tcp-ports", "0")
invalid("range runs backwards", "tcp-ports", "81-80")
invalid("target is not an IPv4 or IPv6 address", "tcp-ports", "0.0.0.0/80:x_y/80")
invalid("target is not a unicast address", "tcp-ports", "0.0.0.0/80:224.0.0.1/80")
invalid("ranges of different lengths", "tcp-ports", "80-81:80-82")
invalid('"none" goes alone', "tcp-ports", "none,80")
invalid('"auto" has no target', "tcp-ports", "auto:80", program="pasta")
invalid("only ports named have other ports as a target", "tcp-ports", "all:80")
invalid("an exclusion has no target", "tcp-ports", "~80:81")
for option, reason, more in (
    ("80:10.0.0.1/80", "a target's address takes one to listen on, 0.0.0.0/ or [::]/ for any", ()),
    ("0.0.0.0/80:[::1]/80", "IPv4 can't be forwarded to IPv6, or the other way around", ()),
    ("0.0.0.0/80:x/80", "a name as a target takes --lan", ()),
    ("80:10.8.0.1/80", "outside of --lan", LAN),
    ("80", "with several guests, a target is needed", (*LAN, "--guests", "2")),
):
    case(re.escape(f"Invalid option '-t {option}': {reason}"), "passt", *more, "-t", option)
case("-T/--tcp-ns is for pasta mode only", "passt", "-T", "80")
invalid('"auto" takes a namespace, which only pasta has', "tcp-ports", "auto")
case(r'Invalid value "8024" for -t/--tcp-ports: too many options', "passt", *(f"-t{7000 + i}" for i in range(2000)))
invalid("too many port ranges", "tcp-ports", ",".join(str(p) for p in range(1, 20000, 2)))

# ---- Rules about destinations

invalid("not an address", "allow", "1.2.3")
invalid("unknown word: a group, an address, or a name with a dot expected", "allow", "publik")
invalid("neither an address nor a name", "allow", "a..b")
invalid("neither an address nor tcp, udp or icmp before a slash", "allow", "sctp/1.2.3.4")
invalid("not a prefix length", "allow", "10.0.0.0/33")
invalid("address with bits beyond the prefix", "allow", "10.0.0.1/8")
invalid("no address, group or name", "allow", ":80")
invalid("echo has no ports", "allow", "icmp/any:80")
invalid("not a port, or range of ports, from 1 to 65535", "deny", "any:0")
invalid("no IPv6 address in brackets", "ask", "[1.2.3.4]:80")
invalid("nothing but ports may follow the brackets", "allow", "[::1]x")
invalid("a name is for TCP and UDP", "allow", "icmp/example.com")
invalid("neither open, internet nor locked", "egress", "x")
invalid("No such file or directory", "policy", "/none/file")


def bad_file(reason, text, line=1):
    path = file_of(text)
    case(re.escape(f'Invalid value "{path}" for --policy: line {line}: {reason}'), "passt", "--policy", path)


bad_file("unknown word: allow, deny, ask or egress expected", "# none\npermit any\n", 2)
bad_file("a word is missing", "allow\n")
bad_file("not a text of up to 128 bytes in quotes", 'deny any "%s"\n' % ("x" * 129))
bad_file("only deny has a reason", 'allow any "why"\n')
bad_file("more words than one rule has", "allow any any\n")
bad_file("a byte of 0: not a text", b"allow any\0\n")
bad_file("more than 10000 rules", "allow 1.2.3.4\n" * 10001, 10001)
bad_file("too many ports in all rules", ("allow any:" + ",".join(map(str, range(1, 20000, 2))) + "\n") * 10, 4)
invalid("more than 1 MiB of rules", "policy", file_of("#" * (1 << 20) + "\n"))

# ---- Files, sockets

S = T + "/taken"
taken = socket.socket(socket.AF_UNIX)
taken.bind(S)
taken.listen()
case(re.escape(f"Socket path {S} already in use (-s/--socket)"), "passt", "-s", S)
case(
    re.escape("Failed to listen on socket path /none/s: No such file or directory (-s/--socket)"),
    "passt",
    "-s",
    "/none/s",
)
case(
    "Failed to listen on any socket up to /tmp/passt_100.socket: Too many open files; see -s/--socket",
    "passt",
    under=fails("socket,0=1:EMFILE"),
)
P = ["passt", "-s", T + "/s"]
case(re.escape(f"Control socket {S} already in use (-c/--conf-path)"), *P, "-c", S)
case(
    re.escape("Failed to listen on control socket /none/c: No such file or directory (-c/--conf-path)"),
    *P,
    "-c",
    "/none/c",
)
case(re.escape(f"Socket path {S}, of --repair-path, already in use"), *P, "--vhost-user", "--repair-path", S)
case(
    "Failed to listen on socket path /none/r, of --repair-path: No such file or directory",
    *P,
    "--vhost-user",
    "--repair-path",
    "/none/r",
)
for text, option in (
    ("PID file", "-P/--pid"),
    ("log file", "-l/--log-file"),
    ("flow log", "--flow-log"),
    ("pcap file", "-p/--pcap"),
):
    case(
        re.escape(f"Couldn't open {text} /none/f: No such file or directory ({option})"),
        *P,
        option.split("/")[0],
        "/none/f",
    )
case(re.escape("Couldn't open PID file /dev/full: No space left on device (-P/--pid)"), *P, "-P", "/dev/full")
with open("/dev/full", "w") as full:
    case(
        re.escape("Couldn't write PID file /dev/fd/1: No space left on device (-P/--pid)"),
        *P,
        "-P",
        "/dev/fd/1",
        stdout=full,
    )
case('Invalid value "0" for -F/--fd: not a connected stream socket', "passt", "-F", "0")
case('Invalid value "0" for -F/--fd: not a tap device', "pasta", "-F", "0")
case(re.escape("Invalid interface name none0: No such device (-i/--interface)"), *P, "-i", "none0")

# ---- Ports that can't be had

with socket.create_server(("0.0.0.0", 7777)):
    case(
        r"Failed to bind port 7777 \(Address already in use\) for option '-t 7777': .*: Address already in use",
        *P,
        "-t",
        "7777",
    )
    case(
        r"Failed to bind any port \(Address already in use\) for option '-t 127.0.0.1/~1-7776,~7778-65535': .*",
        *P,
        "-t",
        "127.0.0.1/~1-7776,~7778-65535",
    )
case(
    r"Failed to bind port 7000 .*: Cannot assign requested address \(not an address of this host, see --freebind\)",
    *P,
    "-t",
    "192.0.2.77/7000",
)
case(
    r"Failed to bind port 22 \(Permission denied\) .*: Permission denied \(sysctl net.ipv4.ip_unprivileged_port_start=22 permits it\)",
    *P,
    "-t",
    "22",
    under=UNPRIVILEGED,
)
case(
    "Invalid option '-u 7000-7200': Overlapping port specifier: port 7100 is already forwarded by option '-u 127.0.0.1/7100'",
    *P,
    "-u",
    "127.0.0.1/7100",
    "-u",
    "7000-7200",
)
case(
    "196605 ports to forward by -t, -u, -T, -U, but no more than 131072 can be",
    *P,
    *(f"-t127.0.0.{i}/1-65535" for i in (1, 2, 3)),
)
case(
    r"500 ports to forward by -t, -u, -T, -U need 564 open files, but the limit is 100 \(RLIMIT_NOFILE\)",
    *P,
    "-t",
    "2000-2499",
    under=["prlimit", "--nofile=100:100"],
)

# ---- The host's settings and limits

NEWNS, NEWUSER, NEWNET = 0x20000, 0x10000000, 0x40000000
NO_USERNS = [*UNPRIVILEGED, *fails(f"unshare,0&{NEWUSER}:EPERM", f"clone,0&{NEWUSER}:EPERM")]
NOFILE, NPROC = r" \(RLIMIT_NOFILE\)", r" \(RLIMIT_NPROC, or the cgroup's pids.max\)"
FORBIDDEN = re.escape(" (a system call filter is in force: options of the container that this runs in may permit it)")
case("Couldn't create user namespace: Operation not permitted" + FORBIDDEN, *P, under=NO_USERNS)
case(
    "Couldn't create namespaces for the command: Operation not permitted" + FORBIDDEN, "pasta", "true", under=NO_USERNS
)
case(
    "Couldn't create isolating namespaces: Operation not permitted" + FORBIDDEN,
    *P,
    "--no-follow",
    under=fails(f"unshare,0&{NEWNS}:EPERM"),
)
case("Couldn't make mounts private: Operation not permitted" + FORBIDDEN, *P, "--no-follow", under=fails("mount:EPERM"))
case(
    "Couldn't mount an empty root: Operation not permitted" + FORBIDDEN,
    *P,
    "--no-follow",
    under=fails("mount,3=15:EPERM"),
)
case("Couldn't change to the empty root: Permission denied", *P, "--no-follow", under=fails("chdir:EACCES"))
case("Couldn't leave the old root: Operation not permitted", *P, "--no-follow", under=fails("umount2:EPERM"))
case(
    re.escape(
        "Couldn't pivot_root(): Invalid argument (root is an initramfs or not a mount point, see --chroot-fallback)"
    ),
    *P,
    "--no-follow",
    under=fails("pivot_root:EINVAL"),
)
case(
    re.escape("Couldn't chroot(): Operation not permitted"),
    *P,
    "--no-follow",
    "--chroot-fallback",
    under=fails("pivot_root:EINVAL", "chroot:EPERM"),
)
case("Couldn't get capabilities: Operation not permitted", *P, "--no-follow", under=fails("capget:EPERM"))
case(
    r"Couldn't drop capability \d+ from bounding set: Operation not permitted",
    *P,
    "--no-follow",
    under=fails("prctl,0=24:EPERM"),
)
case("Couldn't drop capabilities: Operation not permitted", *P, "--no-follow", under=fails("capset:EPERM"))
case(
    "Couldn't keep others from tracing this process: Operation not permitted",
    *P,
    "--no-follow",
    under=fails("prctl,0=4:EPERM"),
)
case("Couldn't set no_new_privs: Operation not permitted", *P, "--no-follow", under=fails("prctl,0=38:EPERM"))
case(
    "Couldn't install system call filter: Invalid argument",
    *P,
    "--no-follow",
    under=fails("seccomp:EINVAL", "prctl,0=22:EINVAL"),
)
if "Landlock" in subprocess.run([BIN + "passt", "--check"], capture_output=True, text=True).stdout.replace(
    "no Landlock", ""
):
    case(
        "Couldn't restrict file system by Landlock: Cannot allocate memory",
        *P,
        "--no-follow",
        under=fails("landlock_restrict_self:ENOMEM"),
    )
else:
    ELSEWHERE["Couldn't restrict file system by Landlock"] = "this kernel has none"
case(
    "Couldn't drop supplementary groups: Cannot allocate memory", *P, "--runas", "1:1", under=fails("setgroups:ENOMEM")
)
case(
    "--runas: Couldn't change to UID 1, GID 1: (Operation not permitted|Invalid argument)",
    *P,
    "--runas",
    "1:1",
    under=UNPRIVILEGED,
)
case(
    "-6/--ipv6-only: IPv6 is not available on this host, as with the kernel's ipv6.disable=1",
    *P,
    "-6",
    under=fails("socket,0=10:EACCES"),
)
case("Failed to open netlink socket: Permission denied", *P, "--no-follow", under=fails("socket,0=16:EACCES"))
case("Failed to set up event loop: Too many open files" + NOFILE, *P, under=fails("epoll_create1:EMFILE"))
case("Failed to watch the guest's socket: Cannot allocate memory", *P, under=fails("epoll_ctl:ENOMEM"))
case("Failed to watch the tap device: Cannot allocate memory", "pasta", "true", under=fails("epoll_ctl:ENOMEM"))
case("Failed to set up signals: Too many open files" + NOFILE, *P, "-f", under=fails("signalfd4:EMFILE"))
case(
    "Failed to start in the background: Too many open files" + NOFILE,
    *P,
    "--no-follow",
    under=fails("socketpair:EMFILE"),
)
case(
    "Failed to start the process that writes the flow log: Too many open files" + NOFILE,
    *P,
    "--flow-log",
    T + "/flows",
    under=fails("pipe2:EMFILE"),
)
case("Failed to open /dev/null: Permission denied", *P, under=fails("openat,2=0x80002:EACCES"))
case(
    "Couldn't open /dev/null: Permission denied",
    *P,
    under=[*fails("openat,2=2:EACCES"), "/bin/sh", "-c", 'exec "$@" <&-', "sh"],
)
case(
    r"Failed to open /dev/net/tun: No such file or directory \(is the tun module loaded, and is the device in this container\?\)",
    "pasta",
    "true",
    under=["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh"],
)

for program in "passt", "pasta":
    case(r"RLIMIT_NOFILE permits 20 open files: more than 64 are needed", program, under=["prlimit", "--nofile=20:20"])
case(
    re.escape(
        "Changes of /etc/resolv.conf are not followed: Too many open files (sysctl fs.inotify.max_user_instances)"
    ),
    "pasta",
    "true",
    under=fails("inotify_init1:EMFILE"),
    status=0,
)
case(
    "Failed to start in the background: Resource temporarily unavailable" + NPROC,
    *P,
    "--no-follow",
    under=fails("clone,0=0x1200011:EAGAIN"),
)
case("Killed by signal 31 before all was ready" + FORBIDDEN, *P, "--no-follow", under=fails("seccomp:KILL"))
case("Killed by signal 31 before all was ready" + FORBIDDEN, "pasta", "true", under=fails("sendmsg:KILL"))

# ---- Namespaces

case(
    re.escape("Couldn't open network namespace /none/x: No such file or directory (--netns)"),
    "pasta",
    "--no-netns-quit",
    "--netns",
    "/none/x",
)
case(
    re.escape("netns dir open: /none: No such file or directory (--netns /none/x)"),
    "pasta",
    "--netns",
    "/none/x",
)
case(
    re.escape("Couldn't open network namespace /proc/2147483646/ns/net: No such file or directory (PID)"),
    "pasta",
    "2147483646",
)
case(
    re.escape("Couldn't open user namespace /none/u: No such file or directory (--userns)"),
    "pasta",
    "--userns",
    "/none/u",
    "true",
)
CPID = os.environ["CPID"]
case(
    r"Couldn't join user namespace .*: Operation not permitted \(PID\)",
    "pasta",
    CPID,
    under=fails(f"setns,1={NEWUSER}:EPERM"),
)
case(
    r"Couldn't join network namespace .*: Operation not permitted \(PID\)",
    "pasta",
    CPID,
    under=fails(f"setns,1={NEWNET}:EPERM"),
)
case(
    re.escape(
        "Failed to set up tap interface there in namespace: there is an interface of that name already"
        " (-I/--ns-ifname takes another)"
    ),
    "pasta",
    "-I",
    "there",
    CPID,
)
case(
    "Couldn't hand over namespaces of the command: Operation not permitted",
    "pasta",
    "true",
    under=fails("sendmsg:EPERM"),
)
case(
    "Couldn't take over namespaces of the command: Too many open files", "pasta", "true", under=fails("recvmsg:EMFILE")
)
case("Couldn't open socket pair: Too many open files", "pasta", "true", under=fails("socketpair:EMFILE"))
case("Couldn't run /none/command: No such file or directory", "pasta", "/none/command")
case("Couldn't run \"\": No such file or directory", "pasta", "")
case(
    "Failed to start the thread that opens sockets in the namespace: Resource temporarily unavailable" + NPROC,
    "pasta",
    "-f",
    CPID,
    under=fails("clone,0&0x10000:EAGAIN"),
)

# ---- pesto

CONTROL = os.environ["CONTROL"]
case(
    "pesto: one of --flows, --top, --events, --metrics, --guests and --ask expected",
    "pesto",
    "--flows",
    "--top",
    CONTROL,
)
case('Invalid value "x" for -C/--clear: HOST or SPLICE expected', "pesto", "-C", "x", CONTROL)
case('Invalid value "/none/f" for --policy: No such file or directory', "pesto", "--policy", "/none/f", CONTROL)
bad = file_of("allow any\nallow x\n", "rules")
case(re.escape(f'Invalid value "{bad}" for --policy: line 2: ') + ".*", "pesto", "--policy", bad, CONTROL)
with socket.create_server(("0.0.0.0", 7777)):
    case(
        r"Failed to bind port 7777 \(Address already in use\) for option '-t 7777': .*",
        "pesto",
        "-A",
        "-t",
        "7777",
        CONTROL,
    )
case('Invalid value "x" for option -t: not a port number', "pesto", "-A", "-t", "x", CONTROL)
case(
    'Invalid value "80" for option -T: forwarding from a namespace takes pasta',
    "pesto",
    "-A",
    "-T",
    "80",
    os.environ["PASST_CONTROL"],
)
case(r"No such guest: nobody \(--disconnect\)", "pesto", "--disconnect", "nobody", os.environ["PASST_CONTROL"])
case(r"No such guest: x{256} \(--disconnect\)", "pesto", "--disconnect", "x" * 4000, os.environ["PASST_CONTROL"])
case("Nothing to delete: no rule of option '-t 7' is there", "pesto", "-D", "-t", "7", CONTROL)
case("pesto: the path of one control socket expected; see --help", "pesto")
case("pesto: the path of one control socket expected; see --help", "pesto", "")
case("pesto: more options than one change may have", "pesto", "-A", *(f"-t{'1' * 50}" for _ in range(3000)), CONTROL)
case("pesto: --now takes --policy", "pesto", "--now", CONTROL)
case(
    re.escape("Failed to connect to /none/c: No such file or directory (option -c of pasta or passt makes it)"),
    "pesto",
    "/none/c",
)
case("Failed to send to .*: Operation not permitted", "pesto", CONTROL, under=fails("write,0=3:EPERM"))
case("Failed to wait: Operation not permitted", "pesto", "--ask", CONTROL, under=fails("poll:EPERM", "ppoll:EPERM"))
case(
    "Couldn't open /dev/null: Permission denied",
    "pesto",
    CONTROL,
    under=["sh", "-c", 'exec "$@" <&-', "sh", *fails("openat,2=1:EACCES")],
)


def answers(want, *options, reply=b"", **how):
    """pesto, and a server that answers each call so; without an answer, it ends the connection"""
    path = T + "/server"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()

        def serve():
            with server.accept()[0] as c:
                while c.recv(65536) and reply:
                    c.sendall(reply)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        case(want.replace("PATH", re.escape(path)), "pesto", *options, path, **how)
        thread.join(10)
    os.unlink(path)


answers("No answer from PATH: the connection was closed")
answers("What PATH answers is not Varlink", reply=b"hello")
answers("What PATH answers is not Varlink", reply=b"{x}\0")
answers("What PATH answers is no list of rules", reply=b'{"parameters":{}}\0')
answers("Refused: org.example.Error", reply=b'{"error":"org.example.Error"}\0')
answers(
    "The program at PATH is too old: it has no events",
    "--events",
    reply=b'{"error":"org.varlink.service.MethodNotFound"}\0',
)
answers("What PATH answers are no metrics", "--metrics", reply=b'{"parameters":{}}\0')
answers("Refused: org.example.Error", "--ask", reply=b'{"error":"org.example.Error"}\0')
answers("What PATH answers is no question", "--ask", reply=b'{"parameters":{"question":{}}}\0')

# ---- Those without a case

for name, text in sorted(messages):
    if (name, text) in seen:
        continue
    why = (
        ELSEWHERE.get(name)
        or ELSEWHERE.get(text)
        or next((w for t, w in ELSEWHERE.items() if " " in t and t in text), None)
    )
    result(why, f"{name}: {text}" + (f" ({why})" if why else ""), "no case has this message")
print(f"1..{n}")
sys.exit(failed > 0)
