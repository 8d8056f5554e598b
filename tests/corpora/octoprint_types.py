"""Writes a corpus: what OctoPrint's own tracker sends where a field of an event is of any type that JSON has.

    PYTHON_OF_1_11_8 octoprint_types.py > types-1.11.8.jsonl
    PYTHON_OF_2_0_0RC7 octoprint_types.py types-1.11.8.jsonl 1.11.8 > types-2.0.0rc7.jsonl

where each is the interpreter of an OctoPrint that is installed (`tests/octoprint/install`). The second writes only those
cases in which it does something else than the first. OctoPrint's code is run as it is; only its network, settings and
printer are stand-ins. `why` names the reason for which ours differs, by the rules at the end; whether it explains the
difference is for the audit to say.
"""

import json
import sys
import threading
import types

import requests
from octoprint.events import Events
from octoprint.plugins import tracking
from octoprint.util.version import get_octoprint_version_string

ID = "11111111-2222-4333-8444-555555555555"
SERVER = "http://127.0.0.1:5099/track/{id}/{event}/"
VERSION = get_octoprint_version_string()

ABSENT = object()
VALUES = {
    "null": None,
    "true": True,
    "false": False,
    "zero": 0,
    "int": 3,
    "negative": -1,
    "float": 1.5,
    "huge": 10**30,
    "text": "text",
    "empty_text": "",
    "list": ["a", 1],
    "empty_list": [],
    "object": {"a": 1},
    "absent": ABSENT,
}

PLUGIN = "plugin_pluginmanager_"
PRINT = {"path": "a.gcode", "origin": "local", "connector": "serial"}
ENDED = {**PRINT, "time": 12.75}
VERSIONED = {"id": "tiny", "version": "1.2"}
UPDATE = {"target": "octoprint", "from_version": "1.10.2", "to_version": "1.10.3"}
SAFETY = {"warning_type": "firmware-unsafe", "check_name": "aneta8"}
FLAGS = ["current_issue", "past_issue", "current_undervoltage", "past_undervoltage", "current_overheat", "past_overheat"]

# Each event with a payload in which each field is changed.
EVENTS = {
    "PrintStarted": PRINT,
    "PrintDone": ENDED,
    "PrintCancelled": ENDED,
    "PrintFailed": {**ENDED, "reason": "error", "error": "halted"},
    "Error": {"reason": "firmware", "error": "halted"},
    "Connected": {"port": "/dev/ttyUSB0", "baudrate": 115200, "connector": "serial"},
    "FirmwareData": {"name": "Marlin"},
    "SlicingStarted": {"slicer": "cura"},
    PLUGIN + "install_plugin": VERSIONED,
    PLUGIN + "uninstall_plugin": VERSIONED,
    PLUGIN + "enable_plugin": VERSIONED,
    PLUGIN + "disable_plugin": VERSIONED,
    "plugin_softwareupdate_update_succeeded": UPDATE,
    "plugin_softwareupdate_update_failed": UPDATE,
    "plugin_pi_support_throttle_state": {"raw_value": 327680, **dict.fromkeys(FLAGS, True)},
    "plugin_printer_safety_check_warning": SAFETY,
    "plugin_firmware_check_warning": SAFETY,
    "plugin_achievements_achievement_unlocked": {"key": "the_wizard"},
    "webui_load": {"browser_name": "Firefox", "browser_version": "1", "os_name": "Linux", "os_version": "2"},
    "PrinterStateChanged": {"state_id": "OPERATIONAL"},
    # Its own version is nothing that OctoPrint would be told.
    "environment": {
        "os": {"id": "linux", "platform": "Linux-6.6", "bits": 64},
        "python": {"version": "3.11", "pip": "24.0"},
        "hardware": {"cores": 4, "freq": 1800.5, "ram": 4000000},
        "pi_support": {"model": "Pi 4", "octopi_version": "1.0", "octopiuptodate_build": "x"},
    },
}

for name in EVENTS:
    if name.startswith("plugin_"):
        Events.register_event(name)
# One that no OctoPrint fires under this name: its tracker must not know it by ours.
delattr(Events, "PLUGIN_FIRMWARE_CHECK_WARNING")


class Settings:
    """The settings, of which only switches and numbers are read."""

    def __init__(self, document):
        self.document = document

    def get(self, path):
        value = self.document
        for key in path:
            if key not in value:
                return True
            value = value[key]
        return value

    get_boolean = get_int = get


class AtOnce:
    """Does at once what is else done later."""

    def submit(self, function, *args, **kwargs):
        function(*args, **kwargs)


