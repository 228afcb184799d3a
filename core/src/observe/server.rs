//! The thread that gives samples to other processes.
//!
//! It sleeps until somebody connects, asks, or can take more of an answer; so whoever is slow or silent holds nobody up.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::socket::{Place, Socket};
use super::{ObserveError, sample};
use crate::shared::Shared;
use crate::sync::{Arc, thread};

/// How many may be connected: more than people look at one system.
const CLIENTS_MAX: usize = 16;

const REQUEST: &[u8] = b"sample\n";

/// For how long nobody new is let in after the machine could not: it has no more files to give, say.
const PAUSE: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// Serves samples of the system at this path until it has shut down.
///
/// # Errors
///
/// There can be no socket there, or no thread.
pub(crate) fn serve(shared: &Arc<Shared>, path: &Path) -> Result<(), ObserveError> {
    let failed = |source| ObserveError::Io { path: path.to_owned(), source: Arc::new(source) };
    let Socket { listener, place } = Socket::at(path)?;
    let started = UnixStream::pair().and_then(|(end, at_end)| {
        let server = Server { shared: shared.clone(), listener, at_end, clients: Vec::new() };
        thread::spawn("gargoyle observe".to_owned(), None, move || server.run())?;
        Ok(end)
    });
    match started {
        Ok(end) => {
            shared.events.telemetry.history().at_end(Box::new(move || stop(&place, end)));
            Ok(())
        }
        Err(error) => {
            place.clear();
            Err(failed(error))
        }
    }
}

/// Ends the thread by hanging up. Does not wait for it: it has nothing of the store's.
fn stop(place: &Place, end: UnixStream) {
    place.clear();
    drop(end);
}

struct Server {
    shared: Arc<Shared>,
    listener: UnixListener,
    /// Can be read, or is hung up, when the system has shut down.
    at_end: UnixStream,
    /// The one that has been silent for longest comes first.
    clients: Vec<Client>,
}

/// Somebody who is connected.
struct Client {
    stream: UnixStream,
    /// What came of a request.
    asked: Vec<u8>,
    /// What is left of an answer.
    answer: Vec<u8>,
    sent: usize,
}

/// Whether a client stays.
enum Served {
    Nothing,
    Something,
    Gone,
}

impl Server {
    fn run(mut self) {
        let mut lets_in = true;
        loop {
            let (new, ready) = match self.wait(lets_in) {
                Ok(Some(events)) => events,
                Ok(None) => return,
                Err(Errno::INTR) => continue,
                // There is no memory for it: nobody can be served.
                Err(_) => return,
            };
            lets_in = true;
            self.serve(&ready);
            if new {
                lets_in = self.let_in();
            }
        }
    }

    /// Waits until there is something to do: whether somebody wants to come in, and who is ready. `None`: the system has
    /// shut down.
    fn wait(&self, lets_in: bool) -> Result<Option<(bool, Vec<bool>)>, Errno> {
        let door = if lets_in { PollFlags::IN } else { PollFlags::empty() };
        let mut fds = vec![PollFd::new(&self.at_end, PollFlags::IN), PollFd::new(&self.listener, door)];
        fds.extend(self.clients.iter().map(|client| PollFd::new(&client.stream, client.waits_for())));
        poll(&mut fds, if lets_in { None } else { Some(&PAUSE) })?;
        let has_event = |fd: &PollFd<'_>| !fd.revents().is_empty();
        if has_event(&fds[0]) {
            return Ok(None);
        }
        Ok(Some((has_event(&fds[1]), fds[2..].iter().map(has_event).collect())))
    }

    fn serve(&mut self, ready: &[bool]) {
        let (mut silent, mut heard) = (Vec::new(), Vec::new());
        for (mut client, ready) in std::mem::take(&mut self.clients).into_iter().zip(ready) {
            match if *ready { client.serve(&self.shared) } else { Served::Nothing } {
                Served::Nothing => silent.push(client),
                Served::Something => heard.push(client),
                Served::Gone => {}
            }
        }
        silent.append(&mut heard);
        self.clients = silent;
    }

    /// Lets one in. `false`: the machine cannot.
    fn let_in(&mut self) -> bool {
        let accepted = self.listener.accept().and_then(|(stream, _)| stream.set_nonblocking(true).map(|()| stream));
        match accepted {
            Ok(stream) => {
                if self.clients.len() == CLIENTS_MAX {
                    self.clients.remove(0);
                }
                self.clients.push(Client { stream, asked: Vec::new(), answer: Vec::new(), sent: 0 });
                true
            }
            Err(error) => {
                matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::ConnectionAborted)
            }
        }
    }
}

impl Client {
    fn waits_for(&self) -> PollFlags {
        if self.answer.is_empty() { PollFlags::IN } else { PollFlags::OUT }
    }

    fn serve(&mut self, shared: &Shared) -> Served {
        let served = if self.answer.is_empty() { self.listen(shared) } else { self.speak() };
        served.unwrap_or_else(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::Interrupted => Served::Nothing,
            _ => Served::Gone,
        })
    }

    /// Reads no more than one request: the next one is read when this one has its answer.
    fn listen(&mut self, shared: &Shared) -> io::Result<Served> {
        let mut rest = [0; REQUEST.len()];
        let read = self.stream.read(&mut rest[self.asked.len()..])?;
        self.asked.extend_from_slice(&rest[self.asked.len()..][..read]);
        if read == 0 || !REQUEST.starts_with(&self.asked) {
            return Ok(Served::Gone);
        }
        if self.asked.len() < REQUEST.len() {
            return Ok(Served::Something);
        }
        self.asked.clear();
        self.answer = serde_json::to_vec(&sample(shared)).map_err(io::Error::other)?;
        self.answer.push(b'\n');
        self.sent = 0;
        self.speak()
    }

    fn speak(&mut self) -> io::Result<Served> {
        match self.stream.write(&self.answer[self.sent..])? {
            0 => return Ok(Served::Gone),
            written => self.sent += written,
        }
        if self.sent == self.answer.len() {
            self.answer = Vec::new();
        }
        Ok(Served::Something)
    }
}
