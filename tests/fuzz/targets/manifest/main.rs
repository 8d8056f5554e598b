//! Any bytes as a manifest, as the one that was granted before, as a payload and as a value: what is
//! enforced is compared with a plain model of what a manifest means.
#![no_main]

mod model;
mod payload;
mod requests;

use glassbox_grant::Exceeds;
use glassbox_sandbox::{Manifest, Policy, printable};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // No TOML and no JSON has this byte.
    let mut parts = data.split(|byte| *byte == 0).map(|part| std::str::from_utf8(part).unwrap_or_default());
    let mut part = || parts.next().unwrap_or_default();
    let (text, granted, payload, value) = (part(), part(), part(), part());
    let Ok(manifest) = Manifest::parse(text) else { return };
    let _ = glassbox_describe::in_words(&manifest);
    let Ok(policy) = Policy::new(manifest.clone()) else { return };
    can_be_shown(&glassbox_describe::in_words(&manifest));
    assert_eq!(manifest.exceeds(&manifest), [""; 0], "it asks for more than itself");

    let granted = Manifest::parse(granted).ok().filter(|granted| {
        if Policy::new(granted.clone()).is_err() {
            return false;
        }
        let more = manifest.exceeds(granted);
        more.iter().for_each(|more| can_be_shown(more));
        more.is_empty()
    });
    assert!(granted.as_ref().is_none_or(|granted| model::is_no_more(&manifest, granted)));
    payload::check(&policy, granted.as_ref(), payload);
    requests::check(&policy, granted.as_ref(), value);
});

/// What a person decides by: all of it is to be seen, and each line is one of ours.
fn can_be_shown(text: &str) {
    for line in text.split('\n') {
        assert_eq!(printable(line, usize::MAX), line, "something in it is hidden");
    }
}
