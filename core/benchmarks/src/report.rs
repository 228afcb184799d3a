//! What was measured, as a table and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::harness::{Bound, Place, Sampled, Side, Unit, median};

/// Medians, the least and the most, and the ratio to ours; and what was to be reached.
pub(crate) fn table(measured: &Sampled) -> String {
    let row = &measured.row;
    let ours = row.cases.iter().find(|case| case.side == Side::Ours).and_then(|case| measured.median(case.name));
    let mut out =
        format!("\n### {}: {}\n\n| | median | least – most | to ours |\n|---|---|---|---|\n", row.name, row.title);
    for (case, samples) in row.cases.iter().zip(&measured.samples) {
        let name = if case.side == Side::Ours { format!("**{}**", case.name) } else { case.name.to_owned() };
        let least = samples.iter().copied().fold(f64::INFINITY, f64::min);
        let most = samples.iter().copied().fold(0.0, f64::max);
        let median = median(samples);
        let (median_text, least, most) = (shown(row.unit, median), shown(row.unit, least), shown(row.unit, most));
        let ratio = ours.map_or(f64::NAN, |ours| median / ours);
        let _ = writeln!(out, "| {name} | {median_text} | {least} – {most} | {ratio:.2}× |");
    }
    for goal in &row.goals {
        let (Some(case), Some(against)) = (measured.median(goal.case), measured.median(goal.against)) else { continue };
        let ratio = case / against;
        let (words, bound, met) = match goal.bound {
            Bound::AtMost(most) => ("at most", most, ratio <= most),
            Bound::AtLeast(least) => ("at least", least, ratio >= least),
        };
        let met = if met { "met" } else { "NOT met" };
        let _ = writeln!(out, "\n{met}: {} is {ratio:.2}× {}; goal: {words} {bound:.2}×", goal.case, goal.against);
    }
    out
}

fn shown(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Time | Unit::Cpu if value < 1_000.0 => format!("{value:.0} ns"),
        Unit::Time | Unit::Cpu if value < 1_000_000.0 => format!("{:.2} µs", value / 1_000.0),
        Unit::Time | Unit::Cpu => format!("{:.2} ms", value / 1_000_000.0),
        Unit::Rate if value < 10_000.0 => format!("{value:.0}/s"),
        Unit::Rate if value < 1_000_000.0 => format!("{:.0} k/s", value / 1_000.0),
        Unit::Rate => format!("{:.2} M/s", value / 1_000_000.0),
        Unit::Memory => format!("{:.1} KiB", value / 1_024.0),
    }
}

/// All samples, in nanoseconds, a second, or bytes.
pub(crate) fn json(all: &[Sampled]) -> Value {
    let rows = all.iter().map(|measured| {
        let cases = measured.row.cases.iter().zip(&measured.samples).map(|(case, samples)| {
            let side = match case.side {
                Side::Ours => "ours",
                Side::Floor => "floor",
                Side::Peer => "peer",
            };
            json!({ "name": case.name, "side": side, "median": median(samples), "samples": samples })
        });
        let unit = match measured.row.unit {
            Unit::Time => "ns",
            Unit::Rate => "1/s",
            Unit::Memory => "bytes",
            Unit::Cpu => "ns of processor time",
        };
        json!({
            "row": measured.row.name,
            "title": measured.row.title,
            "unit": unit,
            "pinned": measured.row.place == Place::Pinned,
            "cases": cases.collect::<Vec<_>>(),
        })
    });
    json!(rows.collect::<Vec<_>>())
}
