//! A picture of the job's first output, which fills in while tiles are written.

use controller::{Event, Observer, Plan};
use raster::{Sketch, Thumbnail};
use serde::Serialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Pixels of the picture's longer side at most.
const SIDE: u32 = 512;
/// A picture is drawn anew after this long, if tiles have come since. The page asks each second.
const KEEP: Duration = Duration::from_millis(500);

/// The picture. It takes note of a tile's pixels as soon as they are in the file.
#[derive(Debug)]
pub struct Picture {
    /// The output's name.
    output: String,
    /// Its number.
    number: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    sketch: Sketch,
    /// Tiles in it.
    tiles: u64,
    /// When it was drawn last, with how many tiles, and the PNG file.
    drawn: Option<(Instant, u64, Arc<[u8]>)>,
}

/// What the status says of the picture.
#[derive(Clone, Debug, Serialize)]
pub struct PictureStatus {
    /// The output's name.
    pub output: String,
    /// Rows of the picture.
    pub rows: u32,
    /// Columns of the picture.
    pub cols: u32,
    /// Tiles in it; those of an earlier run are not.
    pub tiles: u64,
}

impl Picture {
    /// The picture of the first output that has a file, of a job that is about to run; none if no output has one.
    pub fn of(plan: &Plan) -> Option<Self> {
        let named = plan.task.outputs.iter().zip(&plan.outputs).enumerate();
        let (number, name, spec) =
            named.filter_map(|(number, (output, files))| Some((number, &output.name, files.first()?))).next()?;
        let inner = Inner { sketch: Sketch::new(spec.clone(), SIDE), tiles: 0, drawn: None };
        Some(Self { output: name.clone(), number, inner: Mutex::new(inner) })
    }

    pub(super) fn status(&self) -> PictureStatus {
        let inner = self.lock();
        let (rows, cols) = inner.sketch.size();
        PictureStatus { output: self.output.clone(), rows, cols, tiles: inner.tiles }
    }

    /// Tiles in the picture.
    pub fn tiles(&self) -> u64 {
        self.lock().tiles
    }

    /// The picture as a PNG file, at most half a second old.
    pub fn png(&self) -> Arc<[u8]> {
        let (sketch, tiles) = {
            let inner = self.lock();
            match &inner.drawn {
                Some((at, tiles, png)) if *tiles == inner.tiles || at.elapsed() < KEEP => return png.clone(),
                _ => (inner.sketch.clone(), inner.tiles),
            }
        };
        // Tiles go on being written while this is drawn.
        let png: Arc<[u8]> = encode(&sketch.thumbnail()).unwrap_or_default().into();
        self.lock().drawn = Some((Instant::now(), tiles, png.clone()));
        png
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Picture {
    fn event(&self, event: &Event<'_>) {
        if let Event::TileWritten { output, raster: 0, window, bands, pixels } = event
            && *output == self.number
        {
            let mut inner = self.lock();
            inner.sketch.write(window, *bands, pixels);
            inner.tiles += 1;
        }
    }
}

fn encode(picture: &Thumbnail) -> Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, picture.cols, picture.rows);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&picture.rgba)?;
    writer.finish()?;
    Ok(file)
}
