//! Other actor libraries, each called from plain threads as ours is.

mod actix;
mod kameo;
mod ractor;
mod runtime;
mod spawned;
mod tonari;
mod xtra;

use std::thread;

use crate::harness::{Effort, all, crowd, each};
use crate::rows::{CALLERS, CASTS, paced};

/// One actor of a library, which adds.
pub(crate) trait Peer: Clone + Send + Sync + 'static {
    const NAME: &'static str;

    fn start() -> Self;

    /// Adds, and waits for the sum.
    fn call(&self, n: u64) -> u64;

    fn cast(&self, n: u64);

    /// Ends the actor, and waits until it has.
    fn stop(self);
}

/// What the rows ask of a library.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) call: fn(Effort) -> f64,
    pub(crate) paced: fn(Effort) -> f64,
    pub(crate) crowd_one: fn(Effort) -> f64,
    pub(crate) crowd_eight: fn(Effort) -> f64,
    pub(crate) cast_one: fn(Effort) -> f64,
    pub(crate) cast_four: fn(Effort) -> f64,
    pub(crate) cycle: fn(Effort) -> f64,
}

pub(crate) fn measured() -> [Measured; 6] {
    [
        of::<tonari::Address>(),
        of::<spawned::Address>(),
        of::<kameo::Address>(),
        of::<ractor::Address>(),
        of::<actix::Address>(),
        of::<xtra::Address>(),
    ]
}

fn of<P: Peer>() -> Measured {
    Measured {
        name: P::NAME,
        call: call::<P>,
        paced: paced_calls::<P>,
        crowd_one: |effort| crowded::<P>(effort, 1),
        crowd_eight: |effort| crowded::<P>(effort, CALLERS),
        cast_one: |effort| cast::<P>(effort, 1),
        cast_four: |effort| cast::<P>(effort, 4),
        cycle: cycle::<P>,
    }
}

fn call<P: Peer>(effort: Effort) -> f64 {
    let peer = P::start();
    let mut last = 0;
    let (took, done) = each(effort, || last = peer.call(1));
    assert_eq!(last, done);
    took
}

fn paced_calls<P: Peer>(effort: Effort) -> f64 {
    let peer = P::start();
    let (mut last, mut done) = (0, 0);
    let (took, _) = paced(effort, || {
        last = peer.call(1);
        done += 1;
    });
    assert_eq!(last, done);
    took
}

fn crowded<P: Peer>(effort: Effort, actors: usize) -> f64 {
    let peers: Vec<P> = (0..actors).map(|_| P::start()).collect();
    let (rate, done) = crowd(effort, CALLERS, |caller| {
        let peer = peers[caller % actors].clone();
        move || {
            peer.call(1);
        }
    });
    assert_eq!(peers.iter().map(|peer| peer.call(0)).sum::<u64>(), done);
    rate
}

fn cast<P: Peer>(effort: Effort, senders: u64) -> f64 {
    let casts = effort.of(CASTS);
    let peer = P::start();
    assert_eq!(peer.call(0), 0);
    all(casts, || {
        thread::scope(|scope| {
            for _ in 0..senders {
                scope.spawn(|| (0..casts / senders).for_each(|_| peer.cast(1)));
            }
        });
        // Not all of them keep the order of what was sent: until all were handled.
        while peer.call(0) < casts {}
    })
}

/// From the start of an actor, of which nothing is stored, to its end.
fn cycle<P: Peer>(effort: Effort) -> f64 {
    let run = || {
        let peer = P::start();
        assert_eq!(peer.call(1), 1);
        peer.stop();
    };
    // The runtime is no part of it.
    run();
    each(effort, run).0
}
