//! Where a panic ends, and what it said.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

thread_local! {
    /// How many [`contain`] are under way on this thread.
    static CONTAINED: Cell<usize> = const { Cell::new(0) };
    /// What the last panic said, and where it was.
    static TEXT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs what may panic.
///
/// # Errors
/// What the panic said, and where it was when [`keep_off_stderr`] was called before.
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
        // A payload may panic when it is dropped; what that leaves behind is given up.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(again);
        }
        text
    })
}

/// Has panics inside [`contain`] printed by nobody: their text goes to the log. All others go where they went before.
///
/// For libraries that carry a Rust runtime of their own, in which no hook but Rust's own can be: it prints on the
/// host's stderr. A Rust program's hook is the program's, so nothing here calls this for it.
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
    // Neither may panic here: at a thread's end the variable is gone.
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
        assert_eq!(inner, Ok("inner and on".to_owned()), "the outer one goes on");
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
