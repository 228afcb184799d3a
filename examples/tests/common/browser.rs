//! A browser that does what a person would, told so through WebDriver: <https://www.w3.org/TR/webdriver2/>.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use base64::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;

/// How long an element may take to be there.
const PATIENCE: Duration = Duration::from_secs(20);

/// Beyond this the browser does not work. It starts slowly on a machine that does much else.
const REQUEST_MAX: Duration = Duration::from_secs(60);

/// How elements are named, see <https://www.w3.org/TR/webdriver2/#elements>.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// With a profile of its own, which knows no cookie. Is closed when it is dropped.
pub(crate) struct Browser {
    agent: Agent,
    /// An URL.
    session: String,
    _driver: Driver,
    _profile: TempDir,
}

impl Browser {
    pub(crate) fn open() -> Self {
        let driver = Driver::start();
        let profile = tempfile::tempdir().unwrap();
        let arguments = [
            &format!("--user-data-dir={}", profile.path().display()),
            "--window-size=900,940",
            "--hide-scrollbars",
            "--headless",
            "--disable-gpu",
            // It cannot have one when it is started by root, as in many a container, and sees no page but ours.
            "--no-sandbox",
            // It talks to nobody else.
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-quic",
            "--disable-sync",
            "--no-first-run",
        ];
        let options =
            json!({ "goog:chromeOptions": { "args": arguments }, "timeouts": { "implicit": PATIENCE.as_millis() } });
        // The driver is on this machine, so a proxy must not be asked for it.
        let config = Agent::config_builder().proxy(None).http_status_as_error(false).timeout_global(Some(REQUEST_MAX));
        let agent: Agent = config.build().into();
        let sessions = format!("http://127.0.0.1:{}/session", driver.port);
        let session = post(&agent, &sessions, json!({ "capabilities": { "alwaysMatch": options } }));
        let session = format!("{sessions}/{}", session["sessionId"].as_str().unwrap());
        Browser { agent, session, _driver: driver, _profile: profile }
    }

    pub(crate) fn go(&self, url: &str) {
        self.tell("url", json!({ "url": url }));
    }

    pub(crate) fn reload(&self) {
        self.tell("refresh", json!({}));
    }

    /// The next page is seen by somebody who was never there.
    pub(crate) fn forget_cookies(&self) {
        let request = self.agent.delete(format!("{}/cookie", self.session));
        value(request.call());
    }

    /// Types into a field, after what is there was deleted.
    pub(crate) fn fill(&self, css: &str, text: &str) {
        let element = self.element("css selector", css);
        self.tell(&format!("{element}/clear"), json!({}));
        self.tell(&format!("{element}/value"), json!({ "text": text }));
    }

    pub(crate) fn click(&self, css: &str) {
        let element = self.element("css selector", css);
        self.tell(&format!("{element}/click"), json!({}));
    }

    /// Waits until there is an element that an XPath names.
    pub(crate) fn wait_for(&self, xpath: &str) {
        self.element("xpath", xpath);
    }

    /// What a person reads in each of the elements.
    pub(crate) fn texts(&self, css: &str) -> Vec<String> {
        let elements = self.tell("elements", json!({ "using": "css selector", "value": css }));
        elements.as_array().unwrap().iter().map(|element| self.ask(&format!("{}/text", path(element)))).collect()
    }

    /// What is in a field.
    pub(crate) fn field(&self, css: &str) -> String {
        self.ask(&format!("{}/property/value", self.element("css selector", css)))
    }

    pub(crate) fn title(&self) -> String {
        self.ask("title")
    }

    /// What is seen of the page, as PNG.
    pub(crate) fn screenshot(&self) -> Vec<u8> {
        BASE64_STANDARD.decode(self.ask("screenshot")).unwrap()
    }

    fn element(&self, using: &str, name: &str) -> String {
        path(&self.tell("element", json!({ "using": using, "value": name })))
    }

    fn tell(&self, what: &str, body: Value) -> Value {
        post(&self.agent, &format!("{}/{what}", self.session), body)
    }

    fn ask(&self, what: &str) -> String {
        let answer = value(self.agent.get(format!("{}/{what}", self.session)).call());
        answer.as_str().unwrap().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.agent.delete(&self.session).call();
    }
}

fn path(element: &Value) -> String {
    format!("element/{}", element[ELEMENT].as_str().unwrap())
}

fn post(agent: &Agent, url: &str, body: Value) -> Value {
    value(agent.post(url).send_json(body))
}

/// What was asked for.
fn value(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Value {
    let mut answer = answer.unwrap();
    let mut body: Value = answer.body_mut().read_json().unwrap();
    let value = body["value"].take();
    assert!(answer.status().is_success(), "{}", value["message"].as_str().unwrap_or_default());
    value
}

/// The program that speaks WebDriver.
struct Driver {
    process: Child,
    port: u16,
    /// Stays open, as it writes now and then.
    _stdout: BufReader<ChildStdout>,
}

impl Driver {
    fn start() -> Self {
        let spawned = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).spawn();
        let mut process = match spawned {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                panic!("chromedriver is missing: it drives Chromium or Chrome; Debian's package is chromium-driver")
            }
            spawned => spawned.expect("chromedriver starts"),
        };
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let port = stdout.by_ref().lines().map_while(Result::ok).find_map(|line| {
            line.strip_prefix("ChromeDriver was started successfully on port ")?.strip_suffix('.')?.parse().ok()
        });
        Driver { process, port: port.expect("chromedriver says where it listens"), _stdout: stdout }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
