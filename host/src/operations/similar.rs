//! "Did you mean": what there is, for a name that somebody mistyped.

use glassbox_util::text::shown;

/// How alike two names must be, from 0 to 1: as for the command line's own names.
const ALIKE: f64 = 0.7;

/// Of these names the one that is most like the one that was given; none if none is much like it.
pub fn similar<T: AsRef<str>>(given: &str, names: impl IntoIterator<Item = T>) -> Option<T> {
    let given = given.to_lowercase();
    let rated = names.into_iter().map(|name| (strsim::jaro_winkler(&given, &name.as_ref().to_lowercase()), name));
    rated.filter(|(rate, _)| *rate > ALIKE).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

/// The question about it, before other advice; empty if there is nothing to ask about.
pub fn did_you_mean<T: AsRef<str>>(given: &str, names: impl IntoIterator<Item = T>) -> String {
    similar(given, names).map(|name| format!("did you mean '{}'? ", shown(name.as_ref()))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_is_recognised_and_another_is_not() {
        let names = ["tracking", "print-hours", "counter"];
        for (given, meant) in [
            ("trackin", Some("tracking")),
            ("Tracking", Some("tracking")),
            ("tarcking", Some("tracking")),
            ("printhours", Some("print-hours")),
            ("weather", None),
            ("", None),
        ] {
            assert_eq!(similar(given, names), meant, "{given}");
        }
        assert_eq!(did_you_mean("trackin", names), "did you mean 'tracking'? ");
    }
}
