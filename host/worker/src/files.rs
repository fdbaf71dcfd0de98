//! Inputs read from files by the thread that runs the function.

use super::runner::Pixels;
use super::task::{PixelSource, Task};
use grid::Window;
use raster::{Burner, Coverage, Error, Found, Mosaic, Source};
use std::sync::Arc;

/// The task's files, each opened by this thread when it first needs it: a GDAL dataset belongs to one thread.
///
/// The first files stay open, as many as allowed; the others are opened for each tile. Closing the least recently used file
/// instead would be worse: all tiles read all files in the same order, so every file would be opened for every tile.
pub struct FilePixels {
    task: Arc<Task>,
    sources: Vec<Vec<Option<OpenFile>>>,
    /// How many more files may stay open.
    room: usize,
}

/// An open file.
enum OpenFile {
    Raster(Source),
    Mosaic(Mosaic),
    Vector(Box<Burner>),
    Areas(Box<Coverage>),
}

impl OpenFile {
    /// `room`: how many files a mosaic may keep open.
    fn new(source: &PixelSource, room: usize) -> Result<Self, Error> {
        match source {
            PixelSource::Read(spec) => Source::open(spec).map(Self::Raster),
            PixelSource::Mosaic(spec) => Mosaic::open(spec, room).map(Self::Mosaic),
            PixelSource::Burned(spec) => Burner::open(spec).map(Box::new).map(Self::Vector),
            PixelSource::Covered(spec) => Coverage::open(spec).map(Box::new).map(Self::Areas),
        }
    }

    fn read(&mut self, window: Window, out: &mut [u8]) -> Result<Found, Error> {
        match self {
            Self::Raster(source) => source.read(window, out),
            Self::Mosaic(mosaic) => mosaic.read(window, out),
            Self::Vector(burner) => burner.read(window, out),
            Self::Areas(coverage) => coverage.read(window, out),
        }
    }
}

impl FilePixels {
    /// Opens nothing yet. At most `room` files will stay open.
    pub fn new(task: Arc<Task>, room: usize) -> Self {
        let sources = task.inputs.iter().map(|i| i.rasters.iter().map(|_| None).collect()).collect();
        Self { task, sources, room }
    }
}

impl Pixels for FilePixels {
    fn read(&mut self, input: usize, raster: usize, window: Window, out: &mut [u8]) -> Result<Found, Error> {
        let spec = self.task.inputs.get(input).and_then(|i| i.rasters.get(raster));
        let slot = self.sources.get_mut(input).and_then(|i| i.get_mut(raster));
        let (Some(spec), Some(slot)) = (spec, slot) else {
            unreachable!("inputs are counted by the same task");
        };
        let read = match slot {
            Some(source) => source.read(window, out),
            None => {
                let mut source = OpenFile::new(&spec.source, self.room)?;
                let read = source.read(window, out);
                if self.room > 0 {
                    self.room -= 1;
                    *slot = Some(source);
                }
                read
            }
        };
        if read.is_err() {
            // GDAL caches a damaged block and would return it without an error the next time, so the file must be closed. VRTs
            // share their sources, so all files are.
            let closed = self.sources.iter_mut().flatten().filter_map(Option::take).count();
            self.room = self.room.saturating_add(closed);
        }
        read
    }
}
