//! What was measured, as a table and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::harness::{Bound, Goal, Place, Sampled, Side, Unit, median};

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
        let Some(Verdict { ratio, words, met }) = verdict(measured, goal) else { continue };
        let met = if met { "met" } else { "NOT met" };
        let _ = writeln!(out, "\n{met}: {} is {ratio:.2}× {}; goal: {words}", goal.case, goal.against);
    }
    out
}

/// Whether a goal was reached.
struct Verdict {
    ratio: f64,
    /// What it should be.
    words: String,
    met: bool,
}

fn verdict(measured: &Sampled, goal: &Goal) -> Option<Verdict> {
    let ratio = measured.median(goal.case)? / measured.median(goal.against)?;
    let (words, bound, met) = match goal.bound {
        Bound::AtMost(most) => ("at most", most, ratio <= most),
        Bound::AtLeast(least) => ("at least", least, ratio >= least),
    };
    Some(Verdict { ratio, words: format!("{words} {bound:.2}×"), met })
}

/// One line for each goal, and how the best of the other libraries does.
pub(crate) fn summary(all: &[Sampled]) -> String {
    let mut out = "| | ours | beside | is | goal | | best other library |\n|---|---|---|---|---|---|---|\n".to_owned();
    for measured in all {
        let best = best_peer(measured);
        if measured.row.goals.is_empty() {
            let ours = measured.row.cases.iter().find(|case| case.side == Side::Ours);
            let ours = ours.and_then(|case| measured.median(case.name)).map(|median| shown(measured.row.unit, median));
            let _ = writeln!(out, "| {} | {} | | | | | {best} |", measured.row.title, ours.unwrap_or_default());
        }
        for goal in &measured.row.goals {
            let (Some(ours), Some(verdict)) = (measured.median(goal.case), verdict(measured, goal)) else { continue };
            let case = if goal.case == "gargoyle" { String::new() } else { format!(": {}", goal.case) };
            let Verdict { ratio, words, met } = verdict;
            let (ours, met) = (shown(measured.row.unit, ours), if met { "met" } else { "**not met**" });
            let (title, against) = (measured.row.title, goal.against);
            let _ = writeln!(out, "| {title}{case} | {ours} | {against} | {ratio:.2}× | {words} | {met} | {best} |");
        }
    }
    out
}

fn best_peer(measured: &Sampled) -> String {
    let peers = measured.row.cases.iter().filter(|case| case.side == Side::Peer);
    let medians = peers.filter_map(|case| Some((case.name, measured.median(case.name)?)));
    let better = |one: &f64, other: &f64| match measured.row.unit {
        Unit::Rate => other.total_cmp(one),
        Unit::Time | Unit::Memory | Unit::Cpu => one.total_cmp(other),
    };
    match medians.min_by(|(_, one), (_, other)| better(one, other)) {
        Some((name, median)) => format!("{name}, {}", shown(measured.row.unit, median)),
        None => String::new(),
    }
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
