//! Money that moves between accounts, `kill -9` in the middle of it, and an audit: is it still all there?
//!
//! Run it: `cargo run --release --example ledger`. It starts itself as a second process, which transfers as fast as it can,
//! kills that, and looks into the store; three times. `-- --help` shows what can be changed.
//!
//! A transfer changes two actors, and no save covers two. So it is never half done, but sometimes *on its way*:
//!
//! 1. The sender takes the money off its balance and writes down what it owes, in one state and so in one save. Its cast to
//!    the receiver is held back until that save is durable: nobody gets money that a crash could give back.
//! 2. The receiver adds the money and notes the number of the transfer, in one save too. A number that it has already is
//!    not added again, so the sender may repeat itself as often as it likes.
//! 3. The receiver says up to which number it has all. The sender strikes that off, and answers who waits for it.
//!
//! A crash loses casts, never what is written down. The sender repeats what it owes when it comes back to life
//! (`revived`), and now and then while it lives. To look for: `Outgoing`, and the two lines in which a duplicate ends.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Parser;
use gargoyle::{
    Actor, BoxError, Context, Handle, Handler, Handles, Query, ReplyTo, RestartPolicy, Settings, System, Timer,
};
use gargoyle_registry_std::StdRegistry;
use gargoyle_storage_lmdb::LmdbStorage;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Transfers between accounts, killed in the middle and audited.
#[derive(Parser)]
struct Options {
    /// The folder of the store, made if there is none.
    #[arg(long, value_name = "DIR", default_value = "ledger-data")]
    data: PathBuf,
    /// How often transfers are made and killed.
    #[arg(long, default_value_t = 3)]
    rounds: u64,
    /// After how many transfers that were acknowledged the process is killed.
    #[arg(long, default_value_t = 300)]
    transfers: u64,
    /// Makes transfers until it is killed: what the second process does.
    #[arg(long, hide = true)]
    child: Option<u64>,
}

const ACCOUNTS: u64 = 20;
const OPENING: u64 = 1_000;
const CALLERS: u64 = 8;
/// After how long what was not confirmed is sent again.
const AGAIN: Duration = Duration::from_millis(200);

#[derive(Serialize, Deserialize)]
struct Account {
    balance: u64,
    /// What was sent, by the receiver's key.
    outgoing: BTreeMap<String, Outgoing>,
    /// The number of the last transfer that was received from each sender.
    received: BTreeMap<String, u64>,
    // What follows is of this life alone. Who waits for an answer when the actor ends gets an error that says that nobody
    // knows; the transfer goes on all the same.
    #[serde(skip)]
    callers: HashMap<(String, u64), ReplyTo<Result<(), Overdrawn>>>,
    #[serde(skip)]
    until_settled: Vec<ReplyTo<()>>,
    #[serde(skip)]
    again: Option<Timer>,
}

/// The transfers to one receiver, numbered from 1.
#[derive(Clone, Serialize, Deserialize)]
struct Outgoing {
    /// A handle is data, and can be part of a state.
    to: Handle<Account>,
    /// Up to this number the receiver has all.
    confirmed: u64,
    /// The amounts of those after it, the oldest first: off the balance here, and not known to be on the one there.
    owed: VecDeque<u64>,
}

impl Outgoing {
    /// The numbers and amounts of what is on its way.
    fn underway(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        (self.confirmed + 1..).zip(self.owed.iter().copied())
    }
}

#[derive(Clone, Debug, Error)]
#[error("there are only {balance}")]
struct Overdrawn {
    balance: u64,
}

impl Actor for Account {
    const KIND: &'static str = "account";
    type Args = u64;

    fn init(opening: &u64, _: &mut Context<Self>) -> Result<Self, BoxError> {
        Ok(Account {
            balance: *opening,
            outgoing: BTreeMap::new(),
            received: BTreeMap::new(),
            callers: HashMap::new(),
            until_settled: Vec::new(),
            again: None,
        })
    }

    fn revived(&mut self, cx: &mut Context<Self>) -> Result<(), BoxError> {
        self.send_all(cx);
        Ok(())
    }
}

impl Account {
    fn is_settled(&self) -> bool {
        self.outgoing.values().all(|outgoing| outgoing.owed.is_empty())
    }

    /// Sends whatever is on its way once more.
    fn send_all(&mut self, cx: &mut Context<Self>) {
        for outgoing in self.outgoing.values() {
            for (number, amount) in outgoing.underway() {
                // One that cannot be sent now is sent the next time.
                let _ = outgoing.to.cast(Arrive { from: cx.handle().clone(), number, amount });
            }
        }
        self.look_after_it(cx);
    }

