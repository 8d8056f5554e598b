//! The flow matrix as a picture: a row for each input, a column for each output.

use super::html::escaped;
use super::words::Row;
use std::collections::BTreeSet;
use std::fmt::Write;

const SIDE: usize = 8;
const LEFT: usize = 170;
const TOP: usize = 130;

/// As SVG, to stand in a page.
#[must_use]
pub fn draw(events: &[(String, Vec<Row>)], general: &[Row]) -> String {
    let whatever = ("whatever the event".to_string(), general.to_vec());
    let groups: Vec<&(String, Vec<Row>)> = events.iter().chain([&whatever]).collect();
    let all = groups.iter().flat_map(|(_, rows)| rows.iter().flat_map(|row| row.outputs.keys()));
    let columns: Vec<&String> = all.collect::<BTreeSet<_>>().into_iter().collect();
    let rows: usize = groups.iter().map(|(_, rows)| rows.len() + 1).sum();
    let (width, height) = (LEFT + columns.len() * SIDE + 90, TOP + rows * SIDE + SIDE);
    let mut out = format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"which input changes which output\">\n"
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