def octoprint(settings, environment, state="OFFLINE", plugins=(), achievements=None):
    """The tracker, as it is after OctoPrint has found out about its environment."""
    tracker = tracking.TrackingPlugin()
    tracker._executor = AtOnce()
    tracker._settings = Settings(settings)
    tracker._connectivity_checker = types.SimpleNamespace(online=True)
    tracker._logger = types.SimpleNamespace(info=lambda *_: None, isEnabledFor=lambda *_: False)
    tracker._printer = types.SimpleNamespace(get_state_id=lambda: state)
    enabled = {number: types.SimpleNamespace(bundled=False, **one) for number, one in enumerate(plugins)}
    tracker._plugin_manager = types.SimpleNamespace(enabled_plugins=enabled, get_helpers=lambda *_: None)
    if achievements is not None:
        unlocked = [types.SimpleNamespace(**one) for one in achievements]
        tracker._helpers_get_unlocked_achievements = lambda: unlocked
    tracker._environment = {name: value for name, value in environment.items() if name != "pi_support"}
    if "pi_support" in environment:
        tracker._environment["plugins"] = {"pi_support": environment["pi_support"]}
    return tracker


sent = []


def send(method):
    def send(url, params=None, data=None, headers=None, **_):
        request = requests.Request(method, url, params=params, headers=headers).prepare()
        path, _, query = request.path_url.partition("?")
        agent = request.headers["User-Agent"]
        sent.append({"method": method, "path": path, "query": query, "body": data or "", "user_agent": agent})

    return send


tracking.requests = types.SimpleNamespace(get=send("GET"), post=send("POST"))
# A connection's timer is not waited for: each case brings the firmware at once.
threading.Timer = lambda *_: types.SimpleNamespace(start=lambda: None, cancel=lambda: None)


def caused(act):
    """What is sent because of this. OctoPrint logs what a handler raises, and goes on."""
    sent.clear()
    try:
        act()
    except Exception:
        pass
    return list(sent)


def changed(payload, path, value):
    """The payload with another value, or without the field."""
    first, _, rest = path.partition(".")
    copy = dict(payload)
    if rest:
        copy[first] = changed(payload[first], rest, value)
    elif value is ABSENT:
        del copy[first]
    else:
        copy[first] = value
    return copy


def fields(payload):
    for name, value in payload.items():
        if isinstance(value, dict):
            yield from (f"{name}.{inner}" for inner in fields(value))
        else:
            yield name


def settings(**others):
    return {"enabled": True, "unique_id": ID, "file_salt": ID, "server": SERVER, "ping": 0, "pong": 0, **others}


def write(name, given, events, expect, why, after=0):
    events = [{"event": event, "payload": payload} for event, payload in events]
    case = {"case": name, "settings": given, "events": events, "expect": expect, "exact": why is None}
    if why:
        case["why"] = why
    if after:
        case["after"] = after
    return json.dumps(case, separators=(",", ":"))


def of_event(event, payload):
    """An event on OctoPrint's bus, or of what a browser says: settings, events before it and itself, what is sent."""
    given = settings()
    tracker = octoprint(given, EVENTS["environment"])
    events = [(event, payload)]
    if event in ("Connected", "FirmwareData"):
        both = {"Connected": EVENTS["Connected"], "FirmwareData": EVENTS["FirmwareData"], event: payload}
        events = list(both.items())
    for name, data in events[:-1]:
        caused(lambda: tracker.on_event(name, data))
    last, data = events[-1]
    if last == "webui_load":
        expect = caused(lambda: tracker.on_api_command("track", {"event": last, "payload": data}))
    else:
        expect = caused(lambda: tracker.on_event(last, data))
    return given, events, expect


def of_start(given, environment, state="OFFLINE"):
    """The start of the server, of which OctoPrint tells on timers, one for each kind of report."""
    plugins, achievements = environment.get("third_party_plugins", []), environment.get("achievements", [])
    tracker = octoprint(given, environment, state, plugins, [{"key": key} for key in achievements])
    tracker._startup_time -= 1
    track = [tracker._track_ping, tracker._track_pong, tracker._track_startup]
    on = [given["ping"], given["pong"], "events" not in given]
    expect = [request for track, on in zip(track, on) if on for request in caused(track)]
    events = [("environment", environment)]
    if state != "OFFLINE":
        events.append(("PrinterStateChanged", {"state_id": state}))
    return given, [*events, ("octoprint_started", {"uptime": 1})], expect


def of(event, field, value):
    """What becomes of a value: settings, events, what is sent, and how many seconds that takes."""
    environment, quiet = EVENTS["environment"], {"startup": False}
    if event == "PrinterStateChanged":
        return *of_start(settings(ping=900, events=quiet), environment, value), 1
    if "[]." in field:
        name, key = field.split("[].")
        lists = {"third_party_plugins": [{"key": "Tiny", "version": "1.A"}], "achievements": ["The_Wizard"]}
        lists[name] = [changed(lists[name][0], key, value)] if name == "third_party_plugins" else [value]
        return *of_start(settings(pong=86400, events=quiet), {**environment, **lists}), 1
    if event == "environment":
        return *of_start(settings(), changed(environment, field, value)), 1
    return *of_event(event, changed(EVENTS[event], field, value)), 0