    /// Sees to it that what is on its way is sent again. A cast in a mailbox is memory, and a receiver may be down.
    fn look_after_it(&mut self, cx: &mut Context<Self>) {
        if self.again.is_none() && !self.is_settled() {
            self.again = Some(cx.send_after(AGAIN, Again));
        }
    }
}

struct Again;

impl Handler<Again> for Account {
    type Reply = ();

    fn handle(&mut self, _: Again, cx: &mut Context<Self>) {
        self.again = None;
        self.send_all(cx);
    }
}

/// Sends money. The caller hears of it when the receiver has it.
struct Transfer {
    to: Handle<Account>,
    amount: u64,
}

impl Handles<Transfer> for Account {
    type Reply = Result<(), Overdrawn>;

    fn receive(&mut self, Transfer { to, amount }: Transfer, reply: ReplyTo<Self::Reply>, cx: &mut Context<Self>) {
        let Some(balance) = self.balance.checked_sub(amount) else {
            return reply.send(Err(Overdrawn { balance: self.balance }));
        };
        self.balance = balance;
        let nothing = || Outgoing { to: to.clone(), confirmed: 0, owed: VecDeque::new() };
        let outgoing = self.outgoing.entry(to.key().to_owned()).or_insert_with(nothing);
        outgoing.owed.push_back(amount);
        let number = outgoing.confirmed + outgoing.owed.len() as u64;
        self.callers.insert((to.key().to_owned(), number), reply);
        // Leaves when the state above is durable, and not before.
        let _ = to.cast(Arrive { from: cx.handle().clone(), number, amount });
        self.look_after_it(cx);
    }
}

/// Money for an account, perhaps for the second time.
struct Arrive {
    from: Handle<Account>,
    number: u64,
    amount: u64,
}

impl Handler<Arrive> for Account {
    type Reply = ();

    fn handle(&mut self, Arrive { from, number, amount }: Arrive, cx: &mut Context<Self>) {
        let last = self.received.entry(from.key().to_owned()).or_default();
        // A smaller number is a duplicate. A greater one has overtaken one that was lost: both will be sent again.
        if number == *last + 1 {
            *last = number;
            self.balance += amount;
        }
        let _ = from.cast(Confirm { by: cx.handle().key().to_owned(), up_to: *last });
    }
}

/// The receiver `by` has all transfers up to this number.
struct Confirm {
    by: String,
    up_to: u64,
}

impl Handler<Confirm> for Account {
    type Reply = ();

    fn handle(&mut self, Confirm { by, up_to }: Confirm, _: &mut Context<Self>) {
        let Some(outgoing) = self.outgoing.get_mut(&by) else { return };
        while outgoing.confirmed < up_to && outgoing.owed.pop_front().is_some() {
            outgoing.confirmed += 1;
            if let Some(reply) = self.callers.remove(&(by.clone(), outgoing.confirmed)) {
                reply.send(Ok(()));
            }
        }
        if self.is_settled() {
            self.until_settled.drain(..).for_each(|reply| reply.send(()));
        }
    }
}

/// Waits until nothing is on its way.
struct Settle;

impl Handles<Settle> for Account {
    type Reply = ();

    fn receive(&mut self, _: Settle, reply: ReplyTo<()>, _: &mut Context<Self>) {
        match self.is_settled() {
            true => reply.send(()),
            false => self.until_settled.push(reply),
        }
    }
}

/// What an auditor sees of an account.
struct Books {
    balance: u64,
    outgoing: BTreeMap<String, Outgoing>,
    received: BTreeMap<String, u64>,
}

struct ShowBooks;

impl Query<ShowBooks> for Account {
    type Reply = Books;

    fn query(&self, _: ShowBooks) -> Books {
        Books { balance: self.balance, outgoing: self.outgoing.clone(), received: self.received.clone() }
    }
}

fn key(number: u64) -> String {
    format!("account-{number:02}")
}

/// A handle to send money to. It would be born with nothing: a wrong key makes no money.
fn account(system: &System, number: u64) -> Handle<Account> {
    system.handle(key(number), 0)
}

fn open(data: &Path) -> Result<System, BoxError> {
    // Permanent, so that an account that owes something comes back by itself after its process died.
    let settings = Settings::new().restart(RestartPolicy::Permanent);
    let builder = System::builder(StdRegistry::new(), LmdbStorage::open(data)?);
    Ok(builder.actor_with::<Account>(settings).build()?)
}

