//! Symbolic addresses of actors, and the verbs that send to them.

use std::any::type_name;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::{Duration, Instant};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::Deadline;
use crate::current::{self, Current};
use crate::delivery::{self, Terms, Undelivered};
use crate::error::{CallError, CastError, Failure, TryCallError};
use crate::guard::{discard, guard};
use crate::message::{Call, Cast, Envelope, Order, Peek, Peeked, Question};
use crate::reply::{self, ReplyPort};
use crate::shared::Shared;
use crate::slot;
use crate::state::loaded;
use crate::sync::Arc;
use crate::system::System;
use crate::target::Target;
use crate::turn::{Held, HeldCast, Turn};
use crate::waits::Wait;
use crate::{Actor, ActorId, Handled, Handles, Query, Record, RestartPolicy, Settings};

/// A symbolic address of an actor: its id, and the arguments to bear it with.
///
/// Making a handle starts nothing; the first message to it does. Handles are equal if their ids are. One serialises as
/// its key and arguments, so that it can be part of another actor's state, and is decoded in the system of the thread:
/// on an actor's thread that is the actor's, elsewhere that of [`System::enter`].
///
/// # The verbs
///
/// | | waits for space | waits for the reply | gives the message back |
/// |---|---|---|---|
/// | [`call`](Self::call), [`query`](Self::query) | up to its [`call_timeout`](crate::Settings::call_timeout), all in all | the same | no |
/// | [`call_timeout`](Self::call_timeout), [`query_timeout`](Self::query_timeout) | up to a given time, all in all | the same | no |
/// | [`try_call`](Self::try_call), [`try_query`](Self::try_query) | no | up to its `call_timeout` | if it did not get in |
/// | [`cast`](Self::cast) | up to its `call_timeout` | no | yes |
/// | [`cast_timeout`](Self::cast_timeout) | up to a given time | no | yes |
/// | [`try_cast`](Self::try_cast) | no | no | yes |
///
/// Messages of one thread, or of one actor, to the same actor are handled in the order in which they were sent.
///
/// # In a handler
///
/// A cast out of a handler is held back until the state of the sender is saved, so that nobody hears of what a crash
/// could undo; it is given up if the handler panics. So `Ok` of a cast means that it will be delivered after the save,
/// and if that fails there is an [`Undeliverable`](crate::EventKind::Undeliverable) event. If the mailbox is full then,
/// the sender's thread waits for space, after it has given its replies: that is the back-pressure between actors. A
/// cast of an actor to itself never waits.
///
/// A call out of a handler goes out at once. Before it, what earlier messages of the turn did is saved and their
/// replies given. Call [`Context::save`](crate::Context::save) first if the call must not outrun the state of the
/// present message. A call that would close a cycle of waiting actors fails with
/// [`Failure::Deadlock`](crate::Failure::Deadlock).
pub struct Handle<A: Actor> {
    shared: Arc<Shared>,
    target: Target<A>,
}

impl<A: Actor> Handle<A> {
    pub(crate) fn new(shared: Arc<Shared>, target: Target<A>) -> Self {
        Handle { shared, target }
    }

    /// The actor's id.
    pub fn id(&self) -> &ActorId {
        &self.target.id
    }

    /// The actor's key.
    pub fn key(&self) -> &str {
        self.target.id.key()
    }

    /// The arguments of this handle: what the actor is born with if there is no record of it.
    pub fn args(&self) -> &A::Args {
        &self.target.args
    }

    /// The same address without the system: plain data.
    pub fn address(&self) -> crate::Address<A> {
        crate::Address::of(self.target.clone())
    }

    /// Whether the actor has a thread now. Does not wake it.
    pub fn is_live(&self) -> bool {
        self.shared.registry.get(self.id()).is_some()
    }

