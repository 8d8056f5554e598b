//! YAML as PyYAML reads it, with which OctoPrint keeps its settings: YAML 1.1, where `yes` is true and `010` is 8, the last
//! of two equal keys holds, and only the tags of its `SafeLoader` are known. Of a file of any size only what is asked for
//! is kept, and what an alias stands for is there once, however often it is used.
//!
//! Source: `resolver.py` and `constructor.py` of PyYAML 6, compared with them value by value.

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::Value;
use std::collections::HashMap;
use std::rc::Rc;

/// What of a document is kept.
pub enum Wanted {
    /// All.
    All,
    /// Nothing.
    Nothing,
    /// Of an object these keys.
    Keys(&'static [(&'static str, Self)]),
}

/// A node of a document.
#[derive(Debug)]
pub enum Node {
    /// A single value.
    Scalar(Value),
    /// A list.
    List(Vec<Rc<Self>>),
    /// An object: its keys and values, as they are written. Of equal keys the last one holds.
    Object(Vec<(Rc<Self>, Rc<Self>)>),
    /// What is not kept, or stands for what it is in.
    Nothing,
}

/// The most entries that merge keys (`<<`) may bring along: a few of them could stand for any number.
const MERGED: usize = 100_000;

const MERGE: &str = "<<";
const CORE: &str = "tag:yaml.org,2002:";
/// The tags that PyYAML's `SafeLoader` knows.
const TAGS: [&str; 14] = [
    "null",
    "bool",
    "int",
    "float",
    "binary",
    "timestamp",
    "omap",
    "pairs",
    "set",
    "str",
    "seq",
    "map",
    "merge",
    "value",
];

impl Node {
    /// The value of a key; none if there is no such key, or it is not an object.
    pub fn get(&self, key: &str) -> Option<&Rc<Self>> {
        let Self::Object(entries) = self else { return None };
        entries.iter().rev().find(|(name, _)| name.is_text(key)).map(|(_, value)| value)
    }

    fn is_text(&self, text: &str) -> bool {
        matches!(self, Self::Scalar(Value::String(own)) if own == text)
    }
}

/// Read a document; `Nothing` if it is empty.
///
/// # Errors
/// When it is not YAML, or has a tag that PyYAML refuses: the line, the column, and why, for people. Nothing of the
/// document is repeated, except perhaps a single character.
pub fn read(text: &str, wanted: &Wanted) -> Result<Rc<Node>, String> {
    let options =
        granit_parser::options! { bom_inside_document_as_content: true, block_scalar_eof_without_line_feed: true };
    let mut reader =
        Reader { parser: Parser::new_from_str_with_options(text, options), anchors: HashMap::new(), merged: 0 };
    let mut document = None;
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => return Ok(document.unwrap_or_else(|| Rc::new(Node::Nothing))),
            Event::DocumentStart(..) if document.is_some() => return Err(at(&span, "a second document begins")),
            Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
            event => document = Some(reader.node(event, &span, wanted)?),
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Rc<Node>>,
    merged: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), String> {
        let told = |error: ScanError| {
            let mark = error.marker();
            format!("line {}, column {}: {}", mark.line(), mark.col() + 1, error.info())
        };
        self.parser.next().ok_or("it ends too early")?.map_err(told)
    }

    /// The node that begins with this event. The parser bounds how deep it can be.
    fn node(&mut self, event: Event<'a>, span: &Span, wanted: &Wanted) -> Result<Rc<Node>, String> {
        let anchor = event.anchor_id();
        // It may be used in what is wanted.
        let wanted = if anchor.is_some() { &Wanted::All } else { wanted };
        let node = match event {
            // An alias to what it is in is not there yet.
            Event::Alias(id) => return Ok(self.anchors.get(&id).cloned().unwrap_or_else(|| Rc::new(Node::Nothing))),
            Event::Scalar(text, style, _, tag) => {
                let tag = known(tag.as_deref(), span)?;
                if matches!(wanted, Wanted::Nothing) { Node::Nothing } else { Node::Scalar(scalar(&text, style, tag)) }
            }
            Event::SequenceStart(_, _, tag) => {
                known(tag.as_deref(), span)?;
                self.list(wanted)?
            }
            Event::MappingStart(_, _, tag) => {
                known(tag.as_deref(), span)?;
                self.object(wanted)?
            }
            _ => return Err(at(span, "it is not YAML")),
        };
        let node = Rc::new(node);
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, wanted: &Wanted) -> Result<Node, String> {
        let is_wanted = matches!(wanted, Wanted::All);
        let each = if is_wanted { &Wanted::All } else { &Wanted::Nothing };
        let mut list = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(if is_wanted { Node::List(list) } else { Node::Nothing }),
                (event, span) => {
                    let node = self.node(event, &span, each)?;
                    if is_wanted {
                        list.push(node);
                    }
                }
            }
        }
    }

    fn object(&mut self, wanted: &Wanted) -> Result<Node, String> {
        let (mut entries, mut merged) = (Vec::new(), Vec::new());
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let merges = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == MERGE);
            let key = self.node(event, &span, if matches!(wanted, Wanted::Nothing) { wanted } else { &Wanted::All })?;
            let inner = match wanted {
                Wanted::Keys(keys) if !merges => {
                    keys.iter().find(|(name, _)| key.is_text(name)).map_or(&Wanted::Nothing, |(_, inner)| inner)
                }
                Wanted::Keys(_) => &Wanted::All,
                wanted => wanted,
            };
            let (event, span) = self.next()?;
            let value = self.node(event, &span, inner)?;
            match inner {
                Wanted::Nothing => {}
                _ if merges => self.merge(&value, &mut merged).map_err(|why| at(&span, why))?,
                _ => entries.push((key, value)),
            }
        }
        if matches!(wanted, Wanted::Nothing) {
            return Ok(Node::Nothing);
        }
        // What is written here holds.
        merged.append(&mut entries);
        Ok(Node::Object(merged))
    }

    /// Add what a merge key brings along: the entries of an object, or of several, of which the first one holds.
    fn merge(&mut self, value: &Node, into: &mut Vec<(Rc<Node>, Rc<Node>)>) -> Result<(), &'static str> {
        match value {
            Node::Object(entries) => {
                self.merged += entries.len();
                if self.merged > MERGED {
                    return Err("merge keys bring along too much");
                }
                into.extend(entries.iter().cloned());
                Ok(())
            }
            Node::List(list) => list.iter().rev().try_for_each(|value| match &**value {
                value @ Node::Object(_) => self.merge(value, into),
                _ => Err("a merge key stands for something else than groups of settings"),
            }),
            _ => Err("a merge key stands for something else than groups of settings"),
        }
    }
}

