//! Reads a recording: whole calls, each with the number of its first line. An end that was torn off, as
//! when the host was killed, is told and left out.

use super::crossing::{Back, Call, Passage, Start};
use super::format::{Header, RecordLine, parse};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::Path;

/// A recording.
#[derive(Clone, Debug)]
pub struct Recording {
    /// What it says of itself.
    pub header: Header,
    /// All calls, in their order, each with the number of its first line. What was asked stands in the
    /// lines after that, and then how it ended.
    pub passages: Vec<(usize, Passage)>,
    /// How it ends.
    pub ending: Ending,
}

/// How a recording ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The host stopped.
    Stopped,
    /// It had reached its limit.
    Full,
    /// In the middle: the host was killed, or it is still running.
    Torn(String),
}

impl Recording {
    /// Read a file.
    ///
    /// # Errors
    /// When it cannot be read or is not a recording; the message names file and line.
    pub fn read(file: &Path) -> Result<Self> {
        let bytes = std::fs::read(file).with_context(|| format!("reading the recording {}", file.display()))?;
        Self::parse(&String::from_utf8_lossy(&bytes)).with_context(|| format!("the recording {}", file.display()))
    }

    /// Whether the work of its calls was counted.
    #[must_use]
    pub fn is_metered(&self) -> bool {
        self.passages.iter().any(|(_, passage)| passage.fuel.is_some())
    }

    /// Read its text.
    ///
    /// # Errors
    /// What is wrong, and in which line.
    pub fn parse(text: &str) -> Result<Self> {
        let (whole, torn) = text.split_at(text.rfind('\n').map_or(0, |end| end + 1));
        let mut lines = whole.lines().enumerate().map(|(i, line)| (i + 1, line));
        let Some((_, first)) = lines.next() else { bail!("it is empty, or its first line is not complete") };
        let header = match parse(first) {
            Ok(RecordLine::Header(header)) => header,
            Ok(_) => bail!("line 1: it does not begin as a recording does"),
            Err(reason) => bail!("line 1: {reason}"),
        };
        let mut reading = Reading::default();
        for (number, line) in lines {
            let added = parse(line).and_then(|line| reading.add(number, line));
            added.map_err(|reason| anyhow::anyhow!("line {number}: {reason}"))?;
        }
        let ending = reading.ending(!torn.is_empty());
        Ok(Self { header, passages: reading.passages, ending })
    }

    /// The starts of all instances, by their numbers.
    #[must_use]
    pub fn starts(&self) -> BTreeMap<u64, &Start> {
        let start = |passage: &'_ Passage| matches!(passage.call, Call::Start(_));
        let starts = self.passages.iter().filter(|(_, passage)| start(passage));
        starts
            .filter_map(|(_, passage)| match &passage.call {
                Call::Start(start) => Some((passage.life, start)),
                _ => None,
            })
            .collect()
    }
}

#[derive(Default)]
struct Reading {
    passages: Vec<(usize, Passage)>,
    open: Option<(usize, Passage)>,
    end: Option<String>,
}

impl Reading {
    fn add(&mut self, number: usize, line: RecordLine) -> Result<(), String> {
        if self.end.is_some() {
            return Err("there is something after the end".into());
        }
        match line {
            RecordLine::Header(_) => return Err("another recording begins in the middle of this one".into()),
            RecordLine::End(why) => self.end = Some(why),
            RecordLine::Call(life, moment, call) => {
                if self.open.is_some() {
                    return Err("the call before this one does not end".into());
                }
                let passage = Passage { life, moment, call, asked: Vec::new(), back: Back::Started, fuel: None };
                self.open = Some((number, passage));
            }
            RecordLine::Asked(life, asked) => self.opened(life)?.asked.push(asked),
            RecordLine::Back(life, back, fuel) => {
                let passage = self.opened(life)?;
                if !fits(&passage.call, &back) {
                    return Err(format!("that is not how {} ends", passage.call.export()));
                }
                (passage.back, passage.fuel) = (back, fuel);
                self.passages.extend(self.open.take());
            }
        }
        Ok(())
    }

    fn opened(&mut self, life: u64) -> Result<&mut Passage, String> {
        let open = self.open.as_mut().map(|(_, passage)| passage).filter(|passage| passage.life == life);
        open.ok_or_else(|| "it belongs to no call".into())
    }

    fn ending(&self, torn: bool) -> Ending {
        match (&self.open, self.end.as_deref()) {
            (_, Some("full")) => Ending::Full,
            (None, Some(_)) if !torn => Ending::Stopped,
            (Some((number, _)), _) => Ending::Torn(format!("in the middle of the call in line {number}")),
            (None, _) if torn => Ending::Torn("in the middle of a line".into()),
            (None, _) => Ending::Torn("without a last line".into()),
        }
    }
}

fn fits(call: &Call, back: &Back) -> bool {
    match back {
        Back::Started => matches!(call, Call::Start(_)),
        Back::Loaded(_) => matches!(call, Call::Load(_)),
        Back::Restored(_) => matches!(call, Call::Restore { .. }),
        Back::Done { .. } => matches!(call, Call::Event { .. } | Call::Tick),
        Back::Saved(_) => matches!(call, Call::Save),
        Back::Failed(_) => true,
    }
}