    /// Sends `message` and waits for the reply, which is given when the state it saw or made is durable, unless a
    /// weaker [`SaveMode`](crate::SaveMode) is set.
    ///
    /// Blocks up to its [`call_timeout`](crate::Settings::call_timeout), for everything together: space in the
    /// mailbox, revival, the messages before it, handling, saving.
    ///
    /// # Errors
    ///
    /// [`CallError`]; [`handled`](CallError::handled) tells whether the message had an effect.
    pub fn call<M: Send + 'static>(&self, message: M) -> Result<A::Reply, CallError>
    where
        A: Handles<M>,
    {
        self.call_timeout(message, self.call_limit())
    }

    /// As [`call`](Self::call), and blocks up to `limit`.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn call_timeout<M: Send + 'static>(&self, message: M, limit: Duration) -> Result<A::Reply, CallError>
    where
        A: Handles<M>,
    {
        self.ask(limit, true, Call(message), Envelope::asked).map_err(without_question)
    }

    /// As [`call`](Self::call), and does not wait for space in the mailbox.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call), and [`Failure::Full`]. Has the message if it did not get into the mailbox.
    pub fn try_call<M: Send + 'static>(&self, message: M) -> Result<A::Reply, TryCallError<M>>
    where
        A: Handles<M>,
    {
        self.ask(self.call_limit(), false, Call(message), Envelope::asked)
            .map_err(|(error, back)| TryCallError::new(error, back.map(|Call(message)| message)))
    }

    /// Asks `question` and waits for the answer, which is given when the state it saw is durable, unless a weaker
    /// [`SaveMode`](crate::SaveMode) is set. Writes nothing, unless the actor is born by it, or revived and of a
    /// [policy](crate::RestartPolicy) that has to know.
    ///
    /// Blocks like [`call`](Self::call).
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn query<Q: Send + 'static>(&self, question: Q) -> Result<A::Reply, CallError>
    where
        A: Query<Q>,
    {
        self.query_timeout(question, self.call_limit())
    }

    /// As [`query`](Self::query), and blocks up to `limit`.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn query_timeout<Q: Send + 'static>(&self, question: Q, limit: Duration) -> Result<A::Reply, CallError>
    where
        A: Query<Q>,
    {
        self.ask(limit, true, Question(question), Envelope::asked).map_err(without_question)
    }

    /// As [`query`](Self::query), and does not wait for space in the mailbox.
    ///
    /// # Errors
    ///
    /// As [`try_call`](Self::try_call).
    pub fn try_query<Q: Send + 'static>(&self, question: Q) -> Result<A::Reply, TryCallError<Q>>
    where
        A: Query<Q>,
    {
        self.ask(self.call_limit(), false, Question(question), Envelope::asked)
            .map_err(|(error, back)| TryCallError::new(error, back.map(|Question(question)| question)))
    }

    /// Asks `question` without waking the actor: one of stone is loaded on the calling thread, asked, and dropped
    /// there; a live one is asked like by [`query`](Self::query), unless it has turned to stone or ended when the question's
    /// turn comes. `None` if there is no such actor.
    ///
    /// What an actor does when it is woken, it does not do here: no thread, no event, no
    /// [`revived`](Actor::revived), nothing written.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    pub fn peek<Q: Send + 'static>(&self, question: Q) -> Result<Option<A::Reply>, CallError>
    where
        A: Query<Q>,
    {
        let limit = self.call_limit();
        let question = match self.ask_if_live(limit, Peek(question), Envelope::asked)? {
            Asked::Live(Peeked::Answered(reply)) => return Ok(Some(reply)),
            Asked::Live(Peeked::Stone(question)) | Asked::Stone(Peek(question)) => question,
        };
        self.ask_stone(question).map_err(|failure| CallError::new(self.id(), failure))
    }

    /// Sends `message` and waits for nothing but space in the mailbox, up to the system's
    /// [`call_timeout`](crate::Settings::call_timeout). In a handler it does not wait at all, see
    /// [above](Self#in-a-handler).
    ///
    /// `Ok` means that the message will be handled once, or that an
    /// [`Undeliverable`](crate::EventKind::Undeliverable) event says why not. The mailbox is memory: a cast that waits
    /// in it is lost with the process.
    ///
    /// # Errors
    ///
    /// [`CastError`], with the message.
    pub fn cast<M: Send + 'static>(&self, message: M) -> Result<(), CastError<M>>
    where
        A: Handles<M>,
    {
        self.cast_timeout(message, self.call_limit())
    }

