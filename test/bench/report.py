# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run recorded, as text, as tables, as a picture; and two runs side by side.

A record is a line of JSON: the first one says what was run where; then one for each time that a figure was taken, and
one for each count of system calls. Medians are of all rounds; the spread is how far they are apart, of the median.
"""
import fnmatch, json, math, shutil, statistics, subprocess, sys
from collections import Counter

from figures import FIGURES

PROGRAM = "program"
BY_NAME = {f.name: f for f in FIGURES}
CHANCE = .05        # that two runs of the same program are told apart
LEAST = .02         # smaller differences are none


def matching(figures, patterns):
    return [f for f in figures if not patterns or any(fnmatch.fnmatch(f.name, p) for p in patterns)]


def name_of(key):
    return key.split("+")[0].split("@")[0]


def figure_of(key):
    return BY_NAME[name_of(key)]


def goal_text(goal):
    kind, n = goal
    return {"limit": f"{n:.2f} of limit", "peer": f"{n:g} x peer", "most": f"{n:g} at most",
            "least": f"{n:g} at least"}[kind]


def listing(figures):
    for f in figures:
        goals = [goal_text(f.goal)] if f.goal else []
        goals += ["CPU " + goal_text(f.cpu_goal)] if f.cpu_goal else []
        print(f"{f.name:16} {f.unit:5} {f.limit or '-':5} {', '.join(goals) or '-':28} {f.what}")


class Run:
    """A record; of figures that match, and that there are (still) in the table"""

    def __init__(self, path, *patterns):
        self.head, self.taken, self.calls, self.keys, self.failures = {}, {}, {}, [], []
        wanted = {f.name for f in matching(FIGURES, patterns)}
        with open(path) as f:
            for line in f:
                r = json.loads(line)
                if "machine" in r:
                    self.head = r
                    continue
                key, s = r["figure"], r["subject"]
                if name_of(key) not in wanted:
                    continue
                if key not in self.keys:
                    self.keys.append(key)
                if "value" not in r:
                    self.failures.append(r)
                elif r.get("strace"):
                    self.calls[key, s] = r
                else:
                    self.taken.setdefault((key, s), []).append(r)
        self.programs = list(self.head["programs"])
        self.peers = self.programs[1:]

    def values(self, key, s, what="value"):
        """By round; what: value, or CPU time for its amount, of the program (cpu) or of the machine (total)"""
        f, found = figure_of(key), {}
        for r in self.taken.get((key, s), []):
            if what == "value":
                found[r["round"]] = r["value"]
            elif what in r and r["amount"]:
                found[r["round"]] = r[what] * (1e9 if f.per == "GB" else 1e6) / r["amount"]
        return found

    def median(self, key, s, what="value"):
        v = self.values(key, s, what).values()
        return statistics.median(v) if v else None

    def ratio(self, key, s, what="value"):
        return over(self.median(key, PROGRAM, what), self.median(key, s, what))

    def part(self, key):
        """Of the limit, which the congestion control slows down as well; where there is none, the value"""
        limit = figure_of(key).limit
        return self.ratio(key, limit) if limit and self.values(key, limit) else self.median(key, PROGRAM)

    def goals(self, key):
        """Each: text, how far the program is, whether that is enough (None: can't be said)"""
        f, found = figure_of(key), []
        if "+" in key:
            if f.more and f.per:
                found.append(("0.8 of cubic", over(self.part(key), self.part(key.split("+")[0])), .8, True))
        for goal in (f.goal, f.also) if "+" not in key else ():
            if not goal:
                continue
            kind, n = goal
            got = (self.median(key, PROGRAM) if kind in ("most", "least")
                   else self.ratio(key, f.limit) if kind == "limit"
                   else self.ratio(key, self.peers[0]) if self.peers else None)
            found.append((goal_text(goal), got, n, f.more))
        if f.cpu_goal and self.peers and "+" not in key:
            found.append(("CPU " + goal_text(f.cpu_goal), self.ratio(key, self.peers[0], "cpu"), f.cpu_goal[1], False))
        return [(text, got, None if got is None else got >= n if more else got <= n) for text, got, n, more in found]


load = Run


def over(a, b):
    return a / b if a is not None and b else None


def short(x, digits=3):
    if x is None:
        return "-"
    return f"{x:.0f}" if abs(x) >= 10 ** digits else f"{x:.{digits}g}" if x else "0"


def spread(values):
    v = list(values.values())
    m = statistics.median(v) if v else 0
    return f"{(max(v) - min(v)) / m * 100:.0f}%" if len(v) > 1 and m else ""


def line(r):
    who = f"{r['figure']:22} {r['subject']:8}"
    if "value" not in r:
        return f"{who} skipped: {r['skipped']}" if "skipped" in r else f"{who} FAILED: {r['failed']}"
    if r.get("strace"):
        return f"{who} {short(r['value'])} system calls a {r['per']}"
    unit = figure_of(r["figure"]).unit
    more = "".join(f"  {k} {short(r[k])}" for k in ("cpu", "lost", "p99_us") if k in r)
    return f"{who} {short(r['value'])} {unit}{more}"


def columns(rows):
    """Text, aligned: first column to the left, the others to the right, except the last one"""
    width = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(c.ljust(w) if i in (0, len(row) - 1) else c.rjust(w)
                               for i, (c, w) in enumerate(zip(row, width))).rstrip() for row in rows)


