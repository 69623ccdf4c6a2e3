# SPDX-License-Identifier: GPL-2.0-or-later
"""restart.py name|pid|slow COUNT DIR -- COMMAND...

COMMAND, pasta in the background, for one network namespace after the other: each is taken away as Podman does it, by
umount2() and unlink() of its name, or by the end of its process, and the next is started at once; slow: by name, and
the old one doesn't run for another 0.1 s. Prints how many starts failed, how many of them had fewer ports than the
first, and how many ports that were; messages of failures go to stderr.
"""
import ctypes, os, signal, subprocess, sys, threading

how, count, where = sys.argv[1], int(sys.argv[2]), sys.argv[3]
command = sys.argv[sys.argv.index("--") + 1:]
libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET, MS_BIND, MNT_DETACH = 0x40000000, 0x1000, 2


def call(rc):
    if rc:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def child(f):
    """Process that has a network namespace of its own, once f() was called in it"""
    there, up = os.pipe()
    pid = os.fork()
    if not pid:
        call(libc.unshare(CLONE_NEWNET))
        f()
        os.write(up, b"x")
        signal.pause()
    os.close(up)
    if os.read(there, 1) != b"x":
        sys.exit("no namespace")
    os.close(there)
    return pid


def end_of(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def named(i):
    path = f"{where}/ns{i}"
    open(path, "w").close()
    end_of(child(lambda: call(libc.mount(b"/proc/self/ns/net", path.encode(), None, MS_BIND, None))))

    def end():
        call(libc.umount2(path.encode(), MNT_DETACH))
        os.unlink(path)
    return ["--netns", path], end


def process(i):
    pid = child(lambda: None)
    return [str(pid)], lambda: end_of(pid)


def ports():
    """Listening TCP sockets, and bound UDP ones"""
    n = 0
    for name, state in ("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07"):
        with open(f"/proc/self/net/{name}") as f:
            n += sum(line.split()[3] == state for line in f)
    return n


def stop():
    """The last one, until 0.1 s from now"""
    with open(f"{where}/pid") as f:
        pid = int(f.read())
    os.kill(pid, signal.SIGSTOP)
    threading.Timer(0.1, os.kill, (pid, signal.SIGCONT)).start()


failed, had = 0, []
for i in range(count):
    target, end = (process if how == "pid" else named)(i)
    run = subprocess.run(command + ["-P", f"{where}/pid"] + target, stdin=subprocess.DEVNULL, capture_output=True,
                         text=True)
    if run.returncode:
        failed += 1
        print(run.stderr, end="", file=sys.stderr)
    else:
        had.append(ports())
    if how == "slow":
        stop()
    end()
print(failed, sum(n < had[0] for n in had[1:]), had[0])