    /// As [`cast`](Self::cast), and waits up to `limit`.
    ///
    /// # Errors
    ///
    /// As [`cast`](Self::cast).
    pub fn cast_timeout<M: Send + 'static>(&self, message: M, limit: Duration) -> Result<(), CastError<M>>
    where
        A: Handles<M>,
    {
        self.send(message, Some(limit))
    }

    /// As [`cast`](Self::cast), and does not wait for space in the mailbox.
    ///
    /// # Errors
    ///
    /// As [`cast`](Self::cast), and [`Failure::Full`].
    pub fn try_cast<M: Send + 'static>(&self, message: M) -> Result<(), CastError<M>>
    where
        A: Handles<M>,
    {
        self.send(message, None)
    }

    /// Brings the actor to life, if it is not, and waits until it is: born actors are durable then, in every mode.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call), among them what `init` or the store failed with.
    pub fn start(&self) -> Result<(), CallError> {
        self.order(Order::Start)
    }

    /// As [`start`](Self::start), and has the actor live by these settings from now on, over those of its kind. They are
    /// part of its record, in place of any that were there: it lives by them after it petrified, crashed or came back in
    /// another process.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), and [`Failure::Settings`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use gargoyle::{Actor, BoxError, Context, MemoryStorage, SaveMode, Settings, System};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Sensor;
    /// # impl Actor for Sensor {
    /// #     const KIND: &'static str = "sensor";
    /// #     type Args = ();
    /// #     fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> { Ok(Sensor) }
    /// # }
    /// # let system = System::builder(gargoyle_registry_std::StdRegistry::new(), MemoryStorage::new()).build()?;
    /// let busy = system.handle::<Sensor>("a busy one", ());
    /// busy.start_with(Settings::new().save(SaveMode::Every(Duration::from_secs(10))))?;
    /// # Ok::<(), BoxError>(())
    /// ```
    pub fn start_with(&self, settings: Settings) -> Result<(), CallError> {
        settings.check_for_one().map_err(|error| CallError::new(self.id(), error.into()))?;
        self.order(Order::Configure(Box::new(settings)))
    }

    /// Ends the actor, after the messages that are in its mailbox already; what becomes of its record says its
    /// [`RestartPolicy`](crate::RestartPolicy): unless it is permanent, the record is deleted. Waits until it is gone. Does
    /// nothing if there is no such actor. Messages that come later make a new one, or revive a permanent one.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call). A record that cannot be read, or that a newer version has written, is not deleted;
    /// [`wipe`](Self::wipe) does that.
    pub fn stop(&self) -> Result<(), CallError> {
        self.order(Order::Stop)
    }

