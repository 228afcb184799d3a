//! The front page as HTML.

use gargoyle::Stats;

use crate::actors::{Entry, Known};

/// How many entries the front page shows.
pub(crate) const SHOWN: usize = 20;

const PAGE: &str = include_str!("page.html");

pub(crate) fn front(known: &Known, entries: &[Entry], stats: &Stats, form: &str) -> String {
    let greeting = match (known.name.is_empty(), known.visits) {
        (true, 1) => "Welcome, stranger".to_owned(),
        (true, _) => "Welcome back, stranger".to_owned(),
        (false, _) => format!("Welcome back, {}", escaped(&known.name)),
    };
    let entry = |entry: &Entry| {
        let (name, text) = (escaped(&entry.name), escaped(&entry.text));
        format!("<li><p>{text}</p><cite>{name}, number {}</cite></li>\n", entry.number)
    };
    let entries: String = entries.iter().map(entry).collect();
    let entries = if entries.is_empty() { "<li><p>Nobody yet. Be the first.</p></li>".to_owned() } else { entries };
    // One pass over the page: what visitors wrote is put in, and never looked at for places.
    let mut html = String::new();
    for part in PAGE.split("{{") {
        let (place, rest) = part.split_once("}}").unwrap_or(("", part));
        match place {
            "greeting" => html.push_str(&greeting),
            "visits" => html.push_str(&known.visits.to_string()),
            "signed" => html.push_str(&known.entries.to_string()),
            "name" => html.push_str(&escaped(&known.name)),
            "form" => html.push_str(form),
            "entries" => html.push_str(&entries),
            "live" => html.push_str(&stats.live.to_string()),
            "petrified" => html.push_str(&stats.petrified.to_string()),
            "revived" => html.push_str(&stats.revived.to_string()),
            _ => {}
        }
        html.push_str(rest);
    }
    html
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}
