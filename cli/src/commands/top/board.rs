//! What `top` knows, and what a key changes: no terminal here.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::time::Duration;

use gargoyle::ActorId;
use gargoyle::observe::{ActorSample, Sample, SaveTimes};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::News;

/// By what actors are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Actor,
    Mailbox,
    Messages,
    Turns,
    Saves,
    LastSave,
}

impl Column {
    pub(super) const ALL: [Column; 6] =
        [Column::Actor, Column::Mailbox, Column::Messages, Column::Turns, Column::Saves, Column::LastSave];

    /// Its key is the first letter.
    pub(super) fn title(self) -> &'static str {
        match self {
            Column::Actor => "actor",
            Column::Mailbox => "mailbox",
            Column::Messages => "handled/s",
            Column::Turns => "turns/s",
            Column::Saves => "saves/s",
            Column::LastSave => "last save",
        }
    }

    fn key(self) -> char {
        self.title().chars().next().expect("a title has letters")
    }
}

/// What the lower part shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lower {
    Failures,
    Quarantined,
}

/// Whether it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Stay,
    Quit,
}

/// What an actor does in a second.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) actor: ActorSample,
    /// Messages, turns and saves in a second; `None`: nothing is known of it from before.
    pub(super) rates: Option<[f64; 3]>,
}

/// What all of them do in a second, and how long saves took since the sample before.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rates {
    pub(super) messages: f64,
    pub(super) turns: f64,
    pub(super) saves: f64,
    pub(super) save_times: SaveTimes,
}

pub(super) struct Board {
    /// What is observed, as it was said.
    pub(super) place: String,
    pub(super) sample: Option<Box<Sample>>,
    pub(super) rates: Option<Rates>,
    /// In their order.
    pub(super) rows: Vec<Row>,
    /// Why there is no newer sample.
    pub(super) trouble: Option<String>,
    pub(super) by: Column,
    pub(super) reversed: bool,
    pub(super) paused: bool,
    pub(super) lower: Lower,
    /// The first row that is shown.
    pub(super) top: usize,
    /// How many rows there is space for, as they were drawn last.
    pub(super) page: usize,
}

impl Board {
    pub(super) fn new(place: String) -> Self {
        Board {
            place,
            sample: None,
            rates: None,
            rows: Vec::new(),
            trouble: None,
            by: Column::Mailbox,
            reversed: false,
            paused: false,
            lower: Lower::Failures,
            top: 0,
            page: 1,
        }
    }

    pub(super) fn hear(&mut self, news: News) {
        match news {
            Err(trouble) => self.trouble = Some(trouble),
            Ok(_) if self.paused => self.trouble = None,
            Ok(sample) => {
                self.trouble = None;
                // Of the same system, and later: or nothing can be said of what happened between.
                let before = self.sample.take();
                let before = before.filter(|before| before.process == sample.process && before.up_us < sample.up_us);
                self.rates = before.as_deref().map(|before| rates(before, &sample));
                self.rows = rows(before.as_deref(), &sample);
                self.sample = Some(sample);
                self.sort();
            }
        }
    }

    pub(super) fn press(&mut self, key: KeyEvent) -> Next {
        let last = self.rows.len().saturating_sub(1);
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Next::Quit,
            KeyCode::Char('q') | KeyCode::Esc => return Next::Quit,
            KeyCode::Char('r') => {
                self.reversed = !self.reversed;
                self.sort();
            }
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Char(letter) => {
                if let Some(column) = Column::ALL.into_iter().find(|column| column.key() == letter) {
                    self.sort_by(column);
                }
            }
            KeyCode::Left => self.sort_by(self.neighbour(Column::ALL.len() - 1)),
            KeyCode::Right => self.sort_by(self.neighbour(1)),
            KeyCode::Tab => {
                self.lower = match self.lower {
                    Lower::Failures => Lower::Quarantined,
                    Lower::Quarantined => Lower::Failures,
                }
            }
            KeyCode::Down => self.top = (self.top + 1).min(last),
            KeyCode::Up => self.top = self.top.saturating_sub(1),
            KeyCode::PageDown => self.top = (self.top + self.page).min(last),
            KeyCode::PageUp => self.top = self.top.saturating_sub(self.page),
            KeyCode::Home => self.top = 0,
            KeyCode::End => self.top = self.rows.len().saturating_sub(self.page),
            _ => {}
        }
        Next::Stay
    }

    fn neighbour(&self, steps: usize) -> Column {
        let here = Column::ALL.iter().position(|column| *column == self.by).unwrap_or_default();
        Column::ALL[(here + steps) % Column::ALL.len()]
    }

    fn sort_by(&mut self, column: Column) {
        self.by = column;
        self.reversed = false;
        self.top = 0;
        self.sort();
    }

    /// Numbers with the largest first, names from A to Z.
    fn sort(&mut self) {
        let (by, reversed) = (self.by, self.reversed);
        let rate = |row: &Row, which: usize| row.rates.map_or(-1.0, |rates| rates[which]);
        let compare = |a: &Row, b: &Row| match by {
            Column::Actor => Ordering::Equal,
            Column::Mailbox => b.actor.queued.cmp(&a.actor.queued),
            Column::Messages => rate(b, 0).total_cmp(&rate(a, 0)),
            Column::Turns => rate(b, 1).total_cmp(&rate(a, 1)),
            Column::Saves => rate(b, 2).total_cmp(&rate(a, 2)),
            Column::LastSave => b.actor.last_save_ns.cmp(&a.actor.last_save_ns),
        };
        // Equal ones keep their places from one sample to the next.
        self.rows.sort_by(|a, b| {
            let order = compare(a, b).then_with(|| a.actor.id.cmp(&b.actor.id));
            if reversed { order.reverse() } else { order }
        });
        self.top = self.top.min(self.rows.len().saturating_sub(1));
    }
}

