//! A guest book on the web: a synchronous HTTP server, and an actor for every visitor.
//!
//! Run it: `cargo run --release --example web`, and open the address that it prints. Kill it whenever you like, with
//! `kill -9` too, and start it again: whoever got an answer is in the book, and is known by the cookie.
//!
//! To look for: handles are made wherever one is needed, and start nothing; no lock and no pool around the state; who has not
//! been here for a few seconds is stone, and costs nothing but a record.

mod actors;
mod page;

use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use gargoyle::{BoxError, CallError, Handle, System};
use gargoyle_registry_std::StdRegistry;
use gargoyle_storage_lmdb::LmdbStorage;
use oxhttp::Server;
use oxhttp::model::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use oxhttp::model::{Body, Method, Request, Response, StatusCode};
use thiserror::Error;

use crate::actors::{Book, Latest, Sign, Signed, Visit, Visitor};

/// A guest book on the web.
#[derive(Parser)]
struct Options {
    /// The folder of the store, made if there is none.
    #[arg(long, value_name = "DIR", default_value = "web-data")]
    data: PathBuf,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// After how many seconds without a request a visitor turns to stone.
    #[arg(long, value_name = "S", default_value_t = 5)]
    idle: u64,
}

/// More connections than this wait for one to end. Each has a thread, as each visitor that is alive has.
const CONNECTIONS_MAX: usize = 256;

/// Of a form.
const BODY_BYTES_MAX: u64 = 16 * 1024;

fn main() -> Result<(), BoxError> {
    let options = Options::parse();
    let builder = System::builder(StdRegistry::new(), LmdbStorage::open(&options.data)?);
    let system = builder.idle(Duration::from_secs(options.idle)).build()?;
    // A clone is the same system: the server's threads share it.
    let server = Server::new(move |request| answer(&system, request))
        .bind(options.listen)
        .with_global_timeout(Duration::from_secs(30))
        .with_max_concurrent_connections(CONNECTIONS_MAX)
        .spawn()?;
    println!("listening on http://{}", options.listen);
    Ok(server.join()?)
}

/// Why a request has no answer of its own.
#[derive(Debug, Error)]
enum Refused {
    #[error("there is no such page")]
    NotFound,
    #[error("the form cannot be read")]
    BadForm,
    /// Overload, a full disk, a shutdown: the visitor may try again, and a form that is sent twice counts once.
    #[error("this did not work, please try again")]
    Later(#[from] CallError),
}

impl Refused {
    fn status(&self) -> StatusCode {
        match self {
            Refused::NotFound => StatusCode::NOT_FOUND,
            Refused::BadForm => StatusCode::BAD_REQUEST,
            Refused::Later(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Called by many threads at once.
fn answer(system: &System, request: &mut Request<Body>) -> Response<Body> {
    let visitor = Session::of(request);
    let answered = match (request.method().as_str(), request.uri().path()) {
        ("GET", "/") => front_page(system, &visitor),
        ("GET", "/book.txt") => whole_book(system),
        ("POST", "/sign") => sign(system, &visitor, request),
        _ => Err(Refused::NotFound),
    };
    let mut response = answered.unwrap_or_else(|refused| {
        if let Refused::Later(error) = &refused {
            eprintln!("{} {}: {error:#}", request.method(), request.uri().path());
        }
        reply(refused.status(), "text/plain", refused.to_string())
    });
    if let (Some(cookie), &Method::GET) = (visitor.cookie_to_set(), request.method()) {
        response.headers_mut().insert(SET_COOKIE, cookie.try_into().expect("hexadecimal is a header"));
    }
    response
}

/// Who a visitor is: the key of an actor, which nobody can guess.
struct Session {
    key: String,
    is_new: bool,
}

impl Session {
    fn of(request: &Request<Body>) -> Self {
        let cookies = request.headers().get(COOKIE).and_then(|cookies| cookies.to_str().ok()).unwrap_or("");
        let ours = cookies.split(';').filter_map(|cookie| cookie.trim().strip_prefix("visitor=")).next();
        match ours.filter(|key| key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            Some(key) => Session { key: key.to_owned(), is_new: false },
            None => Session { key: secret(), is_new: true },
        }
    }

    fn cookie_to_set(&self) -> Option<String> {
        // Not sent along with forms of other sites.
        let cookie = format!("visitor={}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax", self.key);
        self.is_new.then_some(cookie)
    }

    fn actor(&self, system: &System) -> Handle<Visitor> {
        system.handle(&self.key, ())
    }
}

fn secret() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    hex::encode(bytes)
}

/// There is one.
fn book(system: &System) -> Handle<Book> {
    system.handle("guests", ())
}

fn front_page(system: &System, visitor: &Session) -> Result<Response<Body>, Refused> {
    let known = visitor.actor(system).call(Visit)?;
    let entries = book(system).query(Latest(page::SHOWN))?;
    let html = page::front(&known, &entries, &system.stats(), &secret());
    Ok(reply(StatusCode::OK, "text/html", html))
}

fn whole_book(system: &System) -> Result<Response<Body>, Refused> {
    // One that is stone is read without being woken.
    let entries = book(system).peek(Latest(usize::MAX))?.unwrap_or_default();
    let lines = entries.iter().map(|entry| format!("{}\t{}\t{}\n", entry.number, entry.name, entry.text));
    Ok(reply(StatusCode::OK, "text/plain", lines.collect()))
}

fn sign(system: &System, visitor: &Session, request: &mut Request<Body>) -> Result<Response<Body>, Refused> {
    let mut body = Vec::new();
    let read = request.body_mut().take(BODY_BYTES_MAX + 1).read_to_end(&mut body);
    if read.map_err(|_| Refused::BadForm)? as u64 > BODY_BYTES_MAX {
        return Err(Refused::BadForm);
    }
    let fields: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    let field = |name| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.trim().to_owned());
    let given = |name| field(name).filter(|value| !value.is_empty()).ok_or(Refused::BadForm);
    let (form, name, text) = (given("form")?, given("name")?, given("text")?);

    // In the book and on disk before the visitor hears of it; a form that was sent twice is there once.
    book(system).call(Sign { form: form.clone(), name: name.clone(), text })?;
    visitor.actor(system).call(Signed { form, name })?;
    let mut response = reply(StatusCode::SEE_OTHER, "text/plain", "thank you".to_owned());
    response.headers_mut().insert(LOCATION, "/".try_into().expect("a path is a header"));
    Ok(response)
}

fn reply(status: StatusCode, kind: &str, text: String) -> Response<Body> {
    let response = Response::builder().status(status).header(CONTENT_TYPE, format!("{kind}; charset=utf-8"));
    response.body(Body::from(text)).expect("these headers are valid")
}