    /// Turns the actor to stone, after the messages that are in its mailbox already, and waits until it is. Does
    /// nothing if it is stone. Does not keep it from waking up again: a message does.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn petrify(&self) -> Result<(), CallError> {
        self.order_if_live(Order::Petrify)
    }

    /// Deletes the actor's record, whatever it is, and ends the actor if it is alive, after the messages that are in its
    /// mailbox already. Waits until it is gone. Does nothing if there is no such actor.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn wipe(&self) -> Result<(), CallError> {
        self.order(Order::Wipe)
    }

    /// For [`testing`](crate::testing).
    pub(crate) fn crash(&self) -> Result<(), CallError> {
        self.order_if_live(Order::Crash)
    }

    fn order_if_live(&self, order: Order) -> Result<(), CallError> {
        self.ask_if_live(self.call_limit(), (), |port| slot::Envelope::order(order, port)).map(drop)
    }

    fn call_limit(&self) -> Duration {
        self.shared.settings_of(A::KIND).call_timeout
    }

    fn order(&self, order: Order) -> Result<(), CallError> {
        self.ask(self.call_limit(), true, (), |port| slot::Envelope::order(order, port)).map_err(without_question)
    }

    /// Sends `question`, in what `make` makes, and waits for the answer. On an error, has the question if it did not get in.
    fn ask<T: Send + 'static, Q: Send + 'static>(
        &self,
        limit: Duration,
        wait_for_space: bool,
        question: Q,
        make: impl FnOnce(ReplyPort<T, Q>) -> Envelope<A>,
    ) -> Result<T, (CallError, Option<Q>)> {
        let deadline = Deadline::after(&*self.shared.clock, limit);
        let wait = match self.begin_wait() {
            Ok(wait) => wait,
            Err(error) => return Err((error, Some(question))),
        };
        let (port, receipt) = reply::port(self.id(), wait, question);
        let terms = self.terms(wait_for_space.then_some(deadline), deadline);
        match delivery::deliver(&self.shared, &self.target, make(port), terms) {
            Ok(()) => receipt.wait(&*self.shared.clock, deadline).map_err(|error| (error, None)),
            // The envelope goes after what is taken back out of its port.
            Err((failure, _envelope)) => Err((CallError::new(self.id(), failure), receipt.take_back())),
        }
    }

    /// As `ask`, and leaves an actor of stone alone.
    fn ask_if_live<T: Send + 'static, Q: Send + 'static>(
        &self,
        limit: Duration,
        question: Q,
        make: impl FnOnce(ReplyPort<T, Q>) -> Envelope<A>,
    ) -> Result<Asked<T, Q>, CallError> {
        let deadline = Deadline::after(&*self.shared.clock, limit);
        let wait = match self.begin_wait() {
            Ok(wait) => wait,
            Err(error) => return Err(without_question((error, Some(question)))),
        };
        let (port, receipt) = reply::port(self.id(), wait, question);
        let terms = self.terms(Some(deadline), deadline);
        match delivery::deliver_if_live(&self.shared, self.id(), make(port), terms) {
            Ok(None) => receipt.wait(&*self.shared.clock, deadline).map(Asked::Live),
            Ok(Some(_envelope)) => Ok(Asked::Stone(receipt.take_back().expect("it was not delivered"))),
            Err((failure, _)) => Err(CallError::new(self.id(), failure)),
        }
    }

    fn ask_stone<Q: Send + 'static>(&self, question: Q) -> Result<Option<A::Reply>, Failure>
    where
        A: Query<Q>,
    {
        let mut question = Some(question);
        let may_ask = delivery::check::<A>(&self.shared, self.id());
        let answer = may_ask.and_then(|()| self.shared.visit(|| self.ask_record(&mut question)));
        discard(question);
        answer
    }

    /// Takes the question out when there is somebody to ask.
    fn ask_record<Q: Send + 'static>(&self, question: &mut Option<Q>) -> Result<Option<A::Reply>, Failure>
    where
        A: Query<Q>,
    {
        let Some(record) = self.load_stone()? else { return Ok(None) };
        // With the turn of whoever peeks: what the question sends is sent by that one.
        let current = Current { decoding: self.shared.clone(), turn: current::turn() };
        current::enter(current, || {
            let actor: A = loaded(record.version, &record.state)?;
            let question = question.take().expect("it is asked once");
            let answer = guard(|| actor.query(question)).map_err(Failure::Crashed);
            discard(actor);
            answer.map(Some)
        })
    }

    /// The record of an actor of stone. What a temporary actor left that was alive when its process died is none: whoever
    /// revives it deletes it.
    fn load_stone(&self) -> Result<Option<Box<Record>>, Failure> {
        let store = self.shared.store()?;
        let mut before = None;
        loop {
            let Some((record, revision)) = store.load(self.id())? else { return Ok(None) };
            let settings = self.shared.settings_with(A::KIND, &record.settings);
            let is_temporary = settings.restart == RestartPolicy::Temporary && record.version <= A::VERSION;
            if !record.live || !is_temporary || self.is_live() {
                return Ok(Some(record));
            }
            // It was not alive after the first look, and its record was the same in the second: it is not alive.
            if before.replace(revision) == Some(revision) {
                return Ok(None);
            }
        }
    }

    /// In a handler, does first what has to be done before it waits.
    fn begin_wait(&self) -> Result<Option<Wait>, CallError> {
        if let Some(turn) = current::turn() {
            turn.commit_before_call(&self.shared, self.id())
                .map_err(|failure| CallError::new(turn.id(), failure).with_handled(Handled::No))?;
        }
        self.wait_edge().map_err(|path| CallError::new(self.id(), Failure::Deadlock(path)))
    }

    /// Says that the actor whose thread this is waits for this one from now on. Nobody sees a cycle over two systems but
    /// the deadline.
    fn wait_edge(&self) -> Result<Option<Wait>, Vec<ActorId>> {
        current::actor_in(&self.shared).map(|actor| self.shared.waits.begin(&actor, self.id())).transpose()
    }

    /// Casts `message`: at once, or in a handler when its turn is saved. `None` does not wait for space.
    fn send<M: Send + 'static>(&self, message: M, limit: Option<Duration>) -> Result<(), CastError<M>>
    where
        A: Handles<M>,
    {
        let envelope = Envelope::sent(Cast(message));
        let sent = match current::turn() {
            Some(turn) => self.hold(&turn, envelope, limit, type_name::<M>()),
            None => self.deliver(envelope, limit),
        };
        sent.map_err(|(failure, envelope)| {
            CastError::new(CallError::new(self.id(), failure), envelope.into_message::<Cast<M>>().0)
        })
    }

    fn hold(
        &self,
        turn: &Turn,
        envelope: Envelope<A>,
        limit: Option<Duration>,
        message: &'static str,
    ) -> Result<(), Undelivered<A>> {
        let from_actor = turn.is_in(&self.shared);
        // What can be known now is an error now, and not an event later.
        if !self.shared.gate.admits(from_actor) {
            return Err((Failure::Shutdown, envelope));
        }
        if let Err(failure) = delivery::check::<A>(&self.shared, self.id()) {
            return Err((failure, envelope));
        }
        if from_actor && turn.id() == self.id() {
            turn.hold(Held::ToItself { envelope: Box::new(envelope), message });
            return Ok(());
        }
        if limit.is_none() && self.shared.registry.get(self.id()).is_some_and(|slot| slot.is_full()) {
            return Err((Failure::Full, envelope));
        }
        turn.hold(Held::Cast(Box::new(HeldEnvelope { handle: self.clone(), envelope, limit })));
        Ok(())
    }

    fn terms(&self, space: Option<Deadline>, closing: Deadline) -> Terms {
        Terms { space, closing, room: space, from_actor: current::is_actor_in(&self.shared) }
    }

    /// Whether the actor is one of this system.
    pub(crate) fn is_in(&self, system: &System) -> bool {
        system.is_of(&self.shared)
    }

    /// Holds an order of the system back until the turn is saved, like a cast.
    pub(crate) fn hold_order(&self, turn: &Turn, order: Order) {
        let envelope = Envelope::order(self.id(), order);
        let limit = Some(self.call_limit());
        turn.hold(Held::Cast(Box::new(HeldEnvelope { handle: self.clone(), envelope, limit })));
    }

    fn deliver(&self, envelope: Envelope<A>, limit: Option<Duration>) -> Result<(), Undelivered<A>> {
        let from_actor = current::is_actor_in(&self.shared);
        let envelope = match delivery::deliver_at_once(&self.shared, self.id(), envelope, from_actor) {
            Ok(()) => return Ok(()),
            Err(envelope) => envelope,
        };
        // An actor's thread does nothing else while it waits for space, so that who waits for the actor waits for this.
        let edge = if limit.is_some() { self.wait_edge() } else { Ok(None) };
        let _edge = match edge {
            Ok(edge) => edge,
            Err(path) => return Err((Failure::Deadlock(path), envelope)),
        };
        let clock = &*self.shared.clock;
        let space = limit.map(|limit| Deadline::after(clock, limit));
        let closing = space.unwrap_or_else(|| Deadline::after(clock, self.call_limit()));
        delivery::deliver(&self.shared, &self.target, envelope, self.terms(space, closing))
    }
}

