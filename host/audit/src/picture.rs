//! The flow matrix as a picture: a row for each input, a column for each output. In a page, or by itself.

use super::html::escaped;
use super::text::Row;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

const SIDE: usize = 8;
const LEFT: usize = 170;
const TOP: usize = 130;

/// A page says what its colours are; without one there are these.
const STYLE: &str = "svg text { font: 7px system-ui, sans-serif; fill: var(--ink, #1c2330); } \
    svg .event { font-weight: bold; fill: var(--dim, #5d6678); } svg .paper { fill: var(--paper, #fff); } \
    svg .direct { fill: var(--mark, #1f5fbf); } svg .line { stroke: var(--soft, #e4e8ee); } \
    svg .later { fill: none; stroke: var(--mark, #1f5fbf); stroke-width: 1.2; }";

/// Rows under a heading.
pub type Group = (String, Vec<Row>);

/// All of it: a group for each event, and one for what has nothing to do with the event.
#[must_use]
pub fn whole(events: &[Group], general: &[Row]) -> Vec<Group> {
    events.iter().cloned().chain([("whatever the event".to_string(), general.to_vec())]).collect()
}

/// The same in little: fields of the same name are one row, and one column, whichever event or report they
/// are of.
#[must_use]
pub fn folded(events: &[Group], general: &[Row]) -> Vec<Group> {
    let short = |output: &str| match output.split_once(" (") {
        Some((_, what)) => format!("({what}"),
        None => output.rsplit_once('.').map_or(output, |(_, field)| field).to_string(),
    };
    let fold = |rows: &mut dyn Iterator<Item = &Row>| {
        let mut by_name: BTreeMap<String, Row> = BTreeMap::new();
        for row in rows {
            let known = by_name.entry(row.input.clone()).or_default();
            known.input.clone_from(&row.input);
            known.trials += row.trials;
            for (output, influence) in &row.outputs {
                known.outputs.entry(short(output)).or_default().add(influence);
            }
        }
        by_name.into_values().collect::<Vec<_>>()
    };
    let events = fold(&mut events.iter().flat_map(|(_, rows)| rows));
    vec![("of events".into(), events), ("whatever the event".into(), fold(&mut general.iter()))]
}

/// As SVG.
#[must_use]
pub fn draw(groups: &[Group]) -> String {
    let all = groups.iter().flat_map(|(_, rows)| rows.iter().flat_map(|row| row.outputs.keys()));
    let columns: Vec<&String> = all.collect::<BTreeSet<_>>().into_iter().collect();
    let rows: usize = groups.iter().map(|(_, rows)| rows.len() + 1).sum();
    let (width, height) = (LEFT + columns.len() * SIDE + 90, TOP + rows * SIDE + SIDE);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"which input changes which output\">\n<style>{STYLE}</style>\n\
         <rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n"
    );
    for (i, column) in columns.iter().enumerate() {
        let (x, y) = (LEFT + i * SIDE + 6, TOP - 4);
        let _ = writeln!(out, "<text x=\"{x}\" y=\"{y}\" transform=\"rotate(-60 {x} {y})\">{}</text>", escaped(column));
    }
    let mut y = TOP;
    for (event, rows) in groups {
        let _ = writeln!(out, "<text class=\"event\" x=\"2\" y=\"{}\">{}</text>", y + SIDE - 1, escaped(event));
        for row in rows {
            y += SIDE;
            let _ = writeln!(out, "<path class=\"line\" d=\"M0 {y}H{width}\"/>");
            let _ = writeln!(out, "<text x=\"12\" y=\"{}\">{}</text>", y + SIDE - 1, escaped(&row.input));
            for (output, influence) in &row.outputs {
                let column = columns.iter().position(|column| *column == output).unwrap_or_default();
                let class = if influence.direct > 0 { "direct" } else { "later" };
                let title = format!("{} → {output}: {} of {}", row.input, influence.count(), row.trials);
                let (x, top, side) = (LEFT + column * SIDE + 1, y + 1, SIDE - 2);
                let square = format!("x=\"{x}\" y=\"{top}\" width=\"{side}\" height=\"{side}\"");
                let _ = writeln!(out, "<rect class=\"{class}\" {square}><title>{}</title></rect>", escaped(&title));
            }
        }
        y += SIDE;
    }
    out + "</svg>"
}
