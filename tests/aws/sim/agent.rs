//! Runs the simulated tasks' containers as processes of this machine: the image is the program itself.

use super::{ACCESS_KEY, SECRET_KEY};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What runs; killed when dropped.
pub struct Agent {
    pub url: String,
    /// The image's entry point.
    pub program: PathBuf,
    /// Where the containers' standard error goes, and where their temporary files are.
    pub folder: PathBuf,
    pub processes: HashMap<String, Child>,
    /// Which have been sent SIGTERM.
    pub told: HashSet<String>,
}

/// The task's number, the end of its ARN.
pub fn number(arn: &str) -> u64 {
    arn.rsplit('/').next().unwrap().parse().unwrap()
}

impl Agent {
    /// Starts a task's container with its command and environment, a role's credentials and the metadata's address.
    pub fn start(&mut self, arn: &str, definition: &Value) {
        let container = &definition["containerDefinitions"][0];
        let number = number(arn);
        let mut command = Command::new(&self.program);
        command.args(container["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()));
        for variable in container["environment"].as_array().into_iter().flatten() {
            command.env(variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap());
        }
        command
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("ECS_CONTAINER_METADATA_URI_V4", format!("{}/meta/{number}", self.url))
            .env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"))
            .env("TMPDIR", &self.folder)
            .env_remove("TILEFN_LOG")
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(self.log(number)).unwrap());
        self.processes.insert(arn.to_owned(), command.spawn().unwrap());
    }

    /// What a container says.
    pub fn log(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number}.log"))
    }

    /// The exit code of a container that has ended; 137 when it was killed.
    pub fn ended(&mut self, arn: &str) -> Option<i32> {
        let status = self.processes.get_mut(arn)?.try_wait().unwrap()?;
        Some(status.code().unwrap_or(137))
    }

    /// Sends SIGTERM, once.
    pub fn stop(&mut self, arn: &str) {
        if let Some(child) = self.processes.get(arn)
            && self.told.insert(arn.to_owned())
        {
            let told =
                Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).stderr(Stdio::null()).status();
            // It may just have ended by itself.
            let _gone = told.unwrap();
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        for child in self.processes.values_mut() {
            let _ended = child.kill();
            let _status = child.wait();
        }
    }
}
