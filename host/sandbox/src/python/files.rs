//! The calls of WASI that open files and tell of them. `wasmtime-wasi` answers them, and here is taken out of its answers what
//! differs between machines and runs: times, the numbers of files, the order of a listing. A function can open 64 files: more
//! would take those of the host.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use sha2::{Digest, Sha256};
use wasmtime::{Caller, Linker};
use wasmtime_wasi::p1::{WasiP1Ctx, wasi_snapshot_preview1 as original};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};
use wiggle::GuestMemory;

use crate::engine::engine_error;
use crate::error::Result;
use crate::host::{Host, Stop, enter, memory_and_host, slice};
use crate::wasi::{MODULE, errno, put};

/// The number of the first folder: those before it are the standard streams.
const FIRST_FOLDER: u32 = 3;
/// Files and folders that an instance may have open, besides its own two.
const MAX_OPEN: usize = 64;
/// Bytes of a path.
const MAX_PATH: u32 = 4096;
/// Bytes of a `filestat`, of a `dirent` before its name, and of any other answer.
const STAT: usize = 64;
const DIRENT: usize = 24;
/// WASI's number for a folder among the types of files.
const FOLDER: u8 = 3;

/// The files of an instance.
pub(super) struct Files {
    pub wasi: WasiP1Ctx,
    /// The paths of all that is open, by its number.
    open: BTreeMap<u32, String>,
}

impl Files {
    /// No files at all.
    pub fn none() -> Self {
        Self { wasi: WasiCtxBuilder::new().build_p1(), open: BTreeMap::new() }
    }

    /// What is in these folders, which the guest sees at these places.
    pub fn of(folders: [(&Path, &str); 2]) -> Result<Self> {
        let mut builder = WasiCtxBuilder::new();
        // Reading goes on in this thread: it is one of those that may block.
        builder.allow_blocking_current_thread(true);
        for (folder, guest) in folders {
            builder.preopened_dir(folder, guest, FsPerms::ReadOnly).map_err(engine_error)?;
        }
        let open = (FIRST_FOLDER..).zip(folders.map(|(_, guest)| guest.to_owned())).collect();
        Ok(Self { wasi: builder.build_p1(), open })
    }

    /// The path of something in an open folder.
    fn path(&self, folder: u32, path: &[u8]) -> String {
        let folder = self.open.get(&folder).map_or("", String::as_str);
        let mut parts: Vec<_> = folder.split('/').collect();
        let path = String::from_utf8_lossy(path);
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." => _ = parts.pop(),
                part => parts.push(part),
            }
        }
        parts.join("/")
    }
}

/// Defines these calls in place of the original ones.
pub(super) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "path_open", path_open)?;
    linker.func_wrap(MODULE, "fd_close", fd_close)?;
    linker.func_wrap(MODULE, "fd_filestat_get", fd_filestat_get)?;
    linker.func_wrap(MODULE, "path_filestat_get", path_filestat_get)?;
    linker.func_wrap(MODULE, "fd_readdir", fd_readdir)?;
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "WASI's own")]
fn path_open(
    mut caller: Caller<'_, Host>,
    folder: u32,
    lookup: i32,
    path: u32,
    path_len: u32,
    flags: i32,
    rights: i64,
    inherited: i64,
    fd_flags: i32,
    opened_at: u32,
) -> wasmtime::Result<i32> {
    enter(&mut caller)?;
    let mut own = match own_memory(&mut caller, path, path_len)? {
        Ok(own) => own,
        Err(errno) => return Ok(errno),
    };
    let files = files(&mut caller)?;
    if files.open.len() >= MAX_OPEN.saturating_add(2) {
        return Ok(errno::NFILE);
    }
    let (path, len) = own_path(path_len);
    let (folder_arg, mut memory) = (folder.cast_signed(), GuestMemory::Unshared(&mut own));
    let wasi = &mut files.wasi;
    let open =
        original::path_open(wasi, &mut memory, folder_arg, lookup, path, len, flags, rights, inherited, fd_flags, 0);
    let errno = now(open)?;
    if errno != errno::SUCCESS {
        return Ok(errno);
    }
    let opened = word(&own, 0);
    let path = files.path(folder, own.get(STAT..).unwrap_or_default());
    // Noted before anything else can fail: what isn't noted isn't counted.
    files.open.insert(opened, path);
    put(&mut caller, opened_at, &opened.to_le_bytes())
}

fn fd_close(mut caller: Caller<'_, Host>, fd: u32) -> wasmtime::Result<i32> {
    enter(&mut caller)?;
    let files = files(&mut caller)?;
    let errno = now(original::fd_close(&mut files.wasi, &mut GuestMemory::Unshared(&mut []), fd.cast_signed()))?;
    if errno == errno::SUCCESS {
        files.open.remove(&fd);
    }
    Ok(errno)
}

