//! Does the guest book keep what it acknowledged, driven over loopback by many visitors at once and killed in the middle?
//!
//! `cargo test` builds the example before it runs this. With `--test web` it does not: then build it before.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

/// A server that is killed when it is dropped.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(data: &TempDir) -> Self {
        let this = env::current_exe().unwrap();
        let profile = this.parent().and_then(Path::parent).expect("tests are in target/<profile>/deps");
        let program = profile.join("examples").join("web").with_extension(env::consts::EXE_EXTENSION);
        // A port that is free now may be taken by the time the server wants it: then another one.
        for _ in 0..20 {
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let mut command = Command::new(&program);
            command.arg("--data").arg(data.path()).args(["--idle", "1", "--listen", &address.to_string()]);
            let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
            let mut line = String::new();
            BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
            if line == format!("listening on http://{address}\n") {
                return Server { process, address };
            }
            process.wait().unwrap();
        }
        panic!("no port was free");
    }

    /// As by `kill -9`.
    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

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

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn cookie(visitor: usize) -> String {
    format!("{visitor:032x}")
}

const VISITORS: usize = 8;

/// Every visitor signs until the server is gone, or so many are acknowledged. Returns the texts that were.
fn sign_until_killed(server: &mut Server, round: usize, kill_after: usize) -> Vec<String> {
    let acknowledged = AtomicUsize::new(0);
    let (shared, count) = (&*server, &acknowledged);
    let texts = std::thread::scope(|scope| {
        let visit = |visitor: usize| {
            move || {
                let texts = (0..).map(|number| format!("round-{round}-visitor-{visitor}-{number}"));
                let signed = texts.take_while(|text| {
                    let is_signed = shared.sign(&cookie(visitor), text, text);
                    if count.fetch_add(1, Ordering::Relaxed) == kill_after {
                        kill(shared);
                    }
                    is_signed
                });
                signed.collect::<Vec<_>>()
            }
        };
        let visitors: Vec<_> = (0..VISITORS).map(|visitor| scope.spawn(visit(visitor))).collect();
        visitors.into_iter().flat_map(|visitor| visitor.join().unwrap()).collect()
    });
    server.kill();
    texts
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
        let mut server = Server::start(&data);
        let signed = sign_until_killed(&mut server, round, 100);
        assert!(signed.len() >= 90, "only {} were acknowledged", signed.len());
        expected.extend(signed);
    }
    let server = Server::start(&data);
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
        let counted = (0..=3).any(|more| page.contains(&format!("You have signed {} times", acknowledged + more)));
        assert!(counted, "{acknowledged} acknowledged: {page}");
    }
}

#[test]
fn a_form_that_is_sent_twice_counts_once_and_names_are_escaped() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(&data);
    for _ in 0..2 {
        assert!(server.sign(&cookie(1), "the-form", "hello"));
    }
    let page = server.get("/", &cookie(1));
    assert!(page.contains("Welcome back, Ann &lt;b&gt;") && page.contains("You have signed 1 times"), "{page}");
    assert_eq!(page.matches("<li><p>hello</p>").count(), 1, "{page}");
}

#[test]
fn strangers_get_a_cookie_and_nonsense_an_error() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(&data);
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
