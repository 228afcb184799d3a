//! ractor, on tokio. Its mailboxes have no end.

use std::sync::{Arc, Mutex};

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::task::JoinHandle;

use super::runtime::RUNTIME;

struct Counter;

enum Message {
    Call(u64, RpcReplyPort<u64>),
    Cast(u64),
}

impl Actor for Counter {
    type Msg = Message;
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Message>, (): ()) -> Result<u64, ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(&self, _: ActorRef<Message>, message: Message, count: &mut u64) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Call(n, reply) => {
                *count += n;
                Ok(reply.send(*count)?)
            }
            Message::Cast(n) => {
                *count += n;
                Ok(())
            }
        }
    }
}

#[derive(Clone)]
pub(super) struct Address {
    actor: ActorRef<Message>,
    ended: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl super::Peer for Address {
    const NAME: &'static str = "ractor";

    fn start() -> Self {
        let (actor, ended) = RUNTIME.block_on(Actor::spawn(None, Counter, ())).expect("nothing can fail in it");
        Address { actor, ended: Arc::new(Mutex::new(Some(ended))) }
    }

    fn call(&self, n: u64) -> u64 {
        let called = self.actor.call(|reply| Message::Call(n, reply), None);
        futures_executor::block_on(called).expect("it lives").expect("it answers")
    }

    fn cast(&self, n: u64) {
        self.actor.cast(Message::Cast(n)).expect("it lives");
    }

    fn stop(self) {
        self.actor.stop(None);
        let ended = self.ended.lock().expect("nobody panics").take().expect("it is stopped once");
        futures_executor::block_on(ended).expect("it has not panicked");
    }
}
