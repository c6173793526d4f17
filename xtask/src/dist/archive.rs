//! Archives that say nothing but what is in them: the same files give the same bytes, whenever and by whomever they are
//! packed.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// When every file was changed: 1985-10-26 08:15, as in the packages of npm.
const CHANGED: u64 = 499_162_500;

/// A file or a link of an archive.
struct Entry {
    /// As the archive has it, with the name of the folder that is packed.
    name: PathBuf,
    path: PathBuf,
    /// Where a link leads.
    link: Option<PathBuf>,
}

/// All below a folder, in the order of their names.
fn entries(folder: &Path) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let top = folder.file_name().context("the folder has no name")?;
    collect(folder, Path::new(top), &mut entries)?;
    ensure!(!entries.is_empty(), "there is nothing in {}", folder.display());
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

fn collect(folder: &Path, name: &Path, entries: &mut Vec<Entry>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let (path, name, kind) = (entry.path(), name.join(entry.file_name()), entry.file_type()?);
        if kind.is_dir() {
            collect(&path, &name, entries)?;
        } else {
            let link = if kind.is_symlink() { Some(fs::read_link(&path)?) } else { None };
            entries.push(Entry { name, path, link });
        }
    }
    Ok(())
}

/// Packs a folder as `.tar.gz`.
pub fn tar_gz(folder: &Path, to: &Path) -> Result<()> {
    let gzip = GzBuilder::new().mtime(0).write(create(to)?, Compression::best());
    let mut tar = tar::Builder::new(gzip);
    for Entry { name, path, link } in entries(folder)? {
        let mut header = Header::new_ustar();
        header.set_mtime(CHANGED);
        header.set_mode(0o644);
        if let Some(target) = link {
            header.set_entry_type(EntryType::Symlink);
            header.set_size(0);
            tar.append_link(&mut header, &name, target)?;
        } else {
            let bytes = read(&path)?;
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, &name, bytes.as_slice())?;
        }
    }
    tar.into_inner()?.finish()?.flush().with_context(|| format!("writing {}", to.display()))
}

/// Packs a folder as `.zip`, which has no links.
pub fn zip(folder: &Path, to: &Path) -> Result<()> {
    let mut zip = ZipWriter::new(create(to)?);
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
        .last_modified_time(DateTime::from_date_and_time(1985, 10, 26, 8, 15, 0)?)
        .unix_permissions(0o644);
    for Entry { name, path, link } in entries(folder)? {
        ensure!(link.is_none(), "{} is a link, which not everybody can unpack from a zip", path.display());
        zip.start_file_from_path(name, options)?;
        zip.write_all(&read(&path)?)?;
    }
    zip.finish()?.flush().with_context(|| format!("writing {}", to.display()))
}

fn create(to: &Path) -> Result<BufWriter<File>> {
    Ok(BufWriter::new(File::create(to).with_context(|| format!("making {}", to.display()))?))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("reading {}", file.display()))
}

