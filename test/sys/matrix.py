# SPDX-License-Identifier: GPL-2.0-or-later
"""matrix.py NAME=NETNS... < CELLS

Carries out what matrix.sh wrote down, all at the same time: clients and services of every namespace are in this
process. A cell:

    NAME|PROTO|CLIENT|TO|SERVER|AT|SEEN|ASKED:SERVED ...|REFUSED ...|DECOYS ...|HOW

From namespace CLIENT to address TO, ports ASKED; in namespace SERVER, services at address AT, ports SERVED, that see
the client as SEEN (with "=" behind it: at the client's own port). A service tells what it sees, and returns every byte,
inverted: over TCP, once its client has ended its half. REFUSED is where nobody answers, DECOYS are services that are
not to be found; NAMESPACE/ADDRESS/PORT each. HOW is "fixed", or "auto": the port is closed, can be reached within 2 s
of the service's start, and is closed within 2 s of its end.
"""
import asyncio, collections, os, random, resource, socket, sys, time

import netns

LIMIT = 2           # seconds, from event to forwarding
PATIENCE = 5        # for an exchange
STREAM = 50000
SIZES = 1, 1000, 8000       # of datagrams; the last is fragmented on its way
INVERT = bytes(255 - i for i in range(256))
current = None

Cell = collections.namedtuple("Cell", "name proto client to server at seen ports refused decoys how")
nets = dict(a.split("=", 1) for a in sys.argv[1:])


def sock(ns, proto, addr):
    """A socket of that namespace, not bound"""
    global current
    if ns != current:
        netns.enter(nets[ns])
        current = ns
    s = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET,
                      socket.SOCK_STREAM if proto == "TCP" else socket.SOCK_DGRAM)
    s.setblocking(False)
    return s


def bound(ns, proto, addr, port):
    s = sock(ns, proto, addr)
    if ":" in addr:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if proto == "TCP":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        s.bind((addr, port))
    except OSError as e:
        raise OSError(e.errno, f"{proto} service in {ns} at {addr} port {port}: {e.strerror}")
    return s


# Services

def report(s, peer):
    return f"{peer[0]} {peer[1]} {s.getsockname()[1]}\n".encode()


async def stream(reader, writer):
    try:
        data = await reader.read()
        writer.write(report(writer.get_extra_info("socket"),
                            writer.get_extra_info("peername")) + data.translate(INVERT))
        await writer.drain()
    except OSError:
        pass
    writer.close()


class Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        self.transport.sendto(report(self.transport.get_extra_info("socket"), peer) + data.translate(INVERT), peer)


async def service(ns, proto, addr, port):
    s = bound(ns, proto, addr, port)
    if proto == "TCP":
        return await asyncio.start_server(stream, sock=s, backlog=100)
    return (await asyncio.get_running_loop().create_datagram_endpoint(Datagrams, sock=s))[0]


# Clients: each returns what is wrong, or nothing

def compare(cell, own_port, served, data, answer):
    line, _, body = answer.partition(b"\n")
    if not answer:
        return "the connection ends without an answer"
    try:
        addr, port, at_port = line.decode().split()
    except ValueError:
        return f"garbage: {answer[:60]}"
    if addr != cell.seen.rstrip("="):
        return f"the client is {addr}, not {cell.seen.rstrip('=')}"
    if cell.seen[-1] == "=" and int(port) != own_port:
        return f"the client's port is {port}, not {own_port}"
    if int(at_port) != served:
        return f"the service is at port {at_port}, not {served}"
    if body != data.translate(INVERT):
        n = next((i for i, (a, b) in enumerate(zip(body, data.translate(INVERT))) if a != b), None)
        return f"{len(body)} of {len(data)} bytes" + ("" if n is None else f", byte {n} is wrong")
    return ""


async def tcp(cell, asked, served):
    s = sock(cell.client, "TCP", cell.to)
    try:
        await asyncio.get_running_loop().sock_connect(s, (cell.to, asked))
    except OSError:
        s.close()
        raise
    data = random.randbytes(STREAM)
    own = s.getsockname()[1]
    reader, writer = await asyncio.open_connection(sock=s)
    try:
        writer.write(data)
        writer.write_eof()
        return compare(cell, own, served, data, await reader.read())
    finally:
        writer.close()


async def udp(cell, asked, served):
    """Not connected: an answer from somewhere else arrives as well"""
    loop = asyncio.get_running_loop()
    with sock(cell.client, "UDP", cell.to) as s:
        for size in SIZES:
            data = random.randbytes(size)
            await loop.sock_sendto(s, data, (cell.to, asked))
            answer, peer = await loop.sock_recvfrom(s, 65536)
            if peer[:2] != (cell.to, asked):
                return f"{peer[0]} port {peer[1]} answers, not {cell.to} port {asked}"
            why = compare(cell, s.getsockname()[1], served, data, answer)
            if why:
                return f"datagram of {size}: {why}"
    return ""