fn fd_filestat_get(mut caller: Caller<'_, Host>, fd: u32, stat_at: u32) -> wasmtime::Result<i32> {
    enter(&mut caller)?;
    let files = files(&mut caller)?;
    let mut stat = [0; STAT];
    let mut memory = GuestMemory::Unshared(&mut stat);
    let errno = now(original::fd_filestat_get(&mut files.wasi, &mut memory, fd.cast_signed(), 0))?;
    if errno != errno::SUCCESS {
        return Ok(errno);
    }
    if fd >= FIRST_FOLDER {
        stat = anonymous(&stat, &files.path(fd, b""));
    }
    put(&mut caller, stat_at, &stat)
}

fn path_filestat_get(
    mut caller: Caller<'_, Host>,
    folder: u32,
    lookup: i32,
    path: u32,
    path_len: u32,
    stat_at: u32,
) -> wasmtime::Result<i32> {
    enter(&mut caller)?;
    let mut own = match own_memory(&mut caller, path, path_len)? {
        Ok(own) => own,
        Err(errno) => return Ok(errno),
    };
    let files = files(&mut caller)?;
    let (path, len) = own_path(path_len);
    let mut memory = GuestMemory::Unshared(&mut own);
    let errno =
        now(original::path_filestat_get(&mut files.wasi, &mut memory, folder.cast_signed(), lookup, path, len, 0))?;
    if errno != errno::SUCCESS {
        return Ok(errno);
    }
    let (stat, path) = own.split_at_checked(STAT).unwrap_or_default();
    let stat = anonymous(stat, &files.path(folder, path));
    put(&mut caller, stat_at, &stat)
}

fn fd_readdir(
    mut caller: Caller<'_, Host>,
    fd: u32,
    buffer: u32,
    len: u32,
    cookie: u64,
    used_at: u32,
) -> wasmtime::Result<i32> {
    enter(&mut caller)?;
    let files = files(&mut caller)?;
    let names = match listing(files, fd)? {
        Ok(names) => names,
        Err(errno) => return Ok(errno),
    };
    let room = usize::try_from(len).unwrap_or(usize::MAX);
    let mut written = Vec::new();
    for ((name, kind), next) in names.iter().zip(1u64..).skip(usize::try_from(cookie).unwrap_or(usize::MAX)) {
        if written.len() >= room {
            break;
        }
        let name_len = u32::try_from(name.len()).unwrap_or(u32::MAX);
        written.extend_from_slice(&next.to_le_bytes());
        written.extend_from_slice(&number(&files.path(fd, name)).to_le_bytes());
        written.extend_from_slice(&name_len.to_le_bytes());
        written.extend_from_slice(&u32::from(*kind).to_le_bytes());
        written.extend_from_slice(name);
    }
    // A last one that has no room is cut: so the guest knows that there are more.
    written.truncate(room);
    let used = u32::try_from(written.len()).unwrap_or(len);
    match put(&mut caller, buffer, &written)? {
        errno::SUCCESS => put(&mut caller, used_at, &used.to_le_bytes()),
        errno => Ok(errno),
    }
}

/// A name in a folder, and WASI's number for what it is.
type Entry = (Vec<u8>, u8);

/// What is in an open folder, in the order of the names; or WASI's error.
fn listing(files: &mut Files, fd: u32) -> wasmtime::Result<Result<Vec<Entry>, i32>> {
    /// Bytes at first, and at most: no bundle has more.
    const ROOM: (u32, u32) = (1 << 14, 1 << 26);
    let mut room = ROOM.0;
    let all = loop {
        let mut own = vec![0; usize::try_from(room)?.saturating_add(STAT)];
        let mut memory = GuestMemory::Unshared(&mut own);
        let start = i32::try_from(STAT)?;
        let read =
            original::fd_readdir(&mut files.wasi, &mut memory, fd.cast_signed(), start, room.cast_signed(), 0, 0);
        let errno = now(read)?;
        if errno != errno::SUCCESS {
            return Ok(Err(errno));
        }
        let used = word(&own, 0);
        if used < room {
            own.truncate(usize::try_from(used)?.saturating_add(STAT));
            break own.split_off(STAT.min(own.len()));
        }
        if room >= ROOM.1 {
            return Ok(Err(errno::NOMEM));
        }
        room = room.saturating_mul(4);
    };
    let mut names = Vec::new();
    let mut rest = all.as_slice();
    while let Some((entry, after)) = rest.split_at_checked(DIRENT) {
        let Some((name, after)) = after.split_at_checked(usize::try_from(word(entry, 16))?) else { break };
        names.push((name.to_vec(), entry.get(20).copied().unwrap_or_default()));
        rest = after;
    }
    names.sort_unstable();
    Ok(Ok(names))
}

