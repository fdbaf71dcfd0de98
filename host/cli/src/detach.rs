//! `tilefn submit --detach` and the commands that look at such jobs: the controller runs on AWS too.

use super::console::Console;
use super::fatal::Fatal;
use super::gc;
use super::place::PlaceArguments;
use super::prepare::{self, RunArguments};
use super::report::described;
use super::s3::wait;
use super::threads::spawn;
use aws::detached::{self, Ending, Standing};
use clap::{Args, Subcommand};
use controller::{Control, Counts};
use job::spec::Workers;
use serde_json::json;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use types::WorkerKind;
use types::location::Kind;

/// How often a controller on AWS uploads how far the job is.
const UPLOAD_EVERY: Duration = Duration::from_secs(5);

#[derive(Debug, Subcommand)]
pub enum FleetCommand {
    /// Show how a job stands that was left to AWS
    Status(Arguments),
    /// Show what the controller of a job says that was left to AWS
    Logs(Arguments),
    /// Stop a job that was left to AWS, and wait until it has cleaned up
    Cancel(Arguments),
    /// List what killed controllers left on AWS, and remove it
    Gc(gc::Arguments),
}

impl FleetCommand {
    /// Does what the command says.
    pub fn run(&self, console: &Console) -> Result<(), Fatal> {
        match self {
            Self::Status(arguments) => status(arguments, console),
            Self::Logs(arguments) => logs(arguments, console),
            Self::Cancel(arguments) => cancel(arguments, console),
            Self::Gc(arguments) => gc::gc(arguments, console),
        }
    }
}

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
        arguments: &RunArguments,
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
fn detach(arguments: &RunArguments, console: &Console) -> Result<(), Fatal> {
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
    if let Some(path) = &plan.reduced {
        return Err(Fatal::usage(format!(
            "reduced.path: {path} is a file of this machine, which a controller on AWS can't reach; its report has the result"
        )));
    }
    let (text, json) = described(plan, &prepared.loaded.spec.workers, arguments.dry_run);
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

/// Uploads from time to time how far the job is, until this is dropped.
pub struct ProgressUpload {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ProgressUpload {
    pub fn start(workers: Workers, id: String, control: Arc<Control>) -> Result<Self, Fatal> {
        let (stop, stopped) = channel();
        let thread = spawn("progress-upload", move || {
            let mut said = Counts::default();
            while stopped.recv_timeout(UPLOAD_EVERY) == Err(RecvTimeoutError::Timeout) {
                let counts = control.counts();
                if counts == said {
                    continue;
                }
                match wait(detached::progress(&workers, &id, counts.done, counts.total)) {
                    Ok(()) => said = counts,
                    Err(e) => tracing::warn!("{}", e.text),
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for ProgressUpload {
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
    arguments: &RunArguments,
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
fn status(arguments: &Arguments, console: &Console) -> Result<(), Fatal> {
    let place = arguments.place.resolve()?;
    let standing = wait(async { detached::status(&place.clients().await?, &arguments.id).await })?;
    say(&arguments.id, &standing, console)
}

/// Prints the controller's log.
fn logs(arguments: &Arguments, console: &Console) -> Result<(), Fatal> {
    let place = arguments.place.resolve()?;
    wait(async {
        let line = |line: &str| console.result(line, "log", || json!({ "line": line }));
        detached::logs(&place.clients().await?, &arguments.id, line).await
    })
}

/// Stops the job.
fn cancel(arguments: &Arguments, console: &Console) -> Result<(), Fatal> {
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
