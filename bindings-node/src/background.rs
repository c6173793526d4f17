//! Work on one of Node's other threads.

use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::*;
use napi_derive::napi;

/// What was made, or why it could not be.
#[napi(object, object_from_js = false)]
pub struct Encoded {
    /// Text, unless it is bytes.
    pub text: Option<String>,
    /// Bytes that are no text.
    pub bytes: Option<Buffer>,
    /// Why there is nothing.
    pub error: Option<String>,
}

/// What some work makes.
pub enum Made {
    /// Text, for a JavaScript string.
    Text(String),
    /// Bytes, for a `Buffer`.
    Bytes(Vec<u8>),
}

/// What some work made, or why it could not.
pub type Outcome = std::result::Result<Made, String>;

impl From<Outcome> for Encoded {
    fn from(outcome: Outcome) -> Self {
        let nothing = Self { text: None, bytes: None, error: None };
        match outcome {
            Ok(Made::Text(text)) => Self { text: Some(text), ..nothing },
            Ok(Made::Bytes(bytes)) => Self { bytes: Some(bytes.into()), ..nothing },
            Err(error) => Self { error: Some(error), ..nothing },
        }
    }
}

/// A task for an `AsyncTask`, whose promise resolves to an [`Encoded`].
pub struct Background(Option<Box<dyn FnOnce() -> Outcome + Send>>);

impl Background {
    /// A task that does `work`, once.
    pub fn new(work: impl FnOnce() -> Outcome + Send + 'static) -> Self {
        Self(Some(Box::new(work)))
    }
}

impl Task for Background {
    type Output = Outcome;
    type JsValue = Encoded;

    fn compute(&mut self) -> Result<Outcome> {
        let Some(work) = self.0.take() else { return Ok(Err("this work was done already".to_owned())) };
        // A thread of libuv calls this, which knows no panics.
        let done = catch_unwind(AssertUnwindSafe(work));
        Ok(done.unwrap_or_else(|_| Err("the profiler panicked; this is a bug in it".to_owned())))
    }

    fn resolve(&mut self, _: Env, outcome: Outcome) -> Result<Encoded> {
        Ok(outcome.into())
    }
}
