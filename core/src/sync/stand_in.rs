//! A channel with one sender, in place of crossbeam's, which no checker can see into.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use super::channel::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};
use super::{Condvar, Mutex, is_over, thread};
use crate::clock::LONG;
use crate::sync::Arc;

struct Channel<T> {
    state: Mutex<State<T>>,
    not_empty: Condvar,
}

struct State<T> {
    queue: VecDeque<T>,
    capacity: usize,
    has_sender: bool,
    has_receiver: bool,
    /// Who waits. Nobody is notified in vain: that would be one more point at which a checker has a choice.
    receivers: usize,
}

/// The end that sends. Senders share it: it has no clones.
pub struct Sender<T>(Arc<Channel<T>>);

/// The end that receives.
pub struct Receiver<T>(Arc<Channel<T>>);

/// A channel for `capacity` messages.
///
/// # Panics
///
/// If the capacity is 0.
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "a channel without space is not modelled");
    let state = State { queue: VecDeque::new(), capacity, has_sender: true, has_receiver: true, receivers: 0 };
    let channel = Arc::new(Channel { state: Mutex::new(state), not_empty: Condvar::new() });
    (Sender(channel.clone()), Receiver(channel))
}

/// A channel for as many messages as there are.
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    bounded(usize::MAX)
}

impl<T> Channel<T> {
    fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        let mut state = self.state.lock();
        if !state.has_receiver {
            return Err(TrySendError::Disconnected(message));
        }
        if state.queue.len() >= state.capacity {
            return Err(TrySendError::Full(message));
        }
        state.queue.push_back(message);
        if state.receivers > 0 {
            self.not_empty.notify_one();
        }
        Ok(())
    }

    fn try_recv(&self) -> Result<T, TryRecvError> {
        let mut state = self.state.lock();
        match state.queue.pop_front() {
            Some(message) => Ok(message),
            None if state.has_sender => Err(TryRecvError::Empty),
            None => Err(TryRecvError::Disconnected),
        }
    }

    /// Until there is a message, or nobody who would send any.
    fn wait_for_message(&self) {
        let mut state = self.state.lock();
        while state.has_sender && state.queue.is_empty() {
            state.receivers += 1;
            state = self.not_empty.wait(state);
            state.receivers -= 1;
        }
    }
}

impl<T> Sender<T> {
    /// Sends if there is space.
    ///
    /// # Errors
    ///
    /// With the message, if there is no space or nobody receives.
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.0.try_send(message)
    }

    /// Sends into a channel that has no end.
    ///
    /// # Errors
    ///
    /// With the message, if nobody receives.
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.0.try_send(message).map_err(|unsent| SendError(unsent.into_inner()))
    }

    /// How many messages are inside.
    pub fn len(&self) -> usize {
        self.0.state.lock().queue.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is no space.
    pub fn is_full(&self) -> bool {
        let state = self.0.state.lock();
        state.queue.len() >= state.capacity
    }
}

impl<T> Receiver<T> {
    /// The next message that is there.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.0.try_recv()
    }

    /// The next message; waits for it.
    ///
    /// # Errors
    ///
    /// If its time is up, or nobody sends.
    pub fn recv_timeout(&self, limit: Duration) -> Result<T, RecvTimeoutError> {
        loop {
            match self.0.try_recv() {
                Ok(message) => return Ok(message),
                Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
                Err(TryRecvError::Empty) if limit < LONG => {
                    thread::yield_now();
                    return Err(RecvTimeoutError::Timeout);
                }
                Err(TryRecvError::Empty) => self.0.wait_for_message(),
            }
        }
    }

    /// The next message; waits for it without an end.
    ///
    /// # Errors
    ///
    /// If nobody sends.
    pub fn recv(&self) -> Result<T, RecvError> {
        self.recv_timeout(Duration::MAX).map_err(|_| RecvError)
    }

    /// How many messages are inside.
    pub fn len(&self) -> usize {
        self.0.state.lock().queue.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if is_over() {
            return;
        }
        let mut state = self.0.state.lock();
        state.has_sender = false;
        if state.receivers > 0 {
            self.0.not_empty.notify_all();
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if is_over() {
            return;
        }
        let mut state = self.0.state.lock();
        state.has_receiver = false;
        let rest = std::mem::take(&mut state.queue);
        drop(state);
        drop(rest);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
