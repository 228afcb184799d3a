//! What a handler can see of its surroundings, and do to itself.

use std::any::type_name;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::error::{CallError, Failure, IntoShared};
use crate::message::{Cast, Envelope, Notice, Order};
use crate::state::encode_state;
pub use crate::timers::Timer;
use crate::timers::Timers;
use crate::turn::Turn;
use crate::{Actor, ActorId, Handle, Handled, Handles, System, Watch};

/// An actor's surroundings: given to `init` and to every handler.
pub struct Context<A: Actor> {
    system: System,
    handle: Handle<A>,
    turn: Rc<Turn>,
    /// Messages to be handled next, of the present message.
    next: VecDeque<Envelope<A>>,
    /// Those of them that were sent before a save in its middle.
    kept: VecDeque<Envelope<A>>,
    timers: Timers<A>,
    /// Whether the present message is to be undone.
    rolled_back: bool,
    /// How the present message wants the incarnation to end.
    ending: Option<Wish>,
}

/// An end that an actor wishes for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Petrify,
    Stop,
}

impl<A: Actor> Context<A> {
    pub(crate) fn new(system: System, handle: Handle<A>, turn: Rc<Turn>) -> Self {
        Context {
            system,
            handle,
            turn,
            next: VecDeque::new(),
            kept: VecDeque::new(),
            timers: Timers::new(),
            rolled_back: false,
            ending: None,
        }
    }

    /// The actor's id.
    pub fn id(&self) -> &ActorId {
        self.handle.id()
    }

    /// The arguments that the actor was born with.
    pub fn args(&self) -> &A::Args {
        self.handle.args()
    }

    /// A handle of the actor itself. A cast to it never waits for space; a call to it is refused, as it could not be
    /// answered.
    pub fn handle(&self) -> &Handle<A> {
        &self.handle
    }

    /// The system that the actor lives in: to make handles of other actors.
    ///
    /// It does not keep the system open, and neither do clones of it.
    pub fn system(&self) -> &System {
        &self.system
    }

    /// Ends the actor after this message, as by [`Handle::stop`]: unless it is permanent, its record is deleted. Replies are given first. Messages that come later
    /// make a new actor; what this message continues with is given up. In `init` and `revived`: after the first message.
    pub fn stop(&mut self) {
        self.ending = Some(Wish::Stop);
    }

    /// Turns the actor to stone after this message, without waiting for its idle time. In `init` and `revived`: after
    /// the first message.
    pub fn petrify(&mut self) {
        self.ending.get_or_insert(Wish::Petrify);
    }

    /// Has `message` handled next, before all that is in the mailbox. Several are handled in the order of these calls.
    ///
    /// Counts as part of this message until it is saved: if this message panics, or its save fails, they are given up.
    /// Messages that go on for ever in this way leave no room for any other, nor for `stop`; cast to
    /// [`handle`](Self::handle) for that.
    pub fn continue_with<M: Send + 'static>(&mut self, message: M)
    where
        A: Handles<M>,
    {
        self.next.push_back(Envelope::sent(Cast(message)));
    }

    /// Saves `actor` now, in the middle of a message, and gives the replies that waited for it. Blocks until the state
    /// is durable; does nothing if the store has it already.
    ///
    /// What a message that panics later leaves behind is this state, and its caller cannot know how far it came
    /// ([`Handled::Unknown`](crate::Handled::Unknown)).
    ///
    /// # Errors
    ///
    /// [`Failure::Rejected`] if the state cannot be encoded, or in `init` or `terminate`: nothing changed, the handler
    /// may go on.
    /// [`Failure::NotSaved`] or [`Failure::Conflict`] if the store failed: this message and all that were not saved
    /// before it are lost with the incarnation, whatever the handler does.
    ///
    /// # Examples
    ///
    /// ```
    /// # use gargoyle::{Actor, BoxError, CallError, Context, Handler};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Order { paid: bool }
    /// # impl Actor for Order {
    /// #     const KIND: &'static str = "order";
    /// #     type Args = ();
    /// #     fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> { Ok(Order { paid: false }) }
    /// # }
    /// # fn charge_the_card() {}
    /// struct Pay;
    ///
    /// impl Handler<Pay> for Order {
    ///     type Reply = Result<(), CallError>;
    ///
    ///     fn handle(&mut self, _: Pay, cx: &mut Context<Self>) -> Result<(), CallError> {
    ///         self.paid = true;
    ///         cx.save(self)?; // never charge what a crash could forget
    ///         charge_the_card();
    ///         Ok(())
    ///     }
    /// }
    /// ```
    pub fn save(&mut self, actor: &A) -> Result<(), CallError> {
        if !self.turn.can_be_saved() {
            let no = "an actor is saved after its init and before its terminate".into_shared();
            return Err(CallError::new(self.id(), Failure::Rejected(no)).with_handled(Handled::No));
        }
        let mut bytes = Vec::new();
        encode_state(actor, &mut bytes)
            .map_err(Failure::Rejected)
            .and_then(|()| self.turn.commit_within(A::VERSION, &mut bytes))
            .map_err(|failure| CallError::new(self.id(), failure))?;
        self.timers.keep();
        self.kept.append(&mut self.next);
        Ok(())
    }

