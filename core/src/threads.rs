//! The threads of a system: an actor takes an idle one if there is one, and a new one if not.
//!
//! To start and end a thread costs several times more than to hand work to one that waits. So a thread whose actor has
//! gone waits a while for the next one. It says that it is free *before* its actor says that it has gone: who fills that
//! one's place finds the thread, and needs no other.

use std::cell::Cell;
use std::io;
use std::time::Instant;

use crate::guard::guard;
use crate::sync::{Arc, Condvar, Mutex, looks, thread};

/// A thread without an actor. Also in the messages of panics, which the name of a first actor would mislead.
const NAME: &str = "gargoyle";

#[derive(Default)]
pub(crate) struct Threads {
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// The one that came last gets work first, so that those that are not needed end.
    seats: Vec<Arc<Seat>>,
    closed: bool,
}

/// What a thread does for one actor. It is given its seat, to say when it is free.
pub(crate) type Job = Box<dyn FnOnce(&Free) + Send>;

/// Where a thread gets its work.
struct Seat {
    job: Mutex<Handed>,
    handed: Condvar,
}

enum Handed {
    Nothing,
    Job(String, Job),
    /// There will be no more.
    End,
}

/// A thread's way to say that it is free for the next actor.
pub(crate) struct Free {
    threads: Arc<Threads>,
    seat: Option<Arc<Seat>>,
    /// Whether the present job has said it.
    said: Cell<bool>,
}

impl Threads {
    /// Runs `job` on a thread whose name is `name`, as far as the platform can show it. A stack of its own size is one of
    /// a thread of its own.
    ///
    /// # Errors
    ///
    /// The machine's, if there is no thread; the job was dropped.
    pub(crate) fn run(self: &Arc<Self>, name: String, stack_bytes: Option<usize>, job: Job) -> io::Result<()> {
        let threads = self.clone();
        if stack_bytes.is_some() || !thread::MAY_WAIT_FOR_WORK {
            return thread::spawn(name, stack_bytes, move || run(job, &Free::new(threads, None)));
        }
        if let Some(seat) = self.idle.lock().seats.pop() {
            seat.hand(Handed::Job(name, job));
            return Ok(());
        }
        let seat = Arc::new(Seat { job: Mutex::new(Handed::Nothing), handed: Condvar::new() });
        thread::spawn(NAME.to_owned(), None, move || {
            thread::rename(&name);
            Free::new(threads, Some(seat)).work(job);
        })
    }

    /// No thread waits for work any more.
    pub(crate) fn close(&self) {
        let mut idle = self.idle.lock();
        idle.closed = true;
        let seats = std::mem::take(&mut idle.seats);
        drop(idle);
        seats.iter().for_each(|seat| seat.hand(Handed::End));
    }
}

impl Free {
    fn new(threads: Arc<Threads>, seat: Option<Arc<Seat>>) -> Self {
        Free { threads, seat, said: Cell::new(false) }
    }

    /// The thread is free for the next actor as soon as its job returns. To be said once; a job that does not say it is
    /// over before its thread is free.
    pub(crate) fn say(&self) {
        self.said.set(true);
        let Some(seat) = &self.seat else { return };
        let mut idle = self.threads.idle.lock();
        if idle.closed {
            *seat.job.lock() = Handed::End;
        } else {
            idle.seats.push(seat.clone());
        }
    }

    /// One job after the other, until there was none for long enough.
    fn work(&self, first: Job) {
        run(first, self);
        let Some(seat) = &self.seat else { return };
        loop {
            // Nobody else knows that it waits, and nobody would end it.
            if !self.said.replace(false) {
                self.say();
                self.said.set(false);
            }
            let Some((name, job)) = self.next(seat) else { return };
            thread::rename(&name);
            run(job, self);
        }
    }

    #[inline(never)]
    fn next(&self, seat: &Arc<Seat>) -> Option<(String, Job)> {
        let look = || match seat.take() {
            Handed::Nothing => None,
            handed => Some(handed),
        };
        match looks::wait(&looks::FOR_WORK, look, || self.sleep(seat)) {
            Handed::Job(name, job) => Some((name, job)),
            Handed::End | Handed::Nothing => None,
        }
    }

