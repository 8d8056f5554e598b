//! Keys that a JSON document has twice. JSON does not say which of the two holds, and readers differ; a person who
//! looks at the file may see the other one.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// Check that no object in this document, at any depth, has a key twice.
///
/// # Errors
/// When one has, with the key; or when it is not JSON.
pub fn check(text: &str) -> Result<(), String> {
    serde_json::from_str::<Unrepeated>(text).map(drop).map_err(|error| error.to_string())
}

/// Any JSON value without a repeated key; what it is, is not kept.
struct Unrepeated;

impl<'de> Deserialize<'de> for Unrepeated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unrepeated {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            map.next_value::<Self>()?;
            if let Some(key) = keys.replace(key) {
                return Err(A::Error::custom(format_args!("the key '{key}' is there twice")));
            }
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_key_may_be_there_once() {
        check(r#"{"a": {"b": 1, "c": [1.5, -2, "x", null, true, {"a": {}}]}, "b": 1}"#).unwrap();
        for text in [
            r#"{"enabled": false, "x": 1, "enabled": true}"#,
            r#"{"a": [{"enabled": true, "enabled": true}]}"#,
            // The same key, spelled differently.
            r#"{"enabled": false, "\u0065nabled": true}"#,
        ] {
            let error = check(text).unwrap_err();
            assert!(error.starts_with("the key 'enabled' is there twice at line 1"), "{error}");
        }
        assert!(check("{").is_err());
    }
}
