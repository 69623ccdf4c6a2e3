# SPDX-License-Identifier: GPL-2.0-or-later
"""soak_ends.py PID COUNT LABEL NETNS-OF-CLIENT NETNS-OF-SERVER ADDRESS PORT AT LPORT

24 ways for one side of a connection to end, or not to: half-close, stop, kill; client, server; while the one who does
it sends, the other, both, or nobody. COUNT connections of each, which PID, pasta, is in the middle of. Bytes that one
side's kernel took arrive, in order, up to the end of file; or else there is an error. Who waits for a side that stopped
costs PID nothing.

The one who does it, the actor, is a process of its own, which is killed in the end; the other, the witness, is this
one.
"""
import errno, mmap, os, random, select, signal, socket, struct, sys, time

import netns

pid, count, label = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
client_ns, server_ns, to, port, at, lport = sys.argv[4:]
v6 = ":" in to
PATTERN = random.Random(1).randbytes(1 << 20) * 2
TAKE = 1 << 18
PATIENCE = 20
random.seed(2)


def bytes_at(seed, at, n):
    """What a connection's direction has from that byte on, at most n of them"""
    start = (seed * 7919 + at) % (1 << 20)
    return memoryview(PATTERN)[start:start + n]


class End:
    """One side of one connection. Both count in memory that they share what their kernel took, as that is what has to
    arrive."""
    def __init__(self, sock, number, actor, size, counts):
        self.sock, self.number, self.actor, self.size, self.counts = sock, number, actor, size, counts
        self.got, self.ended, self.shut, self.error, self.wrong = 0, False, False, None, ""
        self.reads = self.writes = True
        sock.setblocking(False)

    @property
    def sent(self):
        return self.counts[2 * self.number + self.actor]

    @property
    def told(self):
        return self.counts[2 * self.number + (not self.actor)]

    def wants(self):
        if self.error or self.wrong:
            return 0
        return (select.POLLIN if self.reads and not self.ended else 0) | \
               (select.POLLOUT if self.writes and self.sent < self.size else 0)

    def done(self):
        return bool(self.error or self.wrong) or (self.ended and self.sent >= self.size)

    def send(self):
        n = self.sock.send(bytes_at(2 * self.number + self.actor, self.sent, min(TAKE, self.size - self.sent)))
        self.counts[2 * self.number + self.actor] += n

    def receive(self):
        data = self.sock.recv(TAKE)
        if not data:
            self.ended = True
        elif data != bytes_at(2 * self.number + (not self.actor), self.got, len(data)):
            self.wrong = f"other bytes than those sent, somewhere from {self.got} on"
        self.got += len(data)

    def event(self, what):
        try:
            if what & (select.POLLIN | select.POLLHUP | select.POLLERR) and self.reads and not self.ended:
                self.receive()
            if what & (select.POLLOUT | select.POLLERR) and self.writes and self.sent < self.size:
                self.send()
        except BlockingIOError:
            pass
        except OSError as e:
            self.error = e.errno

    def end_half(self):
        if self.shut or self.error or self.sent < self.size:
            return
        self.shut = True
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError as e:
            self.error = e.errno


def run(ends, until, step=lambda: None, patience=PATIENCE):
    """Moves bytes until that is true; False if it never is"""
    last = time.monotonic() + patience
    fds = {e.sock.fileno(): e for e in ends}
    while not until():
        poll = select.poll()
        for e in ends:
            if e.wants():
                poll.register(e.sock, e.wants())
        for fd, what in poll.poll(10):
            fds[fd].event(what)
        step()
        if time.monotonic() > last:
            return False
    return True


def sizes(direction):
    """Bytes that the actor sends, and the witness"""
    def some():
        return random.choice((1, 1000, 60000, 300000, 700000)) + random.randrange(1000)
    return (some() if direction in ("actor", "both") else 0), (some() if direction in ("witness", "both") else 0)


def connect(number):
    netns.enter(client_ns)
    s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
    s.settimeout(PATIENCE)
    s.connect((to, int(port)))
    s.sendall(struct.pack("I", number))
    return s


def accept():
    s, _ = listener.accept()
    s.settimeout(PATIENCE)
    return struct.unpack("I", s.recv(4, socket.MSG_WAITALL))[0], s


def side(actor, who, n, plan, counts):
    """All connections as one of them sees it"""
    if (who == "client") == actor:
        socks = {i: connect(i) for i in range(n)}
    else:
        socks = dict(accept() for _ in range(n))
    return [End(socks[i], i, actor, plan[i][not actor], counts) for i in range(n)]


# ---- The actor, to the end of its process; a byte by the pipe is a word from the witness, one back an answer

def act(what, who, n, plan, counts, hear, say):
    ends = side(True, who, n, plan, counts)
    os.write(say, b".")

    def heard():
        return select.select([hear], [], [], 0)[0]
    if what == "half-close":
        for e in ends:
            e.end_half()
        run(ends, lambda: all(e.done() for e in ends), lambda: [e.end_half() for e in ends])
        bad = [e for e in ends if e.wrong or e.error or not e.ended or e.got != e.told]
        os.write(say, b"+" if not bad else b"-")
    if what == "stop":
        for e in ends:
            e.reads = False
            e.size, size = min(e.size, 1000), e.size
            e.later = size
        run(ends, heard, patience=10 * PATIENCE)
        for e in ends:          # some go on, some go away
            e.reads, e.size = True, e.later
            if e.number % 2:
                e.sock.close()
        ends = [e for e in ends if not e.number % 2]
        run(ends, lambda: all(e.done() for e in ends), lambda: [e.end_half() for e in ends])
        bad = [e for e in ends if e.wrong or e.error or not e.ended or e.got != e.told]
        os.write(say, b"+" if not bad else b"-")
    run(ends, lambda: False, patience=1000)


