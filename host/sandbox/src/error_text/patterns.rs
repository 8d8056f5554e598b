//! The patterns that the rules for error texts look for, in lower case. The engine takes linear time, whatever a text is
//! like.

use std::sync::LazyLock;

use regex::Regex;

/// None where it is no pattern, which a test rules out.
pub(super) type Pattern = LazyLock<Option<Regex>>;

/// Endings of files that are printed, sliced, flashed, or lie beside these. A path is found without these.
const ENDINGS: &str = "gcode|gco|gc|bgcode|nc|ngc|gx|x3g|s3g|makerbot|ctb|sl1s?|fcode|tap|cnc|stl|3mf|ufp|obj|amf|step|\
                       stp|dxf|scad|f3d|hex|txt|cfg|zip|mp4|jpe?g|png";

pub(super) static FILE: Pattern =
    LazyLock::new(|| pattern(&format!(r"\.({ENDINGS})[0-9]{{0,2}}([^a-z0-9]|$)|[^\s.]{{2}}\.g([^a-z0-9]|$)")));
pub(super) static IPV4: Pattern = LazyLock::new(|| pattern(r"[0-9]{1,3}(\.[0-9]{1,3}){3}|192[.-]168[.-]"));
/// Five groups, or two colons with something like a number beside them: not `std::string`.
pub(super) static IPV6: Pattern = LazyLock::new(|| {
    pattern(
        r"([0-9a-f]{1,4}:){4}[0-9a-f]|[0-9][0-9a-f]{0,3}::|[0-9a-f]{3,4}::|::[0-9a-f]{0,3}[0-9]|::[0-9a-f]{3,4}([^a-z]|$)",
    )
});
/// Names in the home's network, and the commonest of public domains.
pub(super) static DOMAIN: Pattern = LazyLock::new(|| {
    pattern(concat!(
        r"[^\s.]\.(local|lan|home|internal|intranet|localdomain|box|arpa|com|org|net|de|at|ch|eu|uk|io|dev|me|info|fr|nl",
        r"|it|es|pl|cz|se|dk|us|ca|au|jp|cn|ru|br|app|xyz|cloud|be|fi|pt|ie|nz|hu|gr|edu|intern)\.?([^a-z0-9.]|$)"
    ))
});
/// Firmware's version has four numbers, as an address has.
pub(super) static VERSION: Pattern = LazyLock::new(|| {
    pattern(r"^[(\[]?(\S*(marlin|klipper|firmware|version|prusa)[:=]?)?v?[0-9](\.[0-9]{1,2}){3}[),;.\]]*$")
});
/// What stands before a version.
pub(super) static FIRMWARE: Pattern = LazyLock::new(|| pattern(r"(marlin|klipper|firmware|version|prusa|^v)[:=]?$"));
pub(super) static CHIP: Pattern = LazyLock::new(|| {
    pattern(
        r"^((stm|gd|hc|at|apm|ch)32[a-z][0-9]{3}[a-z]{0,3}[0-9]?|atmega[0-9]{2,4}[a-z]{0,2}|at90usb[0-9]{3,4}|lpc1[0-9]{3}|rp20[0-9]{2}|tmc[0-9]{4})$",
    )
});
pub(super) static TIME: Pattern =
    LazyLock::new(|| pattern(r"^[(\[]?[0-9]{1,2}:[0-9]{2}:[0-9]{2}([.,][0-9]{1,6})?[)\],:;.]*$"));
/// Temperatures: `@:127` is the heater's power.
pub(super) static POWER: Pattern = LazyLock::new(|| pattern(r"^[a-z]?@[0-9]?:[0-9]{1,3}$"));
/// A name with a port, which has four digits or five, or is a well-known one.
pub(super) static PORT: Pattern = LazyLock::new(|| {
    pattern(r"^[[:punct:]]*([a-z0-9\x{80}-\x{10ffff}][a-z0-9\x{80}-\x{10ffff}-]*):([0-9]{4,5}|80|443)[[:punct:]]*$")
});
/// The number of an error or an address in memory, of at most 32 bits; or a number with its unit.
pub(super) static MEASURE: Pattern = LazyLock::new(|| pattern(r"^(0x[0-9a-f]{1,8}|[0-9]+(baud|bps|ms|us))$"));
pub(super) static SPACED_MAC: Pattern =
    LazyLock::new(|| pattern(r"(^|[^0-9a-z])[0-9a-f]{2}( [0-9a-f]{2}){5}([^0-9a-z]|$)"));
/// A secret, or who somebody is, with its name before it; whatever it is like. And to the line's end what follows a command
/// that has a text or a file's name; and a port of macOS, named by its maker or owner.
pub(super) static SECRET: Pattern = LazyLock::new(|| {
    pattern(concat!(
        r"((api[-_ ]?)?key|token|secret|pass|passphrase|passcode|pwd|passwd|password|passwort|psk|auth|authorization",
        r"|credentials?|cookie|session|ssid|account|login|user|username|owner|host|hostname)",
        r#"["'`]?\]?(\s{0,3}(:=|=>|->|[=:])\s{0,3}(b?'[^']*'|b?"[^"]*"|(bearer|basic|digest) )?\S*"#,
        r#"|\s{1,3}('[^']*'|"[^"]*"|`[^`]*`)\S*)|bearer \S+|(passphrase|passcode|password) (is|was) \S+"#,
        r"|(access|pin)[-_ ]?code[=: ]{1,2}[0-9]\S*|(^|[^a-z0-9])m([01]|23|28|30|32|117|118|587) .+",
        r"|file (opened|selected): ?.+|(^|[^a-z0-9])(cu|tty)\.[a-z]\S*"
    ))
});
/// A number of a device, which needs a digit.
pub(super) static SERIAL: Pattern = LazyLock::new(|| {
    pattern(concat!(
        r#"(^|[^a-z0-9])(serial|serial ?number|serial ?no\.?|serial_number|s/?n)["']?[-_=:# ]"#,
        r#"["' #]{0,2}[a-z0-9_-]{0,40}[0-9][^\s]*"#
    ))
});
/// What one connects to, or for whom something is done, unless it is an ordinary word.
pub(super) static NAMED: Pattern = LazyLock::new(|| {
    pattern(
        r#"(connect(ing|ed|ion)? to (host )?|(for|as) (user|account|owner|host) |authentication failed for |resolve |ssid |file: )["'`]?([^\s"':,.]+)"#,
    )
});

/// A pattern of this file; a test looks that each is one.
fn pattern(text: &str) -> Option<Regex> {
    Regex::new(text).ok()
}

/// Whether it has what the pattern looks for. A pattern that was not one would take everything out.
pub(super) fn has(pattern: &Pattern, text: &str) -> bool {
    pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
}
