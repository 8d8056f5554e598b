//! What a manifest may write shortly or in full. Not by serde's `untagged`, which cannot say what is wrong with either.

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error};
use serde_json::Value;

/// A text, or a table `T`; `expected` says so to the author.
pub(super) fn text_or_table<'de, D: Deserializer<'de>, T: DeserializeOwned, V>(
    deserializer: D,
    expected: &str,
    text: impl FnOnce(String) -> V,
    table: impl FnOnce(T) -> V,
) -> Result<V, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(found) => Ok(text(found)),
        found @ Value::Object(_) => T::deserialize(found).map(table).map_err(D::Error::custom),
        _ => Err(D::Error::custom(format!("it must be {expected}"))),
    }
}

/// One text, or a list of them.
pub(super) fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(one) => Ok(vec![one]),
        many => Vec::deserialize(many).map_err(|_| D::Error::custom("it must be a text, or a list of texts")),
    }
}
