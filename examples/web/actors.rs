//! What is known of a visitor, and of all of them: the two kinds of actors.

use std::collections::VecDeque;

use gargoyle::{Actor, BoxError, Context, Handler, Query};
use serde::{Deserialize, Serialize};

/// One visitor. The key is what the cookie says.
#[derive(Serialize, Deserialize)]
pub(crate) struct Visitor {
    visits: u64,
    entries: u64,
    name: String,
    /// The form that was sent last, so that one that is sent again counts once.
    last_form: String,
}

impl Actor for Visitor {
    const KIND: &'static str = "visitor";
    type Args = ();

    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Visitor { visits: 0, entries: 0, name: String::new(), last_form: String::new() })
    }
}

/// Looks at the front page.
pub(crate) struct Visit;

/// What the page says of a visitor.
pub(crate) struct Known {
    pub(crate) visits: u64,
    pub(crate) entries: u64,
    pub(crate) name: String,
}

impl Handler<Visit> for Visitor {
    type Reply = Known;

    fn handle(&mut self, _: Visit, _: &mut Context<Self>) -> Known {
        self.visits += 1;
        Known { visits: self.visits, entries: self.entries, name: self.name.clone() }
    }
}

/// Has signed the book.
pub(crate) struct Signed {
    pub(crate) form: String,
    pub(crate) name: String,
}

impl Handler<Signed> for Visitor {
    type Reply = ();

    fn handle(&mut self, Signed { form, name }: Signed, _: &mut Context<Self>) {
        if self.last_form != form {
            self.last_form = form;
            self.entries += 1;
            self.name = name;
        }
    }
}

/// The guest book. Its whole state is saved with each turn, so it is of limited length; entries that come at the same time
/// share a save.
#[derive(Serialize, Deserialize)]
pub(crate) struct Book {
    written: u64,
    /// The newest first.
    entries: VecDeque<Entry>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) name: String,
    pub(crate) text: String,
    form: String,
}

/// How many entries are kept.
const ENTRIES_MAX: usize = 1_000;

/// How many characters a name and a text may have; more are cut off.
const NAME_MAX: usize = 40;
const TEXT_MAX: usize = 500;

impl Actor for Book {
    const KIND: &'static str = "guest-book";
    type Args = ();

    fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Book { written: 0, entries: VecDeque::new() })
    }
}

/// An entry for the book.
pub(crate) struct Sign {
    /// The number of the form, by which a second copy of it is known.
    pub(crate) form: String,
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Handler<Sign> for Book {
    type Reply = ();

    fn handle(&mut self, Sign { form, name, text }: Sign, _: &mut Context<Self>) {
        if self.entries.iter().any(|entry| entry.form == form) {
            return;
        }
        self.written += 1;
        let one_line = |text: &str, max| text.replace(char::is_control, " ").chars().take(max).collect();
        let (name, text) = (one_line(&name, NAME_MAX), one_line(&text, TEXT_MAX));
        self.entries.push_front(Entry { number: self.written, name, text, form });
        self.entries.truncate(ENTRIES_MAX);
    }
}

/// So many of the newest entries.
pub(crate) struct Latest(pub(crate) usize);

impl Query<Latest> for Book {
    type Reply = Vec<Entry>;

    fn query(&self, Latest(number): Latest) -> Vec<Entry> {
        self.entries.iter().take(number).cloned().collect()
    }
}
