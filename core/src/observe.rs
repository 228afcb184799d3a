//! Samples of a running system, for whoever wants to see what it does: in the program, or from another process over a
//! Unix domain socket.
//!
//! [`System::sample`](crate::System::sample) takes one. A system that was built with
//! [`Builder::observe`](crate::Builder::observe) gives them to other processes of the same user, too: the tool `gargoyle
//! top` shows them, and an [`Observer`] gets them. Nobody can change anything that way, and a system that nobody asks
//! does nothing for it but count: a few plain additions for each turn, without a lock.
//!
//! # The socket
//!
//! It is called [`SOCKET`], and is in the folder of the store unless another place is said. Only the user who runs the
//! program can connect to it (mode 0600; it is made in a folder of mode 0700 and moved to its place). What a process left
//! that was killed is replaced; where another system is observed, [`build`](crate::Builder::build) fails. It is gone when
//! the system has shut down. The path of a socket is limited by the machine, to some 100 bytes: for a store with a longer
//! one, say a shorter place by [`Builder::observe_at`](crate::Builder::observe_at). Machines without such sockets, Windows
//! say, have [`ObserveError::Unsupported`] in their place.
//!
//! # The protocol
//!
//! Whoever connects sends `sample` and a line feed, as often as it likes, and gets a line of JSON each time: a [`Sample`],
//! whose `version` is [`VERSION`]. New fields may come in the same version: a reader passes over what it does not know.
//! One who says something else is cut off. At most 16 are connected at once: the next one takes the place of the one that
//! has been silent for longest.
//!
//! # Examples
//!
//! ```no_run
//! let mut observer = gargoyle::observe::Observer::connect("counter-data")?;
//! let sample = observer.sample()?;
//! println!("{} alive, saves take up to {:?}", sample.stats.live, sample.saves.percentile(100.0));
//! # Ok::<(), gargoyle::BoxError>(())
//! ```

#[cfg(all(unix, not(any(loom, shuttle))))]
mod client;
#[cfg(not(any(loom, shuttle)))]
mod sampling;
#[cfg(all(unix, not(any(loom, shuttle))))]
mod server;
#[cfg(all(unix, not(any(loom, shuttle))))]
mod socket;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sync::Arc;
use crate::{ActorId, Stats};

#[cfg(not(any(loom, shuttle)))]
pub(crate) use sampling::sample;
#[cfg(all(unix, not(any(loom, shuttle))))]
pub(crate) use server::serve;

/// The name of the socket in the folder of a store. No actor's file or folder is called so.
pub const SOCKET: &str = "OBSERVE";

/// The version of the protocol.
pub const VERSION: u32 = 1;

/// A system at one moment: what it does, and what it has done since it was built.
///
/// Read one after the other while actors go on: the numbers need not fit together to the last one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sample {
    /// The version of the protocol.
    pub version: u32,
    /// The id of the process.
    pub process: u32,
    /// The time of day, in milliseconds since 1970.
    pub at_ms: u64,
    /// How long ago the system was built, in microseconds, by a clock that never goes back: for rates.
    pub up_us: u64,
    /// How many actors [may be alive](crate::Builder::max_live) at once.
    pub max_live: u64,
    /// The counters that every system has.
    pub stats: Stats,
    /// Messages that were handled.
    pub messages: u64,
    /// Turns: messages that shared a save, if there was something to save. To petrify is a turn, too.
    pub turns: u64,
    /// How long saves took that succeeded.
    pub saves: SaveTimes,
    /// Who is alive, in the order in which they came.
    pub actors: Vec<ActorSample>,
    /// How many are quarantined.
    pub quarantined: u64,
    /// Some of them, up to a hundred.
    pub quarantine: Vec<Quarantined>,
    /// What failed last, the oldest first; up to 32.
    pub failures: Vec<LateFailure>,
}

/// An actor that is alive. Its counts are those since it came to life, or came back, last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ActorSample {
    /// Its id.
    pub id: ActorId,
    /// How many messages wait in its mailbox.
    pub queued: u64,
    /// Whether it waits for a message, with nothing else to come.
    pub idle: bool,
    /// Messages that it handled.
    pub messages: u64,
    /// Its turns.
    pub turns: u64,
    /// Its saves that succeeded.
    pub saves: u64,
    /// How long the last of them took, in nanoseconds.
    pub last_save_ns: Option<u64>,
}

/// An actor that crashed too often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Quarantined {
    /// Its id.
    pub id: ActorId,
    /// For how long it still is, in milliseconds.
    pub left_ms: u64,
    /// What it failed by last.
    pub last: String,
}

/// Something that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LateFailure {
    /// The time of day, in milliseconds since 1970.
    pub at_ms: u64,
    /// Whose it is.
    pub id: ActorId,
    /// The event, as [`Event`](crate::Event) shows it.
    pub what: String,
}

/// How long saves took. What is read from it is at most an eighth too long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SaveTimes(
    /// Nanoseconds, and how many took that long at most and longer than what the one before says.
    Vec<(u64, u64)>,
);

