//! Errors as JavaScript sees them.

use napi::bindgen_prelude::*;

/// The `code` of every error that the add-on throws.
const CODE: &str = "NAPI_ERROR";

/// An error as it is thrown.
pub type ThrownError = napi::Error<&'static str>;

/// What a call returns, or throws.
pub type Thrown<T> = std::result::Result<T, ThrownError>;

/// An error with the add-on's code.
pub fn error(message: impl ToString) -> ThrownError {
    napi::Error::new(CODE, message.to_string())
}

/// An error for a call of Node-API that failed. An exception of the program's own is thrown as it is.
pub fn refused(failure: napi::Error) -> ThrownError {
    match failure.status {
        // The words of a JavaScript error.
        Status::GenericFailure => error(failure.reason),
        status => error(format!("a call of Node-API failed with status {}", status as i32)),
    }
}

/// Throws from a closure, whose own errors cannot have our code.
pub fn throw(env: &Env, thrown: ThrownError) -> napi::Error {
    // SAFETY: the environment is the one of the call that is under way.
    unsafe { JsError::from(thrown).throw_into(env.raw()) };
    napi::Error::new(Status::PendingException, String::new())
}
