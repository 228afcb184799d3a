//! The floors: what a thread-per-actor library is made of, with nothing around it. No deadlines, no panics caught, no
//! names, nothing saved.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, Thread};

use crossbeam_channel::{Receiver, Sender};

/// How long a thread looks before it sleeps.
#[derive(Clone, Copy)]
pub(crate) struct Looks {
    pub(crate) pauses: u32,
    pub(crate) yields: u32,
}

/// Sleeps at once.
pub(crate) const PARKS: Looks = Looks { pauses: 0, yields: 0 };
/// Looks for a while: what was best of what was tried.
pub(crate) const LOOKS: Looks = Looks { pauses: 50, yields: 30 };

impl Looks {
    fn find<T>(self, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        for _ in 0..self.pauses {
            if let Some(found) = look() {
                return Some(found);
            }
            std::hint::spin_loop();
        }
        for _ in 0..self.yields {
            if let Some(found) = look() {
                return Some(found);
            }
            thread::yield_now();
        }
        None
    }
}

/// What an actor is sent: a message of whatever type.
pub(crate) trait Message: Send {
    /// Whether the actor goes on.
    fn handle(self: Box<Self>, count: &mut u64) -> bool;
}

pub(crate) struct Add(pub(crate) u64, pub(crate) u64);

/// An [`Add`] that somebody waits for.
pub(crate) struct Call(Add, Arc<ReplySlot>);

impl Message for Add {
    fn handle(self: Box<Self>, count: &mut u64) -> bool {
        *count += self.0 + self.1;
        true
    }
}

impl Message for Call {
    fn handle(self: Box<Self>, count: &mut u64) -> bool {
        *count += self.0.0 + self.0.1;
        self.1.reply(*count);
        true
    }
}

/// Where a caller waits, again and again.
pub(crate) struct ReplySlot {
    /// One more than the answer; 0: there is none.
    answer: AtomicU64,
    caller: Thread,
}

impl ReplySlot {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(ReplySlot { answer: AtomicU64::new(0), caller: thread::current() })
    }

    fn reply(&self, answer: u64) {
        self.answer.store(answer + 1, Ordering::Release);
        self.caller.unpark();
    }

    fn wait(&self, looks: Looks) -> u64 {
        let look = || match self.answer.load(Ordering::Acquire) {
            0 => None,
            answer => Some(answer - 1),
        };
        let answer = looks.find(look).unwrap_or_else(|| {
            loop {
                match look() {
                    Some(answer) => break answer,
                    None => thread::park(),
                }
            }
        });
        self.answer.store(0, Ordering::Relaxed);
        answer
    }
}

/// A thread behind a mailbox.
#[derive(Clone)]
pub(crate) struct RawActor {
    mailbox: Sender<Box<dyn Message>>,
    looks: Looks,
}

impl RawActor {
    pub(crate) fn start(
        looks: Looks,
        (mailbox, inbox): (Sender<Box<dyn Message>>, Receiver<Box<dyn Message>>),
    ) -> Self {
        thread::spawn(move || {
            let mut count = 0;
            let next = || looks.find(|| inbox.try_recv().ok()).or_else(|| inbox.recv().ok());
            while next().is_some_and(|message| message.handle(&mut count)) {}
        });
        RawActor { mailbox, looks }
    }

    pub(crate) fn call(&self, slot: &Arc<ReplySlot>, add: Add) -> u64 {
        self.mailbox.send(Box::new(Call(add, slot.clone()))).expect("the actor lives");
        slot.wait(self.looks)
    }

    pub(crate) fn cast(&self, add: Add) {
        self.mailbox.send(Box::new(add)).expect("the actor lives");
    }
}

/// Threads that wait for work: the first message comes with it.
pub(crate) struct CachedThreads {
    idle: Arc<Mutex<Vec<Arc<Seat>>>>,
    looks: Looks,
}

struct Seat {
    work: Mutex<Option<Box<dyn Message>>>,
    thread: Mutex<Option<Thread>>,
}

impl CachedThreads {
    pub(crate) fn new(looks: Looks) -> Self {
        CachedThreads { idle: Arc::default(), looks }
    }

    /// An actor comes, answers one message, and goes.
    pub(crate) fn cycle(&self, slot: &Arc<ReplySlot>, add: Add) -> u64 {
        let seat = self.idle.lock().unwrap().pop().unwrap_or_else(|| self.start());
        seat.hand(Box::new(Call(add, slot.clone())));
        let answer = slot.wait(self.looks);
        seat.hand(Box::new(Stop { slot: slot.clone(), idle: self.idle.clone(), seat: seat.clone() }));
        slot.wait(self.looks);
        answer
    }

    fn start(&self) -> Arc<Seat> {
        let seat = Arc::new(Seat { work: Mutex::new(None), thread: Mutex::new(None) });
        let (sat, looks) = (seat.clone(), self.looks);
        let thread = thread::spawn(move || sat.sit(looks));
        *seat.thread.lock().unwrap() = Some(thread.thread().clone());
        seat
    }
}

/// The end of an actor: its thread says that it is free, and then that the actor has gone.
struct Stop {
    slot: Arc<ReplySlot>,
    idle: Arc<Mutex<Vec<Arc<Seat>>>>,
    seat: Arc<Seat>,
}

impl Message for Stop {
    fn handle(self: Box<Self>, count: &mut u64) -> bool {
        let Stop { slot, idle, seat } = *self;
        idle.lock().unwrap().push(seat);
        slot.reply(*count);
        false
    }
}

impl Seat {
    fn hand(&self, message: Box<dyn Message>) {
        *self.work.lock().unwrap() = Some(message);
        if let Some(thread) = &*self.thread.lock().unwrap() {
            thread.unpark();
        }
    }

    fn sit(&self, looks: Looks) {
        loop {
            let mut count = 0;
            while self.next(looks).handle(&mut count) {}
        }
    }

    fn next(&self, looks: Looks) -> Box<dyn Message> {
        let look = || self.work.lock().unwrap().take();
        looks.find(look).unwrap_or_else(|| {
            loop {
                match look() {
                    Some(message) => break message,
                    None => thread::park(),
                }
            }
        })
    }
}
