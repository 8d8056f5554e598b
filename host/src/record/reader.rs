//! Reads a recording: complete calls, each with the number of its first line. If the end is torn off, as when the host
//! was killed, the incomplete call is left out, and [`Ending`] says so.

use super::crossing::{Call, RecordedCall, Returned, Start};
use super::format::{Header, RecordLine, parse};
use anyhow::{Context, Result, bail};
use glassbox_util::files::open_regular;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// A recording.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Its first line.
    pub header: Header,
    /// All calls in order, each with the number of its first line, from 1. The lines after that one hold what was asked,
    /// and then how the call ended.
    pub calls: Vec<(usize, RecordedCall)>,
    /// How it ends.
    pub ending: Ending,
}

/// How a recording ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// When the host stopped.
    Stopped,
    /// When it had reached its largest size.
    Full,
    /// In the middle, as the text says: the host was killed, or is still running.
    Torn(String),
}

impl Recording {
    /// Read a file.
    ///
    /// # Errors
    /// When it cannot be read or is not a recording; the message names the file and the line.
    pub fn read(file: &Path) -> Result<Self> {
        // As large as it is: whoever made it has set its limit, and whoever reads it has named it.
        let read = || {
            let mut bytes = Vec::new();
            open_regular(file)?.read_to_end(&mut bytes).map(|_| bytes)
        };
        let bytes = read().with_context(|| format!("reading the recording {}", file.display()))?;
        Self::parse(&String::from_utf8_lossy(&bytes)).with_context(|| format!("the recording {}", file.display()))
    }

    /// Whether fuel was counted for its calls.
    pub fn is_metered(&self) -> bool {
        self.calls.iter().any(|(_, recorded)| recorded.fuel.is_some())
    }

    /// Parse the text of a recording.
    ///
    /// # Errors
    /// When it is not a recording; the message names the line.
    pub fn parse(text: &str) -> Result<Self> {
        let (whole, torn) = text.split_at(text.rfind('\n').map_or(0, |end| end + 1));
        let mut lines = whole.lines().enumerate().map(|(i, line)| (i + 1, line));
        let Some((_, first)) = lines.next() else { bail!("it is empty, or its first line is not complete") };
        let header = match parse(first) {
            Ok(RecordLine::Header(header)) => header,
            Ok(_) => bail!("line 1: it is not the first line of a recording"),
            Err(reason) => bail!("line 1: {reason}"),
        };
        let mut reading = Reading::default();
        for (number, line) in lines {
            let added = parse(line).and_then(|line| reading.add(number, line));
            added.map_err(|reason| anyhow::anyhow!("line {number}: {reason}"))?;
        }
        let ending = reading.ending(!torn.is_empty());
        Ok(Self { header, calls: reading.calls, ending })
    }

    /// The starts of all instances, by their numbers.
    pub fn starts(&self) -> BTreeMap<u64, &Start> {
        let start = |recorded: &'_ RecordedCall| matches!(recorded.call, Call::Start(_));
        let starts = self.calls.iter().filter(|(_, recorded)| start(recorded));
        starts
            .filter_map(|(_, recorded)| match &recorded.call {
                Call::Start(start) => Some((recorded.instance_id, start)),
                _ => None,
            })
            .collect()
    }
}

#[derive(Default)]
struct Reading {
    calls: Vec<(usize, RecordedCall)>,
    open: Option<(usize, RecordedCall)>,
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
            RecordLine::Call(instance_id, moment, call) => {
                if self.open.is_some() {
                    return Err("the call before this one does not end".into());
                }
                let recorded = RecordedCall {
                    instance_id,
                    moment,
                    call,
                    asked: Vec::new(),
                    returned: Returned::Started,
                    fuel: None,
                };
                self.open = Some((number, recorded));
            }
            RecordLine::HostCall(instance_id, asked) => self.opened(instance_id)?.asked.push(asked),
            RecordLine::Returned(instance_id, returned, fuel) => {
                let recorded = self.opened(instance_id)?;
                if !fits(&recorded.call, &returned) {
                    return Err(format!("that is not how {} ends", recorded.call.export()));
                }
                (recorded.returned, recorded.fuel) = (returned, fuel);
                self.calls.extend(self.open.take());
            }
        }
        Ok(())
    }

    fn opened(&mut self, instance_id: u64) -> Result<&mut RecordedCall, String> {
        let open =
            self.open.as_mut().map(|(_, recorded)| recorded).filter(|recorded| recorded.instance_id == instance_id);
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

fn fits(call: &Call, returned: &Returned) -> bool {
    match returned {
        Returned::Started => matches!(call, Call::Start(_)),
        Returned::Heard => matches!(call, Call::Heard { .. }),
        Returned::Loaded(_) => matches!(call, Call::Load(_)),
        Returned::Restored(_) => matches!(call, Call::Restore(_)),
        Returned::Done { .. } => matches!(call, Call::Event { .. } | Call::Tick { .. }),
        Returned::Saved(_) => matches!(call, Call::Save),
        Returned::Failed(_) => true,
    }
}