fn at(span: &Span, why: &str) -> String {
    format!("line {}, column {}: {why}", span.start.line(), span.start.col() + 1)
}

/// The name of a tag that PyYAML knows; none where there is none, or one that says nothing.
fn known<'t>(tag: Option<&'t Tag>, span: &Span) -> Result<Option<&'t str>, String> {
    match tag.map(|tag| (tag.handle(), tag.suffix())) {
        None | Some(("" | "!", "" | "!")) => Ok(None),
        Some((CORE, name)) if TAGS.contains(&name) => Ok(Some(name)),
        Some(_) => Err(at(span, "it has a tag that OctoPrint does not know")),
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&str>) -> Value {
    match tag {
        None if style == ScalarStyle::Plain => plain(text),
        Some("null" | "bool" | "int" | "float") => plain(text),
        _ => text.into(),
    }
}

/// What a value without quotation marks is.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => true.into(),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => false.into(),
        _ => integer(text).or_else(|| float(text)).unwrap_or_else(|| text.into()),
    }
}

/// The sign, and the rest without underscores.
fn signed(text: &str) -> (bool, String) {
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    (text.starts_with('-'), rest.replace('_', ""))
}

fn integer(text: &str) -> Option<Value> {
    let (negative, digits) = signed(text);
    // A number does not begin with an underscore.
    let first = text.trim_start_matches(['-', '+']);
    if text.len() > first.len() + 1 || !first.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let of = |digits: &str, base| {
        let all = !digits.is_empty() && digits.chars().all(|c| c.is_digit(base));
        all.then(|| u128::from_str_radix(digits, base).ok()).flatten()
    };
    let number = if let Some(digits) = digits.strip_prefix("0b") {
        of(digits, 2)?
    } else if let Some(digits) = digits.strip_prefix("0x") {
        of(digits, 16)?
    } else if digits.len() > 1 && digits.starts_with('0') {
        of(&digits[1..], 8)?
    } else if digits.contains(':') {
        sexagesimal(&digits)?
    } else {
        of(&digits, 10)?
    };
    // Nothing that is asked for is larger.
    let number = i64::try_from(number).ok()?;
    Some(if negative { -number } else { number }.into())
}

/// `1:30` is 90.
fn sexagesimal(digits: &str) -> Option<u128> {
    let mut parts = digits.split(':');
    let first: u128 = parts.next()?.parse().ok()?;
    parts.try_fold(first, |number, part| {
        let part = part.parse::<u8>().ok().filter(|number| *number < 60 && part.len() <= 2)?;
        number.checked_mul(60)?.checked_add(part.into())
    })
}

