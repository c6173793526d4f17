//! Catches panics and keeps their messages.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

thread_local! {
    /// How many calls of [`contain`] are running on this thread.
    static CONTAINED: Cell<usize> = const { Cell::new(0) };
    /// The last panic's message and location.
    static TEXT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs code that may panic.
///
/// # Errors
/// The panic's message, with its location if [`keep_off_stderr`] was called before.
pub fn contain<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            CONTAINED.set(CONTAINED.get() - 1);
        }
    }
    CONTAINED.set(CONTAINED.get() + 1);
    let _leave = Leave;
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| {
        let heard = TEXT.try_with(|text| text.try_borrow_mut().ok()?.take()).ok().flatten();
        let text = heard.unwrap_or_else(|| payload_text(&*payload).to_owned());
        // A payload may panic when it is dropped. If so, leak the second payload.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(again);
        }
        text
    })
}

/// Installs a panic hook that prints nothing for panics inside [`contain`], because their text goes to the log. Other
/// panics go to the previous hook.
///
/// For libraries with their own Rust runtime, whose default hook prints to the host's stderr. In a Rust program the
/// hook belongs to the program, so the core never calls this.
pub fn keep_off_stderr() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| if CONTAINED.get() > 0 { keep(panic) } else { before(panic) }));
    });
}

fn keep(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(|place| format!(" ({place})")).unwrap_or_default();
    let said = format!("{}{place}", payload_text(panic.payload()));
    // Must not panic here: at a thread's end the variable is gone.
    let _ = TEXT.try_with(|text| text.try_borrow_mut().map(|mut text| *text = Some(said)));
}

fn payload_text(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_panic_said_comes_out() {
        assert_eq!(contain(|| 7), Ok(7));
        assert_eq!(contain(|| panic!("{} wrong", 1)).unwrap_err(), "1 wrong");
        assert_eq!(contain(|| std::panic::panic_any(1)).unwrap_err(), "no message");
        let inner = contain(|| contain(|| panic!("inner")).unwrap_err() + " and on");
        assert_eq!(inner, Ok("inner and on".to_owned()), "the outer call continues");
        assert_eq!(CONTAINED.get(), 0);
    }

    #[test]
    fn a_payload_that_panics_itself_stays_inside() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        assert_eq!(contain(|| std::panic::panic_any(Bomb)).unwrap_err(), "no message");
    }
}