impl SaveTimes {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.0.iter().fold(0, |all, (_, count)| all.saturating_add(*count))
    }

    /// What so many of a hundred took at most; `None`: there was no save. 50 is the median, 100 the longest.
    pub fn percentile(&self, percent: f64) -> Option<Duration> {
        let all = self.count();
        let rank = (all as f64 * (percent / 100.0)).ceil().clamp(1.0, all.max(1) as f64) as u64;
        let mut seen = 0_u64;
        let found = self.0.iter().find(|(_, count)| {
            seen = seen.saturating_add(*count);
            seen >= rank
        });
        found.map(|(ns, _)| Duration::from_nanos(*ns))
    }

    /// Those of them that are not in `earlier`, which is of the same system.
    pub fn since(&self, earlier: &SaveTimes) -> SaveTimes {
        let before = |ns: u64| earlier.0.iter().find(|(longest, _)| *longest == ns).map_or(0, |(_, count)| *count);
        let left = self.0.iter().map(|(ns, count)| (*ns, count.saturating_sub(before(*ns))));
        SaveTimes(left.filter(|(_, count)| *count > 0).collect())
    }
}

/// Why a system is not observed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObserveError {
    /// The machine has no Unix domain sockets.
    #[error("systems cannot be observed on this machine: it has no Unix domain sockets")]
    Unsupported,
    /// The path is too long for a socket.
    #[error("the path {path} has {bytes} bytes, and a socket may have {most}; choose a shorter one with `observe_at`")]
    TooLong {
        /// The path.
        path: PathBuf,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        most: usize,
    },
    /// Another system is observed there.
    #[error("another system is observed at {path} already, in this process or another one")]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// Something else is there.
    #[error("{path} is not a socket; it is left alone")]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// No running system is observed there.
    #[error(
        "no running system can be observed at {path}: none runs there, or it was built without `.observe(…)`, or it is \
         another user's"
    )]
    Nobody {
        /// The path.
        path: PathBuf,
        /// What the machine says.
        #[source]
        source: Arc<io::Error>,
    },
    /// The connection ended, or the machine failed.
    #[error("cannot observe at {path}")]
    Io {
        /// The path.
        path: PathBuf,
        /// What the machine says.
        #[source]
        source: Arc<io::Error>,
    },
    /// What came is no sample that this version of the crate can read.
    #[error("what is observed at {path} speaks another language: {what}")]
    Foreign {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// The path of the socket at this place: in it, if it is a folder.
fn socket_at(place: &Path) -> PathBuf {
    if place.is_dir() { place.join(SOCKET) } else { place.to_owned() }
}

/// A connection to a system that is observed, in this process or another one.
#[derive(Debug)]
pub struct Observer {
    #[cfg(all(unix, not(any(loom, shuttle))))]
    connection: client::Connection,
}

impl Observer {
    /// Connects to the system that is observed at this place: the folder of a store, or the path of a socket.
    ///
    /// # Errors
    ///
    /// [`ObserveError::Nobody`] if there is none.
    pub fn connect(place: impl AsRef<Path>) -> Result<Self, ObserveError> {
        let path = socket_at(place.as_ref());
        #[cfg(all(unix, not(any(loom, shuttle))))]
        return client::Connection::open(path).map(|connection| Observer { connection });
        #[cfg(not(all(unix, not(any(loom, shuttle)))))]
        {
            let _ = path;
            Err(ObserveError::Unsupported)
        }
    }

    /// Takes a sample. Blocks until it is there, for 10 s at most.
    ///
    /// # Errors
    ///
    /// [`ObserveError::Io`] if the system has shut down, or does not answer.
    pub fn sample(&mut self) -> Result<Sample, ObserveError> {
        #[cfg(all(unix, not(any(loom, shuttle))))]
        return self.connection.sample();
        #[cfg(not(all(unix, not(any(loom, shuttle)))))]
        Err(ObserveError::Unsupported)
    }
}

/// Machines without such sockets.
#[cfg(not(all(unix, not(any(loom, shuttle)))))]
pub(crate) fn serve(_: &Arc<crate::shared::Shared>, _: &Path) -> Result<(), ObserveError> {
    Err(ObserveError::Unsupported)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(counts: &[(u64, u64)]) -> SaveTimes {
        SaveTimes(counts.to_vec())
    }

    #[test]
    fn a_percentile_is_what_so_many_took_at_most() {
        let of = |counts: &[(u64, u64)], percent| times(counts).percentile(percent).map(|time| time.as_nanos());
        assert_eq!(of(&[], 50.0), None);
        assert_eq!(of(&[(7, 1)], 0.0), Some(7));
        let hundred = [(10, 50), (20, 40), (30, 9), (40, 1)];
        let read = [0.0, 50.0, 50.1, 90.0, 99.0, 99.5, 100.0].map(|percent| of(&hundred, percent).unwrap());
        assert_eq!(read, [10, 10, 20, 20, 30, 40, 40]);
    }

    #[test]
    fn what_was_there_earlier_is_taken_away() {
        let (earlier, now) = (times(&[(10, 5), (30, 1)]), times(&[(10, 5), (20, 3), (30, 4)]));
        assert_eq!(now.since(&earlier), times(&[(20, 3), (30, 3)]));
        assert_eq!(now.since(&now).count(), 0);
        assert_eq!(now.since(&SaveTimes::default()), now);
    }
}