def start(what, who, n, plan, counts):
    to_actor, to_witness = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        try:
            act(what, who, n, plan, counts, to_actor[0], to_witness[1])
        finally:
            os._exit(1)
    os.close(to_actor[0])
    os.close(to_witness[1])
    return child, to_witness[0], to_actor[1]


def answer(fd):
    return os.read(fd, 1) if select.select([fd], [], [], 2 * PATIENCE)[0] else b""


# ---- The witness

def cpu():
    """Nanoseconds"""
    with open(f"/proc/{pid}/schedstat") as f:
        return int(f.read().split()[0])


def doings():
    """State, and how often it has given up its CPU or lost it: who waits for one makes no progress, and isn't at rest"""
    with open(f"/proc/{pid}/status") as f:
        lines = dict(l.split(":\t", 1) for l in f if ":\t" in l)
    return lines["State"][0], lines["voluntary_ctxt_switches"], lines["nonvoluntary_ctxt_switches"]


def check_half(ends, hear, say):
    if not run(ends, lambda: all(e.done() for e in ends), lambda: [e.end_half() for e in ends if e.ended or e.size]):
        return "somebody waits for ever"
    for e in ends:
        if e.wrong or e.error or e.got != e.told:
            return e.wrong or f"{e.got} of {e.told} bytes, error {e.error}"
    return "" if answer(hear) == b"+" else "the other side did not get what it was sent"


def check_stop(ends, hear, say):
    for e in ends:              # more than fits anywhere on the way
        e.size = e.size and 1 << 30
    moved, since = None, time.monotonic()

    def at_rest():
        nonlocal moved, since
        now = sum(e.sent + e.got for e in ends), doings()
        if now != moved or now[1][0] != "S":
            moved, since = now, time.monotonic()
        return time.monotonic() > since + 0.1
    if not run(ends, at_rest):
        return "it never stops"
    before = cpu()
    time.sleep(0.2)             # what is measured
    used = cpu() - before
    for e in ends:
        e.size = e.sent
    os.write(say, b".")
    if not run(ends, lambda: all(e.done() for e in ends), lambda: [e.end_half() for e in ends]):
        return "somebody waits for ever"
    for e in ends:
        if e.wrong or (not e.error and e.got != e.told) or (not e.number % 2 and e.error):
            return e.wrong or f"{e.got} of {e.told} bytes, error {e.error}"
        # Who went away had not read what it was sent: it has to be known
        if e.number % 2 and e.sent > 0 and not e.error:
            return f"nobody was told that {e.sent} bytes were sent and not read ({e.number}: {e.got} of {e.told}, {e.ended})"
    if answer(hear) != b"+":
        return "the other side did not get what it was sent"
    return f"{used // 1000} us of CPU time in 200 ms" if used > 4000000 else ""


def check_kill(ends, hear, say):
    target = random.randrange(1, 200000) * len(ends)
    for e in ends:
        e.size = e.size and 1 << 30
    run(ends, lambda: sum(e.sent + e.got for e in ends) >= target or all(e.told == e.got for e in ends), patience=2)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if not run(ends, lambda: all(e.error or e.wrong or e.ended and not e.size for e in ends)):
        return "somebody waits for ever"
    for e in ends:
        # Its last send() may not have been counted any more
        if e.wrong or (not e.error and not e.told <= e.got <= e.told + TAKE):
            return e.wrong or f"{e.got} of {e.told} bytes, error {e.error}"
        if e.error and e.error not in (errno.ECONNRESET, errno.EPIPE):
            return f"error {os.strerror(e.error)}"
    return ""


netns.enter(server_ns)
listener = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if v6:
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
listener.bind((at, int(lport)))
listener.listen(200)
listener.settimeout(PATIENCE)

number = 0
for what, check in ("half-close", check_half), ("stop", check_stop), ("kill", check_kill):
    for who in "client", "server":
        for direction in "actor", "witness", "both", "nobody":
            why, left = "", count
            while left and not why:
                n = min(left, 10)
                left -= n
                counts = memoryview(mmap.mmap(-1, 16 * n)).cast("Q")
                plan = [sizes(direction) for _ in range(n)]
                if what == "kill":
                    plan = [(a and 1 << 30, w) for a, w in plan]
                child, hear, say = start(what, who, n, plan, counts)
                ends = []
                try:
                    ends = side(False, who, n, plan, counts)
                    why = check(ends, hear, say) if answer(hear) == b"." else "not connected"
                except OSError as e:
                    why = f"{type(e).__name__} {e}"
                for e in ends:
                    e.sock.close()
                try:
                    os.kill(child, signal.SIGKILL)
                    os.waitpid(child, 0)
                except OSError:
                    pass        # killed already
                os.close(hear)
                os.close(say)
            number += 1
            name = f"{label}: {what} of the {who}, while {direction} sends, {count} times"
            print(f"{'not ' if why else ''}ok {number} - {name}" + (f": {why}" if why else ""), flush=True)
