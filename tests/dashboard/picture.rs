//! The picture of the output, as far as it is written.

use crate::client::{bytes, get, until};
use crate::hangs;
use crate::job::Job;
use serde_json::json;

/// Rows, columns, and the pixels of a PNG file as red, green, blue and opacity.
fn decoded(file: &[u8]) -> (u32, u32, Vec<[u8; 4]>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgba);
    (info.height, info.width, pixels.chunks_exact(4).map(|p| p.try_into().unwrap()).collect())
}

#[test]
fn it_has_the_tiles_that_are_written_and_no_others() {
    let job = Job::start(&["run", "--workers", "threads:1"]);
    let status = until(job.address, |s| hangs(s) && s["picture"]["tiles"] == 10);
    assert_eq!(status["picture"], json!({ "output": "y", "rows": 48, "cols": 64, "tiles": 10 }));
    assert!(get(job.address, "/").head.contains("img-src 'self' data:;"));
    // Drawn anew within half a second of the last tile, if it was drawn before that.
    let begun = std::time::Instant::now();
    loop {
        let (rows, cols, pixels) = decoded(&bytes(job.address, "/picture.png"));
        assert_eq!((rows, cols), (48, 64));
        let opaque = |n: usize| pixels[n][3] == 255;
        // The second tile is empty, and the last one hangs.
        let wanted = |n: usize| !matches!((n / 64 / 16, n % 64 / 16), (0, 1) | (2, 3));
        if (0..pixels.len()).all(|n| opaque(n) == wanted(n)) {
            // All values are the same, so all of them are the darkest.
            assert!(pixels.iter().all(|p| p[3] == 0 || p == &[0, 0, 0, 255]));
            return;
        }
        assert!(begun.elapsed().as_secs() < 120);
    }
}
