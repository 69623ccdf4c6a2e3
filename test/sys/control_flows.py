# SPDX-License-Identifier: GPL-2.0-or-later
"""control_flows.py SOCKET NETNS-OF-GUEST NETNS-OF-REMOTE-HOST - flows, as the control socket shows them

Port 8600 of the host is forwarded, TCP and UDP. The guest's end of everything is in this process, too.
"""
import resource, socket, sys

import netns
from varlink import Varlink

PATH, GUEST, REMOTE = sys.argv[1:]
home = open("/proc/self/ns/net")
HOST = f"/proc/self/fd/{home.fileno()}"


def check(name, got, want):
    netns.result(name, got == want, f"got {got}, want {want}")


def flows(v):
    return [f for p in v.more("Flows") for f in p["flows"]]


def end(address, port):
    return {"address": address, "port": port}


resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
v = Varlink(PATH)
check("guests: age", [0 <= g["age"] < 60000 for g in v.call("ListGuests")["guests"]], [True])

netns.enter(GUEST)
listener = socket.create_server(("198.51.100.2", 8600), backlog=1000)
udp = socket.socket(type=socket.SOCK_DGRAM)
udp.bind(("198.51.100.2", 8600))
netns.enter(REMOTE)
c = socket.create_connection(("198.51.100.2", 8600), 5)
u = socket.socket(type=socket.SOCK_DGRAM)
u.connect(("198.51.100.2", 8600))
s = listener.accept()[0]
c.sendall(bytes(1000))
s.recv(1000, socket.MSG_WAITALL)
s.sendall(bytes(70000))
c.recv(70000, socket.MSG_WAITALL)
u.send(bytes(100))
udp.sendto(bytes(200), udp.recvfrom(1000)[1])
u.settimeout(5)
u.recv(1000)
netns.enter(HOST)

port, uport = c.getsockname()[1], u.getsockname()[1]
f = [f for f in flows(v) if f["guest"]["local"]["port"] in (port, uport)]
check("flows: age", all(0 <= x.pop("age") < 60000 for x in f), True)
check("flows: a number each", len({x.pop("id") for x in f}), len(f))
side = lambda p: dict(guest=dict(remote=end("198.51.100.2", 8600), local=end("198.51.100.10", p)),
                      host=dict(remote=end("198.51.100.10", p), local=end("198.51.100.2", 8600)))
check("flows: TCP, endpoints and bytes", [x for x in f if x["protocol"] == "tcp"],
      [dict(protocol="tcp", direction="in", spliced=False, state="ESTABLISHED", from_guest=70000, to_guest=1000) | side(port)])
check("flows: UDP, endpoints and bytes", [x for x in f if x["protocol"] == "udp"],
      [dict(protocol="udp", direction="in", spliced=False, state="both ways", from_guest=200, to_guest=100) | side(uport)])
check("flows: rules count", [r["accepted"] for r in v.call("Rules")["rules"] if r["first"] == 8600], [1, 1])
c.close()
s.close()

n = 500
clients = [socket.create_connection(("127.0.0.1", 8600), 5) for _ in range(n)]
servers = [listener.accept()[0] for _ in range(n)]
for x in clients:
    x.sendall(b"123")
for x in servers:
    x.sendall(x.recv(3) + b"45")
for x in clients:
    x.recv(5, socket.MSG_WAITALL)
ports = sorted(x.getsockname()[1] for x in clients)

slow = Varlink(PATH)
slow.send("Flows", more=True)
found = [f for f in flows(v) if f["spliced"]]
check("flows: 500 spliced connections, each once", sorted(f["host"]["remote"]["port"] for f in found), ports)
check("flows: their bytes", {(f["from_guest"], f["to_guest"], f["state"]) for f in found}, {(5, 3, "established")})
check("flows: status", v.call("Status")["flows"]["spliced"], n)
replies = list(v.more("Flows"))
check("flows: in many replies", len(replies) > 5, True)
for x in clients + servers:
    x.close()
continues, got = True, 0
while continues:
    p, continues = slow.reply()
    got += len(p["flows"])
check("flows: a list that began before many flows ended comes to its end", 0 < got <= n + 10, True)
print(f"1..{netns.count}")
