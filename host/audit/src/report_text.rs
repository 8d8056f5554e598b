//! The report as plain text, for people: what `{}` prints; `{:#}` adds colour, for a terminal. Also the flow
//! matrix as rows, from which the HTML page is made too ([`super::report_html`]).

use super::Report;
use super::canaries::{Canaries, Finding, HEADINGS, Judgement};
use super::flow::{Cell, Constants, Flow, Influence};
use super::inputs::Input;
use super::verdict::{ClaimStatus, ClaimVerdict, KINDS, Kind, Made};
use glassbox_sandbox::printable;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// An influence seen in one of so many trials, or fewer, is shown with an example: that is where to look.
const RARE: usize = 20;

/// So many of a manifest's lines are shown with a claim; all of them are above it, and in JSON.
const LINES: usize = 3;

/// Lines of the matrix are broken before so many characters, where possible.
const WIDTH: usize = 120;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "file     {}", printable(&self.file, usize::MAX))?;
        writeln!(f, "sha256   {}", self.digest)?;
        writeln!(f, "size     {} bytes", self.size)?;
        if let Some(needed) = self.compiling {
            let (seconds, memory) = (needed.time.as_secs_f64(), needed.memory >> 20);
            writeln!(f, "cost     {seconds:.1} s of the processor and {memory} MiB of memory, to compile it")?;
        }
        writeln!(f, "imports  {}", list(&self.imports))?;
        writeln!(f, "exports  {}", list(&self.exports))?;
        if let Some(manifest) = &self.manifest {
            let version = self.self_description.version.iter().map(|version| format!(" {version}")).collect::<String>();
            writeln!(f, "name     {}{version} (its own claim)", manifest.plugin.name)?;
        }
        let producers: Vec<_> =
            self.self_description.producers.iter().map(|one| format!("{} {}", one.name, one.version)).collect();
        if !producers.is_empty() {
            writeln!(f, "made by  {} (its own claim)", producers.join(", "))?;
        }
        if let Some(rebuilt) = &self.source {
            write!(f, "{rebuilt}")?;
        }
        if let Some(error) = &self.error {
            writeln!(f, "\n{error}")?;
            return verdicts(f, self);
        }
        writeln!(f, "touches  nothing but the imports above, all of which are part of the contract\n")?;
        if let Some(manifest) = &self.manifest {
            writeln!(f, "{}", glassbox_describe::in_words(manifest))?;
        }
        self.made.iter().try_for_each(|one| made(f, one))?;
        self.flow.iter().try_for_each(|flow| write!(f, "{flow}"))?;
        self.canaries.iter().try_for_each(|canaries| write!(f, "{canaries}"))?;
        self.corpora.iter().try_for_each(|corpus| write!(f, "{corpus}"))?;
        verdicts(f, self)
    }
}

fn verdicts(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    writeln!(f, "\nverdict")?;
    let coloured = f.alternate();
    for (kind, heading) in KINDS {
        let mut claims = report.verdicts.iter().filter(|verdict| verdict.kind == kind).peekable();
        if claims.peek().is_some() {
            writeln!(f, "\n{heading}\n")?;
        }
        claims.try_for_each(|verdict| if coloured { write!(f, "{verdict:#}") } else { write!(f, "{verdict}") })?;
    }
    Ok(())
}

/// What the host makes of the reports, and how much could be hidden in them.
fn made(f: &mut fmt::Formatter<'_>, made: &Made) -> fmt::Result {
    writeln!(f, "\nmade by the host, whatever the component does\n")?;
    made.says.iter().try_for_each(|line| writeln!(f, "  {}", printable(line, 300)))?;
    writeln!(f, "\nfree, for the component to decide\n")?;
    if made.free.is_empty() {
        writeln!(f, "  nothing")?;
    }
    made.free.iter().try_for_each(|line| writeln!(f, "  {}", printable(line, 300)))?;
    if !made.capacity.words.is_empty() {
        writeln!(f, "\nat most so much could be hidden, by the manifest alone\n")?;
    }
    for report in &made.capacity.reports {
        writeln!(f, "  {:36} {}", printable(&report.request, 100), report.words)?;
    }
    made.capacity.words.iter().try_for_each(|line| writeln!(f, "  {}", printable(line, 300)))?;
    writeln!(f)
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join("\n         ") }
}

impl fmt::Display for ClaimVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = match self.verdict {
            _ if !f.alternate() => "",
            ClaimStatus::Holds if self.kind == Kind::ByConstruction => "\x1b[32m",
            ClaimStatus::Holds => "",
            ClaimStatus::Fails => "\x1b[31m",
            ClaimStatus::NotShown => "\x1b[33m",
        };
        let off = if on.is_empty() { "" } else { "\x1b[0m" };
        writeln!(f, "  {on}{:10}{off} {}", self.word(), self.claim)?;
        writeln!(f, "             {}", printable(&self.why, 600))?;
        for line in self.lines.iter().take(LINES) {
            writeln!(f, "             - {}", printable(line, 200))?;
        }
        match self.lines.len().saturating_sub(LINES) {
            0 => Ok(()),
            more => writeln!(f, "             - and {more} more, all of them listed above"),
        }
    }
}

/// A row of the flow matrix: an input, and everything that it can change.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// The input, as it is shown.
    pub input: String,
    /// Pairs of runs that differed in this input only.
    pub trials: usize,
    /// The outputs that differed, by name.
    pub outputs: BTreeMap<String, Influence>,
}