fn seconds_between(before: &Sample, now: &Sample) -> f64 {
    Duration::from_micros(now.up_us - before.up_us).as_secs_f64()
}

fn rates(before: &Sample, now: &Sample) -> Rates {
    let seconds = seconds_between(before, now);
    let rate = |before: u64, now: u64| now.saturating_sub(before) as f64 / seconds;
    Rates {
        messages: rate(before.messages, now.messages),
        turns: rate(before.turns, now.turns),
        saves: rate(before.stats.saved, now.stats.saved),
        save_times: now.saves.since(&before.saves),
    }
}

fn rows(before: Option<&Sample>, now: &Sample) -> Vec<Row> {
    let counts = |actor: &ActorSample| [actor.messages, actor.turns, actor.saves];
    let earlier: HashMap<&ActorId, [u64; 3]> =
        before.iter().flat_map(|before| &before.actors).map(|actor| (&actor.id, counts(actor))).collect();
    let row = |actor: &ActorSample| {
        let rates = before.map(|before| {
            let seconds = seconds_between(before, now);
            let now = counts(actor);
            let before = earlier.get(&actor.id).copied().unwrap_or_default();
            // It has been stone meanwhile, and counts anew.
            let before = if now.iter().zip(before).any(|(now, before)| *now < before) { [0; 3] } else { before };
            std::array::from_fn(|which| (now[which] - before[which]) as f64 / seconds)
        });
        Row { actor: actor.clone(), rates }
    };
    now.actors.iter().map(row).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A sample of a system that is so old, with so many actors; the n-th has n times a hundred messages in a second.
    pub(in super::super) fn sample(up_us: u64, actors: u64) -> Sample {
        let seconds = up_us / 1_000_000;
        let actor = |n: u64| {
            serde_json::json!({
                "id": ["account", format!("number {n}")],
                "queued": n * 7 % 5,
                "idle": (n * 7).is_multiple_of(5),
                "messages": n * 100 * seconds,
                "turns": n * 50 * seconds,
                "saves": n * 10 * seconds,
                "last_save_ns": 1_000_000_u64.checked_div(n),
            })
        };
        let failure = |n: u64| {
            let what = format!("account/number {n} crashed: the actor panicked: no {n}");
            serde_json::json!({"at_ms": 1_700_000_000_000_u64 + n * 1000, "id": ["account", format!("number {n}")], "what": what})
        };
        let sample = serde_json::json!({
            "version": 1,
            "process": 4711,
            "at_ms": 1_700_000_000_000_u64 + up_us / 1000,
            "up_us": up_us,
            "max_live": 8191,
            "stats": {"live": actors, "live_peak": actors + 3, "born": 12, "revived": 34, "petrified": 43, "crashed": 3, "saved": 30 * seconds},
            "messages": 300 * seconds,
            "turns": 150 * seconds,
            "saves": [[1000, 20 * seconds], [2000, 10 * seconds]],
            "actors": (0..actors).map(actor).collect::<Vec<_>>(),
            "quarantined": 1,
            "quarantine": [{"id": ["account", "bad\u{1b}[2J"], "left_ms": 1500, "last": "the actor panicked: no"}],
            "failures": (0..3).map(failure).collect::<Vec<_>>(),
        });
        serde_json::from_value(sample).unwrap()
    }

    pub(in super::super) fn board(actors: u64) -> Board {
        let mut board = Board::new("bank".to_owned());
        board.hear(Ok(Box::new(sample(2_000_000, actors))));
        board.hear(Ok(Box::new(sample(4_000_000, actors))));
        board
    }

    fn press(board: &mut Board, code: KeyCode) -> Next {
        board.press(KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn keys(board: &Board) -> Vec<&str> {
        board.rows.iter().map(|row| row.actor.id.key()).collect()
    }

    #[test]
    fn rates_are_what_happened_between_two_samples() {
        let mut board = Board::new("bank".to_owned());
        board.hear(Ok(Box::new(sample(2_000_000, 3))));
        assert_eq!(board.rates, None);
        assert!(board.rows.iter().all(|row| row.rates.is_none()));
        board.hear(Ok(Box::new(sample(4_000_000, 3))));
        let rates = board.rates.as_ref().unwrap();
        assert_eq!((rates.messages, rates.turns, rates.saves), (300.0, 150.0, 30.0));
        assert_eq!(rates.save_times.count(), 60);
        let of = |key: &str| board.rows.iter().find(|row| row.actor.id.key() == key).unwrap().rates.unwrap();
        assert_eq!(of("number 2"), [200.0, 100.0, 20.0]);
        // One that has been stone meanwhile counts from zero.
        let mut again = sample(6_000_000, 3);
        again.actors[2].messages = 10;
        board.hear(Ok(Box::new(again)));
        let of = |key: &str| board.rows.iter().find(|row| row.actor.id.key() == key).unwrap().rates.unwrap();
        assert_eq!(of("number 2")[0], 5.0);
    }

    #[test]
    fn another_system_at_the_same_place_has_no_rates_from_the_one_before() {
        let mut board = board(3);
        let mut other = sample(5_000_000, 3);
        other.process += 1;
        board.hear(Ok(Box::new(other)));
        assert_eq!(board.rates, None);
        board.hear(Ok(Box::new(sample(1_000_000, 3))));
        assert_eq!(board.rates, None);
    }

    #[test]
    fn keys_sort_by_their_column_and_back() {
        let mut board = board(5);
        // 0 2 4 1 3 messages wait.
        assert_eq!(keys(&board), ["number 2", "number 4", "number 1", "number 3", "number 0"]);
        press(&mut board, KeyCode::Char('h'));
        let down = ["number 4", "number 3", "number 2", "number 1", "number 0"];
        assert_eq!((board.by, &*keys(&board)), (Column::Messages, &down[..]));
        press(&mut board, KeyCode::Char('r'));
        let up = ["number 0", "number 1", "number 2", "number 3", "number 4"];
        assert_eq!(keys(&board), up);
        for (letter, column, order) in [
            ('t', Column::Turns, &down),
            ('s', Column::Saves, &down),
            ('a', Column::Actor, &up),
            ('l', Column::LastSave, &["number 1", "number 2", "number 3", "number 4", "number 0"]),
        ] {
            press(&mut board, KeyCode::Char(letter));
            assert_eq!((board.by, &*keys(&board)), (column, &order[..]));
        }
        press(&mut board, KeyCode::Right);
        assert_eq!(board.by, Column::Actor);
        press(&mut board, KeyCode::Left);
        assert_eq!(board.by, Column::LastSave);
        let letters: Vec<_> = Column::ALL.map(Column::key).to_vec();
        assert!(letters.iter().all(|letter| letters.iter().filter(|other| *other == letter).count() == 1));
        assert!(!letters.contains(&'q') && !letters.contains(&'r') && !letters.contains(&'p'));
    }

    #[test]
    fn one_can_go_through_the_rows_and_not_beyond() {
        let mut board = board(30);
        board.page = 10;
        for (code, top) in [
            (KeyCode::Up, 0),
            (KeyCode::Down, 1),
            (KeyCode::PageDown, 11),
            (KeyCode::End, 20),
            (KeyCode::PageDown, 29),
            (KeyCode::Down, 29),
            (KeyCode::PageUp, 19),
            (KeyCode::Home, 0),
        ] {
            press(&mut board, code);
            assert_eq!(board.top, top, "{code:?}");
        }
        press(&mut board, KeyCode::End);
        board.hear(Ok(Box::new(sample(6_000_000, 2))));
        assert_eq!(board.top, 1);
    }

    #[test]
    fn a_pause_keeps_the_picture_and_trouble_is_shown_until_it_is_over() {
        let mut board = board(3);
        press(&mut board, KeyCode::Char('p'));
        board.hear(Ok(Box::new(sample(9_000_000, 1))));
        assert_eq!(board.rows.len(), 3);
        press(&mut board, KeyCode::Char(' '));
        board.hear(Err("it ended".to_owned()));
        assert_eq!((board.trouble.as_deref(), board.rows.len()), (Some("it ended"), 3));
        board.hear(Ok(Box::new(sample(9_000_000, 1))));
        assert_eq!((board.trouble.as_deref(), board.rows.len()), (None, 1));
    }

    #[test]
    fn q_escape_and_control_c_quit_and_c_alone_does_not() {
        let mut board = board(1);
        for code in [KeyCode::Char('q'), KeyCode::Esc] {
            assert_eq!(press(&mut board, code), Next::Quit);
        }
        assert_eq!(press(&mut board, KeyCode::Char('c')), Next::Stay);
        assert_eq!(board.press(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Next::Quit);
    }
}
