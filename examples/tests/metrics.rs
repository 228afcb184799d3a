//! Does Prometheus get text that it can read, in which the numbers of a shop at work grow?
//!
//! `cargo test` builds the example before it runs this. With `--test metrics` it does not: then build it before.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use crate::server::Server;

#[path = "common/server.rs"]
mod server;

fn get(shop: &Server, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(shop.address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// The samples of a text, by name and labels; and the types of the meters.
fn read(text: &str) -> (BTreeMap<&str, f64>, BTreeMap<&str, &str>) {
    let (mut samples, mut types) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix("# ") {
            Some(comment) => {
                if let Some((name, kind)) = comment.strip_prefix("TYPE ").and_then(|rest| rest.split_once(' ')) {
                    types.insert(name, kind);
                }
            }
            None => {
                let (name, value) = line.rsplit_once(' ').unwrap();
                samples.insert(name, value.parse().unwrap());
            }
        }
    }
    (samples, types)
}

#[test]
fn prometheus_sees_a_shop_at_work() {
    let data = tempfile::tempdir().unwrap();
    // Its tills crash on purpose, and say so.
    let shop = Server::start("metrics", |shop| {
        shop.arg("--data").arg(data.path().join("tills")).stderr(Stdio::null());
    });
    let mut before = 0.0;
    loop {
        let (head, text) = get(&shop, "/metrics");
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.to_lowercase().contains("content-type: text/plain; version=0.0.4"), "{head}");
        let (samples, types) = read(&text);
        let of = |name: &str| samples.get(name).copied().unwrap_or_default();
        let messages = of("gargoyle_messages_total");
        assert!(messages >= before, "a counter does not fall");
        before = messages;
        // Until everything has happened that a shop has to show; the program never ends by itself.
        let seen =
            ["gargoyle_born_total", "gargoyle_revived_total", "gargoyle_petrified_total", "gargoyle_crashed_total"];
        if messages < 500.0 || seen.iter().any(|name| of(name) == 0.0) {
            continue;
        }
        assert_eq!(types["gargoyle_messages_total"], "counter");
        assert_eq!(types["gargoyle_live_actors"], "gauge");
        assert_eq!(types["gargoyle_save_seconds"], "histogram");
        assert!((0.0..=40.0).contains(&of("gargoyle_live_actors")));
        assert_eq!(of("gargoyle_save_seconds_bucket{le=\"+Inf\"}"), of("gargoyle_save_seconds_count"));
        assert!(of("gargoyle_save_seconds_count") > 100.0 && of("gargoyle_saves_failed_total") == 0.0);
        break;
    }
    let (head, _) = get(&shop, "/");
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
}