/// A question that got nowhere, and is not given back, is a user's value.
fn without_question<Q>((error, question): (CallError, Option<Q>)) -> CallError {
    discard(question);
    error
}

/// What came of asking an actor only if it is alive.
enum Asked<T, Q> {
    Live(T),
    Stone(Q),
}

/// A cast that waits for its sender's save.
struct HeldEnvelope<A: Actor> {
    handle: Handle<A>,
    envelope: Envelope<A>,
    limit: Option<Duration>,
}

impl<A: Actor> HeldCast for HeldEnvelope<A> {
    fn is_for(&self, shared: &Arc<Shared>, id: &ActorId) -> bool {
        // An order of the system is part of its message, and is undone with it: it waits for the save.
        let is_order = matches!(self.envelope, Envelope::Order(_));
        !is_order && Arc::ptr_eq(&self.handle.shared, shared) && self.handle.id() == id
    }

    fn target(&self) -> &ActorId {
        self.handle.id()
    }

    fn try_send(self: Box<Self>) -> Option<Box<dyn HeldCast>> {
        let HeldEnvelope { handle, envelope, limit } = *self;
        let message = envelope.name();
        match guard(|| handle.deliver(envelope, None)) {
            Ok(Err((Failure::Full | Failure::Saturated { .. }, envelope))) if limit.is_some() => {
                return Some(Box::new(HeldEnvelope { handle, envelope, limit }));
            }
            sent => done(handle, message, sent),
        }
        None
    }

