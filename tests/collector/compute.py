"""The 18 exports and what the page has beside them, computed a second time by other means, from the requests themselves.

compute.py REQUESTS.jsonl OUT NOW ZONE K EXCLUDED,..: what is settled about them is in the collector's documentation; this
program shares no code and no data structure with it. Everything is held in memory, one set for each value.
"""
import datetime
import json
import os
import re
import sys
import urllib.parse
import zoneinfo

requests_file, out, now, zone, threshold, excluded = sys.argv[1:7]
now, zone, threshold = int(now), zoneinfo.ZoneInfo(zone), int(threshold)
excluded = {x.lower() for x in excluded.split(",") if x}

WHOLE = {"elapsed": 10**9, "cores": None, "ram": None, "bits": None}
EVENTS = {
    "pong": "version os platform bits python pip cores freq ram pi_model octopi_version octopiuptodate_build plugins achievements",
    "startup": "version os platform bits python pip cores freq ram pi_model octopi_version octopiuptodate_build",
    "printer_connected": "firmware_name",
    "print_done": "elapsed",
    "install_plugin": "plugin",
    "uninstall_plugin": "plugin",
    "webui_load": "browser_name browser_version os_name os_version",
}


def local(at):
    return datetime.datetime.fromtimestamp(at, zone)


def stamp(at):
    return local(at).isoformat(timespec="seconds")


def stamp_end(at):
    return local(at).replace(minute=59, second=59).isoformat(timespec="seconds")


def read():
    """(at, id, version, event, {key: [values]}) of each request that is a report."""
    for line in open(requests_file, encoding="utf-8"):
        r = json.loads(line)
        path = r["path"].split("/")
        ident = path[2].lower()
        agent = re.fullmatch(r"OctoPrint/([0-9A-Za-z.+_-]{1,64})", r["user_agent"])
        if not re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", ident) or not agent:
            continue
        event = urllib.parse.unquote(path[3])
        fields = {}
        text = r["query"] if r["method"] == "GET" else r["body"]
        for pair in re.split("[&?]", text):
            key, equals, value = pair.partition("=")
            key = key.lower()
            if not equals or key not in EVENTS.get(event, "").split():
                continue
            value = urllib.parse.unquote(value, errors="replace")
            if value == "" and key != "achievements":
                continue
            if len(value) > (16384 if key in ("plugins", "achievements") else 256):
                continue
            if key in WHOLE:
                if value == "unknown":
                    value = 0
                elif re.fullmatch("[0-9]{1,18}", value) and (WHOLE[key] is None or int(value) <= WHOLE[key]):
                    value = int(value)
                else:
                    continue
            if key == "freq":
                if value == "unknown":
                    value = 0.0
                elif re.fullmatch(r"[0-9]{1,7}(\.[0-9]{1,20})?", value):
                    value = float(value)
                else:
                    continue
            fields.setdefault(key, []).append(value)
        yield r["at"], ident, agent[1], event, fields


REPORTS = list(read())


def sets(pairs):
    """{value: ids} of pairs."""
    found = {}
    for value, ident in pairs:
        found.setdefault(value, set()).add(ident)
    return found


def order(key):
    return key.encode() if isinstance(key, str) else key


def top(counts):
    return sorted(counts.items(), key=lambda item: (-item[1], order(item[0])))[:1000]


def counted(pairs, thin=lambda key: False):
    counts = {key: len(ids) for key, ids in sets(pairs).items()}
    counts = {key: n for key, n in counts.items() if not thin(key) or n >= threshold}
    return {str(key): n for key, n in top(counts)}


def instances(pairs, thin=lambda key: False):
    return {key: {"instances": n} for key, n in counted(pairs, thin).items()}


def buckets(found, step):
    return range(min(found), max(found) + 1, step) if found else []


def entries(found, step, empty):
    return [{"start": stamp(at), "end": stamp_end(at), "count": found.get(at, empty)} for at in buckets(found, step)]


def spelled(text):
    """(id, version or None) of each plugin of a list."""
    for entry in text.split(","):
        ident, colon, rest = entry.partition(":")
        if ident:
            yield ident.lower(), (rest.split(":")[-1] or None) if colon else None


def own(version):
    return "+" in version


def always(key):
    return True


