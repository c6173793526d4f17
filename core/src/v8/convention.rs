//! How V8's functions return a class.
//!
//! The C++ ABI of all systems but Windows returns the small ones that we get in a register, as C does. Microsoft's has
//! the caller say where the class goes: that address is passed after `this`, or first where there is no `this`.

/// The type of a function of the table: `fn`, or one that returns a class, `class_fn` without `this` and
/// `class_method` with it.
#[cfg(not(windows))]
macro_rules! pointer {
    ($kind:ident ($($arg:ty),*) $(-> $ret:ty)?) => { unsafe extern "C" fn($($arg),*) $(-> $ret)? };
}
#[cfg(windows)]
macro_rules! pointer {
    (fn ($($arg:ty),*) $(-> $ret:ty)?) => { unsafe extern "C" fn($($arg),*) $(-> $ret)? };
    (class_fn ($($arg:ty),*) -> $ret:ty) => { unsafe extern "C" fn(*mut $ret $(, $arg)*) -> *mut $ret };
    (class_method ($this:ty $(, $arg:ty)*) -> $ret:ty) => {
        unsafe extern "C" fn($this, *mut $ret $(, $arg)*) -> *mut $ret
    };
}
pub(super) use pointer;

/// Calls one that returns a class; `this` stands in brackets.
#[cfg(not(windows))]
macro_rules! call {
    ($function:expr, [$($this:expr)?], $($arg:expr),*) => { $function($($this,)? $($arg),*) };
}
#[cfg(windows)]
macro_rules! call {
    ($function:expr, [$($this:expr)?], $($arg:expr),*) => {{
        let mut class = std::mem::MaybeUninit::uninit();
        $function($($this,)? class.as_mut_ptr(), $($arg),*);
        class.assume_init()
    }};
}
pub(super) use call;

/// Functions of a V8 made by hand that return a class; arguments after `this` are not looked at.
#[cfg(test)]
macro_rules! return_class {
    ($(fn $name:ident($($this:ident: *mut c_void)?) -> $ret:ty $body:block)*) => {$(
        #[cfg(not(windows))]
        extern "C" fn $name($($this: *mut c_void)?) -> $ret $body

        #[cfg(windows)]
        extern "C" fn $name($($this: *mut c_void,)? class: *mut $ret) -> *mut $ret {
            let returned: $ret = $body;
            // SAFETY: the caller has room for it there.
            unsafe { class.write(returned) };
            class
        }
    )*};
}
#[cfg(test)]
pub(super) use return_class;