async def exchange(cell, asked, served):
    what = f"{cell.client} to {cell.to} port {asked}"
    try:
        why = await asyncio.wait_for((tcp if cell.proto == "TCP" else udp)(cell, asked, served), PATIENCE)
    except asyncio.TimeoutError:
        why = f"no answer in {PATIENCE} s"
    except OSError as e:
        why = os.strerror(e.errno)
    return f"{what}: {why}" if why else ""


async def touch(ns, proto, addr, port, patience):
    """What a client gets there: refused (nobody listens), reset (somebody did), nothing, or data"""
    loop = asyncio.get_running_loop()
    with sock(ns, proto, addr) as s:
        try:
            await asyncio.wait_for(loop.sock_connect(s, (addr, port)), patience)
            if proto == "UDP":
                await loop.sock_sendall(s, b"x")
            else:
                s.shutdown(socket.SHUT_WR)
        except ConnectionRefusedError:
            return "refused"
        except ConnectionResetError:
            return "reset"
        except asyncio.TimeoutError:
            return "nothing"
        except OSError as e:
            return os.strerror(e.errno)
        try:
            return "data" if await asyncio.wait_for(loop.sock_recv(s, 100), patience) else "end"
        except ConnectionRefusedError:
            return "refused" if proto == "UDP" else "reset"
        except ConnectionResetError:
            return "reset"
        except asyncio.TimeoutError:
            return "nothing"
        except OSError as e:
            return os.strerror(e.errno)


def places(text, proto):
    return [(ns, proto, addr, int(port)) for ns, addr, port in (p.split("/") for p in text.split())]


def pairs(cell):
    return [tuple(map(int, p.split(":"))) for p in cell.ports.split()]


# Cells

async def becomes(cell, port, wanted):
    """Seconds until a client gets that, or None, and the last that it got"""
    start = time.monotonic()
    while True:
        got = await touch(cell.client, cell.proto, cell.to, port, 0.2)
        took = time.monotonic() - start
        if got == wanted:
            return took, got
        if took > LIMIT:
            return None, got
        await asyncio.sleep(0.05)


async def fixed(cell):
    for asked, served in pairs(cell):
        why = await exchange(cell, asked, served)
        if why:
            return why
    for place in places(cell.refused, cell.proto):
        got = await touch(*place, PATIENCE)
        if got != "refused":
            return f"{place[0]} to {place[2]} port {place[3]}: {got}, not refused"
    return ""


async def auto(cell):
    asked, served = pairs(cell)[0]
    what = f"{cell.client} to {cell.to} port {asked}"
    got = await touch(cell.client, cell.proto, cell.to, asked, PATIENCE)
    if got != "refused":
        return f"{what}, before there is a service: {got}, not refused"
    s = await service(cell.server, cell.proto, cell.at, served)
    try:
        took, got = await becomes(cell, asked, "data")
        if took is None:
            return f"{what}, {LIMIT} s after the service's start: {got}"
        times["there"].append(took)
        why = await exchange(cell, asked, served)
        if why:
            return why
    finally:
        s.close()
    took, got = await becomes(cell, asked, "refused")
    if took is None:
        return f"{what}, {LIMIT} s after the service's end: {got}, not refused"
    times["gone"].append(took)
    return ""


async def run(cells, how, f):
    at_once = asyncio.Semaphore(50)

    async def one(cell):
        async with at_once:
            try:
                return await f(cell)
            except Exception as e:      # the others go on
                return f"{type(e).__name__} {e}"

    mine = [c for c in cells if c.how == how]
    return dict(zip(mine, await asyncio.gather(*map(one, mine))))


async def main():
    cells = [Cell(*line.rstrip("\n").split("|")) for line in sys.stdin]
    wanted = {}
    for c in cells:
        if c.how == "fixed":
            wanted.update(dict.fromkeys((c.server, c.proto, c.at, served) for _, served in pairs(c)))
        wanted.update(dict.fromkeys(places(c.decoys, c.proto)))
    keep = [await service(*place) for place in wanted]
    results = await run(cells, "fixed", fixed)
    results.update(await run(cells, "auto", auto))
    for n, c in enumerate(cells, 1):
        why = results[c]
        print(f"{'not ' if why else ''}ok {n} - {c.name}" + (f": {why}" if why else ""))
    for what, took in times.items():
        if took:
            print(f"automatic ports are {what} after {min(took):.2f} to {max(took):.2f} s")
    sys.stdout.flush()
    os._exit(0)         # without taking leave of every socket


times = {"there": [], "gone": []}
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
asyncio.run(main())
