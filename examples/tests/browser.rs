//! Does the guest book do in a real browser what a person expects, and is that still so after a `kill -9`?
//!
//! It needs Chromium and its `chromedriver`, and so runs only when asked to: build the example as for `tests/web.rs`, then
//! `cargo test -p gargoyle-examples --features browser --test browser`.
//!
//! `GARGOYLE_SCREENSHOT` may name a file to which a picture of the page is written, as PNG.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use tempfile::TempDir;

use crate::browser::Browser;
use crate::server::Server;

#[path = "common/browser.rs"]
mod browser;
#[path = "common/server.rs"]
mod server;

fn configure(data: &Path) -> impl Fn(&mut Command) {
    move |web| {
        web.arg("--data").arg(data).args(["--idle", "1"]);
    }
}

fn start(data: &TempDir) -> (Server, String) {
    let server = Server::start("web", configure(data.path()));
    let url = format!("http://{}/", server.address);
    (server, url)
}

/// Fills in the form and waits for the greeting.
fn sign(browser: &Browser, name: &str, text: &str) {
    browser.fill("#name", name);
    browser.fill("#text", text);
    browser.click("button");
    browser.wait_for("//h1[starts-with(., 'Welcome back, ') and not(contains(., 'stranger'))]");
    assert_eq!(browser.texts("h1"), [format!("Welcome back, {name}")]);
    assert_eq!(browser.texts("li:first-child p"), [text]);
}

#[test]
fn a_visitor_is_known_and_every_entry_is_there_after_a_kill() {
    let visitors = [
        ("Vera", "I slept all winter, and woke up where I had left off."),
        ("Zoë", "Somebody pulled the plug while I was writing this. It is here all the same."),
        ("Ann", "My <b>stone</b> & I say thank you."),
    ];
    let data = tempfile::tempdir().unwrap();
    let (server, url) = start(&data);
    let browser = Browser::open();
    for (name, text) in visitors {
        browser.forget_cookies();
        browser.go(&url);
        assert_eq!(browser.texts("h1"), ["Welcome, stranger"]);
        sign(&browser, name, text);
    }

    let address = server.address;
    drop(server);
    let _server = Server::start_at(address, "web", configure(data.path())).expect("the port is free again");
    browser.reload();
    assert_eq!(browser.texts("h1"), ["Welcome back, Ann"]);
    assert_eq!(browser.texts("header p"), ["This is your visit number 3. Entries of yours: 1."]);
    assert_eq!(browser.field("#name"), "Ann");
    let newest_first: Vec<&str> = visitors.iter().rev().map(|(_, text)| *text).collect();
    assert_eq!(browser.texts("li p"), newest_first);
    assert_eq!(browser.texts("cite"), ["Ann, number 3", "Zoë, number 2", "Vera, number 1"]);
    if let Some(file) = env::var_os("GARGOYLE_SCREENSHOT") {
        fs::write(file, browser.screenshot()).unwrap();
    }
}

#[test]
fn what_looks_like_html_is_text() {
    let data = tempfile::tempdir().unwrap();
    let (_server, url) = start(&data);
    let browser = Browser::open();
    browser.go(&url);
    let (name, text) = (r#""><b>Eve's</b>"#, r#"</p></li><script>document.title = "mine"</script> {{live}} &lt;"#);
    sign(&browser, name, text);
    assert_eq!(browser.texts("cite"), [format!("{name}, number 1")]);
    assert_eq!(browser.field("#name"), name);
    assert_eq!(browser.title(), "Guest book");
}
