//! Does Prometheus get text that it can read, in which the numbers of a shop at work grow?
//!
//! `cargo test` builds the example before it runs this. With `--test metrics` it does not: then build it before.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A shop that is closed when it is dropped.
struct Shop {
    process: Child,
    address: SocketAddr,
    _data: TempDir,
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Shop {
    fn open() -> Self {
        let data = tempfile::tempdir().unwrap();
        let this = env::current_exe().unwrap();
        let profile = this.parent().and_then(Path::parent).expect("tests are in target/<profile>/deps");
        let program = profile.join("examples").join("metrics").with_extension(env::consts::EXE_EXTENSION);
        // A port that is free now may be taken by the time the program wants it: then another one.
        for _ in 0..20 {
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let mut command = Command::new(&program);
            command.arg("--data").arg(data.path().join("tills")).args(["--listen", &address.to_string()]);
            let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            let mut line = String::new();
            BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
            if line == format!("listening on http://{address}/metrics\n") {
                return Shop { process, address, _data: data };
            }
            process.wait().unwrap();
        }
        panic!("no port was free");
    }

    fn get(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }
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
    let shop = Shop::open();
    let mut before = 0.0;
    loop {
        let (head, text) = shop.get("/metrics");
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
    let (head, _) = shop.get("/");
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
}
