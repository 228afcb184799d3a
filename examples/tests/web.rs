//! Does the guest book keep what it acknowledged, driven over loopback by many visitors at once and killed in the middle?
//!
//! `cargo test` builds the example before it runs this. With `--test web` it does not: then build it before.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::server::Server;

#[path = "common/server.rs"]
mod server;

fn start(data: &TempDir) -> Server {
    Server::start("web", |web| {
        web.arg("--data").arg(data.path()).args(["--idle", "1"]);
    })
}

impl Server {
    fn request(&self, head: &str, cookie: &str, body: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        let length = body.len();
        write!(
            stream,
            "{head} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: visitor={cookie}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn get(&self, path: &str, cookie: &str) -> String {
        self.request(&format!("GET {path}"), cookie, "").unwrap()
    }

    /// Signs the book; whether that was acknowledged.
    fn sign(&self, cookie: &str, form: &str, text: &str) -> bool {
        let answer = self.request("POST /sign", cookie, &format!("form={form}&name=Ann+%3Cb%3E&text={text}"));
        answer.is_ok_and(|answer| answer.starts_with("HTTP/1.1 303 "))
    }
}

fn cookie(visitor: usize) -> String {
    format!("{visitor:032x}")
}

const VISITORS: usize = 8;

/// Every visitor signs until the server is gone, or so many are acknowledged. Returns the texts that were.
fn sign_until_killed(server: &Server, round: usize, kill_after: usize) -> Vec<String> {
    let acknowledged = AtomicUsize::new(0);
    let count = &acknowledged;
    std::thread::scope(|scope| {
        let visit = |visitor: usize| {
            move || {
                let texts = (0..).map(|number| format!("round-{round}-visitor-{visitor}-{number}"));
                let signed = texts.take_while(|text| {
                    let is_signed = server.sign(&cookie(visitor), text, text);
                    if count.fetch_add(1, Ordering::Relaxed) == kill_after {
                        kill(server);
                    }
                    is_signed
                });
                signed.collect::<Vec<_>>()
            }
        };
        let visitors: Vec<_> = (0..VISITORS).map(|visitor| scope.spawn(visit(visitor))).collect();
        visitors.into_iter().flat_map(|visitor| visitor.join().unwrap()).collect()
    })
}

/// Kills a server that others are talking to.
fn kill(server: &Server) {
    let status = Command::new("kill").args(["-9", &server.process.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[cfg(unix)]
#[test]
fn what_was_acknowledged_is_in_the_book_once_after_kills_under_load() {
    let data = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    for round in 0..3 {
        let server = start(&data);
        let signed = sign_until_killed(&server, round, 100);
        assert!(signed.len() >= 90, "only {} were acknowledged", signed.len());
        expected.extend(signed);
    }
    let server = start(&data);
    let book = server.get("/book.txt", "");
    for text in &expected {
        let found = book.lines().filter(|line| line.split('\t').nth(2) == Some(text)).count();
        assert_eq!(found, 1, "{text} is in the book {found} times");
    }
    // Each was counted in the session of its visitor too. One more may be, that was not acknowledged, in each round.
    for visitor in 0..VISITORS {
        let page = server.get("/", &cookie(visitor));
        let of_visitor = format!("-visitor-{visitor}-");
        let acknowledged = expected.iter().filter(|text| text.contains(&of_visitor)).count();
        let counted = (0..=3).any(|more| page.contains(&format!("Entries of yours: {}.", acknowledged + more)));
        assert!(counted, "{acknowledged} acknowledged: {page}");
    }
}

#[test]
fn a_form_that_is_sent_twice_counts_once_and_names_are_escaped() {
    let data = tempfile::tempdir().unwrap();
    let server = start(&data);
    for _ in 0..2 {
        assert!(server.sign(&cookie(1), "the-form", "hello"));
    }
    let page = server.get("/", &cookie(1));
    assert!(page.contains("Welcome back, Ann &lt;b&gt;") && page.contains("Entries of yours: 1."), "{page}");
    assert_eq!(page.matches("<li><p>hello</p>").count(), 1, "{page}");
}

#[test]
fn strangers_get_a_cookie_and_nonsense_an_error() {
    let data = tempfile::tempdir().unwrap();
    let server = start(&data);
    let page = server.get("/", "not a key");
    let set = page.to_lowercase().lines().find_map(|line| line.strip_prefix("set-cookie: visitor=").map(str::to_owned));
    let key = set.expect("a cookie is set").split(';').next().unwrap().to_owned();
    assert!(page.contains("Welcome, stranger"), "{page}");
    let again = server.get("/", &key);
    assert!(again.contains("visit number 2") && !again.to_lowercase().contains("set-cookie"), "{again}");
    assert!(server.get("/elsewhere", &key).starts_with("HTTP/1.1 404 "));
    assert!(server.request("POST /sign", &key, "name=&text=").unwrap().starts_with("HTTP/1.1 400 "));
    let long = "x".repeat(20_000);
    assert!(server.request("POST /sign", &key, &format!("form=f&name=a&text={long}")).unwrap().contains(" 400 "));
}

/// How many are alive, and how often somebody turned to stone and came back, as the footer says.
fn footer(page: &str) -> [usize; 3] {
    let (_, footer) = page.split_once("<footer>").expect("the page has a footer");
    let numbers = footer.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok());
    numbers.collect::<Vec<_>>().try_into().unwrap()
}

#[test]
fn idle_visitors_turn_to_stone_and_are_known_when_they_come_back() {
    const IDLE: usize = 20;
    let data = tempfile::tempdir().unwrap();
    let server = start(&data);
    for visitor in 0..IDLE {
        assert!(server.get("/", &cookie(visitor)).contains("visit number 1"));
    }
    // One more, who is never idle, sees them go, until there is nobody but the book.
    let patience = Instant::now() + Duration::from_secs(120);
    loop {
        let page = server.get("/", &cookie(IDLE));
        let [live, petrified, _] = footer(&page);
        if live == 2 && petrified >= IDLE {
            break;
        }
        assert!(Instant::now() < patience, "{page}");
    }
    let page = server.get("/", &cookie(0));
    let [live, _, revived] = footer(&page);
    assert!(page.contains("Welcome back, stranger") && page.contains("visit number 2"), "{page}");
    assert!((1..=3).contains(&live) && revived >= 1, "{page}");
}
