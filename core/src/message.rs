//! What is in a mailbox: messages of an actor's handlers, and orders of its system.

use std::any::{Any, type_name};

use crate::error::Failure;
use crate::event::Events;
use crate::guard::{discard, guard};
use crate::reply::ReplyPort;
use crate::turn::Held;
use crate::{Actor, ActorId, CallError, Context, Handler, Query, slot};

/// What a sender puts into a mailbox.
pub(crate) enum Envelope<A: Actor> {
    Message(Box<dyn Message<A>>),
    Order(Order, ReplyPort<()>),
    Nudge,
}

/// What a system can order an actor to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Be alive.
    Start,
    /// Turn to stone.
    Petrify,
    /// End, and delete the record.
    Stop,
    /// Delete the record, whatever it is.
    Wipe,
}

/// A message with its type hidden: all that one actor handles go through one mailbox.
pub(crate) trait Message<A: Actor>: Any + Send {
    /// The type of the message, for events.
    fn name(&self) -> &'static str;

    /// Whether its caller has given up, and it must not be handled.
    fn is_given_up(&self) -> bool;

    /// Gives it to the actor, unless its caller has given up.
    fn deliver(self: Box<Self>, actor: &mut A, cx: &mut Context<A>) -> Delivery;

    /// Tells its sender that it will not be handled.
    fn refuse(self: Box<Self>, id: &ActorId, failure: Failure, events: &Events);

    /// To get the message back after a send that failed.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// What became of a message.
pub(crate) enum Delivery {
    /// Its caller had given up; nothing was done.
    GivenUp,
    /// It was handled by `&mut self`.
    Handled(Held),
    /// It was answered by `&self`.
    Answered(Held),
    /// The actor's code panicked, with this text.
    Panicked(Held, String),
}

pub(crate) struct Call<M, R> {
    pub(crate) message: M,
    pub(crate) port: ReplyPort<R>,
}

pub(crate) struct Cast<M>(pub(crate) M);

pub(crate) struct Question<Q, R> {
    pub(crate) question: Q,
    pub(crate) port: ReplyPort<R>,
}

impl<A: Handler<M>, M: Send + 'static> Message<A> for Call<M, A::Reply> {
    fn name(&self) -> &'static str {
        type_name::<M>()
    }

    fn is_given_up(&self) -> bool {
        self.port.is_given_up()
    }

    fn deliver(self: Box<Self>, actor: &mut A, cx: &mut Context<A>) -> Delivery {
        let Call { message, port } = *self;
        if !port.take() {
            discard(message);
            return Delivery::GivenUp;
        }
        match guard(|| actor.handle(message, cx)) {
            Ok(reply) => Delivery::Handled(Held::reply(port.hold(reply))),
            Err(panic) => Delivery::Panicked(Held::reply(port.into_promise()), panic),
        }
    }

    fn refuse(self: Box<Self>, id: &ActorId, failure: Failure, _: &Events) {
        self.port.into_promise().refuse(CallError::new(id, failure));
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl<A: Handler<M>, M: Send + 'static> Message<A> for Cast<M> {
    fn name(&self) -> &'static str {
        type_name::<M>()
    }

    fn is_given_up(&self) -> bool {
        false
    }

    fn deliver(self: Box<Self>, actor: &mut A, cx: &mut Context<A>) -> Delivery {
        let held = Held::Handled { message: type_name::<M>() };
        match guard(|| actor.handle(self.0, cx)) {
            Ok(reply) => {
                discard(reply);
                Delivery::Handled(held)
            }
            Err(panic) => Delivery::Panicked(held, panic),
        }
    }

    fn refuse(self: Box<Self>, id: &ActorId, failure: Failure, events: &Events) {
        events.undeliverable(id, type_name::<M>(), failure);
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl<A: Query<Q>, Q: Send + 'static> Message<A> for Question<Q, A::Reply> {
    fn name(&self) -> &'static str {
        type_name::<Q>()
    }

    fn is_given_up(&self) -> bool {
        self.port.is_given_up()
    }

    fn deliver(self: Box<Self>, actor: &mut A, _: &mut Context<A>) -> Delivery {
        let Question { question, port } = *self;
        if !port.take() {
            discard(question);
            return Delivery::GivenUp;
        }
        match guard(|| actor.query(question)) {
            Ok(reply) => Delivery::Answered(Held::reply(port.hold(reply))),
            Err(panic) => Delivery::Panicked(Held::reply(port.into_promise()), panic),
        }
    }

    fn refuse(self: Box<Self>, id: &ActorId, failure: Failure, _: &Events) {
        self.port.into_promise().refuse(CallError::new(id, failure));
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl<A: Actor> Envelope<A> {
    /// Whether nobody wants anything of it any more.
    pub(crate) fn is_given_up(&self) -> bool {
        match self {
            Envelope::Message(message) => message.is_given_up(),
            Envelope::Order(_, port) => port.is_given_up(),
            Envelope::Nudge => true,
        }
    }

    /// Tells its sender that it will not be handled. The message is a user's value, and may panic when dropped.
    pub(crate) fn refuse(self, id: &ActorId, failure: Failure, events: &Events) {
        let _ = guard(|| match self {
            Envelope::Message(message) => message.refuse(id, failure, events),
            Envelope::Order(_, port) => port.into_promise().refuse(CallError::new(id, failure)),
            Envelope::Nudge => {}
        });
    }

    /// The message of type `T` in it, which the caller put there itself.
    pub(crate) fn into_message<T: 'static>(self) -> T {
        match self {
            Envelope::Message(message) => match message.into_any().downcast::<T>() {
                Ok(message) => *message,
                Err(_) => unreachable!("an envelope comes back with what was put into it"),
            },
            _ => unreachable!("an envelope comes back with what was put into it"),
        }
    }
}

impl<A: Actor> slot::Envelope for Envelope<A> {
    fn nudge() -> Self {
        Envelope::Nudge
    }
}
