//! `tilefn submit --detach` and the commands that look at such jobs: the controller runs on AWS too.

use super::console::Console;
use super::fatal::Fatal;
use super::place::PlaceArguments;
use super::prepare;
use super::run::{self, described};
use super::s3::wait;
use super::threads::spawn;
use aws::detached::{self, Ending, Standing};
use clap::Args;
use controller::{Control, Progress};
use job::spec::{WorkerKind, Workers};
use serde_json::json;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use types::location::Kind;

/// How often a controller on AWS says how far it is.
const BEACON: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub struct Arguments {
    /// The job's id, as tilefn submit --detach said it
    #[arg(value_name = "JOB-ID")]
    id: String,
    #[command(flatten)]
    place: PlaceArguments,
}

/// Options of `tilefn submit` for a job that is left to AWS, and for its controller there.
#[derive(Debug, Args)]
pub struct Detached {
    /// Leave the job to a controller on AWS, next to its workers, and return
    #[arg(long, conflicts_with_all = ["resume", "report", "dashboard"])]
    detach: bool,
    /// The job's id, given by who left it to this controller
    #[arg(long, hide = true, requires = "ecs_region")]
    job_id: Option<String>,
    /// Where that controller runs
    #[arg(long, hide = true)]
    ecs_region: Option<String>,
}

impl Detached {
    /// Leaves the job to AWS, or starts it, under its id if it has been left to this controller.
    pub fn submit(
        &self,
        arguments: &run::Arguments,
        start: impl FnOnce(Option<&str>) -> Result<(), Fatal>,
        console: &Console,
    ) -> Result<(), Fatal> {
        if self.detach {
            return detach(arguments, console);
        }
        match (&self.job_id, &self.ecs_region) {
            (Some(id), Some(region)) => finish(arguments, id, region, start(Some(id)), console),
            _ => start(None),
        }
    }
}

/// Checks the job here, and leaves it to a controller on AWS.
fn detach(arguments: &run::Arguments, console: &Console) -> Result<(), Fatal> {
    let loaded = prepare::load(&arguments.job)?;
    if loaded.spec.workers.kind != WorkerKind::Fargate {
        let kind = loaded.spec.workers.kind.name();
        return Err(Fatal::usage(format!("workers.kind is {kind:?}; tilefn submit --detach works with fargate")));
    }
    let mut prepared = prepare::prepare(&arguments.job, loaded, console, false, None)?;
    let plan = &prepared.plan;
    let inputs = plan.task.inputs.iter().flat_map(|i| i.rasters.iter().map(move |r| (&i.name, &r.path)));
    let outputs = plan.task.outputs.iter().zip(&plan.outputs);
    let outputs = outputs.flat_map(|(o, targets)| targets.iter().map(move |t| (&o.name, &t.path)));
    if let Some((name, path)) = inputs.chain(outputs).find(|(_, path)| !Kind::of(path).is_elsewhere()) {
        return Err(Fatal::usage(format!(
            "{name}: {path} is a file of this machine, which a controller on AWS can't reach; use s3://"
        )));
    }
    let (text, json) = described(&prepared);
    if arguments.dry_run {
        console.result(&text, "plan", || json);
        return Ok(());
    }
    console.say(&text, "plan", || json);
    let id = aws::job_id(&prepared.loaded.spec.workers, &plan.job.function);
    let spec = &mut prepared.loaded.spec;
    spec.function.sha256 = Some(plan.job.module_sha256.clone());
    let options: &[&str] = if arguments.job.overwrite { &["--overwrite"] } else { &[] };
    let controller = wait(async {
        let session = aws::session(&spec.workers).await?;
        detached::submit(&session, spec, &id, &prepared.module, options).await
    })?;
    let text = format!("job {id} is left to AWS; tilefn status {id}, logs {id} and cancel {id} look after it");
    console.result(&text, "submitted", || json!({ "job": id, "controller": controller }));
    Ok(())
}

/// A controller on AWS says how far it is, until this is dropped.
pub struct Beacon {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Beacon {
    pub fn start(workers: Workers, id: String, control: Arc<Control>) -> Result<Self, Fatal> {
        let (stop, stopped) = channel();
        let thread = spawn("beacon", move || {
            let mut said = Progress::default();
            while stopped.recv_timeout(BEACON) == Err(RecvTimeoutError::Timeout) {
                let progress = control.progress();
                if progress == said {
                    continue;
                }
                match wait(detached::progress(&workers, &id, progress.done, progress.total)) {
                    Ok(()) => said = progress,
                    Err(e) => tracing::warn!("{}", e.text),
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Beacon {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It only sends objects; it can't have panicked.
            let _ended = thread.join();
        }
    }
}

/// The end of a controller that runs on AWS, in this region: leaves what `tilefn status` will say.
fn finish(
    arguments: &run::Arguments,
    id: &str,
    region: &str,
    result: Result<(), Fatal>,
    console: &Console,
) -> Result<(), Fatal> {
    let ending = result.as_ref().err().map(|Fatal { code, text, detail }| Ending {
        message: text.clone(),
        exit_code: *code,
        detail: detail.clone(),
    });
    match wait(detached::finish(&arguments.job.job, id, region, ending.as_ref())) {
        Ok(left) => left.iter().for_each(|l| console.warn(l)),
        Err(e) => console.warn(&e.text),
    }
    result
}

/// Says how the job stands.
pub fn status(arguments: &Arguments, console: &Console) -> Result<(), Fatal> {
    let place = arguments.place.resolve()?;
    let standing = wait(async { detached::status(&place.clients().await?, &arguments.id).await })?;
    say(&arguments.id, &standing, console)
}

/// Prints the controller's log.
pub fn logs(arguments: &Arguments, console: &Console) -> Result<(), Fatal> {
    let place = arguments.place.resolve()?;
    wait(async {
        let line = |line: &str| console.result(line, "log", || json!({ "line": line }));
        detached::logs(&place.clients().await?, &arguments.id, line).await
    })
}

/// Stops the job.
pub fn cancel(arguments: &Arguments, console: &Console) -> Result<(), Fatal> {
    let place = arguments.place.resolve()?;
    let standing = wait(async { detached::cancel(&place.clients().await?, &arguments.id).await })?;
    console.result(
        &line(&arguments.id, &standing),
        "cancelled",
        || json!({ "job": arguments.id, "standing": standing }),
    );
    Ok(())
}

/// A job that failed, or was lost, is this command's failure too, so that scripts notice.
fn say(id: &str, standing: &Standing, console: &Console) -> Result<(), Fatal> {
    let text = line(id, standing);
    let code = match standing.state {
        "failed" => 1,
        "lost" => 3,
        _ => {
            console.result(&text, "status", || json!({ "job": id, "standing": standing }));
            return Ok(());
        }
    };
    Err(Fatal { code, text, detail: Some(json!({ "job": id, "standing": standing })) })
}

fn line(id: &str, standing: &Standing) -> String {
    format!("job {id}: {}: {}", standing.state, standing.text)
}
