# SPDX-License-Identifier: GPL-2.0-or-later
"""Varlink by hand: JSON objects that end with NUL, on a UNIX socket"""
import json, socket


class Error(Exception):
    def __init__(self, name, parameters):
        super().__init__(name, parameters)
        self.name, self.parameters = name.rpartition(".")[2], parameters


class Varlink:
    def __init__(self, path, timeout=10):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(timeout)
        self.s.connect(path)
        self.buf = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.s.close()

    def send(self, method, parameters=None, **flags):
        call = {"method": method if method.startswith("org.") else "org.passt.control." + method}
        if parameters is not None:
            call["parameters"] = parameters
        self.s.sendall(json.dumps(call | flags).encode() + b"\0")

    def recv(self):
        """Next message, or None at the end"""
        while b"\0" not in self.buf:
            data = self.s.recv(1 << 16)
            if not data:
                return None
            self.buf += data
        message, _, self.buf = self.buf.partition(b"\0")
        return json.loads(message)

    def reply(self):
        m = self.recv()
        if m is None:
            raise EOFError
        if "error" in m:
            raise Error(m["error"], m.get("parameters", {}))
        return m["parameters"], m.get("continues", False)

    def call(self, method, **parameters):
        self.send(method, parameters)
        return self.reply()[0]

    def more(self, method, **parameters):
        self.send(method, parameters, more=True)
        continues = True
        while continues:
            parameters, continues = self.reply()
            yield parameters

    def change(self, *steps):
        """Each is (action, option, value), (clear, option) or (delete, id)"""
        def step(action, what, value=None):
            s = {"action": action} | ({"id": what} if isinstance(what, int) else {"option": what})
            return s if value is None else s | {"value": value}
        return self.call("Change", steps=[step(*s) for s in steps])
