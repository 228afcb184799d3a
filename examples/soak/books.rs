//! The books of one store: what its accounts have to show, by what was acknowledged.

use std::collections::BTreeMap;
use std::path::Path;

use gargoyle::{BoxError, RestartPolicy};

use crate::account::{Look, Move};
use crate::life::{ACCOUNTS, LANES, Transfer, account, open};
use crate::store::Store;

#[derive(Default)]
pub(crate) struct Books {
    lanes: BTreeMap<u32, Lane>,
    /// What each account has to show: its balance and the number of its transfers.
    accounts: BTreeMap<u32, (i64, u64)>,
    pub(crate) done: u64,
    /// Transfers that a child had begun when it died.
    pub(crate) cut_short: u64,
}

#[derive(Default)]
struct Lane {
    last: u64,
    begun: Option<Transfer>,
}

impl Books {
    pub(crate) fn begins(&mut self, transfer: Transfer) {
        let lane = self.lanes.entry(transfer.lane).or_default();
        lane.last = transfer.number;
        lane.begun = Some(transfer);
    }

    pub(crate) fn done(&mut self, lane: u32) {
        let transfer = self.lanes.entry(lane).or_default().begun.take().expect("what is done was begun");
        for (who, amount) in [(transfer.from, -transfer.amount), (transfer.to, transfer.amount)] {
            let (balance, moves) = self.accounts.entry(who).or_default();
            *balance += amount;
            *moves += 1;
        }
        self.done += 1;
    }

    /// Where the next child goes on.
    pub(crate) fn lanes(&mut self) -> Vec<(u64, Option<Transfer>)> {
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| {
                let lane = self.lanes.entry(lane).or_default();
                (lane.last + 1, lane.begun)
            })
            .collect();
        self.cut_short += lanes.iter().filter(|(_, begun)| begun.is_some()).count() as u64;
        lanes
    }

    /// Completes what was cut short, and compares every account with the books. Returns what does not balance.
    pub(crate) fn audit(&mut self, store: Store, folder: &Path) -> Result<Vec<String>, BoxError> {
        let system = open(store.open(folder)?, false, RestartPolicy::Permanent)?;
        for lane in 0..LANES {
            let Some(Transfer { number, from, to, amount, .. }) = self.lanes.entry(lane).or_default().begun else {
                continue;
            };
            account(&system, from).call(Move { lane, number, amount: -amount, panics: false })?;
            account(&system, to).call(Move { lane, number, amount, panics: false })?;
            self.done(lane);
        }
        let (mut wrong, mut sum) = (Vec::new(), 0);
        for who in 0..ACCOUNTS {
            let book = account(&system, who).query(Look)?;
            sum += book.balance;
            let expected = self.accounts.get(&who).copied().unwrap_or_default();
            if (book.balance, book.moves) != expected {
                wrong.push(format!("{} account {who}: {book:?}, by the books {expected:?}", store.name()));
            }
        }
        if sum != 0 {
            wrong.push(format!("{}: the balances come to {sum}", store.name()));
        }
        system.shutdown(std::time::Duration::from_secs(30))?;
        Ok(wrong)
    }
}