def files(days):
    since = now - days * 86400
    start = local(since)
    full = since - start.minute * 60 - start.second
    inside = [r for r in REPORTS if since <= r[0] <= now]
    histogram = [r for r in REPORTS if full <= r[0] <= now]
    head = {"_since": stamp(since), "_generated": stamp(now)}

    def field(key, *events):
        return [(v, i) for at, i, _, e, f in inside if not events or e in events for v in f.get(key, [])]

    hours = {at: len(ids) for at, ids in sets((at // 3600 * 3600, i) for at, i, *_ in histogram).items()}
    yield "instance", {
        **head,
        "count": len({i for _, i, *_ in inside}),
        "versions": counted([(v, i) for _, i, v, *_ in inside], own),
        "histogram": entries(hours, 3600, 0),
    }

    lists = [(i, p) for _, i, _, e, f in inside for text in f.get("plugins", []) for p in spelled(text)]
    versions_of, events_of = {}, {}
    for i, (ident, version) in lists:
        versions_of.setdefault(ident, []).extend([(version, i)] if version is not None else [])
    for name in ("install_plugin", "uninstall_plugin"):
        events_of[name] = sets((v.lower(), i) for v, i in field("plugin", name))
    plugins = {}
    for ident, ids in sets((p[0], i) for i, p in lists).items():
        if len(ids) < threshold or ident in excluded:
            continue
        event = lambda name: len(events_of[name].get(ident, ()))
        plugins[ident] = {
            "instances": len(ids),
            "versions": instances(versions_of[ident], always),
            "install_events": event("install_plugin"),
            "uninstall_events": event("uninstall_plugin"),
        }
    ordered = [key for key, _ in top({key: value["instances"] for key, value in plugins.items()})]
    yield "plugin", {**head, "plugins": {key: plugins[key] for key in ordered}}

    pythons = []
    for prefix in ("2.", "3."):
        of_day = sets((at // 86400 * 86400, i) for at, i, _, _, f in histogram for v in f.get("python", []) if v.startswith(prefix))
        pythons.append({at: len(ids) for at, ids in of_day.items()})
    two, three = pythons
    shown = list(buckets(two, 86400))
    shown += [at for at in buckets(three, 86400) if at not in shown]
    yield "python", {
        **head,
        "versions": instances(field("python")),
        "histogram": [
            {"start": stamp(at), "end": stamp_end(at), "python2": two.get(at, 0), "python3": three.get(at, 0)} for at in shown
        ],
    }

    done = [r for r in inside if r[3] == "print_done"]
    printed, printed_hours = {}, {}
    for _, _, version, _, f in done:
        printed[version] = printed.get(version, 0.0) + sum(f.get("elapsed", []))
    for at, _, _, e, f in histogram:
        if e == "print_done":
            hour = at // 3600 * 3600
            printed_hours[hour] = printed_hours.get(hour, 0.0) + sum(f.get("elapsed", []))
    printers = sets((v, i) for _, i, v, *_ in done)
    printed_shown = {v: s for v, s in printed.items() if not own(v) or len(printers[v]) >= threshold}
    yield "printing", {
        **head,
        "total": float(sum(printed.values())),
        "versions": dict(top(printed_shown)),
        "histogram": entries(printed_hours, 3600, 0.0),
    }

    yield "server_environment", {
        **head,
        "cores": instances(field("cores", "pong")),
        "memory": instances(field("ram", "pong")),
        "frequency": instances(field("freq", "pong")),
        "os": instances(field("os", "pong")),
        "bits": instances(field("bits", "pong")),
    }
    browsers = [
        (f"{n}/{v}", i)
        for _, i, _, e, f in inside
        for n in f.get("browser_name", [])
        for v in f.get("browser_version", [])
    ]
    yield "client_environment", {
        **head,
        "browser": instances(field("browser_name"), always),
        "os": instances(field("os_name")),
        "browser_version": instances(browsers, always),
    }
    yield "firmware", {**head, "names": instances(field("firmware_name"), always)}
    yield "rpi", {
        **head,
        "models": instances(field("pi_model", "pong")),
        "octopi_versions": instances(field("octopi_version", "pong")),
        "octopiuptodate_builds": instances(field("octopiuptodate_build", "pong")),
    }
    told = field("achievements")
    yield "achievements", {
        **head,
        "instances": len({i for _, i in told}),
        "unlocked": counted([(key, i) for text, i in told for key in text.split(",") if key]),
    }


ES9 = {
    "chrome": 64, "chromium": 64, "mobile chrome": 64, "edge": 79, "opera": 51,
    "firefox": 78, "mobile firefox": 79, "safari": 16, "mobile safari": 16,
}
MAKERS = [
    ("Prusa", "prusa"), ("Creality", "creality|ender|cr-"), ("TH3D", "th3d"), ("Anycubic", "anycubic"),
    ("Artillery", "artillery"), ("Virtual printer", "virtual"), ("Marlin", "marlin"), ("Klipper", "klipper"),
    ("Repetier", "repetier"), ("RepRapFirmware", "reprapfirmware|duet"), ("Smoothieware", "smoothie"),
]


def es9(browser):
    name, _, version = browser.rpartition("/")
    major = version.split(".")[0]
    if name.lower() not in ES9 or not re.fullmatch("[0-9]+", major):
        return "not known"
    return "supported" if int(major) >= ES9[name.lower()] else "not supported"


def maker(name):
    return next((group for group, begins in MAKERS if re.match(begins, name.strip().lower())), "another")


def cores(number):
    return "not known" if number == 0 else str(number) if number < 12 else "12 or more"


def bars(days):
    """For each chart of bars the installations in each group, in those that are not named, and in all; each counts once."""
    inside = [r for r in REPORTS if now - days * 86400 <= r[0] <= now]

    def field(key, *events):
        return [(v, i) for _, i, _, e, f in inside if not events or e in events for v in f.get(key, [])]

    def chart(pairs, group=lambda value: value, most=1000, ours=False):
        groups = sets((group(value), ident) for value, ident in pairs if group(value) is not None)
        counts = top({name: len(ids) for name, ids in groups.items()})
        rows = dict([(name, n) for name, n in counts if ours or n >= threshold][:most])
        rest = [ids for name, ids in groups.items() if name not in rows]
        return {"of": len(set().union(*groups.values())), "rows": rows, "others": len(set().union(*rest))}

    def only(test):
        return lambda value: value if test(value) else None

    versions, pythons, firmware = [(v, i) for _, i, v, *_ in inside], field("python"), field("firmware_name")
    told = field("achievements")
    unlocked = chart([(key, i) for text, i in told for key in text.split(",") if key])
    return {
        "versions": chart(versions, most=10),
        "stable": chart(versions, only(lambda v: "rc" not in v), 10),
        "candidates": chart(versions, only(lambda v: "rc" in v), 10),
        "places": chart(versions, lambda v: "not known"),
        "python": chart(pythons, lambda v: {"2": "Python 2", "3": "Python 3"}.get(v.split(".")[0], "another"), ours=True),
        "python-versions": chart(pythons, most=10),
        "python2": chart(pythons, only(lambda v: v.startswith("2.")), 10),
        "python3": chart(pythons, only(lambda v: v.startswith("3.")), 10),
        "os": chart(field("os", "pong"), lambda v: {"linux": "Linux", "windows": "Windows", "macos": "macOS"}.get(v, "another"), ours=True),
        "bits": chart(field("bits", "pong"), lambda v: f"{v} bit" if v in (32, 64) else "not known", ours=True),
        "cores": chart(field("cores", "pong"), cores, ours=True),
        "browsers": chart(field("browser_name"), most=10),
        "es9": chart(
            [(f"{n}/{v}", i) for _, i, _, _, f in inside for n in f.get("browser_name", []) for v in f.get("browser_version", [])],
            es9, ours=True,
        ),
        "client-os": chart(field("os_name"), most=10),
        "models": chart(field("pi_model", "pong"), lambda v: v.replace("Raspberry Pi", "Pi").replace(" Model ", " ")),
        "octopi": chart(field("octopi_version", "pong")),
        "uptodate": chart(field("octopiuptodate_build", "pong")),
        "firmware": chart(firmware, most=10),
        "firmware-groups": chart(firmware, maker, ours=True),
        "achievements": {**unlocked, "of": len({i for _, i in told})},
    }


os.makedirs(out, exist_ok=True)
for days in (7, 30):
    for kind, content in files(days):
        with open(os.path.join(out, f"{kind}_stats_{days}d.json"), "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2, ensure_ascii=False)
    with open(os.path.join(out, f"bars_{days}d.json"), "w", encoding="utf-8") as file:
        json.dump(bars(days), file)
