//! Inputs read from files by the thread that runs the function.

use super::runner::Pixels;
use super::task::Task;
use crate::grid::Window;
use crate::raster::{Error, Source};
use std::sync::Arc;

/// The task's files, each opened by this thread when it first needs it: a GDAL dataset belongs to one thread.
pub struct FilePixels {
    task: Arc<Task>,
    sources: Vec<Vec<Option<Source>>>,
}

impl FilePixels {
    /// Opens nothing yet.
    pub fn new(task: Arc<Task>) -> Self {
        let sources = task.inputs.iter().map(|i| i.rasters.iter().map(|_| None).collect()).collect();
        Self { task, sources }
    }
}

impl Pixels for FilePixels {
    fn read(&mut self, input: usize, raster: usize, window: Window, out: &mut [u8]) -> Result<(), Error> {
        let spec = self.task.inputs.get(input).and_then(|i| i.rasters.get(raster));
        let slot = self.sources.get_mut(input).and_then(|i| i.get_mut(raster));
        let (Some(spec), Some(slot)) = (spec, slot) else {
            unreachable!("inputs are counted by the same task");
        };
        let source = match slot {
            Some(source) => source,
            None => slot.insert(Source::open(&spec.source)?),
        };
        let read = source.read(window, out);
        if read.is_err() {
            // GDAL keeps what it made of a damaged block, and would give it the next time without a word. All files are closed,
            // as VRTs share those below them.
            self.sources.iter_mut().flatten().for_each(|slot| *slot = None);
        }
        read
    }
}
