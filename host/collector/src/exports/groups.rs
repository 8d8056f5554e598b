//! How values are put together for a chart: versions by their first number, firmwares by their makers (RECEIVING.md,
//! section 3). Nothing here knows where a value comes from, how it is counted or how it is drawn.

/// Whether a version of OctoPrint is a release candidate.
pub(crate) fn is_candidate(version: &str) -> bool {
    version.contains("rc")
}

/// `Python 2` or `Python 3`.
pub(crate) fn python(version: &str) -> String {
    match version.split('.').next() {
        Some(major @ ("2" | "3")) => format!("Python {major}"),
        _ => "another".into(),
    }
}

/// An operating system by its usual name.
pub(crate) fn system(os: &str) -> String {
    match os {
        "linux" => "Linux",
        "windows" => "Windows",
        "macos" => "macOS",
        "freebsd" => "FreeBSD",
        _ => "another",
    }
    .into()
}

/// A number of cores; what no board has counts with what is not known.
pub(crate) fn cores(cores: &str) -> String {
    match cores.parse::<u32>() {
        Ok(number @ 1..=11) => number.to_string(),
        Ok(12..) => "12 or more".into(),
        _ => "not known".into(),
    }
}

/// `32 bit` or `64 bit`.
pub(crate) fn bits(bits: &str) -> String {
    if matches!(bits, "32" | "64") { format!("{bits} bit") } else { "not known".into() }
}

/// From which major version on a browser knows all of ECMAScript 2018, which is called ES9 too: the tables of browsers'
/// features that are public.
const ES9: [(&str, u32); 9] = [
    ("chrome", 64),
    ("chromium", 64),
    ("edge", 79),
    ("firefox", 78),
    ("mobile chrome", 64),
    ("mobile firefox", 79),
    ("mobile safari", 16),
    ("opera", 51),
    ("safari", 16),
];

/// Of `Name/version`: whether it knows ES9.
pub(crate) fn es9(browser: &str) -> String {
    let (name, version) = browser.rsplit_once('/').unwrap_or((browser, ""));
    let since = ES9.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, since)| since);
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    match since.zip(major) {
        Some((since, major)) if major >= *since => "supported",
        Some(_) => "not supported",
        None => "not known",
    }
    .into()
}

/// Firmwares by what their names begin with. The first that fits counts, so that a maker's own comes before Marlin.
const FIRMWARES: [(&str, &[&str]); 11] = [
    ("Prusa", &["prusa"]),
    ("Creality", &["creality", "ender", "cr-"]),
    ("TH3D", &["th3d"]),
    ("Anycubic", &["anycubic"]),
    ("Artillery", &["artillery"]),
    ("Virtual printer", &["virtual"]),
    ("Marlin", &["marlin"]),
    ("Klipper", &["klipper"]),
    ("Repetier", &["repetier"]),
    ("RepRapFirmware", &["reprapfirmware", "duet"]),
    ("Smoothieware", &["smoothie"]),
];

/// The group of a firmware.
pub(crate) fn firmware(name: &str) -> String {
    let name = name.trim_start().to_lowercase();
    let group = FIRMWARES.iter().find(|(_, begins)| begins.iter().any(|begin| name.starts_with(begin)));
    group.map_or("another", |(group, _)| group).into()
}

/// `Raspberry Pi 4 Model B Rev 1.4` in short: `Pi 4 B Rev 1.4`.
pub(crate) fn model(name: &str) -> String {
    name.replace("Raspberry Pi", "Pi").replace(" Model ", " ")
}

/// Achievements that OctoPrint shows nobody who has not got them.
const HIDDEN: [&str; 22] = [
    "achievement_not_found",
    "the_manufacturer_ii",
    "the_manufacturer_iii",
    "happy_birthday_foosel",
    "happy_birthday_octoprint",
    "spooky",
    "santas_little_helper",
    "early_bird",
    "night_owl",
    "clean_house_i",
    "clean_house_ii",
    "clean_house_iii",
    "the_collector_i",
    "the_collector_ii",
    "the_collector_iii",
    "the_organizer",
    "one_of_those_days",
    "so_close",
    "crossover_episode",
    "hang_in_there",
    "mass_production",
    "what_could_possibly_go_wrong",
];

/// Whether an achievement is a surprise.
pub(crate) fn is_hidden(achievement: &str) -> bool {
    HIDDEN.contains(&achievement)
}

/// `the_wizard` as `The wizard`.
pub(crate) fn title(key: &str) -> String {
    let words = key.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// A country by its code.
pub(crate) fn country(code: &str) -> String {
    let named = include_str!("countries.tsv").lines().filter_map(|line| line.split_once('\t'));
    named.filter(|(known, _)| *known == code).map(|(_, name)| name.to_string()).next().unwrap_or_else(|| match code {
        "" => "not known".into(),
        code => code.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_groups_and_none_is_undefined() {
        let found =
            |group: fn(&str) -> String, values: &[&str]| values.iter().map(|one| group(one)).collect::<Vec<_>>();
        assert_eq!(found(python, &["2.7.18", "3.11", "4", ""]), ["Python 2", "Python 3", "another", "another"]);
        assert_eq!(found(system, &["linux", "freebsd", "haiku"]), ["Linux", "FreeBSD", "another"]);
        assert_eq!(found(cores, &["4", "11", "12", "0", "many"]), ["4", "11", "12 or more", "not known", "not known"]);
        assert_eq!(
            found(es9, &["Chrome/64.0", "Chrome/63", "Safari/16.4", "firefox/77.0", "Lynx/2", "Chrome/", "x/y/3", ""]),
            [
                "supported",
                "not supported",
                "supported",
                "not supported",
                "not known",
                "not known",
                "not known",
                "not known"
            ]
        );
        assert_eq!(
            found(firmware, &["Prusa-Firmware 3.9 based on Marlin", " Marlin 2", "MARLIN", "Teacup", "Ender-3 V2"]),
            ["Prusa", "Marlin", "Marlin", "another", "Creality"]
        );
        assert_eq!(model("Raspberry Pi 4 Model B Rev 1.4"), "Pi 4 B Rev 1.4");
        assert_eq!(found(country, &["DE", "ZZ", ""]), ["Germany", "ZZ", "not known"]);
        assert_eq!(title("the_wizard"), "The wizard");
    }
}
