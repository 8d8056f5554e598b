//! The report as a page: one file without scripts or anything from elsewhere, for a phone too. All that
//! comes from a component is hostile until it is escaped.

use super::canaries::HEADINGS;
use super::flow::Flow;
use super::text::{Row, rows};
use super::verdict::Holds;
use super::{Report, picture};
use glassbox_sandbox::describe;
use glassbox_sandbox::printable;
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");

/// Text within HTML: nothing that it says is markup, nothing is hidden.
#[must_use]
pub fn escaped(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(|line| printable(line, usize::MAX)).collect();
    let text = lines.join("\n").replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

/// The page.
#[must_use]
pub fn page(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_page(&mut out, report);
    out
}

fn write_page(out: &mut String, report: &Report) -> std::fmt::Result {
    let name = report.manifest.as_ref().map_or("a component", |manifest| &manifest.plugin.name);
    let title = format!("Audit of {}", escaped(name));
    writeln!(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
    writeln!(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
    // Should something get past the escaping after all: it loads and runs nothing.
    let nothing = "default-src 'none'; style-src 'unsafe-inline'";
    writeln!(out, "<meta http-equiv=\"Content-Security-Policy\" content=\"{nothing}\">")?;
    writeln!(out, "<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>")?;
    verdicts(out, report)?;
    identity(out, report)?;
    if let Some(manifest) = &report.manifest {
        writeln!(
            out,
            "<h2>What it asks to see and to say</h2>\n<pre>{}</pre>",
            escaped(&describe::in_words(manifest))
        )?;
    }
    if let Some(flow) = &report.flow {
        matrix(out, flow)?;
    }
    canaries(out, report)?;
    if !report.corpora.is_empty() {
        writeln!(out, "<h2>Conformance</h2>")?;
        for corpus in &report.corpora {
            writeln!(out, "<pre>{}</pre>", escaped(corpus.to_string().trim_end()))?;
        }
    }
    writeln!(out, "</body>\n</html>")
}

fn verdicts(out: &mut String, report: &Report) -> std::fmt::Result {
    for verdict in &report.verdicts {
        let class = match verdict.verdict {
            Holds::Holds => "holds",
            Holds::Fails => "fails",
            Holds::NotShown => "not-shown",
        };
        let (claim, why) = (escaped(verdict.claim), escaped(&verdict.why));
        writeln!(out, "<div class=\"verdict {class}\"><b>{}</b>: {claim}", verdict.verdict)?;
        writeln!(out, "<div class=\"dim\">{why}</div></div>")?;
    }
    Ok(())
}

fn identity(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "<h2>What it is</h2>\n<p>{}, {} bytes</p>", escaped(&report.file), report.size)?;
    writeln!(out, "<p>SHA-256 <code>{}</code></p>", escaped(&report.digest))?;
    if let Some(version) = &report.hearsay.version {
        writeln!(out, "<p class=\"dim\">version: {} (as it says itself)</p>", escaped(version))?;
    }
    for producer in &report.hearsay.producers {
        let (name, version) = (escaped(&producer.name), escaped(&producer.version));
        writeln!(out, "<p class=\"dim\">{}: {name} {version} (as it says itself)</p>", escaped(&producer.role))?;
    }
    if let Some(rebuilt) = &report.source {
        writeln!(out, "<pre>{}</pre>", escaped(rebuilt.to_string().trim_end()))?;
    }
    writeln!(out, "<h2>What it touches</h2>")?;
    for (what, names) in [("imports", &report.imports), ("exports", &report.exports)] {
        writeln!(out, "<h3>{what}</h3>\n<ul>")?;
        names.iter().try_for_each(|name| writeln!(out, "<li><code>{}</code></li>", escaped(name)))?;
        writeln!(out, "</ul>")?;
    }
    let wrong = report.error.iter().chain(&report.differences);
    wrong.into_iter().try_for_each(|wrong| writeln!(out, "<pre>{}</pre>", escaped(wrong)))
}

fn matrix(out: &mut String, flow: &Flow) -> std::fmt::Result {
    writeln!(out, "<h2>What can change what it says</h2>")?;
    writeln!(
        out,
        "<p>Each event was run twice, with one input changed, {} times for each input: {} pairs of runs, seed {}; and \
         with {} of {} texts and numbers from the file in each payload field.</p>",
        flow.reached, flow.pairs, flow.seed, flow.words.tried, flow.words.found
    )?;
    if let Some(why) = &flow.ended_early {
        writeln!(out, "<p>It ended early, short of {} trials: {}</p>", flow.asked, escaped(why))?;
    }
    let (events, general) = rows(flow);
    writeln!(
        out,
        "<p class=\"dim\">Full: in the event's own call. Frame: in a later one. Empty: no influence was seen.</p>"
    )?;
    writeln!(out, "<div class=\"little\">\n{}\n</div>", picture::draw(&picture::folded(&events, &general)))?;
    writeln!(out, "<p>The same for each event and report:</p>")?;
    writeln!(out, "<div class=\"scroll\">\n{}\n</div>", picture::draw(&picture::whole(&events, &general)))?;
    for (event, rows) in &events {
        writeln!(out, "<h3>{}</h3>", escaped(event))?;
        rows.iter().try_for_each(|row| line(out, row))?;
    }
    writeln!(out, "<h3>Whatever the event</h3>")?;
    general.iter().try_for_each(|row| line(out, row))?;
    writeln!(out, "<h3>What this does not show</h3>\n<ul>")?;
    flow.limits.iter().try_for_each(|limit| writeln!(out, "<li>{}</li>", escaped(limit)))?;
    writeln!(out, "</ul>")
}

fn line(out: &mut String, row: &Row) -> std::fmt::Result {
    write!(out, "<div class=\"row\"><code>{}</code> ", escaped(&row.input))?;
    if row.outputs.is_empty() {
        write!(out, "<span class=\"dim\">nothing, in {} trials</span>", row.trials)?;
    }
    for (output, influence) in &row.outputs {
        let class = match (output.contains('('), influence.direct) {
            (true, _) => "other",
            (false, 0) => "later",
            (false, _) => "",
        };
        let count = format!("{} of {}", influence.count(), row.trials);
        write!(out, "<span class=\"chip {class}\">{} <small>{count}</small></span>", escaped(output))?;
    }
    for (output, influence) in row.rare().take(2) {
        let ((from, to), (before, after)) = (&influence.example.input, &influence.example.output);
        let (from, to, before, after) = (escaped(from), escaped(to), escaped(before), escaped(after));
        write!(out, "<div class=\"dim\">{}: {before} → {after} with {from} → {to}</div>", escaped(output))?;
    }
    writeln!(out, "</div>")
}

fn canaries(out: &mut String, report: &Report) -> std::fmt::Result {
    let Some(canaries) = &report.canaries else { return Ok(()) };
    writeln!(out, "<h2>Where marked secrets turned up</h2>")?;
    let (secrets, runs, requests) = (canaries.secrets, canaries.runs, canaries.requests);
    writeln!(
        out,
        "<p>{secrets} secrets, {runs} runs, {requests} requests; as they are, encoded, reversed, hashed, in pieces.</p>"
    )?;
    for (judgement, words) in HEADINGS {
        let finds: Vec<_> = canaries.finds.iter().filter(|find| find.judgement == judgement).collect();
        if finds.is_empty() {
            continue;
        }
        writeln!(out, "<h3>{words}</h3>\n<ul>")?;
        for find in finds {
            writeln!(out, "<li>{}</li>", escaped(&find.to_string()))?;
        }
        writeln!(out, "</ul>")?;
    }
    Ok(())
}