    /// Has the state go back to what it was before this message, when the handler returns. Its reply is given all the
    /// same; what it casts or continues with is given up.
    ///
    /// The value is made anew from its last good state, [`revived`](Actor::revived) included. In `petrifying` it undoes
    /// what that changed; in the other callbacks it has no effect. What the old value had and its state has not is dropped: those
    /// who wait for a [`ReplyTo`](crate::ReplyTo) in it hear of an error.
    ///
    /// # Examples
    ///
    /// ```
    /// # use gargoyle::{Actor, BoxError, Context, Handler};
    /// # #[derive(serde::Serialize, serde::Deserialize)]
    /// # struct Cart { items: Vec<String> }
    /// # impl Actor for Cart {
    /// #     const KIND: &'static str = "cart";
    /// #     type Args = ();
    /// #     fn init(_: &(), _: &mut Context<Self>) -> Result<Self, BoxError> { Ok(Cart { items: Vec::new() }) }
    /// # }
    /// # impl Cart { fn add(&mut self, item: String) -> Result<(), String> { self.items.push(item); Ok(()) } }
    /// struct AddAll(Vec<String>);
    ///
    /// impl Handler<AddAll> for Cart {
    ///     type Reply = Result<(), String>;
    ///
    ///     fn handle(&mut self, AddAll(items): AddAll, cx: &mut Context<Self>) -> Result<(), String> {
    ///         items.into_iter().try_for_each(|item| self.add(item)).inspect_err(|_| cx.rollback()) // all or none
    ///     }
    /// }
    /// ```
    pub fn rollback(&mut self) {
        self.rolled_back = true;
    }

    /// Has `message` handled when `delay` has passed, by the system's clock, and not before this message counts.
    ///
    /// An actor with a timer does not petrify for being idle, nor to make room for others. A timer is memory: it ends with
    /// the incarnation, by a petrify order, a stop, a crash or a shutdown, and then there is an
    /// [`Undeliverable`](crate::EventKind::Undeliverable) event. Set those that matter again in
    /// [`revived`](Actor::revived).
    pub fn send_after<M: Send + 'static>(&mut self, delay: Duration, message: M) -> Timer
    where
        A: Handles<M>,
    {
        let (due, number) = self.system.timer_after(delay);
        self.timers.set(due, number, Envelope::sent(Cast(message)))
    }

    /// Cancels a timer of [`send_after`](Self::send_after): its message will not be handled. Does nothing if it was
    /// handled, or belongs to an earlier incarnation. Undone if this message does not count.
    pub fn cancel(&mut self, timer: Timer) {
        self.timers.cancel(timer);
    }

    /// Has this actor be told when `other` ends, by [`Actor::ended`], from when this message is saved on.
    ///
    /// The watch is part of the records of both: it outlives the petrifying, the crashes and the process of either. It is
    /// over when the record of `other` is gone, or by [`unwatch`](Self::unwatch). Watching does not bring `other` to life:
    /// if there is no such actor, this one is told [`Exit::Absent`](crate::Exit::Absent). To watch twice is to watch once, and
    /// to watch oneself is nothing.
    ///
    /// An actor of stone is woken to be told; register its kind with [`Builder::actor`](crate::Builder::actor), so that it
    /// can be before any other message has come for its kind, and that of `other`: a watch of which a dying process has saved
    /// but one half is made whole when this actor is revived, if the kind of `other` is known then. If it cannot be told, as it fails to come to life or its
    /// process dies just then, there is an [`Undeliverable`](crate::EventKind::Undeliverable) event if that can be; that a
    /// record is gone it is told when it is revived next, unless another actor has been born under that id by then. A
    /// crash it is not told of again.
    ///
    /// Costs a save of both, and a look into the record of every watched actor whenever this one is revived.
    ///
    /// # Errors
    ///
    /// [`Failure::OtherSystem`] if `other` is one of another system; [`Failure::Ended`] in `terminate`.
    pub fn watch<B: Actor>(&mut self, other: &Handle<B>) -> Result<(), CallError> {
        if !other.is_in(&self.system) {
            return Err(CallError::new(other.id(), Failure::OtherSystem));
        }
        if self.turn.is_ending() {
            return Err(CallError::new(self.id(), Failure::Ended));
        }
        if other.id() != self.id() {
            let token = fastrand::u64(..);
            self.turn.watch(other.id(), Some(token));
            other.hold_order(&self.turn, Order::Watch(Watch { other: self.id().clone(), token }));
        }
        Ok(())
    }

    /// Ends a [`watch`](Self::watch).
    pub fn unwatch<B: Actor>(&mut self, other: &Handle<B>) {
        if let Some(token) = self.turn.watch_token(other.id()).filter(|_| other.is_in(&self.system)) {
            self.turn.watch(other.id(), None);
            other.hold_order(&self.turn, Order::Unwatch(Watch { other: self.id().clone(), token }));
        }
    }

    /// Whether the actor is to be told of this end.
    pub(crate) fn heed(&mut self, notice: &Notice) -> bool {
        self.turn.heed(notice)
    }

    pub(crate) fn take_rollback(&mut self) -> bool {
        std::mem::take(&mut self.rolled_back)
    }

    pub(crate) fn timers(&mut self) -> &mut Timers<A> {
        &mut self.timers
    }

    /// Whether the present message wants nothing of its worker: most do not.
    pub(crate) fn wants_nothing(&self) -> bool {
        self.next.is_empty() && self.kept.is_empty() && self.ending.is_none() && self.timers.is_unchanged()
    }

    /// What was to be handled next when the present message saved in its middle.
    pub(crate) fn take_kept(&mut self) -> VecDeque<Envelope<A>> {
        std::mem::take(&mut self.kept)
    }

    /// What the present message wants to be handled next.
    pub(crate) fn take_next(&mut self) -> VecDeque<Envelope<A>> {
        std::mem::take(&mut self.next)
    }

    pub(crate) fn take_ending(&mut self) -> Option<Wish> {
        self.ending.take()
    }
}

impl<A: Actor> fmt::Debug for Context<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("id", self.id()).field("type", &type_name::<A>()).finish_non_exhaustive()
    }
}