    fn send(self: Box<Self>, start: Instant) {
        let HeldEnvelope { handle, envelope, limit } = *self;
        let left = limit.map(|limit| limit.saturating_sub(handle.shared.clock.now().saturating_duration_since(start)));
        let message = envelope.name();
        let sent = guard(|| handle.deliver(envelope, left));
        done(handle, message, sent);
    }

    fn give_up(self: Box<Self>, failure: Failure) {
        let HeldEnvelope { handle, envelope, .. } = *self;
        envelope.refuse(handle.id(), failure, &handle.shared.events);
        discard(handle);
    }
}

/// Tells of a held cast if it was not sent. A panic of a registry takes along nothing else that is held, nor does one of the
/// arguments, of which the handle may be the last.
fn done<A: Actor>(handle: Handle<A>, message: &'static str, sent: Result<Result<(), Undelivered<A>>, String>) {
    let events = &handle.shared.events;
    match sent {
        Ok(Ok(())) => {}
        Ok(Err((failure, envelope))) => envelope.refuse(handle.id(), failure, events),
        Err(panic) => events.undeliverable(handle.id(), message, Failure::Crashed(panic)),
    }
    discard(handle);
}

impl<A: Actor> Clone for Handle<A> {
    fn clone(&self) -> Self {
        Handle { shared: self.shared.clone(), target: self.target.clone() }
    }
}

impl<A: Actor> PartialEq for Handle<A> {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl<A: Actor> Eq for Handle<A> {}

impl<A: Actor> Hash for Handle<A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id().hash(state);
    }
}

impl<A: Actor> fmt::Debug for Handle<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({:?}, {:?})", self.id().kind(), self.key())
    }
}

impl<A: Actor> Serialize for Handle<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.address().serialize(serializer)
    }
}

impl<'de, A: Actor> Deserialize<'de> for Handle<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let address = crate::Address::<A>::deserialize(deserializer)?;
        let Some(current) = current::get() else {
            let kind = A::KIND;
            let message = format!(
                "a handle of kind {kind:?} can be decoded only where a system is: on an actor's thread, or in System::enter"
            );
            return Err(D::Error::custom(message));
        };
        Ok(address.handle(&System::of_actors(current.decoding)))
    }
}
