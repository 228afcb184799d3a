//! tonari-actor: a thread an actor. It knows no replies: a message brings a channel for one along.

use std::sync::{Arc, Mutex};
use std::thread::yield_now;

use crossbeam_channel::{SendError, Sender};
use tonari_actor::{Actor, Addr, Context, System};

struct Counter(u64);

enum Message {
    Call(u64, Sender<u64>),
    Cast(u64),
}

impl Actor for Counter {
    type Message = Message;
    type Error = SendError<u64>;
    type Context = Context<Message>;

    fn handle(&mut self, _: &mut Self::Context, message: Message) -> Result<(), SendError<u64>> {
        match message {
            Message::Call(n, reply) => {
                self.0 += n;
                reply.send(self.0)
            }
            Message::Cast(n) => {
                self.0 += n;
                Ok(())
            }
        }
    }
}

#[derive(Clone)]
pub(super) struct Address {
    actor: Addr<Message>,
    /// Its actors end with their system alone.
    system: Arc<Mutex<System>>,
}

impl Address {
    /// Its mailboxes have an end, and nothing waits for space in them.
    fn send(&self, mut message: impl FnMut() -> Message) {
        while self.actor.send(message()).is_err() {
            yield_now();
        }
    }
}

impl super::Peer for Address {
    const NAME: &'static str = "tonari-actor";

    fn start() -> Self {
        let mut system = System::new("benchmark");
        let actor = system.prepare(Counter(0)).with_capacity(1024).spawn().expect("there is a thread");
        Address { actor, system: Arc::new(Mutex::new(system)) }
    }

    fn call(&self, n: u64) -> u64 {
        let (reply, answer) = crossbeam_channel::bounded(1);
        self.send(|| Message::Call(n, reply.clone()));
        answer.recv().expect("it answers")
    }

    fn cast(&self, n: u64) {
        self.send(|| Message::Cast(n));
    }

    fn stop(self) {
        self.system.lock().expect("nobody panics").shutdown().expect("its thread ends");
    }
}