/// Writes `SHA256SUMS` for the files of a folder, as `sha256sum --check` reads it.
pub fn sums(folder: &Path) -> Result<()> {
    const NAME: &str = "SHA256SUMS";
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_file() && name != NAME {
            let sum = Sha256::digest(read(&entry.path())?);
            let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
            lines.push((name, sum));
        }
    }
    lines.sort();
    let text: String = lines.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect();
    fs::write(folder.join(NAME), text).with_context(|| format!("writing {NAME}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::Command;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::{process, workspace};

    /// A folder of a test's own, with a folder that can be packed in it.
    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("sentry-profiler-{name}-{}", std::process::id()));
        workspace::remove(&folder).unwrap();
        let packed = folder.join("packed-1.0");
        fs::create_dir_all(packed.join("lib/deep")).unwrap();
        for file in ["b.txt", "a.txt", "lib/deep/c.txt", "lib/z.txt"] {
            fs::write(packed.join(file), file.repeat(1000)).unwrap();
        }
        folder
    }

    /// The same files, made at another time, by somebody with other habits.
    fn touch(packed: &Path) {
        for name in ["a.txt", "b.txt"] {
            let file = packed.join(name);
            let text = fs::read(&file).unwrap();
            fs::remove_file(&file).unwrap();
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            let times = fs::FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
            File::options().write(true).open(&file).unwrap().set_times(times).unwrap();
        }
    }

    #[test]
    fn an_archive_depends_on_its_files_only() {
        let folder = folder("archive");
        let packed = folder.join("packed-1.0");
        type Pack = fn(&Path, &Path) -> Result<()>;
        for (name, pack) in [("a.tar.gz", tar_gz as Pack), ("a.zip", zip)] {
            let archive = folder.join(name);
            let pack = || {
                pack(&packed, &archive).unwrap();
                fs::read(&archive).unwrap()
            };
            let first = pack();
            touch(&packed);
            assert_eq!(first, pack(), "{name}: the same files");
            fs::write(packed.join("a.txt"), "other").unwrap();
            assert_ne!(first, pack(), "{name}: another file");
            fs::write(packed.join("a.txt"), "a.txt".repeat(1000)).unwrap();
        }
        workspace::remove(&folder).unwrap();
    }

    #[test]
    fn a_tar_has_its_links_in_order_and_can_be_unpacked() {
        let folder = folder("tar");
        let packed = folder.join("packed-1.0");
        symlink("z.txt", packed.join("lib/link")).unwrap();
        let archive = folder.join("a.tar.gz");
        tar_gz(&packed, &archive).unwrap();
        let listed = process::output(Command::new("tar").arg("-tvf").arg(&archive)).unwrap();
        assert!(listed.lines().all(|line| line.contains("1985-10-2") && line.contains(" 0/0 ")), "{listed}");
        let files: Vec<_> = listed.lines().filter_map(|line| line.split(" packed-1.0/").nth(1)).collect();
        assert_eq!(files, ["a.txt", "b.txt", "lib/deep/c.txt", "lib/link -> z.txt", "lib/z.txt"]);
        workspace::remove(&packed).unwrap();
        process::output(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&folder)).unwrap();
        assert_eq!(fs::read_to_string(packed.join("lib/link")).unwrap(), "lib/z.txt".repeat(1000));
        workspace::remove(&folder).unwrap();
    }

    #[test]
    fn a_zip_refuses_links() {
        let folder = folder("zip");
        let packed = folder.join("packed-1.0");
        let archive = folder.join("a.zip");
        zip(&packed, &archive).unwrap();
        let mut unpacked = zip::ZipArchive::new(File::open(&archive).unwrap()).unwrap();
        assert_eq!(unpacked.len(), 4);
        let deep = unpacked.by_name("packed-1.0/lib/deep/c.txt").unwrap();
        assert_eq!(std::io::read_to_string(deep).unwrap(), "lib/deep/c.txt".repeat(1000));
        symlink("z.txt", packed.join("lib/link")).unwrap();
        assert!(zip(&packed, &archive).unwrap_err().to_string().contains("lib/link is a link"));
        workspace::remove(&folder).unwrap();
    }

    #[test]
    fn sums_can_be_checked() {
        let folder = folder("sums");
        fs::write(folder.join("one.txt"), "1").unwrap();
        fs::write(folder.join("other.txt"), "2").unwrap();
        sums(&folder).unwrap();
        sums(&folder).unwrap();
        let text = fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
        assert_eq!(text.lines().map(|line| &line[66..]).collect::<Vec<_>>(), ["one.txt", "other.txt"]);
        let first = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b  one.txt\n";
        assert!(text.starts_with(first), "{text}");
        let check = || process::output(Command::new("sha256sum").current_dir(&folder).args(["-c", "SHA256SUMS"]));
        check().unwrap();
        fs::write(folder.join("one.txt"), "3").unwrap();
        assert!(check().is_err());
        workspace::remove(&folder).unwrap();
    }
}
