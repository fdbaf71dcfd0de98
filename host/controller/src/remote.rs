//! A whole run with workers in other processes: starts them or lets them in, serves until all is done, cleans up.

use super::address::Address;
use super::control::Control;
use super::error::Error;
use super::fleet::{Fleet, FleetError};
use super::processes::Processes;
use super::reading::Readers;
use super::ready_job::ReadyJob;
use super::remote_job::{Ending, RemoteJob};
use super::report::Usage;
use super::run::{self, RunResult};
use super::schedule::Policy;
use super::server;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use wire::runtime;
use wire::{Fingerprint, JobCertificate, Listener, Pool, Secret, Ticket};

/// How long a ticket is valid. A job that takes longer keeps its connected workers, but gets new ones only from a fleet that
/// renews the ticket.
pub const TICKET_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often the switch to stop is looked at.
const STOP_LOOK: Duration = Duration::from_millis(100);
/// When no other work is left, a tile that has been under way for this long is given to a second worker.
const STRAGGLER: Duration = Duration::from_secs(5);
/// Limit for received results that wait to be written, bytes together.
const RESULT_BUDGET: u64 = 256 << 20;

/// How workers work, wherever they are.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether the controller reads the inputs and sends the pixels.
    pub controller_reads: bool,
    /// How often a tile may be lost before the job fails.
    pub max_attempts: u32,
    /// How often each side says something at least.
    pub heartbeat: Duration,
}

/// A fleet, and where its workers find the module; without an address the controller sends it.
pub struct Recruited<F> {
    pub fleet: F,
    /// `s3://…` or `https://…`.
    pub module_url: Option<String>,
}

/// Warnings from stopping the workers, and what they used.
type Served = Result<(Vec<String>, Option<Usage>), Error>;

/// Runs a job with the workers of the fleet that `recruit` makes, given the module.
pub fn run<F: Fleet>(
    job: ReadyJob,
    recruit: impl AsyncFnOnce(&[u8]) -> Result<Recruited<F>, FleetError>,
    options: &Options,
    address: &Address,
) -> RunResult {
    let control = job.control.clone();
    let serve = |job: &Arc<RemoteJob>| {
        let serving = async {
            let recruited = recruit(&job.module).await.map_err(Error::Fleet)?;
            serve(job, recruited, address, &control).await
        };
        block_on(Builder::new_multi_thread(), serving)
    };
    conduct(job, serve, options)
}

/// Runs a job with these processes.
pub fn run_here(job: ReadyJob, mut processes: Processes, options: &Options) -> RunResult {
    let control = job.control.clone();
    let serve = |job: &Arc<RemoteJob>| {
        let pool = Pool::new(RESULT_BUDGET);
        let serving = async {
            until_ended(job, &control, processes.keep(job, &pool)).await;
            server::part(job, processes.sessions()).await;
            Ok((Vec::new(), None))
        };
        // Connections with child processes aren't encrypted and cost little work, so one thread is enough.
        block_on(Builder::new_current_thread(), serving)
    };
    // `processes` is dropped after this: the workers end while the outputs are completed.
    conduct(job, serve, options)
}

fn conduct(mut ready: ReadyJob, serve: impl FnOnce(&Arc<RemoteJob>) -> Served, options: &Options) -> RunResult {
    let started = Instant::now();
    let task = ready.plan.task.clone();
    let policy = Policy { max_attempts: options.max_attempts, window: run::window(&task), straggler: STRAGGLER };
    let job_state = run::begin(&mut ready, policy)?;
    let module = std::mem::take(&mut ready.module);
    let readers = match options.controller_reads {
        true => Some(Readers::start(&task, processors()).map_err(Error::Thread)?),
        false => None,
    };
    let task_bytes = task.to_bytes().map_err(|e| Error::Panicked(e.to_string()))?;
    let job = Arc::new(RemoteJob::new(job_state.clone(), task, task_bytes, module, readers, options.heartbeat));
    let served = serve(&job);
    let mut usage = None;
    match served {
        Ok((warnings, used)) => {
            warnings.into_iter().for_each(|w| job_state.warn(w));
            usage = used;
        }
        Err(failure) => job.fail(failure),
    }
    let result = job.take_failure().map_or(Ok(()), Err);
    if result.is_err() {
        usage.iter().for_each(|usage| tracing::info!(target: "tilefn::aws", "{usage}"));
    }
    run::complete(&ready, &job_state, result, usage, started)
}

/// Does the work in a runtime of its own.
fn block_on(mut runtime: Builder, work: impl Future<Output = Served>) -> Served {
    let threads = processors().clamp(2, 8);
    // Blocking threads write results. More of them would only wait for each other at the files.
    let runtime = runtime::build(runtime.worker_threads(threads).max_blocking_threads(threads).enable_all());
    let runtime = runtime.map_err(Error::Thread)?;
    let served = runtime.block_on(work);
    runtime.shutdown_timeout(Duration::from_secs(5));
    served
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// Serves workers until the job has ended. The fleet is stopped whatever happens. Returns warnings, and what the fleet used.
async fn serve<F: Fleet>(
    job: &Arc<RemoteJob>,
    recruited: Recruited<F>,
    address: &Address,
    control: &Control,
) -> Served {
    let Recruited { mut fleet, module_url } = recruited;
    let wire = |e: wire::Error| Error::Listen { address: address.listen, reason: e.to_string() };
    let tcp = TcpListener::bind(address.listen).await.map_err(|e| wire(e.into()))?;
    let port = tcp.local_addr().map_err(|e| wire(e.into()))?.port();
    let (certificate, secret) = (JobCertificate::generate().map_err(wire)?, Secret::generate().map_err(wire)?);
    let expires = SystemTime::now() + TICKET_LIFE;
    let module = Fingerprint::of(&job.module);
    let mut ticket =
        Ticket::new(&address.job, address.all(port), certificate.fingerprint(), secret.clone(), module, expires);
    ticket.module_url = module_url;
    // A wrong one is why workers don't come, so it is said before any of them costs something.
    tracing::info!(target: "tilefn::aws", "workers will connect to {}", ticket.addresses.join(" or "));
    let listener = Listener::new(tcp, certificate, secret, Pool::new(RESULT_BUDGET));

    let serving = tokio::spawn({
        let job = job.clone();
        async move { server::run(&job, listener).await }
    });
    until_ended(job, control, drive(&mut fleet, &ticket, job)).await;
    if serving.await.is_err() {
        job.fail(Error::Panicked("serving workers".into()));
    }
    if let Some(task) = job.lost_task()
        && let Some(why) = fleet.why(&task).await
    {
        job.explain(&why);
    }
    let left = fleet.stop().await;
    Ok((left, fleet.usage()))
}

/// Keeps workers coming until it is known how the job ends.
async fn until_ended(job: &RemoteJob, control: &Control, workers: impl Future<Output = FleetError>) {
    let mut ending = job.ending();
    tokio::select! {
        // First, so that no worker is started when nothing is left to do.
        biased;
        Ok(_) = ending.wait_for(|e| *e != Ending::Open) => {}
        error = workers => job.fail(Error::Fleet(error)),
        () = stop_asked(control) => job.fail(Error::Interrupted),
    }
}

async fn drive<F: Fleet>(fleet: &mut F, ticket: &Ticket, job: &RemoteJob) -> FleetError {
    match fleet.start(ticket, &job.workers).await {
        Ok(()) => fleet.keep(&job.workers).await,
        Err(error) => error,
    }
}

async fn stop_asked(control: &Control) {
    while !control.stopped() {
        tokio::time::sleep(STOP_LOOK).await;
    }
}
