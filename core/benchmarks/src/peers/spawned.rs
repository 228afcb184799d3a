//! spawned, in its form with threads.

use spawned_concurrency::message::Message;
use spawned_concurrency::threads::{Actor, ActorRef, ActorStart as _, Context, Handler};

struct Counter(u64);

impl Actor for Counter {}

struct Add(u64);

impl Message for Add {
    type Result = u64;
}

struct Stop;

impl Message for Stop {
    type Result = ();
}

impl Handler<Add> for Counter {
    fn handle(&mut self, Add(n): Add, _: &Context<Self>) -> u64 {
        self.0 += n;
        self.0
    }
}

impl Handler<Stop> for Counter {
    fn handle(&mut self, _: Stop, context: &Context<Self>) {
        context.stop();
    }
}

#[derive(Clone)]
pub(super) struct Address(ActorRef<Counter>);

impl super::Peer for Address {
    const NAME: &'static str = "spawned, threads";

    fn start() -> Self {
        Address(Counter(0).start())
    }

    fn call(&self, n: u64) -> u64 {
        self.0.request(Add(n)).expect("it answers")
    }

    fn cast(&self, n: u64) {
        self.0.send(Add(n)).expect("it lives");
    }

    fn stop(self) {
        self.0.send(Stop).expect("it lives");
        self.0.join();
    }
}
