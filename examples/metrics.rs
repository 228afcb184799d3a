//! A shop whose tills are watched: what Gargoyle does, as text that Prometheus reads.
//!
//! Run it: `cargo run --release --example metrics`, and look at <http://127.0.0.1:9100/metrics>. With `--observe`, `gargoyle
//! top metrics-data` shows the same live.
//!
//! To look for: the recorder is there *before* the system is built; the feature `metrics` of `gargoyle` does the rest; and no
//! runtime, a synchronous server asks the recorder for its text.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::Parser;
use gargoyle::{Actor, BoxError, Context, Failure, Handler, Settings, System};
use gargoyle_registry_std::StdRegistry;
use gargoyle_storage_fs::FsStorage;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use oxhttp::Server;
use oxhttp::model::header::CONTENT_TYPE;
use oxhttp::model::{Body, Response, StatusCode};
use serde::{Deserialize, Serialize};

/// A shop whose tills are watched.
#[derive(Parser)]
struct Options {
    /// The folder of the store, made if there is none.
    #[arg(long, value_name = "DIR", default_value = "metrics-data")]
    data: PathBuf,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9100")]
    listen: SocketAddr,
    /// Let `gargoyle top DIR` watch too.
    #[arg(long)]
    observe: bool,
}

#[derive(Serialize, Deserialize)]
struct Till {
    cents: u64,
}

impl Actor for Till {
    const KIND: &'static str = "till";
    type Args = ();

    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Till { cents: 0 })
    }
}

struct Ring(u64);

impl Handler<Ring> for Till {
    type Reply = u64;

    fn handle(&mut self, Ring(cents): Ring, _: &mut Context<Self>) -> u64 {
        assert!(cents > 0, "a till does not take nothing");
        self.cents += cents;
        self.cents
    }
}

/// Upper bounds of the buckets, in seconds: from a save in memory to a disk that is in trouble.
const BUCKETS: [f64; 10] = [1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 1.0, 10.0];

const TILLS: u64 = 40;
const CUSTOMERS: u64 = 4;

fn main() -> Result<(), BoxError> {
    let options = Options::parse();
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)?
        .build_recorder();
    let text = recorder.handle();
    metrics::set_global_recorder(recorder)?;

    let builder = System::builder(StdRegistry::new(), FsStorage::open(&options.data)?);
    let mut builder = builder.settings(Settings::new().idle(Duration::from_millis(50)));
    if options.observe {
        builder = builder.observe(&options.data);
    }
    let system = builder.build()?;

    let server = Server::new(move |request| match request.uri().path() {
        "/metrics" => answer(StatusCode::OK, text.render()),
        _ => answer(StatusCode::NOT_FOUND, "look at /metrics\n".to_owned()),
    });
    let server = server.bind(options.listen).with_global_timeout(Duration::from_secs(30)).spawn()?;
    println!("listening on http://{}/metrics", options.listen);
    for customer in 0..CUSTOMERS {
        let system = system.clone();
        thread::spawn(move || shop(&system, customer));
    }
    Ok(server.join()?)
}

fn answer(status: StatusCode, text: String) -> Response<Body> {
    let answer = Response::builder().status(status).header(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
    answer.body(Body::from(text)).expect("status and header are ones")
}

/// Buys for ever, and now and then something that is not for sale: that crashes the till, which comes back.
fn shop(system: &System, customer: u64) {
    let mut random = fastrand::Rng::with_seed(customer);
    loop {
        let till = system.handle::<Till>(format!("number {}", random.u64(..TILLS)), ());
        let cents = if random.u64(..200) == 0 { 0 } else { random.u64(1..10_000) };
        match till.call(Ring(cents)).map_err(|error| error.failure().clone()) {
            Ok(_) | Err(Failure::Crashed(_) | Failure::Quarantined { .. }) => {}
            Err(failure) => return eprintln!("customer {customer} goes home: {failure}"),
        }
        thread::sleep(Duration::from_millis(random.u64(..10)));
    }
}
