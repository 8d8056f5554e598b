//! The flow matrix as a picture, in SVG: a row for each input, a column for each output. It stands in the
//! HTML page ([`super::report_html`]), or alone in a file.

use super::report_text::Row;
use maud::{Markup, PreEscaped, html};
use std::collections::{BTreeMap, BTreeSet};

/// Width and height of a cell. Like all lengths here it is in units of the picture's own grid (`viewBox`).
const SIDE: usize = 8;
/// Room for the names of inputs, on the left.
const LEFT: usize = 170;
/// Room for the names of outputs, on top.
const TOP: usize = 130;
/// Room on the right, into which the slanted names of outputs reach.
const RIGHT: usize = 90;

/// The page sets the colours; where the picture stands alone, the defaults here apply.
const STYLE: &str = "svg text { font: 7px system-ui, sans-serif; fill: var(--ink, #1c2330); } \
    svg .event { font-weight: bold; fill: var(--dim, #5d6678); } svg .paper { fill: var(--paper, #fff); } \
    svg .direct { fill: var(--mark, #1f5fbf); } svg .line { stroke: var(--soft, #e4e8ee); } \
    svg .later { fill: none; stroke: var(--mark, #1f5fbf); stroke-width: 1.2; }";

/// A heading, and the rows under it.
pub type Group = (String, Vec<Row>);

/// The whole matrix: a group for each event, and one for inputs that do not belong to an event.
pub fn whole(events: &[Group], general: &[Row]) -> Vec<Group> {
    events.iter().cloned().chain([("any event".to_string(), general.to_vec())]).collect()
}

/// The matrix in small: fields of the same name share one row or column, whichever event or report they
/// belong to.
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
    vec![("of events".into(), events), ("any event".into(), fold(&mut general.iter()))]
}

/// Draw these groups, from top to bottom. The element ends without a line feed.
pub fn draw(groups: &[Group]) -> Markup {
    let lf = PreEscaped("\n");
    let all = groups.iter().flat_map(|(_, rows)| rows.iter().flat_map(|row| row.outputs.keys()));
    let columns: Vec<&String> = all.collect::<BTreeSet<_>>().into_iter().collect();
    let lines: usize = groups.iter().map(|(_, rows)| rows.len() + 1).sum();
    let (width, height) = (LEFT + columns.len() * SIDE + RIGHT, TOP + lines * SIDE + SIDE);
    let tops = groups.iter().scan(TOP, |next, (_, rows)| {
        let top = *next;
        *next += (rows.len() + 1) * SIDE;
        Some(top)
    });
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (width) " " (height) } role="img"
            aria-label="which input changes which output" { (lf)
            style { (PreEscaped(STYLE)) } (lf)
            rect.paper width=(width) height=(height) {} (lf)
            @for (i, column) in columns.iter().enumerate() {
                @let (x, y) = (LEFT + i * SIDE + 6, TOP - 4);
                text x=(x) y=(y) transform={ "rotate(-60 " (x) " " (y) ")" } { (column) } (lf)
            }
            @for ((event, rows), top) in groups.iter().zip(tops) {
                text.event x="2" y=(top + SIDE - 1) { (event) } (lf)
                @for (i, row) in rows.iter().enumerate() {
                    (line(row, top + (i + 1) * SIDE, width, &columns))
                }
            }
        }
    }
}

/// One input: its name, and a square for each output that it can change. `y` is its upper edge.
fn line(row: &Row, y: usize, width: usize, columns: &[&String]) -> Markup {
    let lf = PreEscaped("\n");
    html! {
        path.line d={ "M0 " (y) "H" (width) } {} (lf)
        text x="12" y=(y + SIDE - 1) { (row.input) } (lf)
        @for (output, influence) in &row.outputs {
            @let column = columns.iter().position(|column| *column == output).unwrap_or_default();
            @let class = if influence.direct > 0 { "direct" } else { "later" };
            rect.(class) x=(LEFT + column * SIDE + 1) y=(y + 1) width=(SIDE - 2) height=(SIDE - 2) {
                title { (row.input) " → " (output) ": " (influence.count()) " of " (row.trials) }
            } (lf)
        }
    }
}
