//! The transitions of a slot one by one; what threads make of them together is tested through the public API.

use std::time::Duration;

use super::places::{Places, Refused};
use super::{Envelope, SendError, SlotRef};
use crate::ActorId;
use crate::clock::{Deadline, SystemClock};
use crate::message::Order;
use crate::reply::ReplyPort;

#[derive(Debug, PartialEq)]
enum Mail {
    Number(u32),
    Nudge,
}

impl Envelope for Mail {
    fn nudge() -> Self {
        Mail::Nudge
    }

    fn order(_: Order, _: ReplyPort<()>) -> Self {
        Mail::Nudge
    }
}

fn slot(capacity: usize) -> (SlotRef, super::Inbox<Mail>) {
    SlotRef::new(&ActorId::new("k", "a").unwrap(), "A", capacity, Mail::Number(0))
}

fn send(slot: &SlotRef, n: u32) -> Result<(), SendError<Mail>> {
    slot.send(Mail::Number(n), &SystemClock, None)
}

#[test]
fn it_is_born_with_a_message_and_does_not_close_over_one() {
    let (slot, inbox) = slot(8);
    for n in 0..3 {
        assert!(!slot.close(), "message {n} is inside");
        assert!(send(&slot, n + 1).is_ok(), "open as before");
        assert_eq!(inbox.try_take(), Some(Mail::Number(n)));
    }
    inbox.try_take();
    assert!(slot.close());
}

#[test]
fn nothing_enters_a_closed_slot_and_the_message_comes_back() {
    let (slot, inbox) = slot(8);
    inbox.try_take();
    assert!(slot.close());
    assert!(matches!(send(&slot, 1), Err(SendError::Closed(Mail::Number(1)))));
    slot.nudge();
    assert_eq!(inbox.try_take(), None);
    assert_eq!(slot.0.places.taken(), 0, "and no place is left behind");
}

#[test]
fn it_does_not_close_over_a_place_whose_message_is_on_its_way() {
    let (slot, inbox) = slot(8);
    inbox.try_take();
    slot.0.places.try_take().unwrap();
    assert!(!slot.close());
    slot.0.places.give_back();
    assert!(slot.close());
}

#[test]
fn who_waits_for_space_does_not_hold_up_a_slot_that_closes() {
    let places = Places::new(1);
    let passed = Deadline::after(&SystemClock, Duration::ZERO);
    assert_eq!(places.take(&SystemClock, passed), Err(Refused::Full));
    places.give_back();
    assert!(places.close_if_none_is_taken());
    assert_eq!(places.take(&SystemClock, Deadline::NEVER), Err(Refused::Closed));
}

#[test]
fn a_full_mailbox_refuses_at_once_or_at_the_deadline_and_takes_a_nudge_for_said() {
    let (slot, _inbox) = slot(1);
    assert!(slot.is_full() && slot.queued() == 1);
    assert!(matches!(send(&slot, 1), Err(SendError::Full(Mail::Number(1)))));
    let passed = Deadline::after(&SystemClock, Duration::ZERO);
    assert!(matches!(slot.send(Mail::Number(1), &SystemClock, Some(passed)), Err(SendError::Full(_))));
    slot.nudge();
    assert_eq!(slot.queued(), 1);
}

#[test]
fn another_type_of_message_is_refused() {
    struct Other;
    impl Envelope for Other {
        fn nudge() -> Self {
            Other
        }
        fn order(_: Order, _: ReplyPort<()>) -> Self {
            Other
        }
    }
    let (slot, _inbox) = slot(8);
    assert!(matches!(slot.send(Other, &SystemClock, None), Err(SendError::OtherType(Other))));
}

#[test]
fn who_found_it_closed_waits_until_it_is_gone_or_the_deadline() {
    let (slot, inbox) = slot(8);
    inbox.try_take();
    assert!(slot.close());
    assert!(!slot.wait_until_gone(&SystemClock, Deadline::after(&SystemClock, Duration::ZERO)));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| slot.wait_until_gone(&SystemClock, Deadline::NEVER));
        slot.leave();
        assert!(waiting.join().unwrap());
    });
}

#[test]
fn a_condemned_slot_hands_out_all_that_is_inside() {
    let (slot, inbox) = slot(2);
    send(&slot, 1).unwrap_or_else(|_| panic!("there is space"));
    std::thread::scope(|scope| {
        // One that waits for space gets it, and is handed out too; or it comes too late.
        let late = scope.spawn(|| slot.send(Mail::Number(2), &SystemClock, Some(Deadline::NEVER)));
        let mut handed_out = Vec::new();
        slot.condemn(&inbox, |mail| handed_out.push(mail));
        let got_in = late.join().unwrap().is_ok();
        let expected = (0..2 + u32::from(got_in)).map(Mail::Number).collect::<Vec<_>>();
        assert_eq!(handed_out, expected);
    });
    assert!(matches!(send(&slot, 3), Err(SendError::Closed(_))));
}

/// Who has waited for space leaves its mark; giving a place back takes away that mark, and no other place.
#[test]
fn a_place_that_is_given_back_to_those_who_wait_is_one() {
    let places = Places::new(2);
    places.try_take().unwrap();
    assert!(places.take(&SystemClock, Deadline::after(&SystemClock, Duration::ZERO)).is_err());
    places.give_back();
    assert_eq!(places.try_take(), Ok(()));
    assert_eq!(places.try_take(), Err(Refused::Full));
    assert!(places.are_all_taken());
}

#[test]
fn who_waits_for_space_is_woken_when_half_of_it_is_free_and_not_before() {
    let places = Places::new(8);
    (1..8).for_each(|_| places.try_take().unwrap());
    assert!(places.take(&SystemClock, Deadline::after(&SystemClock, Duration::ZERO)).is_err());
    for taken in (4..8).rev() {
        assert!(places.are_awaited(), "{taken} of 8 and one more are taken");
        places.give_back();
        assert_eq!(places.taken(), taken);
    }
    assert!(!places.are_awaited(), "half of them are free");
}

#[test]
fn it_says_of_itself_whether_it_is_closed() {
    let (slot, inbox) = slot(8);
    assert!(format!("{slot:?}").contains("closed: false, queued: 1,"), "{slot:?}");
    inbox.try_take();
    slot.close();
    assert!(format!("{slot:?}").contains("closed: true, queued: 0,"), "{slot:?}");
}
