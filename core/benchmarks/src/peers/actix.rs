//! actix, in an arbiter of its own: a thread that all actors share.

use std::sync::LazyLock;

use actix::{Actor, ActorContext as _, Addr, Arbiter, Context, Handler, Message, System};
use crossbeam_channel::{Receiver, Sender};

/// Where its actors live. The system runs on a thread of its own as long as the process does.
static ARBITER: LazyLock<actix::ArbiterHandle> = LazyLock::new(|| {
    let (sender, receiver) = crossbeam_channel::bounded(1);
    std::thread::spawn(move || {
        System::new().block_on(async move {
            sender.send(Arbiter::new().handle()).expect("somebody waits for it");
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().expect("the thread sends it")
});

struct Counter {
    count: u64,
    /// An actor has no end that one could wait for.
    ended: Sender<()>,
}

impl Actor for Counter {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(1024);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.ended.send(()).expect("somebody waits for it, or will");
    }
}

#[derive(Message)]
#[rtype(result = "u64")]
struct Add(u64);

impl Handler<Add> for Counter {
    type Result = u64;

    fn handle(&mut self, Add(n): Add, _: &mut Self::Context) -> u64 {
        self.count += n;
        self.count
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Stop;

impl Handler<Stop> for Counter {
    type Result = ();

    fn handle(&mut self, _: Stop, context: &mut Self::Context) {
        context.stop();
    }
}

#[derive(Clone)]
pub(super) struct Address {
    actor: Addr<Counter>,
    ended: Receiver<()>,
}

impl super::Peer for Address {
    const NAME: &'static str = "actix";

    fn start() -> Self {
        let (ended, end) = crossbeam_channel::bounded(1);
        let actor = Counter::start_in_arbiter(&ARBITER, |_| Counter { count: 0, ended });
        Address { actor, ended: end }
    }

    fn call(&self, n: u64) -> u64 {
        futures_executor::block_on(self.actor.send(Add(n))).expect("it answers")
    }

    fn cast(&self, n: u64) {
        self.actor.do_send(Add(n));
    }

    fn stop(self) {
        self.actor.do_send(Stop);
        self.ended.recv().expect("it ends");
    }
}