/// With a point, and a sign before an exponent: `1e3` is a text.
fn float(text: &str) -> Option<Value> {
    let (negative, digits) = signed(text);
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((&digits, "+0"));
    // A sign does not stand right before the point.
    let is_float = mantissa.contains('.')
        && (text.starts_with('.') || !mantissa.starts_with('.'))
        && mantissa.chars().any(|c| c.is_ascii_digit())
        && mantissa.chars().all(|c| c.is_ascii_digit() || c == '.')
        && exponent.starts_with(['-', '+'])
        && exponent.len() > 1
        && exponent[1..].chars().all(|c| c.is_ascii_digit());
    let number: f64 = digits.parse().ok().filter(|_| is_float)?;
    serde_json::Number::from_f64(if negative { -number } else { number }).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn value(text: &str) -> Value {
        match &*read(text, &Wanted::All).unwrap() {
            Node::Scalar(value) => value.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_are_those_of_pyyaml() {
        for (text, expected) in [
            ("yes", json!(true)),
            ("Off", json!(false)),
            ("y", json!("y")),
            ("'yes'", json!("yes")),
            ("!!str yes", json!("yes")),
            ("! yes", json!(true)),
            ("! 'yes'", json!("yes")),
            ("!!bool 'yes'", json!(true)),
            ("~", json!(null)),
            ("300", json!(300)),
            ("-1_000", json!(-1000)),
            ("010", json!(8)),
            ("08", json!("08")),
            ("0x1F", json!(31)),
            ("0b11", json!(3)),
            ("1:30", json!(90)),
            ("1:75", json!("1:75")),
            ("1.5", json!(1.5)),
            ("1e3", json!("1e3")),
            ("1.0e+3", json!(1000.0)),
            ("1.0e3", json!("1.0e3")),
            (".5", json!(0.5)),
            (".", json!(".")),
            ("_1", json!("_1")),
            ("+-1", json!("+-1")),
            (".inf", json!(".inf")),
            ("2024-01-01", json!("2024-01-01")),
            ("|\n  text", json!("text")),
            ("-.5", json!("-.5")),
            ("0_7", json!(7)),
            ("1_", json!(1)),
            ("0x", json!("0x")),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn only_what_is_wanted_is_kept_and_what_it_stands_for() {
        const WANTED: Wanted = Wanted::Keys(&[("a", Wanted::Keys(&[("b", Wanted::All)]))]);
        let read = |text: &str| read(text, &WANTED).unwrap();
        let b = |node: &Node| node.get("a").and_then(|a| a.get("b")).map(|node| format!("{node:?}"));
        assert_eq!(b(&read("x: &x {q: 1}\na: {c: 3, b: 1, b: [*x, 2]}\n")), b(&read("a: {b: [{q: 1}, 2]}")));
        assert_eq!(b(&read("x: &x {b: 1}\na: {<<: *x}\n")), b(&read("a: {b: 1}")));
        assert_eq!(b(&read("x: &x {b: 1}\na: {b: 2, <<: *x}\n")), b(&read("a: {b: 2}")));
        assert_eq!(b(&read("x: &x {b: 1}\ny: &y {b: 3}\na: {<<: [*x, *y]}\n")), b(&read("a: {b: 1}")));
        assert_eq!(b(&read("x: &x {a: {b: 1}}\n<<: *x\n")), b(&read("a: {b: 1}")));
        assert_eq!(b(&read("a: &a {b: *a}")), Some("Nothing".into()));
        assert!(matches!(&*read(""), Node::Nothing) && b(&read("[a, b]")).is_none());
    }

    #[test]
    fn what_pyyaml_refuses_is_refused_with_its_line() {
        for (text, expected) in [
            ("a: 1\n b: [", "line 2, column "),
            ("a:\n\tb: 1\n", "line 2, column "),
            ("a: *b", "line 1, column "),
            ("a: !!python/object:os.x {}\n", "line 1, column "),
            ("a: !mine 1", "line 1, column "),
            ("a: 1\n---\nb: 2\n", "line 2, column 1: a second document begins"),
            ("a: {<<: 1}", "line 1, column 9: a merge key stands for "),
        ] {
            let error = read(text, &Wanted::Nothing).and_then(|_| read(text, &Wanted::All)).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
        let deep = "[".repeat(10_000);
        assert!(read(&deep, &Wanted::Nothing).is_err());
        let mut bomb = String::from("a0: &a0 {a: 1, b: 2, c: 3, d: 4}\n");
        for i in 1..20 {
            let merges = vec![format!("*a{}", i - 1); 9].join(", ");
            bomb += &format!("a{i}: &a{i} {{<<: [{merges}]}}\n");
        }
        assert!(read(&bomb, &Wanted::Nothing).unwrap_err().ends_with("too much"));
    }
}
