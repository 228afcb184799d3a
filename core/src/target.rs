//! What a handle is made of, apart from its system.

use crate::error::Failure;
use crate::state::encode_args;
use crate::sync::Arc;
use crate::{Actor, ActorId, Record};

/// An id of an `A`, and what to make one of if there is no record.
pub(crate) struct Target<A: Actor> {
    pub(crate) id: ActorId,
    pub(crate) args: Arc<A::Args>,
}

impl<A: Actor> Target<A> {
    pub(crate) fn new(key: String, args: A::Args) -> Self {
        Target { id: ActorId::unchecked(A::KIND.into(), key), args: Arc::new(args) }
    }

    /// The record of an actor that is to be born; its state comes later.
    pub(crate) fn new_record(&self) -> Result<Box<Record>, Failure> {
        let args = encode_args(&*self.args).map_err(Failure::NotBorn)?;
        Ok(Box::new(Record { version: A::VERSION, ..Record::new(self.id.clone(), args, Vec::new()) }))
    }
}

impl<A: Actor> Clone for Target<A> {
    fn clone(&self) -> Self {
        Target { id: self.id.clone(), args: self.args.clone() }
    }
}
