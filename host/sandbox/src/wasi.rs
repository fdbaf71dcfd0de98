//! WASI preview 1 with nothing granted: enough for the runtimes of C, C++ and Rust to start.
//!
//! Not `wasmtime-wasi`, which is made to grant things: its `poll_oneoff` sleeps on the host where no time limit reaches,
//! its stdout closes when a bounded buffer is full (a guest's `println!` then panics), and `sock_accept` writes to the host's log.
//! Here no file, socket, clock or other thread can be reached because no code for it exists. Clocks stand still at
//! 1970-01-01 and random numbers are the same in every instance: same input, same output.

use wasmtime::{Caller, FuncType, Linker, Val, ValType};

use super::host::{Host, Stop, enter, memory_and_host, slice, spend};
use super::log::Stream;

/// The name of the imports' module.
pub(super) const MODULE: &str = "wasi_snapshot_preview1";

/// WASI's error numbers, as many as are needed.
pub(super) mod errno {
    pub const SUCCESS: i32 = 0;
    pub const BADF: i32 = 8;
    pub const FAULT: i32 = 21;
    pub const INVAL: i32 = 28;
    pub const NAMETOOLONG: i32 = 37;
    pub const NFILE: i32 = 41;
    pub const NOMEM: i32 = 48;
    pub const NOTSUP: i32 = 58;
    pub const SPIPE: i32 = 70;
}

/// Calls that do nothing, with their parameters (`i`: i32, `I`: i64) and result: there is no argument, no file and no socket but the three
/// standard streams, nothing to wait for, and nobody to signal.
const NOTHING: [(&str, &str, i32); 36] = [
    ("args_get", "ii", errno::SUCCESS),
    ("environ_get", "ii", errno::SUCCESS),
    ("sched_yield", "", errno::SUCCESS),
    ("fd_advise", "iIIi", errno::BADF),
    ("fd_allocate", "iII", errno::BADF),
    ("fd_datasync", "i", errno::BADF),
    ("fd_fdstat_set_flags", "ii", errno::NOTSUP),
    ("fd_fdstat_set_rights", "iII", errno::NOTSUP),
    ("fd_filestat_get", "ii", errno::BADF),
    ("fd_filestat_set_size", "iI", errno::BADF),
    ("fd_filestat_set_times", "iIIi", errno::BADF),
    ("fd_pread", "iiiIi", errno::BADF),
    ("fd_prestat_dir_name", "iii", errno::BADF),
    ("fd_prestat_get", "ii", errno::BADF),
    ("fd_pwrite", "iiiIi", errno::BADF),
    ("fd_readdir", "iiiIi", errno::BADF),
    ("fd_renumber", "ii", errno::BADF),
    ("fd_sync", "i", errno::BADF),
    ("fd_tell", "ii", errno::SPIPE),
    ("path_create_directory", "iii", errno::BADF),
    ("path_filestat_get", "iiiii", errno::BADF),
    ("path_filestat_set_times", "iiiiIIi", errno::BADF),
    ("path_link", "iiiiiii", errno::BADF),
    ("path_open", "iiiiiIIii", errno::BADF),
    ("path_readlink", "iiiiii", errno::BADF),
    ("path_remove_directory", "iii", errno::BADF),
    ("path_rename", "iiiiii", errno::BADF),
    ("path_symlink", "iiiii", errno::BADF),
    ("path_unlink_file", "iii", errno::BADF),
    ("poll_oneoff", "iiii", errno::NOTSUP),
    ("proc_raise", "i", errno::NOTSUP),
    ("sock_accept", "iii", errno::BADF),
    ("sock_recv", "iiiiii", errno::BADF),
    ("sock_send", "iiiii", errno::BADF),
    ("sock_shutdown", "ii", errno::BADF),
    ("fd_seek", "iIii", errno::SPIPE),
];

/// Calls of a program that reads files: whatever else is defined for them stays where there are any.
const FILES: [&str; 15] = [
    "fd_advise",
    "fd_close",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_filestat_get",
    "fd_pread",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_read",
    "fd_readdir",
    "fd_seek",
    "fd_tell",
    "path_filestat_get",
    "path_open",
    "path_readlink",
];

/// Whether there are files to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Files {
    /// There are none.
    None,
    /// The linker has their calls already.
    Elsewhere,
}

/// Defines every function of WASI preview 1, but for those that read files where there are any.
pub(super) fn add_to_linker(linker: &mut Linker<Host>, files: Files) -> wasmtime::Result<()> {
    for (name, params, errno) in NOTHING {
        if files == Files::Elsewhere && FILES.contains(&name) {
            continue;
        }
        let params = params.chars().map(|c| if c == 'I' { ValType::I64 } else { ValType::I32 });
        let ty = FuncType::new(linker.engine(), params, [ValType::I32]);
        linker.func_new(MODULE, name, ty, move |mut caller, _, results| {
            enter(&mut caller)?;
            results.fill(Val::I32(errno));
            Ok(())
        })?;
    }
    linker.func_wrap(MODULE, "args_sizes_get", no_strings)?;
    linker.func_wrap(MODULE, "environ_sizes_get", no_strings)?;
    linker.func_wrap(MODULE, "clock_res_get", |mut caller: Caller<'_, Host>, _clock: i32, resolution: u32| {
        enter(&mut caller)?;
        put(&mut caller, resolution, &1u64.to_le_bytes())
    })?;
    linker.func_wrap(
        MODULE,
        "clock_time_get",
        |mut caller: Caller<'_, Host>, _clock: i32, _precision: i64, time: u32| {
            enter(&mut caller)?;
            put(&mut caller, time, &0u64.to_le_bytes())
        },
    )?;
    if files == Files::None {
        standard_streams(linker)?;
    }
    linker.func_wrap(MODULE, "fd_write", fd_write)?;
    linker.func_wrap(MODULE, "proc_exit", |code: u32| -> wasmtime::Result<()> { Err(Stop::Exit(code).into()) })?;
    linker.func_wrap(MODULE, "random_get", random_get)?;
    Ok(())
}

