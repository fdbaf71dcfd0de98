//! Looks into the job's input files before the function is known, while its module is being compiled.

use crate::spec::{Input, Spec};
use raster::{self, Info, VectorInfo};
use std::collections::{BTreeSet, HashMap};
use types::Location;
use types::location::is_remote;

/// Files on other machines that are looked into at the same time: most of the time is waiting.
const AT_ONCE: usize = 16;
/// Files of this machine for which a further thread pays: it loads PROJ's database of CRSs again, which takes as long as some dozens
/// of files.
const WORTH_A_THREAD: usize = 100;

/// The files of the job's inputs, each looked into once.
#[derive(Debug)]
pub struct Survey {
    rasters: HashMap<String, Result<Info, raster::Error>>,
    vectors: HashMap<String, Result<VectorInfo, raster::Error>>,
}

impl Survey {
    /// Looks into all input files. A file that can't be opened has its error here.
    pub fn new(spec: &Spec) -> Self {
        let rasters = spec.inputs.values().filter_map(|input| match input {
            Input::Raster(input) => Some(input.files.paths()),
            Input::Vector(_) => None,
        });
        let paths: BTreeSet<_> = rasters.flatten().collect();
        let (remote, local): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| is_remote(path));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let local = spread(&local, cores.min(local.len() / WORTH_A_THREAD), inspect);
        let found = local.into_iter().chain(in_threads(&remote, inspect)).collect();
        let vectors = spec.inputs.values().filter_map(|input| match input {
            Input::Raster(_) => None,
            Input::Vector(input) => Some(input.vector.to_string()),
        });
        let vectors: BTreeSet<_> = vectors.collect();
        let vectors = vectors.into_iter().map(|path| (path.clone(), raster::inspect_vector(&path))).collect();
        Self { rasters: found, vectors }
    }

    /// The files that GDAL counts to an input's file; none for other files.
    pub fn files(&self, path: &str) -> &[String] {
        match (self.rasters.get(path), self.vectors.get(path)) {
            (Some(Ok(info)), _) => &info.files,
            (_, Some(Ok(info))) => &info.files,
            _ => &[],
        }
    }

    /// What the survey found out about an input's vector file.
    ///
    /// # Errors
    /// As [`raster::inspect_vector`], in words.
    pub fn vector(&self, path: &str) -> Result<VectorInfo, String> {
        match self.vectors.get(path) {
            Some(Ok(info)) => Ok(info.clone()),
            Some(Err(error)) => Err(error.to_string()),
            None => raster::inspect_vector(path).map_err(|e| e.to_string()),
        }
    }

    /// What the survey found out about a file. A file that belongs to no input is looked into now.
    ///
    /// # Errors
    /// As [`raster::inspect`], in words.
    pub fn info(&self, path: &str) -> Result<Info, String> {
        match self.rasters.get(path) {
            Some(Ok(info)) => Ok(info.clone()),
            Some(Err(error)) => Err(error.to_string()),
            None => raster::inspect(path).map_err(|e| e.to_string()),
        }
    }
}

fn inspect(paths: &[&Location]) -> Vec<(String, Result<Info, raster::Error>)> {
    paths.iter().map(|path| (path.to_string(), raster::inspect(path))).collect()
}

/// Looks at files on other machines, several at the same time. The answers are in the order of `items`.
pub fn in_threads<T: Sync, R: Send>(items: &[T], look: impl Fn(&[T]) -> Vec<R> + Sync) -> Vec<R> {
    spread(items, AT_ONCE, look)
}

/// Looks at items with so many threads; with one, here.
fn spread<T: Sync, R: Send>(items: &[T], threads: usize, look: impl Fn(&[T]) -> Vec<R> + Sync) -> Vec<R> {
    if threads <= 1 {
        return look(items);
    }
    let share = items.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let look = &look;
        let begin = |chunk| std::thread::Builder::new().spawn_scoped(scope, move || look(chunk)).map_err(|_| chunk);
        let threads: Vec<_> = items.chunks(share).map(begin).collect();
        let join = |thread: Result<std::thread::ScopedJoinHandle<'_, Vec<R>>, _>| match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            // The system gives no more threads.
            Err(chunk) => look(chunk),
        };
        threads.into_iter().flat_map(join).collect()
    })
}
