//! OctoPrint's version, as far as it matters here. OctoPrint takes it from Python's tools, so it is one of Python's
//! (PEP 440): `1.11.8`, `2.0.0rc7`, `1.12.0.dev3+gabc.dirty`, and `0+unknown` where somebody runs a checkout whose
//! history those tools do not know.

/// The first two numbers of a version; none if it is not known: where it is no version, or one that says that nobody
/// knows it.
pub fn release(version: &str) -> Option<(u64, u64)> {
    let version = version.trim();
    let version = version.strip_prefix(['v', 'V']).unwrap_or(version);
    // An epoch, which OctoPrint never had, would make all numbers mean something else.
    let public = version.split_once('+').map_or(version, |(public, _)| public);
    if public.contains('!') {
        return None;
    }
    let mut numbers = public.split('.').map_while(|part| {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..digits].parse::<u64>().ok().map(|number| (number, digits == part.len()))
    });
    let (major, is_whole) = numbers.next()?;
    // In `2rc1` there is no second number, whatever follows.
    let minor = if is_whole { numbers.next().map_or(0, |(minor, _)| minor) } else { 0 };
    // `0+unknown`, `0+untagged.12.gabc`, `0.0.0`.
    Some((major, minor)).filter(|release| *release != (0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_as_python_reads_it() {
        for (version, expected) in [
            ("1.11.8", Some((1, 11))),
            ("1.9.0rc2", Some((1, 9))),
            ("2.0.0rc7", Some((2, 0))),
            ("1.12.0.dev3+gabc.dirty", Some((1, 12))),
            ("1.8.0.post0.dev1+g1234567", Some((1, 8))),
            ("2", Some((2, 0))),
            ("2rc1.dev5", Some((2, 0))),
            ("v1.10.0", Some((1, 10))),
            (" 1.10.0\n", Some((1, 10))),
            ("1.10rc1", Some((1, 10))),
            ("1.7.3", Some((1, 7))),
            ("0.9", Some((0, 9))),
            ("0+unknown", None),
            ("0+untagged.12.gabc.dirty", None),
            ("0.0.0", None),
            ("unknown", None),
            ("", None),
            ("1!2.0", None),
            ("99999999999999999999999.1", None),
            ("-1.2", None),
        ] {
            assert_eq!(release(version), expected, "{version}");
        }
    }
}