/// The calls of [`FILES`] that the standard streams answer.
fn standard_streams(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "fd_close", |mut caller: Caller<'_, Host>, fd: u32| {
        enter(&mut caller)?;
        Ok(if fd <= 2 { errno::SUCCESS } else { errno::BADF })
    })?;
    linker.func_wrap(MODULE, "fd_fdstat_get", fd_fdstat_get)?;
    linker.func_wrap(MODULE, "fd_read", |mut caller: Caller<'_, Host>, fd: u32, _: i32, _: i32, read: u32| {
        enter(&mut caller)?;
        match fd {
            0 => put(&mut caller, read, &0u32.to_le_bytes()),
            _ => Ok(errno::BADF),
        }
    })?;
    Ok(())
}

/// Writes `value` at pointer `at`.
pub(super) fn put(caller: &mut Caller<'_, Host>, at: u32, value: &[u8]) -> wasmtime::Result<i32> {
    let (memory, _) = memory_and_host(caller)?;
    Ok(
        match usize::try_from(at).ok().and_then(|at| memory.get_mut(at..)).and_then(|rest| rest.get_mut(..value.len()))
        {
            Some(place) => {
                place.copy_from_slice(value);
                errno::SUCCESS
            }
            None => errno::FAULT,
        },
    )
}

/// Number and total size of arguments or environment variables: none.
fn no_strings(mut caller: Caller<'_, Host>, count: u32, bytes: u32) -> wasmtime::Result<i32> {
    enter(&mut caller)?;
    for pointer in [count, bytes] {
        let (memory, _) = memory_and_host(&mut caller)?;
        let place =
            usize::try_from(pointer).ok().and_then(|at| memory.get_mut(at..)).and_then(|rest| rest.get_mut(..4));
        match place {
            Some(place) => place.fill(0),
            None => return Ok(errno::FAULT),
        }
    }
    Ok(errno::SUCCESS)
}

/// The standard streams look like a terminal, so that C's stdio hands lines over as they end: nothing flushes later.
fn fd_fdstat_get(mut caller: Caller<'_, Host>, fd: u32, stat: u32) -> wasmtime::Result<i32> {
    const CHARACTER_DEVICE: u8 = 2;
    const RIGHT_READ: u8 = 1 << 1;
    const RIGHT_WRITE: u8 = 1 << 6;
    enter(&mut caller)?;
    let rights = match fd {
        0 => RIGHT_READ,
        1 | 2 => RIGHT_WRITE,
        _ => return Ok(errno::BADF),
    };
    // Type, padding, flags (16 bits), padding, rights (64 bits), inherited rights (64 bits).
    put(
        &mut caller,
        stat,
        &[CHARACTER_DEVICE, 0, 0, 0, 0, 0, 0, 0, rights, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    )
}

fn fd_write(mut caller: Caller<'_, Host>, fd: u32, vectors: u32, count: u32, written: u32) -> wasmtime::Result<i32> {
    /// More than any libc passes; what a call may cost is bounded by it.
    const MAX_VECTORS: u32 = 1024;
    enter(&mut caller)?;
    let stream = match fd {
        1 => Stream::Stdout,
        2 => Stream::Stderr,
        _ => return Ok(errno::BADF),
    };
    if count > MAX_VECTORS {
        return Ok(errno::INVAL);
    }
    let (memory, host) = memory_and_host(&mut caller)?;
    let mut total = 0u32;
    let Some(vectors) = slice(memory, vectors, count.saturating_mul(8)) else {
        return Ok(errno::FAULT);
    };
    for [p0, p1, p2, p3, l0, l1, l2, l3] in vectors.as_chunks::<8>().0 {
        let (start, len) = (u32::from_le_bytes([*p0, *p1, *p2, *p3]), u32::from_le_bytes([*l0, *l1, *l2, *l3]));
        let Some(bytes) = slice(memory, start, len) else {
            return Ok(errno::FAULT);
        };
        let Some(sum) = total.checked_add(len) else {
            return Ok(errno::INVAL);
        };
        total = sum;
        host.log.write(stream, bytes);
    }
    spend(&mut caller, total.into())?;
    put(&mut caller, written, &total.to_le_bytes())
}

/// The same sequence in every instance (SplitMix64 from a fixed seed).
fn random_get(mut caller: Caller<'_, Host>, buffer: u32, len: u32) -> wasmtime::Result<i32> {
    /// Seeds need tens of bytes; what a call may cost is bounded by it.
    const MAX_LEN: u32 = 1 << 16;
    enter(&mut caller)?;
    if len > MAX_LEN {
        return Ok(errno::INVAL);
    }
    let (memory, host) = memory_and_host(&mut caller)?;
    let range = usize::try_from(buffer).ok().zip(usize::try_from(len).ok());
    let Some(buffer) = range.and_then(|(at, len)| memory.get_mut(at..)?.get_mut(..len)) else {
        return Ok(errno::FAULT);
    };
    for chunk in buffer.chunks_mut(8) {
        host.random = host.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = host.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        for (byte, random) in chunk.iter_mut().zip(z.to_le_bytes()) {
            *byte = random;
        }
    }
    spend(&mut caller, len.into())?;
    Ok(errno::SUCCESS)
}
