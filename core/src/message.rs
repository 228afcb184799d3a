//! What is in a mailbox: messages of an actor's handlers, and orders of its system.

use std::any::{Any, type_name};

use crate::error::Failure;
use crate::event::Events;
use crate::guard::guard;
use crate::reply::{self, Port, Promise, ReplyPort, ReplyTo, Settle};
use crate::sync::Arc;
use crate::turn::Held;
use crate::{Actor, ActorId, CallError, Context, Exit, Handles, Query, Settings, Watch, slot};

/// What a sender puts into a mailbox.
pub(crate) enum Envelope<A: Actor> {
    Message(Message<A>),
    /// In a box of its own: a mailbox has room for a thousand envelopes, and most are messages.
    Order(Box<(Order, ReplyPort<()>)>),
    Nudge,
}

/// What a system can order an actor to do.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    /// Be alive.
    Start,
    /// Be alive again, if you were when your process died or crashed.
    ComeBack,
    /// Be alive, and live by these settings.
    Configure(Box<Settings>),
    /// Turn to stone.
    Petrify,
    /// End by policy.
    Stop,
    /// Delete the record, whatever it is.
    Wipe,
    /// Tell this actor when you end.
    Watch(Watch),
    /// Do not tell this actor any more.
    Unwatch(Watch),
    /// Crash, for a test.
    Crash,
}

/// What the system itself sends, to an actor of which it knows the id alone.
#[derive(Clone, Debug)]
pub(crate) enum Errand {
    /// Be alive again, if you were when your process died or crashed.
    ComeBack,
    /// One that it watches has ended.
    Notice(Notice),
    /// Tell this actor when you end.
    Watch(Watch),
    /// Do not tell this actor any more.
    Unwatch(Watch),
}

/// News of an actor that ended.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub(crate) ended: ActorId,
    pub(crate) exit: Exit,
    /// The watch that it is told by.
    pub(crate) token: u64,
    /// Whether its record is gone, and the watch with it.
    pub(crate) for_good: bool,
}

impl Notice {
    /// To who watches an actor that is not there.
    pub(crate) fn absent(ended: ActorId, token: u64) -> Self {
        Notice { ended, exit: Exit::Absent, token, for_good: true }
    }
}

impl Errand {
    /// The type of it, for events.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Errand::ComeBack => "gargoyle: come back",
            Errand::Notice(_) => NOTICE,
            Errand::Watch(_) | Errand::Unwatch(_) => WATCH,
        }
    }
}

const WATCH: &str = "gargoyle: watch";
pub(crate) const NOTICE: &str = "gargoyle: notice of an end";

/// A message with its type hidden: all that one actor handles go through one mailbox.
pub(crate) enum Message<A: Actor> {
    /// Nobody waits for it.
    Sent(Box<dyn Sent<A>>),
    /// Its caller waits.
    Asked(Pending<A>),
}

/// A message that nobody waits for.
pub(crate) trait Sent<A: Actor>: Any + Send {
    /// The type of the message, for events.
    fn name(&self) -> &'static str;

    /// Whether it is the system's own, for which nobody is born.
    fn is_errand(&self) -> bool {
        false
    }

    /// Gives it to the actor.
    fn deliver(self: Box<Self>, actor: &mut A, cx: &mut Context<A>) -> Delivery;

    /// To get the message back after a send that failed.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// A question in the port for its answer.
pub(crate) trait Ask<A: Actor>: Settle {
    /// The type of the message, for events.
    fn name(&self) -> &'static str;

    /// Whether nobody is woken for it.
    fn only_looks(&self) -> bool {
        false
    }

    /// Gives one that only looks back to its caller, who hears of it when the promise is released.
    fn pass_by(self: Arc<Self>) -> Option<Promise> {
        None
    }

    /// Gives it to the actor, unless its caller has given up.
    fn deliver(self: Arc<Self>, actor: &mut A, cx: &mut Context<A>) -> Delivery;
}

/// An [`Ask`] in a mailbox. Its caller hears of its end, whatever that is.
pub(crate) struct Pending<A: Actor>(Option<Arc<dyn Ask<A>>>);

impl<A: Actor> Pending<A> {
    fn ask(&self) -> &dyn Ask<A> {
        &**self.0.as_ref().expect(IS_THERE)
    }