def about(run):
    h, m = run.head, run.head["machine"]
    lines = [f"{h['date']}, {m['cpu']}, {m['cores']} cores, {m['memory_gb']} GB, Linux {m['kernel']}" +
             (f", {m['system']}" if m.get("system") else "")]
    lines += [f"{name}: {v}" for name, v in h["programs"].items()]
    lines.append(f"{h['rounds']} rounds of {h['seconds']:g} s, IPv{h['family']}, {', '.join(h['cc'])}" +
                 (", real-time priority" if h["realtime"] else "") + (f", options {' '.join(h['options'])}"
                                                                      if h["options"] else ""))
    lines.append(", ".join(f"{k} {v}" for k, v in h["sysctls"].items()))
    return lines


def figure_rows(run):
    rows = [["figure", "unit"] + [x for p in run.programs for x in (p, "+-")] + ["limit", "+-", "of limit"] +
            [f"of {p}" for p in run.peers] + ["goal"]]
    for key in run.keys:
        f = figure_of(key)
        row = [key, f.unit]
        for s in [*run.programs, f.limit]:
            row += [short(run.median(key, s)), spread(run.values(key, s))]
        row.append(short(run.ratio(key, f.limit)))
        row += [short(run.ratio(key, p)) for p in run.peers]
        goals = [f"{text}: {'unknown' if good is None else 'reached' if good else 'missed, ' + short(got)}"
                 for text, got, good in run.goals(key)]
        rows.append(row + ["; ".join(goals)])
    return rows


def cost_rows(run):
    rows = [["CPU time", "per"] + run.programs + ["machine: " + run.programs[0], *run.peers, "limit"] +
            ["calls: " + run.programs[0], *run.peers] + ["per"]]
    for key in run.keys:
        f = figure_of(key)
        if not f.per:
            continue
        row = [key, "s/GB" if f.per == "GB" else "us/exchange"]
        row += [short(run.median(key, p, "cpu")) for p in run.programs]
        row += [short(run.median(key, p, "total")) for p in [*run.programs, f.limit]]
        counted = [run.calls.get((key, p)) for p in run.programs]
        row += [short(c["value"]) if c else "n/a" for c in counted]
        rows.append(row + [next((c["per"] for c in counted if c), "")])
    return rows


def text(run):
    parts = ["\n".join(about(run)), columns(figure_rows(run)), columns(cost_rows(run))]
    goals = [good for key in run.keys for _, _, good in run.goals(key)]
    n = Counter(goals)
    if goals:
        parts.append(f"Goals: {n[True]} reached, {n[False]} missed, {n[None]} unknown")
    failures = Counter(f"{'skipped' if 'skipped' in r else 'FAILED'}: {r['figure']} {r['subject']}: {r.get('skipped') or r['failed']}"
                       for r in run.failures)
    if failures:
        parts.append("\n".join(what + (f" ({n} times)" if n > 1 else "") for what, n in failures.items()))
    return "\n\n".join(parts)


def do_report(path, *patterns):
    print(text(load(path, *patterns)))


def do_markdown(path, *patterns):
    """For the README: what is compared with a limit, or a peer"""
    run = load(path, *patterns)
    heads = ["", "unit", *run.programs, "limit", "of limit", *(f"times {p}" for p in run.peers)]
    print("| " + " | ".join(heads) + " |\n|---|---|" + "---:|" * (len(heads) - 2))
    for key in run.keys:
        f = figure_of(key)
        at = "".join(f", {x}" for x in (f"MTU {key.split('@')[1].split('+')[0]}" if "@" in key else "",
                                        key.split("+")[1] if "+" in key else "") if x)
        row = [f.what + at, f.unit, *(short(run.median(key, s)) for s in [*run.programs, f.limit]),
               short(run.ratio(key, f.limit), 2), *(short(run.ratio(key, p)) for p in run.peers)]
        print("| " + " | ".join(row) + " |")
    print("\n" + ". ".join(about(run)) + ".")


# ---- Picture

