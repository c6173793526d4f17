//! What differs between the systems on which these commands run.

use std::io;
use std::path::Path;
use std::process::Child;

/// Whether this user may do everything.
pub fn is_root() -> bool {
    #[cfg(unix)]
    return rustix::process::geteuid().is_root();
    #[cfg(not(unix))]
    false
}

/// Makes a link to a file or, where the system does not tell them apart, to a folder.
pub fn symlink(to: &Path, at: &Path) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::symlink(to, at);
    #[cfg(windows)]
    return std::os::windows::fs::symlink_file(to, at);
}

/// Sets who may do what with a file, where the system knows modes.
pub fn set_mode(file: &Path, mode: u32) -> io::Result<()> {
    #[cfg(unix)]
    return std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(mode));
    #[cfg(not(unix))]
    return std::fs::metadata(file).map(|_| _ = mode);
}

/// Asks a program to end, where the system has a way to ask.
pub fn terminate(child: &mut Child) -> io::Result<()> {
    #[cfg(unix)]
    return Ok(rustix::process::kill_process(rustix::process::Pid::from_child(child), rustix::process::Signal::TERM)?);
    #[cfg(not(unix))]
    child.kill()
}