    fn into_ask(mut self) -> Arc<dyn Ask<A>> {
        self.0.take().expect(IS_THERE)
    }
}

const IS_THERE: &str = "it goes when it is used up";

impl<A: Actor> Drop for Pending<A> {
    // Envelopes are dropped in many places, and seldom with anything in them.
    #[inline(never)]
    fn drop(&mut self) {
        if let Some(ask) = self.0.take() {
            drop(Promise::new(ask));
        }
    }
}

impl<A: Actor> Message<A> {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Message::Sent(sent) => sent.name(),
            Message::Asked(pending) => pending.ask().name(),
        }
    }

    pub(crate) fn deliver(self, actor: &mut A, cx: &mut Context<A>) -> Delivery {
        match self {
            Message::Sent(sent) => sent.deliver(actor, cx),
            Message::Asked(pending) => pending.into_ask().deliver(actor, cx),
        }
    }

    /// Gives one that only looks back to its caller, who hears of it when the promise is released.
    pub(crate) fn pass_by(self) -> Option<Promise> {
        match self {
            Message::Sent(_) => None,
            Message::Asked(pending) => pending.into_ask().pass_by(),
        }
    }

    fn only_looks(&self) -> bool {
        matches!(self, Message::Asked(pending) if pending.ask().only_looks())
    }

    #[inline(never)]
    fn refuse(self, id: &ActorId, failure: Failure, events: &Events) {
        match self {
            Message::Sent(sent) => events.undeliverable(id, sent.name(), failure),
            Message::Asked(pending) => Promise::new(pending.into_ask()).refuse(CallError::new(id, failure)),
        }
    }
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

pub(crate) struct Call<M>(pub(crate) M);

pub(crate) struct Cast<M>(pub(crate) M);

pub(crate) struct Question<Q>(pub(crate) Q);

/// A question that nobody is woken for.
pub(crate) struct Peek<Q>(pub(crate) Q);

/// What became of a peek that found a slot.
pub(crate) enum Peeked<Q, R> {
    Answered(R),
    /// Nobody was alive in it when its turn came. Whoever asks looks at the record.
    Stone(Q),
}

impl<A: Handles<M>, M: Send + 'static> Ask<A> for Port<A::Reply, Call<M>> {
    fn name(&self) -> &'static str {
        type_name::<M>()
    }

    fn deliver(self: Arc<Self>, actor: &mut A, cx: &mut Context<A>) -> Delivery {
        let port = ReplyPort::of(self);
        let Some(Call(message)) = port.take() else { return Delivery::GivenUp };
        let reply = port.reply_to();
        match guard(|| actor.receive(message, reply, cx)) {
            Ok(()) => Delivery::Handled(Held::reply(port.message_over())),
            Err(panic) => Delivery::Panicked(Held::reply(port.into_promise()), panic),
        }
    }
}

impl<A: Handles<M>, M: Send + 'static> Sent<A> for Cast<M> {
    fn name(&self) -> &'static str {
        type_name::<M>()
    }

    fn deliver(self: Box<Self>, actor: &mut A, cx: &mut Context<A>) -> Delivery {
        let held = Held::Handled { message: type_name::<M>() };
        match guard(|| actor.receive(self.0, ReplyTo::nobody(), cx)) {
            Ok(()) => Delivery::Handled(held),
            Err(panic) => Delivery::Panicked(held, panic),
        }
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl<A: Actor> Sent<A> for Notice {
    fn name(&self) -> &'static str {
        NOTICE
    }

    fn is_errand(&self) -> bool {
        true
    }

    fn deliver(self: Box<Self>, actor: &mut A, cx: &mut Context<A>) -> Delivery {
        // One that came twice, or after it had stopped to watch.
        if !cx.heed(&self) {
            return Delivery::GivenUp;
        }
        let held = Held::Handled { message: NOTICE };
        match guard(|| actor.ended(&self.ended, &self.exit, cx)) {
            Ok(()) => Delivery::Handled(held),
            Err(panic) => Delivery::Panicked(held, panic),
        }
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl<A: Query<Q>, Q: Send + 'static> Ask<A> for Port<A::Reply, Question<Q>> {
    fn name(&self) -> &'static str {
        type_name::<Q>()
    }

    fn deliver(self: Arc<Self>, actor: &mut A, _: &mut Context<A>) -> Delivery {
        let port = ReplyPort::of(self);
        match port.take() {
            Some(Question(question)) => answer(port, || actor.query(question)),
            None => Delivery::GivenUp,
        }
    }
}

