//! The systems on which platforms' programs run.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::place::Place;
use super::wine;
use crate::platforms::fetch;
use crate::platforms::targets::{Runs, System, Target};

/// Debian 12's musl, 1.2.3, does not run the releases of Node that there are for musl.
const MUSL_SUITE: &str = "trixie";
const GLIBC_SUITE: &str = "bookworm";
/// The oldest glibc that Debian still has; Node's own releases ask for 2.28.
const OLD_GLIBC_SUITE: &str = "bullseye";
/// The 7.2 of Debian 12 does not run every Node.
const QEMU_SUITE: &str = "bookworm-backports";

/// Where a platform's programs run.
pub fn place(target: &Target) -> Result<Place> {
    match (target.system, target.runs()) {
        (System::Musl, Runs::Natively) => Ok(Place::root("with musl", vec![musl(target)?], None, &[])),
        (System::Glibc, Runs::Natively) => {
            let libraries = fetch::debian(OLD_GLIBC_SUITE, debian_arch(target), &["libc6", "libgcc-s1", "libstdc++6"])?;
            let old = Place::root("with glibc 2.31", vec![libraries], None, &[]);
            // This system's own glibc says more than nothing.
            Ok(if old.forbidden()?.is_none() { old } else { Place::here() })
        }
        (_, Runs::Natively) => Ok(Place::here()),
        (System::Musl, Runs::Qemu) => under_qemu(musl(target)?),
        (System::Glibc, Runs::Qemu) => {
            under_qemu(fetch::debian(GLIBC_SUITE, "arm64", &["libc6", "libgcc-s1", "libstdc++6", "libatomic1"])?)
        }
        (_, Runs::Wine) => wine::place(),
        _ => bail!("programs for {} do not run here", target.name),
    }
}

fn musl(target: &Target) -> Result<PathBuf> {
    fetch::debian(MUSL_SUITE, debian_arch(target), &["musl"])
}

fn debian_arch(target: &Target) -> &'static str {
    if target.processor() == "aarch64" { "arm64" } else { "amd64" }
}

fn under_qemu(libraries: PathBuf) -> Result<Place> {
    let qemu = fetch::debian(QEMU_SUITE, "amd64", &["qemu-user"])?;
    Ok(Place::root("under qemu", vec![libraries, qemu], Some("/usr/bin/qemu-aarch64"), &[]))
}
