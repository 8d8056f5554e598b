//! The report as an HTML page: one file, without scripts and without anything loaded from elsewhere, for a
//! phone too. The flow matrix in it is drawn by [`super::matrix_svg`]; the same report as plain text is
//! [`super::report_text`].
//!
//! Everything that comes from a component is hostile. Markup in it is escaped by `maud`, wherever it is put;
//! hidden characters (bidirectional overrides, controls) are spelled out in [`page`].

use super::canaries::HEADINGS;
use super::flow::Flow;
use super::report_text::{Row, rows};
use super::verdict::{ClaimStatus, ClaimVerdict, KINDS, Kind};
use super::{Report, matrix_svg};
use glassbox_sandbox::printable;
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("report.css");

/// Should any markup get past the escaping after all, it can load and run nothing.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The report as an HTML page that needs no other file.
pub fn page(report: &Report) -> String {
    let page = whole(report).into_string();
    // On the finished page, so that no place can be forgotten: our own markup has no hidden characters.
    let lines: Vec<_> = page.split('\n').map(|line| printable(line, usize::MAX)).collect();
    lines.join("\n")
}

/// A line feed where the page's source should have one: it is compared line by line, and read by auditors.
const LF: PreEscaped<&str> = PreEscaped("\n");

fn whole(report: &Report) -> Markup {
    let name = report.manifest.as_ref().map_or("a component", |manifest| &manifest.plugin.name);
    let title = format!("Audit of {name}");
    html! {
        (DOCTYPE) (LF)
        html lang="en" { (LF)
            head { (LF)
                meta charset="utf-8"; (LF)
                meta name="viewport" content="width=device-width, initial-scale=1"; (LF)
                meta http-equiv="Content-Security-Policy" content=(CONTENT_SECURITY_POLICY); (LF)
                title { (title) } (LF)
                style { (LF) (PreEscaped(STYLE)) } (LF)
            } (LF)
            body { (LF)
                h1 { (title) } (LF)
                (verdicts(report))
                (identity(report))
                @if let Some(manifest) = &report.manifest {
                    h2 { "What it asks to see and to say" } (LF)
                    pre { (glassbox_describe::in_words(manifest)) } (LF)
                }
                (made(report))
                @if let Some(flow) = &report.flow { (matrix(flow)) }
                (canaries(report))
                @if !report.corpora.is_empty() {
                    h2 { "Conformance" } (LF)
                    @for corpus in &report.corpora { pre { (corpus.to_string().trim_end()) } (LF) }
                }
            } (LF)
        } (LF)
    }
}

fn verdicts(report: &Report) -> Markup {
    let class = |verdict: &ClaimVerdict| match verdict.verdict {
        ClaimStatus::Holds if verdict.kind == Kind::ByConstruction => "holds",
        ClaimStatus::Holds => "seen",
        ClaimStatus::Fails => "fails",
        ClaimStatus::NotShown => "not-shown",
    };
    html! {
        @for (kind, heading) in KINDS {
            @let claims: Vec<_> = report.verdicts.iter().filter(|verdict| verdict.kind == kind).collect();
            @if !claims.is_empty() { h2 { (heading) } (LF) }
            @for verdict in claims {
                div.verdict.(class(verdict)) {
                    b { (verdict.word()) } ": " (verdict.claim) (LF)
                    div.dim { (verdict.why) }
                    @if !verdict.lines.is_empty() {
                        details.dim { (LF)
                            summary { "what makes it so: " (verdict.lines.len()) " lines" } (LF)
                            ul { (LF) @for line in &verdict.lines { li { code { (line) } } (LF) } } (LF)
                        }
                    }
                } (LF)
            }
        }
    }
}

fn made(report: &Report) -> Markup {
    let Some(made) = &report.made else { return Markup::default() };
    html! {
        h2 { "What it decides itself" } (LF)
        @if made.free.is_empty() { p { "Nothing: the host makes each report." } (LF) }
        ul { (LF) @for free in &made.free { li { code { (free) } } (LF) } } (LF)
        @if !made.capacity.reports.is_empty() {
            h2 { "How much it could hide at most" } (LF)
            table { (LF)
                @for report in &made.capacity.reports {
                    tr { td { code { (report.request) } } td { (report.words) } } (LF)
                }
            } (LF)
            pre { (made.capacity.words.join("\n")) } (LF)
        }
    }
}