impl<A: Query<Q>, Q: Send + 'static> Ask<A> for Port<Peeked<Q, A::Reply>, Peek<Q>> {
    fn name(&self) -> &'static str {
        type_name::<Q>()
    }

    fn only_looks(&self) -> bool {
        true
    }

    fn pass_by(self: Arc<Self>) -> Option<Promise> {
        let port = ReplyPort::of(self);
        let Peek(question) = port.take()?;
        Some(port.hold(Peeked::Stone(question)))
    }

    fn deliver(self: Arc<Self>, actor: &mut A, _: &mut Context<A>) -> Delivery {
        let port = ReplyPort::of(self);
        match port.take() {
            Some(Peek(question)) => answer(port, || Peeked::Answered(actor.query(question))),
            None => Delivery::GivenUp,
        }
    }
}

/// Answers what only reads.
fn answer<T: Send + 'static, Q: Send + 'static>(port: ReplyPort<T, Q>, query: impl FnOnce() -> T) -> Delivery {
    match guard(query) {
        Ok(reply) => Delivery::Answered(Held::reply(port.hold(reply))),
        Err(panic) => Delivery::Panicked(Held::reply(port.into_promise()), panic),
    }
}

impl<A: Actor> Envelope<A> {
    pub(crate) fn sent(message: impl Sent<A>) -> Self {
        Envelope::Message(Message::Sent(Box::new(message)))
    }

    pub(crate) fn asked<T: Send + 'static, Q: Send + 'static>(port: ReplyPort<T, Q>) -> Self
    where
        Port<T, Q>: Ask<A>,
    {
        Envelope::Message(Message::Asked(Pending(Some(port.into_queued()))))
    }

    /// An order that nobody waits for.
    pub(crate) fn order(id: &ActorId, order: Order) -> Self {
        slot::Envelope::order(order, reply::port(id, None, ()).0)
    }

    pub(crate) fn errand(id: &ActorId, errand: Errand) -> Self {
        match errand {
            Errand::ComeBack => Self::order(id, Order::ComeBack),
            Errand::Watch(watch) => Self::order(id, Order::Watch(watch)),
            Errand::Unwatch(watcher) => Self::order(id, Order::Unwatch(watcher)),
            Errand::Notice(notice) => Self::sent(notice),
        }
    }

    /// Whether the actor has to be alive for it. The other orders are carried out on stone too, and peeks look at it.
    pub(crate) fn needs_life(&self) -> bool {
        match self {
            Envelope::Message(message) => !message.only_looks(),
            Envelope::Order(order) => matches!(order.0, Order::Start | Order::ComeBack | Order::Configure(_)),
            Envelope::Nudge => false,
        }
    }

    /// Whether it is the system's own, for which nobody is born.
    pub(crate) fn is_errand(&self) -> bool {
        match self {
            Envelope::Message(message) => matches!(message, Message::Sent(sent) if sent.is_errand()),
            Envelope::Order(order) => matches!(order.0, Order::ComeBack),
            Envelope::Nudge => true,
        }
    }

    /// Whether only an actor that was alive is to be revived for it.
    pub(crate) fn is_come_back(&self) -> bool {
        matches!(self, Envelope::Order(order) if matches!(order.0, Order::ComeBack))
    }

    /// Whether nobody wants anything of it any more.
    pub(crate) fn is_given_up(&self) -> bool {
        match self {
            Envelope::Message(message) => matches!(message, Message::Asked(pending) if pending.ask().is_given_up()),
            Envelope::Order(order) => order.1.is_given_up(),
            Envelope::Nudge => true,
        }
    }

    /// The type of what is in it, for events.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Envelope::Message(message) => message.name(),
            // Nobody hears of another order by an event, nor of a nudge.
            Envelope::Order(_) | Envelope::Nudge => WATCH,
        }
    }

    /// Tells its sender that it will not be handled. The message is a user's value, and may panic when dropped.
    pub(crate) fn refuse(self, id: &ActorId, failure: Failure, events: &Events) {
        let _ = guard(|| match self {
            Envelope::Message(message) => message.refuse(id, failure, events),
            Envelope::Order(order) => match *order {
                (Order::Watch(_) | Order::Unwatch(_), _) => events.undeliverable(id, WATCH, failure),
                (_, port) => port.into_promise().refuse(CallError::new(id, failure)),
            },
            Envelope::Nudge => {}
        });
    }

    /// The message of type `T` in it, which the caller put there itself.
    pub(crate) fn into_message<T: 'static>(self) -> T {
        match self {
            Envelope::Message(Message::Sent(sent)) => match sent.into_any().downcast::<T>() {
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

    fn order(order: Order, port: ReplyPort<()>) -> Self {
        Envelope::Order(Box::new((order, port)))
    }
}