/// Makes transfers until it is killed, and prints a line for each that was acknowledged.
fn transfer_for_ever(data: &Path, seed: u64) -> Result<(), BoxError> {
    let system = open(data)?;
    for number in 0..ACCOUNTS {
        system.start::<Account>(key(number), OPENING)?;
    }
    let caller = |seed: u64| -> Result<(), BoxError> {
        let mut random = fastrand::Rng::with_seed(seed);
        loop {
            let (from, to) = (random.u64(..ACCOUNTS), random.u64(..ACCOUNTS));
            let transfer = Transfer { to: account(&system, to), amount: random.u64(1..=100) };
            // Who is overdrawn tries another one.
            if account(&system, from).call(transfer)?.is_ok() {
                writeln!(std::io::stdout(), "acknowledged")?;
            }
        }
    };
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS).map(|number| scope.spawn(move || caller(seed * CALLERS + number))).collect();
        callers.into_iter().try_for_each(|caller| caller.join().expect("a caller does not panic"))
    })
}

/// Has another process make transfers, and kills it. Returns how many it said were done.
fn transfer_and_kill(options: &Options, seed: u64) -> Result<u64, BoxError> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("--data")
        .arg(&options.data)
        .args(["--child", &seed.to_string()])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let mut acknowledged = 0;
    while acknowledged < options.transfers {
        let line = lines.next().ok_or("the process that makes transfers ended by itself")??;
        acknowledged += u64::from(line == "acknowledged");
    }
    child.kill()?; // SIGKILL
    child.wait()?;
    // Those that it printed before it died.
    Ok(acknowledged + lines.map_while(Result::ok).filter(|line| line == "acknowledged").count() as u64)
}

/// What all the books say together.
#[derive(Default)]
struct Sum {
    accounts: u64,
    money: u64,
    /// Transfers whose money is on neither balance.
    underway: u64,
    /// Transfers that were received.
    received: u64,
}

/// Adds up what the store has, without waking anybody.
fn audit(data: &Path) -> Result<Sum, BoxError> {
    // Accounts are not registered here: nobody comes back to life.
    let system = System::builder(StdRegistry::new(), LmdbStorage::open(data)?).build()?;
    let mut books = BTreeMap::new();
    for number in 0..ACCOUNTS {
        if let Some(found) = account(&system, number).peek(ShowBooks)? {
            books.insert(key(number), found);
        }
    }
    let mut sum = Sum { accounts: books.len() as u64, ..Sum::default() };
    for (from, book) in &books {
        sum.money += book.balance;
        sum.received += book.received.values().sum::<u64>();
        for (to, outgoing) in &book.outgoing {
            let received = books.get(to).and_then(|to| to.received.get(from)).copied().unwrap_or(0);
            for (_, amount) in outgoing.underway().filter(|(number, _)| *number > received) {
                sum.money += amount;
                sum.underway += 1;
            }
        }
    }
    Ok(sum)
}

/// Opens the bank once more, until all money has arrived.
fn settle(data: &Path) -> Result<(), BoxError> {
    let system = open(data)?;
    for number in 0..ACCOUNTS {
        account(&system, number).call(Settle)?;
    }
    Ok(system.shutdown(Duration::from_secs(30))?)
}

fn check(sum: &Sum, acknowledged: u64, when: &str) -> Result<(), BoxError> {
    let expected = sum.accounts * OPENING;
    if sum.money != expected {
        return Err(format!("{when}: {} in {} accounts, and {expected} is right", sum.money, sum.accounts).into());
    }
    if sum.received < acknowledged {
        return Err(format!("{when}: {acknowledged} transfers acknowledged, and {} received", sum.received).into());
    }
    Ok(())
}

fn main() -> Result<(), BoxError> {
    let options = Options::parse();
    if let Some(seed) = options.child {
        return transfer_for_ever(&options.data, seed);
    }
    let before = audit(&options.data)?;
    check(&before, 0, "at first")?;
    let mut acknowledged = before.received;
    for round in 1..=options.rounds {
        acknowledged += transfer_and_kill(&options, acknowledged + round)?;
        let killed = audit(&options.data)?;
        check(&killed, acknowledged, "after the kill")?;
        settle(&options.data)?;
        let settled = audit(&options.data)?;
        check(&settled, acknowledged, "when settled")?;
        if settled.underway > 0 {
            return Err(format!("{} transfers never arrived", settled.underway).into());
        }
        println!(
            "round {round}: killed with {} transfers on their way; {} in {} accounts before and after, {} transfers arrived",
            killed.underway, settled.money, settled.accounts, settled.received
        );
        acknowledged = settled.received;
    }
    Ok(())
}