fn identity(report: &Report) -> Markup {
    let names = [("imports", &report.imports), ("exports", &report.exports)];
    html! {
        h2 { "What it is" } (LF)
        p { (report.file) ", " (report.size) " bytes" } (LF)
        p { "SHA-256 " code { (report.digest) } } (LF)
        @if let Some(version) = &report.self_description.version {
            p.dim { "version: " (version) " (its own claim)" } (LF)
        }
        @for producer in &report.self_description.producers {
            p.dim { (producer.role) ": " (producer.name) " " (producer.version) " (its own claim)" } (LF)
        }
        @if let Some(rebuilt) = &report.source { pre { (rebuilt.to_string().trim_end()) } (LF) }
        h2 { "What it touches" } (LF)
        @for (heading, names) in names {
            h3 { (heading) } (LF)
            ul { (LF) @for name in names { li { code { (name) } } (LF) } } (LF)
        }
        @for wrong in report.error.iter().chain(&report.differences) { pre { (wrong) } (LF) }
    }
}

fn matrix(flow: &Flow) -> Markup {
    let (events, general) = rows(flow);
    let (folded, whole) = (matrix_svg::folded(&events, &general), matrix_svg::whole(&events, &general));
    html! {
        h2 { "What can change what it says" } (LF)
        p {
            "Each event was run twice, with one input changed, " (flow.reached) " times for each input: "
            (flow.pairs) " pairs of runs, seed " (flow.seed) "; and with " (flow.constants.tried) " of "
            (flow.constants.found) " texts and numbers from the file in each payload field."
        } (LF)
        @if let Some(why) = &flow.ended_early {
            p { "It stopped before " (flow.asked) " trials were done: " (why) } (LF)
        }
        p.dim { "Full: in the event's own call. Frame: in a later one. Empty: no influence was seen." } (LF)
        div.little { (LF) (matrix_svg::draw(&folded)) (LF) } (LF)
        p { "The same for each event and report:" } (LF)
        div.scroll { (LF) (matrix_svg::draw(&whole)) (LF) } (LF)
        @for (event, rows) in &events {
            h3 { (event) } (LF)
            @for row in rows { (line(row)) }
        }
        h3 { "Any event" } (LF)
        @for row in &general { (line(row)) }
        h3 { "What this does not show" } (LF)
        ul { (LF) @for limit in &flow.limits { li { (limit) } (LF) } } (LF)
    }
}

fn line(row: &Row) -> Markup {
    html! {
        div.row {
            code { (row.input) } " "
            @if row.outputs.is_empty() { span.dim { "nothing, in " (row.trials) " trials" } }
            @for (output, influence) in &row.outputs {
                @let is_field = !output.contains('(');
                span.chip.later[is_field && influence.direct == 0].other[!is_field] {
                    (output) " " small { (influence.count()) " of " (row.trials) }
                }
            }
            @for (output, influence) in row.rare().take(2) {
                @let ((from, to), (before, after)) = (&influence.example.input, &influence.example.output);
                div.dim { (output) ": " (before) " → " (after) " with " (from) " → " (to) }
            }
        } (LF)
    }
}

fn canaries(report: &Report) -> Markup {
    let Some(canaries) = &report.canaries else { return Markup::default() };
    html! {
        h2 { "Where marked secrets turned up" } (LF)
        p {
            (canaries.secrets) " secrets, " (canaries.runs) " runs, " (canaries.requests)
            " requests; searched for as they are, encoded, reversed, hashed, in pieces."
        } (LF)
        @for (judgement, heading) in HEADINGS {
            @let findings: Vec<_> = canaries.finds.iter().filter(|find| find.judgement == judgement).collect();
            @if !findings.is_empty() {
                h3 { (heading) } (LF)
                ul { (LF) @for finding in findings { li { (finding.to_string()) } (LF) } } (LF)
            }
        }
    }
}
