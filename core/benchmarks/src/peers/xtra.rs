//! xtra, on tokio.

use futures_executor::block_on;
use xtra::{Context, Handler, Mailbox};

use super::runtime::RUNTIME;

#[derive(xtra::Actor)]
struct Counter(u64);

struct Add(u64);

impl Handler<Add> for Counter {
    type Return = u64;

    async fn handle(&mut self, Add(n): Add, _: &mut Context<Self>) -> u64 {
        self.0 += n;
        self.0
    }
}

struct Stop;

impl Handler<Stop> for Counter {
    type Return = ();

    async fn handle(&mut self, _: Stop, context: &mut Context<Self>) {
        context.stop_self();
    }
}

#[derive(Clone)]
pub(super) struct Address(xtra::Address<Counter>);

impl super::Peer for Address {
    const NAME: &'static str = "xtra";

    fn start() -> Self {
        let _inside = RUNTIME.enter();
        Address(xtra::spawn_tokio(Counter(0), Mailbox::bounded(1024)))
    }

    fn call(&self, n: u64) -> u64 {
        block_on(async { self.0.send(Add(n)).await }).expect("it answers")
    }

    fn cast(&self, n: u64) {
        block_on(async { self.0.send(Add(n)).detach().await }).map(drop).expect("it lives");
    }

    fn stop(self) {
        let ended = self.0.join();
        block_on(async { self.0.send(Stop).await }).expect("it lives");
        block_on(ended);
    }
}
