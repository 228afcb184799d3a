//! kameo, on tokio.

use kameo::Actor;
use kameo::actor::{ActorRef, Spawn as _};
use kameo::mailbox;
use kameo::message::{Context, Message};

use super::runtime::RUNTIME;

#[derive(Actor)]
struct Counter(u64);

struct Add(u64);

impl Message<Add> for Counter {
    type Reply = u64;

    async fn handle(&mut self, Add(n): Add, _: &mut Context<Self, u64>) -> u64 {
        self.0 += n;
        self.0
    }
}

#[derive(Clone)]
pub(super) struct Address(ActorRef<Counter>);

impl super::Peer for Address {
    const NAME: &'static str = "kameo";

    fn start() -> Self {
        let _inside = RUNTIME.enter();
        Address(Counter::spawn_with_mailbox(Counter(0), mailbox::bounded(1024)))
    }

    fn call(&self, n: u64) -> u64 {
        self.0.ask(Add(n)).blocking_send().expect("it answers")
    }

    fn cast(&self, n: u64) {
        self.0.tell(Add(n)).blocking_send().expect("it lives");
    }

    fn stop(self) {
        futures_executor::block_on(async {
            self.0.stop_gracefully().await.expect("it lives");
            self.0.wait_for_shutdown().await;
        });
    }
}
