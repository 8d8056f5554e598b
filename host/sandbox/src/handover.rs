//! What one instance hands over to the next: the flags and bounded numbers that its manifest lists under `state`. What was
//! heard and is due is the host's affair (`memory.rs`).

use crate::Policy;
use crate::manifest::Kept;
use serde_json::{Map, Value};

/// What an instance hands over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    /// What its manifest lists under `state`, as a JSON object.
    pub state: String,
    /// How many other names and values were dropped.
    pub dropped: usize,
}

impl Policy {
    /// Of what a component hands over, what its manifest lists under `state`.
    pub fn kept(&self, state: Value) -> Handover {
        let Value::Object(all) = state else { return Handover { state: "{}".into(), dropped: 1 } };
        let count = all.len();
        let fits = |(name, value): &(String, Value)| match self.manifest().state.get(name) {
            None => false,
            Some(Kept::Flag) => value.is_boolean(),
            Some(Kept::UpTo(most)) => value.as_u64().is_some_and(|number| number <= *most),
        };
        let kept: Map<_, _> = all.into_iter().filter(fits).collect();
        // Its keys are texts, so it can always be written.
        Handover { dropped: count - kept.len(), state: serde_json::to_string(&kept).unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Manifest;

    #[test]
    fn only_what_is_listed_and_fits_is_kept() {
        let manifest = "plugin.name = \"p\"\n[state]\nprinting = \"flag\"\nprints = { most = 9 }";
        let policy = Policy::new(Manifest::parse(manifest).unwrap()).unwrap();
        let kept = |state: &str| {
            let Handover { state, dropped } = policy.kept(serde_json::from_str(state).unwrap_or_default());
            (state, dropped)
        };
        assert_eq!(kept(r#"{"printing": true, "prints": 9}"#), (r#"{"printing":true,"prints":9}"#.into(), 0));
        assert_eq!(kept(r#"{"printing": "x", "prints": 10, "path": "a.gcode"}"#), ("{}".into(), 3));
        assert_eq!(kept(r#"{"prints": 1.5, "printing": null}"#), ("{}".into(), 2));
        for other in ["[]", "7", "not JSON", ""] {
            assert_eq!(kept(other), ("{}".into(), 1));
        }
        let wrong = Manifest::parse("plugin.name = \"p\"\n[state]\nprinting = \"text\"").unwrap_err().to_string();
        assert!(wrong.contains("unknown variant `text`, expected `flag` or `most`"), "{wrong}");
    }
}
