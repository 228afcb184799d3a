//! Who gets which game?

use super::Desk;

fn all(desk: &Desk<u32>) -> Vec<(u32, usize)> {
    std::iter::from_fn(|| desk.take()).collect()
}

#[test]
fn a_game_in_hand_is_not_given_to_another() {
    let desk = Desk::new(vec![1, 2], 0);
    let (first, _) = desk.take().unwrap();
    let (second, _) = desk.take().unwrap();
    assert_ne!(first, second);
    assert_eq!(desk.take(), None);
    desk.put_back(first);
    assert_eq!(desk.take().unwrap().0, first);
}

#[test]
fn the_order_follows_from_the_seed() {
    let order = |seed| all(&Desk::new((0..100).collect(), seed));
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
}

#[test]
fn a_closed_desk_gives_nothing_away_and_tells_its_first_failure() {
    let desk = Desk::new(vec![1], 0);
    desk.close("first".into());
    desk.close("second".into());
    assert_eq!(desk.take(), None);
    assert_eq!(desk.into_result().unwrap_err().to_string(), "first");
}