# How the kinds of values fall apart, by what a field is for.
NO_TEXT = {"null", "true", "false", "zero", "int", "negative", "float", "huge", "list", "empty_list", "object", "absent"}
UNUSUAL = {"true", "false", "zero", "int", "negative", "float", "text", "empty_text"}
COUNTS = {"os.bits", "hardware.cores", "hardware.ram"}
# OctoPrint has a word for these where they are missing, and so do we where they are no value.
HAS_WORD = {"reason", "warning_type", "check_name", "key", "slicer", "state_id"}


def why(event, field, kind, expect, is_heard):
    """The reason for which ours differs; None where it must not."""
    if event == "plugin_firmware_check_warning":
        return "heard-under-both-names"
    if field == "path":
        return "path-is-missing" if expect and kind == "absent" else None
    if event == "SlicingStarted" and VERSION.startswith("1."):
        return {**dict.fromkeys(UNUSUAL, "1.11-slicer-bug"), "huge": "odd-number-or-length"}.get(kind)
    if not is_heard:
        return None
    if "[]." in field:
        if field == "third_party_plugins[].version":
            fine = {"null", "false", "text", "empty_text", "empty_list"}
            return None if kind in fine else "odd-value" if kind == "zero" else "octoprint-raises"
        return "octoprint-raises" if kind in NO_TEXT else None
    if event == "Error" and field == "reason":
        return "odd-reason" if kind in {"null", "huge", "empty_text", "list", "empty_list", "object"} else None
    if field == "time":
        return "odd-number-or-length" if kind in {"true", "negative", "huge"} else None
    if event == "webui_load":
        return {"huge": "odd-number-or-length", "list": "not-a-scalar", "object": "not-a-scalar"}.get(kind)
    if kind == "absent":
        raises = event in ("Connected", "FirmwareData") or field in STARTUP
        says_none = any("None" in request["query"] for request in expect)
        return "octoprint-raises" if raises and not expect else "null" if says_none else None
    if kind == "null":
        # A connection without one is said without one.
        return "null" if (event, field) != ("Connected", "connector") else None
    if kind in ("list", "object") or kind == "empty_list" and field in HAS_WORD:
        return "not-a-scalar"
    if field == "raw_value":
        return "wrong-type" if kind not in ("zero", "int", "empty_list") else None
    if field in FLAGS:
        return "wrong-type" if kind not in ("true", "false", "empty_list") else None
    if field in COUNTS:
        return "odd-number-or-length" if kind not in ("zero", "int", "empty_list") else None
    if field == "hardware.freq":
        return "odd-number-or-length" if kind not in ("float", "empty_list") else None
    if kind == "huge":
        return "odd-number-or-length"
    odd = {
        "origin": UNUSUAL,
        "port": UNUSUAL - {"text", "empty_text"},
        "baudrate": {"true", "false", "negative", "text", "empty_text"},
        "state_id": {"empty_text"},
        "connector": {"false", "zero"} if event == "Connected" else set(),
    }
    return "odd-value" if kind in odd.get(field, ()) else None


# Without any of these, OctoPrint says nothing of its start.
STARTUP = {f"{part}" for part in fields(EVENTS["environment"])} - {"pi_support.octopi_version", "pi_support.octopiuptodate_build"}


def main():
    with_lists = ["third_party_plugins[].key", "third_party_plugins[].version", "achievements[].key"]
    known = set()
    if sys.argv[1:]:
        with open(sys.argv[1], encoding="utf-8") as other:
            known = {line.replace(sys.argv[2], VERSION).rstrip() for line in other}
    for event, payload in EVENTS.items():
        for field in [*fields(payload), *(with_lists if event == "environment" else ())]:
            # A state that is not told is that of the start, and what is not in a list is not in it.
            values = {kind: value for kind, value in VALUES.items() if value is not ABSENT or field not in NEVER_ABSENT}
            all_of_it = {kind: of(event, field, value) for kind, value in values.items()}
            is_heard = len({json.dumps(expect) for _, _, expect, _ in all_of_it.values()}) > 1
            for kind, (given, events, expect, after) in all_of_it.items():
                events.insert(0, ("environment", {"octoprint": {"version": VERSION}}))
                reason = why(event, field, kind, expect, is_heard)
                line = write(f"{event}/{field}_{kind}", given, events, expect, reason, after)
                if line not in known:
                    print(line)


NEVER_ABSENT = {"state_id", "achievements[].key"}

main()
