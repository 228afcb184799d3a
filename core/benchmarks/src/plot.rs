//! The medians as a drawing: a bar for each case, as many times ours as it takes, on a logarithmic scale.

use svg::Document;
use svg::node::element::{Line, Rectangle, Text};

use crate::harness::{Sampled, Side, Unit};

const WIDTH: f64 = 860.0;
const NAMES: f64 = 300.0;
const BAR: f64 = 16.0;
const GAP: f64 = 34.0;
/// The scale goes from a tenth of ours to a thousand times as long.
const LEAST: f64 = 0.1;
const DECADES: f64 = 4.0;

/// The rows that are about time or a rate, one below the other.
pub(crate) fn drawn(all: &[Sampled]) -> String {
    let rows: Vec<&Sampled> =
        all.iter().filter(|measured| matches!(measured.row.unit, Unit::Time | Unit::Rate)).collect();
    let height: f64 = GAP + rows.iter().map(|measured| GAP + BAR * measured.row.cases.len() as f64).sum::<f64>();
    let background = Rectangle::new().set("width", WIDTH).set("height", height).set("fill", "white");
    let mut document = Document::new().set("viewBox", (0.0, 0.0, WIDTH, height)).add(background);
    for decade in 0..=DECADES as i32 {
        let times = LEAST * 10f64.powi(decade);
        let line = Line::new().set("x1", x(times)).set("x2", x(times)).set("y1", GAP * 0.6).set("y2", height);
        document = document.add(line.set("stroke", if decade == 1 { "#444" } else { "#ddd" }));
        document = document.add(text(format!("{times}×"), x(times), GAP * 0.45, "middle", "#444"));
    }
    let mut y = GAP;
    for measured in rows {
        y += GAP * 0.6;
        document =
            document.add(text(measured.row.title.to_owned(), 8.0, y, "start", "black").set("font-weight", "bold"));
        y += GAP * 0.2;
        for bar in bars(measured) {
            let (from, to) = (x(1.0).min(x(bar.times)), x(1.0).max(x(bar.times)));
            let shape = Rectangle::new().set("x", from).set("width", (to - from).max(2.0)).set("y", y + 2.0);
            document = document.add(shape.set("height", BAR - 4.0).set("fill", bar.colour));
            document = document.add(text(bar.name, NAMES - 8.0, y + 12.0, "end", "black"));
            document = document.add(text(format!("{:.2}×", bar.times), to + 4.0, y + 12.0, "start", "#444"));
            y += BAR;
        }
        y += GAP * 0.2;
    }
    document.to_string()
}

struct Bar {
    name: String,
    /// How many times as long as ours.
    times: f64,
    colour: &'static str,
}

fn bars(measured: &Sampled) -> Vec<Bar> {
    let cases = &measured.row.cases;
    let ours = cases.iter().find(|case| case.side == Side::Ours).and_then(|case| measured.median(case.name));
    let bar = |case: &crate::harness::Case| {
        let ratio = measured.median(case.name)? / ours?;
        let times = if measured.row.unit == Unit::Rate { 1.0 / ratio } else { ratio };
        let colour = match case.side {
            Side::Ours => "#8b2e16",
            Side::Floor => "#9a9a9a",
            Side::Peer => "#3b6ea5",
        };
        Some(Bar { name: case.name.to_owned(), times, colour })
    };
    cases.iter().filter_map(bar).collect()
}

fn x(times: f64) -> f64 {
    let decades = (times / LEAST).log10().clamp(0.0, DECADES);
    NAMES + decades / DECADES * (WIDTH - NAMES - 60.0)
}

fn text(content: String, x: f64, y: f64, anchor: &str, colour: &str) -> Text {
    let text = Text::new(content).set("x", x).set("y", y).set("text-anchor", anchor);
    text.set("fill", colour).set("font-size", 11).set("font-family", "sans-serif")
}
