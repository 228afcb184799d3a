//! The gate at its limits, one call after the other; what threads make of them together is tested through the public API.

use super::{Gate, Refusal, default_max_live};
use crate::ActorId;
use crate::clock::SystemClock;
use crate::message::Order;
use crate::reply::ReplyPort;
use crate::slot::{Envelope, SlotRef};

struct Mail;

impl Envelope for Mail {
    fn nudge() -> Self {
        Mail
    }

    fn order(_: Order, _: ReplyPort<()>) -> Self {
        Mail
    }
}

fn slot(n: usize) -> SlotRef {
    SlotRef::new(&ActorId::new("k", n.to_string()).unwrap(), "A", 1, Mail).0
}

fn enter(gate: &Gate, from_actor: bool) -> Result<(), Refusal> {
    gate.enter(from_actor, &SystemClock, None)
}

/// A gate at its cap, with those who are alive.
fn full(max_live: usize) -> (Gate, Vec<SlotRef>) {
    let gate = Gate::new(max_live);
    let slots: Vec<_> = (0..max_live).map(slot).collect();
    for slot in &slots {
        enter(&gate, false).unwrap();
        gate.came_alive(slot.clone());
    }
    (gate, slots)
}

#[test]
fn an_actor_may_exceed_the_cap_by_a_quarter_and_sixteen_and_nobody_else_may() {
    for (max_live, most) in [(1, 17), (5, 22), (8, 26)] {
        let (gate, _) = full(max_live);
        assert_eq!(enter(&gate, false), Err(Refusal::Saturated));
        (max_live..most).for_each(|n| enter(&gate, true).unwrap_or_else(|_| panic!("{n} of {most}")));
        assert_eq!(enter(&gate, true), Err(Refusal::Saturated), "{most} with a cap of {max_live}");
    }
}

#[test]
fn whoever_is_idle_is_found_wherever_it_is_and_though_all_were_used() {
    for idle in 0..9 {
        let (gate, slots) = full(9);
        slots[idle].set_idle(true);
        let found = gate.inside.lock().next_idle();
        assert!(found.is_some_and(|found| found.is_same(&slots[idle])), "number {idle}");
    }
    let (gate, _) = full(9);
    assert!(gate.inside.lock().next_idle().is_none());
}

/// Of two that become idle when room for one is needed, both may have seen that it is.
#[test]
fn who_comes_too_late_to_make_room_stays() {
    let (gate, _) = full(3);
    gate.inside.lock().waiting = 1;
    gate.room_needed.store(1, std::sync::atomic::Ordering::SeqCst);
    assert!(gate.wants_room());
    gate.room_needed.store(1, std::sync::atomic::Ordering::SeqCst);
    assert!(!gate.wants_room());
}

/// Half of the threads that four memory maps each leave.
#[cfg(target_os = "linux")]
#[test]
fn no_more_are_alive_than_half_of_what_the_machine_has_maps_for() {
    let maps = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
    let maps: usize = maps.trim().parse().unwrap();
    let most = default_max_live();
    assert!(most > 0 && most <= (maps / 8).max(1), "{most} of {maps} maps");
}
