//! The page in headless Chromium, if there is one: `chromium`, or what `TILEFN_TEST_CHROMIUM` names.

use crate::client::until;
use crate::hangs;
use crate::job::Job;
use std::path::Path;
use std::process::Command;

fn chromium(profile: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("TILEFN_TEST_CHROMIUM").unwrap_or_else(|| "chromium".into()));
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
    ]);
    command.args([
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1200,1000",
        "--virtual-time-budget=3000",
    ]);
    command.arg(format!("--user-data-dir={}", profile.display()));
    command
}

/// How many pixels of a picture have this colour.
fn count(picture: &Path, colour: [u8; 3]) -> usize {
    let file = std::io::BufReader::new(std::fs::File::open(picture).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    pixels.chunks_exact(info.color_type.samples()).filter(|p| p[..3] == colour).count()
}

#[test]
fn the_page_shows_the_job_and_takes_nothing_for_markup() {
    let folder = tempfile::tempdir().unwrap();
    if chromium(folder.path()).arg("--version").output().is_err() {
        eprintln!(
            "SKIPPED: the dashboard's page in a browser: there is no chromium; TILEFN_TEST_CHROMIUM can name one"
        );
        return;
    }
    let job = Job::start(&["run", "--workers", "threads:1"]);
    until(job.address, hangs);
    let url = format!("http://{}/", job.address);
    let output = chromium(folder.path()).arg("--dump-dom").arg(&url).output().unwrap();
    let dom = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    for part in [
        "<title>91 % double</title>",
        r#"<h1 id="function">double</h1>"#,
        r#"class="running">running</span>"#,
        r#"<b id="n-done">10</b>"#,
        r#"<b id="n-skipped">1</b>"#,
        r#"<b id="n-in-flight">1</b>"#,
        "<td>1 thread 1</td>",
        r#"<small id="output-name">y</small>"#,
        "&lt;img src=x onerror=document.title='owned'&gt;",
    ] {
        assert!(dom.contains(part), "no {part} in\n{dom}\n{said}");
    }
    assert_eq!(dom.matches("<img").count(), 1, "the picture of the output: {dom}");

    let picture = folder.path().join("page.png");
    let output = chromium(folder.path()).arg(format!("--screenshot={}", picture.display())).arg(&url).output().unwrap();
    assert!(picture.exists(), "{}", String::from_utf8_lossy(&output.stderr));
    // The picture of 48 × 64 pixels is drawn 640 wide, so each of its ten tiles is a black square of 160.
    let found = count(&picture, [0, 0, 0]);
    assert!(found >= 10 * 160 * 160, "{found} pixels of the output");
    // Cells of 40 pixels with a gap of one: 10 done, 1 left out, 1 under way; the legend's patches and the bar come on top.
    let cell = 39 * 39;
    for (colour, cells) in [([0x00, 0x72, 0xb2], 10), ([0x9f, 0xc7, 0xdf], 1), ([0xe6, 0x9f, 0x00], 1)] {
        let found = count(&picture, colour);
        assert!(found >= cells * cell, "{found} pixels of {colour:?}");
    }
}