    /// Sleeps until there is work, or has not been any for long enough.
    fn sleep(&self, seat: &Arc<Seat>) -> Handed {
        // Whoever looks at the process should not take it for the actor that has gone.
        thread::rename(NAME);
        let patience = thread::patience();
        let mut job = seat.job.lock();
        loop {
            match std::mem::replace(&mut *job, Handed::Nothing) {
                Handed::Nothing => {}
                handed => return handed,
            }
            let before = Instant::now();
            job = seat.handed.wait_for(job, patience);
            if matches!(*job, Handed::Nothing) && before.elapsed() >= patience {
                drop(job);
                if self.leave(seat) {
                    return Handed::End;
                }
                // Somebody has taken this seat out, and is about to hand work to it.
                job = seat.job.lock();
            }
        }
    }

    /// `false`: somebody was faster, and has work.
    fn leave(&self, seat: &Arc<Seat>) -> bool {
        let mut idle = self.threads.idle.lock();
        let position = idle.seats.iter().position(|other| Arc::ptr_eq(other, seat));
        position.map(|at| idle.seats.remove(at)).is_some()
    }
}

/// A thread that others may have handed work to must not end by a panic.
fn run(job: Job, free: &Free) {
    let _ = guard(|| job(free));
}

impl Seat {
    fn take(&self) -> Handed {
        std::mem::replace(&mut *self.job.lock(), Handed::Nothing)
    }

    fn hand(&self, what: Handed) {
        *self.job.lock() = what;
        self.handed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::channel;

    /// Says when its thread ends.
    struct AtEnd(channel::Sender<()>);

    impl Drop for AtEnd {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }

    crate::sync::thread_local! {
        static END: std::cell::RefCell<Option<AtEnd>> = const { std::cell::RefCell::new(None) };
    }

    fn run(threads: &Arc<Threads>, name: &str, job: impl FnOnce(&Free) + Send + 'static) {
        threads.run(name.to_owned(), None, Box::new(job)).unwrap();
    }

    #[test]
    fn the_next_job_gets_the_thread_that_is_free() {
        let threads = Arc::new(Threads::default());
        let (sender, receiver) = channel::bounded(10);
        let mut ids = Vec::new();
        for n in 0..3 {
            let sender = sender.clone();
            run(&threads, &format!("job {n}"), move |free| {
                free.say();
                sender.send(thread::id()).unwrap();
            });
            ids.push(receiver.recv().unwrap());
        }
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        threads.close();
    }

    #[test]
    fn a_thread_that_is_at_work_is_not_free() {
        let threads = Arc::new(Threads::default());
        let (sender, receiver) = channel::bounded(10);
        let (go_on, wait) = channel::bounded::<()>(0);
        for n in 0..2 {
            let (sender, wait) = (sender.clone(), wait.clone());
            run(&threads, &format!("job {n}"), move |free| {
                sender.send(thread::id()).unwrap();
                wait.recv().unwrap();
                free.say();
            });
        }
        assert_ne!(receiver.recv().unwrap(), receiver.recv().unwrap());
        (0..2).for_each(|_| go_on.send(()).unwrap());
        threads.close();
    }

    /// Bug: a thread whose job did not say that it was free, as that of the errands does not, waited for ever: for work
    /// that nobody could hand to it, beyond the end of its system. Cause: it waited without a seat among those that are
    /// idle. Fix: who has not said that it is free says it when its job is over.
    #[test]
    fn a_thread_whose_job_says_nothing_or_panics_is_free_when_it_is_over() {
        for panics in [false, true] {
            let threads = Arc::new(Threads::default());
            let (at_end, end) = channel::bounded(1);
            run(&threads, "job", move |_| {
                END.with(|slot| *slot.borrow_mut() = Some(AtEnd(at_end)));
                assert!(!panics, "as a job may");
            });
            threads.close();
            end.recv().unwrap();
        }
    }

    #[test]
    fn threads_end_when_there_will_be_no_more_work() {
        for close_first in [false, true] {
            let threads = Arc::new(Threads::default());
            let (ended, end) = channel::bounded(1);
            let (done, wait) = channel::bounded::<()>(0);
            run(&threads, "job", move |free| {
                END.with(|slot| *slot.borrow_mut() = Some(AtEnd(ended)));
                if close_first {
                    wait.recv().unwrap();
                }
                free.say();
            });
            threads.close();
            if close_first {
                done.send(()).unwrap();
            }
            end.recv().unwrap();
        }
    }
}