/// A `filestat` that is the same on every machine and at any time: it has type and size.
fn anonymous(stat: &[u8], path: &str) -> [u8; STAT] {
    let kind = stat.get(16).copied().unwrap_or_default();
    // What a folder's size is depends on the file system.
    let size = if kind == FOLDER { &[0; 8] } else { stat.get(32..40).unwrap_or(&[0; 8]) };
    let mut same = [0; STAT];
    // Device, number, type, links, size; then the three times, which stay 0.
    let fields: [(usize, &[u8]); 5] = [
        (0, &1u64.to_le_bytes()),
        (8, &number(path).to_le_bytes()),
        (16, &[kind]),
        (24, &1u64.to_le_bytes()),
        (32, size),
    ];
    for (at, value) in fields {
        same.iter_mut().skip(at).zip(value).for_each(|(place, byte)| *place = *byte);
    }
    same
}

/// The number of a file, by its path.
fn number(path: &str) -> u64 {
    Sha256::digest(path).iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// A memory for one call alone, so that its answer is known before the guest has it: room for the answer, then the path. Or
/// WASI's error.
fn own_memory(caller: &mut Caller<'_, Host>, path: u32, len: u32) -> wasmtime::Result<Result<Vec<u8>, i32>> {
    if len > MAX_PATH {
        return Ok(Err(errno::NAMETOOLONG));
    }
    let (memory, _) = memory_and_host(caller)?;
    Ok(match slice(memory, path, len) {
        Some(path) => Ok([&[0; STAT][..], path].concat()),
        None => Err(errno::FAULT),
    })
}

/// Where [`own_memory`] has the path.
fn own_path(len: u32) -> (i32, i32) {
    const { assert!(STAT == 64) };
    (64, len.cast_signed())
}

fn word(memory: &[u8], at: usize) -> u32 {
    let bytes = memory.get(at..).and_then(|rest| rest.first_chunk::<4>());
    bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn files<'a>(caller: &'a mut Caller<'_, Host>) -> wasmtime::Result<&'a mut Files> {
    use original::WasiSnapshotPreview1 as _;
    let python = caller.data_mut().python.as_mut().ok_or_else(|| Stop::Abi("it has no files".to_owned()))?;
    // Bytes of the guest's that a call may copy: only paths, whose length is known.
    python.files.wasi.set_hostcall_fuel(1 << 16);
    Ok(&mut python.files)
}

/// The result of a call, none of which waits: files are read in this thread.
fn now(call: impl Future<Output = wasmtime::Result<i32>>) -> wasmtime::Result<i32> {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(errno) => errno,
        Poll::Pending => Err(Stop::Abi("a call of files that waits".to_owned()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> (tempfile::TempDir, Files) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b", "c", "a", "d"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let files = Files::of([(folder.path(), "/library"), (folder.path(), "/function")]).unwrap();
        (folder, files)
    }

    #[test]
    fn a_listing_is_in_order_and_complete() {
        let (folder, mut files) = files();
        let names = |files: &mut Files| {
            let names = listing(files, 4).unwrap().unwrap().into_iter();
            names.map(|(name, kind)| (String::from_utf8(name).unwrap(), kind)).collect::<Vec<_>>()
        };
        let few = [(".", FOLDER), ("..", FOLDER), ("a", 4), ("b", 4), ("c", 4), ("d", 4)];
        assert_eq!(names(&mut files), few.map(|(name, kind)| (name.to_owned(), kind)));
        // More than there is room for at first.
        for n in 0..300 {
            std::fs::write(folder.path().join(format!("{n:0100}")), "").unwrap();
        }
        let many = names(&mut files);
        assert!(many.len() == 306 && many.is_sorted(), "{}", many.len());
        assert_eq!(listing(&mut files, 9).unwrap(), Err(errno::BADF));
    }

    #[test]
    fn what_a_file_tells_depends_on_its_path_type_and_size() {
        let mut stat = [0xff; STAT];
        stat[16] = 4;
        stat[32..40].copy_from_slice(&7u64.to_le_bytes());
        let same = anonymous(&stat, "/function/a");
        let numbers = same.as_chunks::<8>().0.iter().map(|field| u64::from_le_bytes(*field));
        assert_eq!(numbers.collect::<Vec<_>>(), [1, number("/function/a"), 4, 1, 7, 0, 0, 0]);
        stat[16] = FOLDER;
        assert_eq!(anonymous(&stat, "/function")[32..40], [0; 8]);
    }

    #[test]
    fn one_file_has_one_path() {
        let (_folder, files) = files();
        for path in ["a", "./a", "x/../a", "x//.././a"] {
            assert_eq!(files.path(4, path.as_bytes()), "/function/a", "{path}");
        }
        assert_eq!(files.path(3, b""), "/library");
    }
}
