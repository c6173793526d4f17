//! JavaScript errors.

use napi::bindgen_prelude::*;

/// The `code` of every error that the add-on throws.
const CODE: &str = "NAPI_ERROR";

/// An error to throw.
pub type ThrownError = napi::Error<&'static str>;

/// The result of a call, or the error to throw.
pub type Thrown<T> = std::result::Result<T, ThrownError>;

/// An error with the add-on's code.
pub fn error(message: impl ToString) -> ThrownError {
    napi::Error::new(CODE, message.to_string())
}

/// An error for a failed call of Node-API. An exception of the program itself is passed on unchanged.
pub fn refused(failure: napi::Error) -> ThrownError {
    match failure.status {
        // Has the message of a JavaScript error.
        Status::GenericFailure => error(failure.reason),
        status => error(format!("a call of Node-API failed with status {}", status as i32)),
    }
}

/// Throws from a closure, whose returned errors cannot have our code.
pub fn throw(env: &Env, thrown: ThrownError) -> napi::Error {
    // SAFETY: it is the environment of the current call.
    unsafe { JsError::from(thrown).throw_into(env.raw()) };
    napi::Error::new(Status::PendingException, String::new())
}
