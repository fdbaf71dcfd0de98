//! A job that does most of its tiles and then hangs, so that there is time to look.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Tiles of 16 × 16 pixels, in 3 rows of 4.
pub const TILES: u64 = 12;
/// What the function says on each tile: a page that takes it for markup would show it.
pub const WARNING: &str = "<img src=x onerror=document.title='owned'>";
/// A tile that begins with this value is never finished.
const HANG: f32 = 7777.0;

/// A run of the program, ended when dropped.
pub struct Job {
    child: Child,
    pub address: SocketAddr,
    _folder: TempDir,
}

impl Job {
    /// Starts the program with these arguments and a dashboard.
    pub fn start(arguments: &[&str]) -> Self {
        let folder = folder();
        let mut child = command(folder.path())
            .args(arguments)
            .args(["--json", "--dashboard", "0", "job.toml"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|l| l.unwrap());
        let mut events = lines.map(|l| serde_json::from_str::<serde_json::Value>(&l).unwrap());
        let said = events.find(|e| e["event"] == "dashboard").expect("it says where the dashboard is");
        let url = said["url"].as_str().unwrap();
        let address = url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
        Self { child, address, _folder: folder }
    }

    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // Worker processes leave when their controller is gone.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

pub fn signal(pid: u32, name: &str) {
    let status = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status().unwrap();
    assert!(status.success());
}

/// Runs the program, which must not begin: its exit code, what it says, and what is in the folder then.
pub fn refused(arguments: &[&str]) -> (Option<i32>, String, Vec<String>) {
    let folder = folder();
    let output = command(folder.path()).args(arguments).arg("job.toml").output().unwrap();
    let entries = std::fs::read_dir(folder.path()).unwrap();
    let mut files: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    (output.status.code(), String::from_utf8(output.stderr).unwrap(), files)
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tilefn-under-test"));
    command.current_dir(folder).env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"));
    command.env_remove("TILEFN_LOG").stdin(Stdio::null());
    command
}

/// The job's files.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let mut text = "ncols 64\nnrows 48\nxllcorner 0\nyllcorner 0\ncellsize 1\nNODATA_value -9999\n".to_owned();
    for row in 0..48 {
        let value = |col| match (row, col) {
            (0..16, 16..32) => -9999.0,
            (32, 48) => HANG,
            _ => 0.5,
        };
        let line: Vec<String> = (0..64).map(|col| format!("{:.1}", value(col))).collect();
        text += &(line.join(" ") + "\n");
    }
    write("in.asc", text.as_bytes());
    write("function.wasm", &module());
    write(
        "job.toml",
        b"[function]\nmodule = \"function.wasm\"\n[inputs.x]\npath = \"in.asc\"\n[outputs.y]\npath = \"out.tif\"\n\
          [grid]\ntile = [16, 16]\n[limits]\ntime = \"1h\"\n",
    );
    folder
}

/// Doubles pixels in place, warns each time, and hangs where it is told to.
fn module() -> Vec<u8> {
    let describe = r#"{"name":"double","doc":"","inputs":[{"name":"x","dtype":"float32"}],"params":[],
        "outputs":[{"name":"y","dtype":"float32"}],"halo":0,"reduce":false}"#;
    let bytes = |text: &str| text.bytes().map(|b| format!("\\{b:02x}")).collect::<String>();
    let text = include_str!("../guests/warns-and-hangs.wat")
        .replace("{alloc}", include_str!("../../host/sandbox/tests/guests/alloc.wat"))
        .replace("{double}", include_str!("../../host/sandbox/tests/guests/double.wat"))
        .replace("{description}", &bytes(describe))
        .replace("{described}", &((1024u64 << 32) | describe.len() as u64).to_string())
        .replace("{warning}", &bytes(WARNING))
        .replace("{kind}", &(tilefn_abi::Report::Warning as u32).to_string())
        .replace("{length}", &WARNING.len().to_string())
        .replace("{hang}", &HANG.to_string());
    wat::parse_str(&text).unwrap()
}
