//! The attacks: when the puppet stops being honest, what it does then, and what of the honest reports does not arrive for
//! it. What arrives is, to the byte, an honest report; how that is made sure of is in `mod.rs`.

/// One attack.
pub struct Attack {
    /// When, what, and how much; see the puppet's `script.rs`.
    pub script: &'static str,
    /// How the puppet comes to what it sees.
    pub flow: Flow,
    /// The reports that do not arrive, by their names in the manifest, in the honest order.
    pub lost: &'static [&'static str],
    /// What the journal says of those; and also where all reports arrive.
    pub journal: &'static [&'static str],
}

/// How the puppet gets to run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Flow {
    /// From the beginning to the end.
    Whole,
    /// The same, after sixty events that are not reported.
    Long,
    /// The same, with a settings document that has keys of another version.
    Keys,
    /// The settings change between the two halves, so that there is a fresh instance.
    Settings,
    /// The program ends between the two halves, and is started again.
    Restart,
    /// The honest tracker runs at first, then the puppet, and the honest one again at the very end.
    Upgrade,
    /// The same, but it is not taken.
    Refused,
}

const PRINTS: &[&str] = &["print_started", "print_done", "print_started", "print_failed"];
const SECOND: &[&str] = &["print_done", "print_started", "print_failed"];
/// Where a word like `True` or `64` is.
const WORDS: &[&str] = &[
    "ping",
    "pong",
    "startup",
    "print_started",
    "system_throttled",
    "print_done",
    "print_started",
    "commerror_{reason}",
    "print_failed",
];
/// Where a whole number is.
const NUMBERS: &[&str] = &[
    "ping",
    "pong",
    "startup",
    "printer_connected",
    "system_throttled",
    "print_done",
    "print_started",
    "commerror_{reason}",
    "print_failed",
    "webui_load",
];
/// Where any field is.
const FIELDS: &[&str] = ALL.split_at(12).0;
const ALL: &[&str] = &[
    "ping",
    "pong",
    "startup",
    "printer_connected",
    "print_started",
    "system_throttled",
    "print_done",
    "print_started",
    "commerror_{reason}",
    "print_failed",
    "update_failed",
    "webui_load",
    "shutdown",
];

const fn attack(
    script: &'static str,
    flow: Flow,
    lost: &'static [&'static str],
    journal: &'static [&'static str],
) -> Attack {
    Attack { script, flow, lost, journal }
}

const BLOCKED: &[&str] = &["blocked"];
/// Of those that were due, nothing was sent under their own name.
const DUE_TOO: &[&str] = &["blocked", "unsent"];

/// All of them.
pub const ATTACKS: &[Attack] = &[
    // The back door of the issue; and what it would need: a clock that moves in a call.
    attack("clock file-text", Flow::Whole, &[], &[]),
    attack("always file-text", Flow::Whole, PRINTS, BLOCKED),
    attack("later file-text", Flow::Whole, PRINTS, BLOCKED),
    attack("61st file-text", Flow::Long, PRINTS, BLOCKED),
    attack("again file-text", Flow::Settings, SECOND, BLOCKED),
    attack("again file-text", Flow::Upgrade, SECOND, BLOCKED),
    attack("again file-text", Flow::Restart, SECOND, BLOCKED),
    attack("age file-xor", Flow::Restart, PRINTS, BLOCKED),
    attack("again repeat", Flow::Restart, &[], BLOCKED),
    attack("always state-texts", Flow::Restart, &[], &[]),
    attack("age file-text", Flow::Upgrade, SECOND, BLOCKED),
    attack("linux file-text", Flow::Whole, PRINTS, BLOCKED),
    attack("cyrillic file-text", Flow::Whole, &["print_failed"], BLOCKED),
    attack("key file-text", Flow::Keys, PRINTS, BLOCKED),
    // Another text that looks like a hash.
    attack("always file-xor", Flow::Whole, PRINTS, BLOCKED),
    attack("always file-plus", Flow::Whole, PRINTS, BLOCKED),
    attack("always file-reverse", Flow::Whole, PRINTS, BLOCKED),
    attack("always file-upper", Flow::Whole, PRINTS, BLOCKED),
    // Values that the manifest allows as well.
    attack("always words", Flow::Whole, WORDS, BLOCKED),
    attack("always case", Flow::Whole, FIELDS, BLOCKED),
    attack("always zero", Flow::Whole, NUMBERS, BLOCKED),
    attack("always space", Flow::Whole, FIELDS, BLOCKED),
    // Fields.
    attack("always fields-order", Flow::Whole, FIELDS, BLOCKED),
    attack("always field-less", Flow::Whole, FIELDS, BLOCKED),
    attack("always field-first", Flow::Whole, FIELDS, BLOCKED),
    attack("always field-more", Flow::Whole, ALL, BLOCKED),
    attack("always field-twice", Flow::Whole, FIELDS, BLOCKED),
    attack("always field-own", Flow::Whole, ALL, BLOCKED),
    // The rest of a request.
    attack("always agent", Flow::Whole, ALL, BLOCKED),
    attack("always agent-version", Flow::Whole, ALL, BLOCKED),
    attack("always method", Flow::Whole, ALL, BLOCKED),
    attack("always name", Flow::Whole, ALL, DUE_TOO),
    attack("always name-own", Flow::Whole, ALL, DUE_TOO),
    // Which reports, in which order, and when.
    attack("always reports-order", Flow::Whole, &[], &[]),
    attack("always repeat", Flow::Whole, &[], BLOCKED),
    attack("always silence", Flow::Whole, ALL, &["unsent"]),
    attack("again occasion", Flow::Upgrade, &[], &[]),
    attack("cyrillic occasion", Flow::Whole, &[], BLOCKED),
    attack("always tick-now", Flow::Whole, &[], &[]),
    attack("always tick-soon 40", Flow::Whole, &[], &[]),
    attack("always tick-never", Flow::Whole, &[], &[]),
    // What it says besides reports.
    attack("always event-text", Flow::Whole, &[], &[]),
    attack("always load-text", Flow::Refused, &[], &["refused"]),
    attack("always restore-text", Flow::Upgrade, &[], &[]),
    attack("always state-texts", Flow::Upgrade, &[], &[]),
    attack("always state-numbers", Flow::Upgrade, &[], &[]),
    attack("always state-flags", Flow::Upgrade, &[], &[]),
];
