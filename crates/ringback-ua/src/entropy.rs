//! One source of randomness for the layers of one user agent.

use ringback_sansio::Entropy;
use std::sync::{Arc, Mutex, PoisonError};

/// Shares a source between machines that each want to own one. They run one after the other, so nobody ever waits.
#[derive(Debug)]
pub(crate) struct Shared<E>(Arc<Mutex<E>>);

impl<E> Shared<E> {
    pub(crate) fn new(entropy: E) -> Self {
        Self(Arc::new(Mutex::new(entropy)))
    }
}

impl<E> Clone for Shared<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E: Entropy> Entropy for Shared<E> {
    fn fill(&mut self, out: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill(out);
    }
}