PLOT = """set terminal svg size {width},440 font "sans,11" background "white"
set output "{out}"
set style data histograms
set style histogram clustered gap 1
set style fill solid .85 noborder
set boxwidth .9
set yrange [0:1.25]
set ytics .25
set grid ytics lc rgb "#dddddd"
set xtics rotate by -40 scale 0 noenhanced
set bmargin 9
set rmargin 12
set key above left noenhanced
set ylabel "part of the limit"
plot 1 with lines dt 2 lc rgb "#888888" title "limit: bare veth, or the host's own sockets", \\
  {bars}
"""


def label(key):
    name, *cc = key.split("+")
    name, *mtu = name.split("@")
    return ", ".join([name.replace("_", " ")] + [f"MTU {m}" for m in mtu] + cc)


def do_plot(path, out, *patterns):
    run = load(path, *patterns)
    if not shutil.which("gnuplot"):
        print("bench: no picture: gnuplot is missing; on Debian: apt-get install gnuplot-nox", file=sys.stderr)
        return 0
    keys = [k for k in run.keys if figure_of(k).limit and figure_of(k).more and run.ratio(k, figure_of(k).limit)]
    if not keys:
        print("bench: no picture: nothing that has a limit", file=sys.stderr)
        return 1
    data = ["$data << EOD"]
    for k in keys:
        part = [over(run.median(k, p), run.median(k, figure_of(k).limit)) for p in run.programs]
        data.append(f'"{label(k)}" ' + " ".join("0" if x is None else f"{x:.4f}" for x in part))
    colours = ["#1b6ca8", "#e07b39", "#7a9e3d", "#8c6bb1"]
    bars = [f'$data using {i + 2}:xtic(1) lc rgb "{colours[i % len(colours)]}" title "{p}: {run.head["programs"][p]}"'
            for i, p in enumerate(run.programs)]
    script = "\n".join([*data, "EOD", PLOT.format(width=180 + 34 * len(keys), out=out, bars=", \\\n  ".join(bars))])
    return subprocess.run(["gnuplot"], input=script, text=True).returncode


# ---- Two runs

def chance(a, b):
    """That @a and @b, drawn from the same, are apart this far or farther: rank-sum test, exact, both sides"""
    both = sorted(a + b)
    rank = {x: 2 * both.index(x) + both.count(x) + 1 for x in both}     # twice the middle of equal ones
    ways = Counter({(0, 0): 1})
    for x in both:
        for (n, total), w in list(ways.items()):
            if n < len(a):
                ways[n + 1, total + rank[x]] += w
    sums = {total: w for (n, total), w in ways.items() if n == len(a)}
    mine, all_ways = sum(rank[x] for x in a), math.comb(len(both), len(a))
    low = sum(w for total, w in sums.items() if total <= mine)
    high = sum(w for total, w in sums.items() if total >= mine)
    return min(1, 2 * min(low, high) / all_ways)


def samples(run, key, s, what, limit):
    """By the limit of the same round, if there is one: what both had in common is gone"""
    v = run.values(key, s, what)
    if not limit:
        return list(v.values())
    of = run.values(key, limit, what)
    return [x / of[n] for n, x in v.items() if of.get(n)]


def verdict(a, b, more):
    ratio = over(statistics.median(b), statistics.median(a))
    if ratio is None or 2 / math.comb(len(a) + len(b), len(a)) >= CHANCE:
        return ratio, "too few rounds"
    if chance(a, b) >= CHANCE or abs(ratio - 1) < LEAST:
        return ratio, "noise"
    return ratio, "better" if (ratio > 1) == more else "WORSE"


def do_compare(old_path, new_path, *patterns):
    old, new = load(old_path, *patterns), load(new_path, *patterns)
    for what, run in ("before", old), ("after", new):
        print(f"{what}: " + "\n        ".join(about(run)[:2]))
    for k in "machine", "sysctls", "cc", "family", "seconds", "realtime", "options":
        if old.head.get(k) != new.head.get(k):
            print(f"They differ in {k}: {old.head.get(k)}, {new.head.get(k)}")
    rows = [["figure", "unit", "before", "+-", "after", "+-", "after/before", "by limit", "verdict"]]
    for key in new.keys:
        f = figure_of(key)
        for what, unit in ("value", f.unit), ("cpu", "s/GB" if f.per == "GB" else "us/exchange"):
            v = old.values(key, PROGRAM, what), new.values(key, PROGRAM, what)
            if not all(v):
                continue
            both = f.limit and what == "value" and old.values(key, f.limit) and new.values(key, f.limit)
            a, b = (samples(r, key, PROGRAM, what, f.limit if both else None) for r in (old, new))
            by, said = verdict(a, b, f.more if what == "value" else False)
            rows.append([key + ("" if what == "value" else " CPU"), unit, short(old.median(key, PROGRAM, what)),
                         spread(v[0]),
                         short(new.median(key, PROGRAM, what)), spread(v[1]),
                         short(over(new.median(key, PROGRAM, what),
                                    old.median(key, PROGRAM, what))), short(by) if both else "", said])
    print("\n" + columns(rows))
