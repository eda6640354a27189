//! What statements go through: a transaction, or none.

use postgres::{Client, Transaction};

/// What statements go through.
pub(super) enum Channel<'a> {
    Transaction(Transaction<'a>),
    /// Each statement is a transaction of its own.
    Open(&'a mut Client),
}

/// Calls something that a transaction and a client both have.
macro_rules! through {
    ($channel:expr, $name:ident($($argument:expr),*)) => {
        match &mut $channel {
            Channel::Transaction(transaction) => transaction.$name($($argument),*),
            Channel::Open(client) => client.$name($($argument),*),
        }
    };
}

pub(super) use through;