/// The matrix as rows: first those of each event, under its name; then, for all events together, those of
/// inputs that do not belong to an event (settings, clock, hardware).
pub fn rows(flow: &Flow) -> (Vec<(String, Vec<Row>)>, Vec<Row>) {
    let mut events: Vec<(String, Vec<Row>)> = Vec::new();
    let mut general: BTreeMap<&Input, Row> = BTreeMap::new();
    for cell in flow.cells.iter().filter(|cell| cell.input != Input::Nothing) {
        if cell.input.is_general() {
            let row = general.entry(&cell.input).or_default();
            row.input = cell.input.to_string();
            row.add(cell);
            continue;
        }
        if events.last().is_none_or(|(event, _)| *event != cell.event) {
            events.push((cell.event.clone(), Vec::new()));
        }
        let mut row = Row { input: cell.input.to_string(), ..Row::default() };
        row.add(cell);
        events.iter_mut().last().into_iter().for_each(|(_, rows)| rows.push(row.clone()));
    }
    (events, general.into_values().collect())
}

impl Row {
    fn add(&mut self, cell: &Cell) {
        self.trials += cell.trials;
        for (output, influence) in &cell.outputs {
            let known = self
                .outputs
                .entry(output.clone())
                .or_insert_with(|| Influence { example: influence.example.clone(), ..Influence::default() });
            known.add(influence);
        }
    }

    /// Its outputs, as they are shown.
    fn outputs(&self) -> Vec<String> {
        if self.outputs.is_empty() {
            return vec![format!("nothing, in {} trials", self.trials)];
        }
        let all = self.outputs.iter().map(|(output, influence)| {
            let later = if influence.direct == 0 { " later" } else { "" };
            format!("{} {}/{}{later}", printable(output, 100), influence.count(), self.trials)
        });
        all.collect()
    }

    /// The outputs that differed so rarely that they deserve a closer look.
    pub fn rare(&self) -> impl Iterator<Item = (&String, &Influence)> {
        self.outputs.iter().filter(|(_, influence)| influence.count() * RARE <= self.trials)
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "flow     each event run twice, with one input changed: which outputs differed, and in how")?;
        writeln!(f, "         many of the trials; 'later' means in a call after the event's own")?;
        write!(f, "         {} trials for each input of each event, {} pairs of runs,", self.reached, self.pairs)?;
        writeln!(f, " seed {}", self.seed)?;
        let Constants { found, tried } = self.constants;
        writeln!(f, "         and {tried} of {found} texts and numbers from the file, for each payload field")?;
        if let Some(why) = &self.ended_early {
            writeln!(f, "         it stopped before {} trials were done: {why}", self.asked)?;
        }
        let (events, general) = rows(self);
        for (event, rows) in &events {
            writeln!(f, "\n  {}", printable(event, 100))?;
            rows.iter().try_for_each(|row| line(f, row))?;
        }
        for (why, count) in self.failed.iter().take(5) {
            writeln!(f, "\n  {count} runs failed: {}", printable(why, 300))?;
        }
        writeln!(f, "\n  any event")?;
        general.iter().try_for_each(|row| line(f, row))?;
        writeln!(f)?;
        self.limits.iter().try_for_each(|limit| writeln!(f, "  {limit}"))?;
        writeln!(f)
    }
}

fn line(f: &mut fmt::Formatter<'_>, row: &Row) -> fmt::Result {
    let mut line = format!("    {:28} -> ", printable(&row.input, 100));
    for (i, output) in row.outputs().iter().enumerate() {
        let comma = if i > 0 { ", " } else { "" };
        if i > 0 && line.chars().count() + output.chars().count() > WIDTH {
            writeln!(f, "{line},")?;
            line = format!("{:36}{output}", "");
        } else {
            line += &format!("{comma}{output}");
        }
    }
    writeln!(f, "{line}")?;
    for (output, Influence { example, .. }) in row.rare().take(2) {
        let ((from, to), (before, after)) = (&example.input, &example.output);
        writeln!(
            f,
            "        e.g. {} from {before} to {after}, when the input is {to} instead of {from}",
            printable(output, 100)
        )?;
    }
    Ok(())
}

impl fmt::Display for Canaries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "canaries {} marked secrets, {} runs, {} requests, searched for as they are,",
            self.secrets, self.runs, self.requests
        )?;
        writeln!(f, "         percent-encoded, in base64, in hex, reversed, hashed, and in pieces\n")?;
        for (judgement, words) in HEADINGS {
            let mut by_source: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for find in self.finds.iter().filter(|find| find.judgement == judgement) {
                by_source.entry(find.source.to_string()).or_default().insert(place(find));
            }
            if by_source.is_empty() {
                continue;
            }
            writeln!(f, "  {words}:")?;
            for (source, places) in by_source {
                let shown: Vec<_> = places.iter().take(6).cloned().collect();
                let more = if places.len() > 6 { format!(" and {} more", places.len() - 6) } else { String::new() };
                writeln!(f, "    {} -> {}{more}", printable(&source, 200), printable(&shown.join(", "), 600))?;
            }
        }
        writeln!(f)
    }
}

fn place(find: &Finding) -> String {
    match find.judgement {
        Judgement::Open | Judgement::Salted => find.place.to_string(),
        _ => format!("{} {}", find.place, find.form),
    }
}
