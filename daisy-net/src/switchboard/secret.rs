//! By which a worker proves that it is the one it was before its connection broke.

use core::{fmt, hint::black_box};

use snow::{
    params::HashChoice,
    resolvers::{CryptoResolver, DefaultResolver},
};

/// Makes the secret of each worker from one key: nothing has to be remembered, and a server that was
/// started again knows the workers of the one before.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets {
    key: [u8; 32],
}

impl Secrets {
    /// All secrets of a run; the key must not be known to anybody else.
    #[must_use]
    pub const fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The secret of a worker: the first half of `HMAC-BLAKE2s(key, "daisy worker" | id)`, the id as
    /// eight bytes, lowest first.
    #[must_use]
    pub fn of(&self, worker: u64) -> [u8; 16] {
        let mut secret = [0; 16];
        if let Some(mut hash) = DefaultResolver.resolve_hash(&HashChoice::Blake2s) {
            let mut message = *b"daisy worker........";
            if let Some(id) = message.last_chunk_mut::<8>() {
                *id = worker.to_le_bytes();
            }
            let mut whole = [0; 32];
            hash.hmac(&self.key, &message, &mut whole);
            if let Some(half) = whole.first_chunk::<16>() {
                secret = *half;
            }
        }
        secret
    }

    /// Whether that is the worker's secret, in a time that does not depend on it.
    #[must_use]
    pub fn is_right(&self, worker: u64, secret: &[u8; 16]) -> bool {
        let right = self.of(worker);
        let difference = right.iter().zip(secret).fold(0, |all, (a, b)| all | (a ^ b));
        black_box(difference) == 0
    }
}

impl fmt::Debug for Secrets {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_belongs_to_one_worker_of_one_run() {
        let secrets = Secrets::new([7; 32]);
        let mine = secrets.of(1 << 40);
        assert_ne!(mine, [0; 16]);
        assert!(secrets.is_right(1 << 40, &mine));
        assert!(!secrets.is_right(1, &mine));
        assert!(!Secrets::new([8; 32]).is_right(1 << 40, &mine));
    }
}
