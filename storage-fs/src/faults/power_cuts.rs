//! A power cut at every change, with everything that may be left of those that were not synced; also after a process
//! died and another one went on, and again while what the first one left is being looked at.

use super::{AFTERWARDS, Context, HISTORY, Run, Step};
use crate::disk::model::Random;

/// How many of the states that a power cut at one moment may leave are looked at.
const CASES_MAX: usize = 250;

/// Works through `steps` as the next process after `before`, and dies before each change in turn. Hands every dead
/// process to `look`, and the last one, which came to its end. Returns how many.
pub(super) fn die_at_every_change(start: impl Fn() -> Run, steps: &[Step], mut look: impl FnMut(&Run)) -> usize {
    for changes in 1.. {
        let _context = Context(format!("death before change {changes}"));
        let mut run = start();
        run.machine.die_after(changes);
        run.work(steps);
        let died = run.machine.is_dead();
        look(&run);
        if !died {
            return changes;
        }
    }
    unreachable!("the history has an end")
}

#[test]
fn a_power_cut_at_any_moment_leaves_what_was_acknowledged_or_what_came_later() {
    let (mut states, mut random) = (0, Random(1));
    let moments = die_at_every_change(Run::new, HISTORY, |run| {
        for machine in run.machine.after_power_cut(CASES_MAX, &mut random) {
            run.check_after_power_cut(&machine);
            states += 1;
        }
    });
    println!("{states} states after a power cut at {moments} moments");
    assert!(moments > 120 && states > 1_800, "{states} states at {moments} moments");
}

/// Bug: a store was gone after a power cut. Cause: a process had made the folder above it and died before it synced
/// that, and the next one found the folder there. Fix: a new store syncs all folders above it.
#[test]
fn the_folders_above_a_store_are_durable_whoever_made_them() {
    let mut dead = Run::new();
    dead.machine.die_after(2);
    dead.open();
    let mut run = dead.go_on(&dead.machine);
    run.work(AFTERWARDS);
    for machine in run.machine.after_power_cut(CASES_MAX, &mut Random(7)) {
        run.check_after_power_cut(&machine);
    }
}

#[test]
fn what_a_process_left_that_died_is_made_durable_by_the_next_one() {
    let (mut states, mut random) = (0, Random(2));
    let moments = die_at_every_change(Run::new, HISTORY, |dead| {
        let mut run = dead.go_on(&dead.machine);
        run.check();
        run.work(AFTERWARDS);
        for machine in run.machine.after_power_cut(6, &mut random) {
            run.check_after_power_cut(&machine);
            states += 1;
        }
    });
    println!("{states} states after {moments} deaths, a second process and a power cut");
    assert!(moments > 120 && states > 500, "{states} states after {moments} deaths");
}

#[test]
fn a_second_power_cut_while_the_first_one_is_recovered_from_does_no_harm() {
    let (mut states, mut recoveries, mut random) = (0, 0, Random(3));
    die_at_every_change(Run::new, HISTORY, |run| {
        for machine in run.machine.after_power_cut(2, &mut random) {
            // Each recovery begins with the same machine: what is durable on it.
            let begin = || {
                let [machine] = &machine.after_power_cut(1, &mut Random(0))[..] else { unreachable!() };
                run.go_on(machine)
            };
            let second = |recovery: &Run| {
                recoveries += 1;
                for machine in recovery.machine.after_power_cut(2, &mut random) {
                    recovery.check_after_power_cut(&machine);
                    states += 1;
                }
            };
            die_at_every_change(begin, &[Step::Due, Step::Load, Step::Due], second);
        }
    });
    println!("{states} states after a second power cut in {recoveries} recoveries");
    assert!(recoveries > 2_000 && states > 4_000, "{states} states after {recoveries} recoveries");
}
