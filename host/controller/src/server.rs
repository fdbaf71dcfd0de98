//! The controller's side of the wire: lets workers in and holds a session with each.

use super::error::Error;
use super::events::{Event, Identity};
use super::remote_job::{Ending, RemoteJob};
use super::schedule::WorkerId;
use super::session;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};
use types::{WorkerKind, text};
use wire::{About, Compression, Joining, Listener, Pool, Socket, Terms};

/// How long workers have to say goodbye once all tiles are done: longer than each session waits by itself.
const FAREWELL: Duration = Duration::from_secs(8);

/// Accepts workers and serves them until the job ends one way or the other, then says goodbye to them.
pub async fn run(job: &Arc<RemoteJob>, mut listener: Listener) {
    let mut ending = job.ending();
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            joining = listener.accept() => {
                sessions.spawn(serve(job.clone(), joining));
            }
            Some(ended) = sessions.join_next() => look_at(job, ended),
            Ok(_) = ending.wait_for(|e| *e != Ending::Open) => break,
        }
    }
    drop(listener);
    part(job, &mut sessions).await;
}

/// Waits for the goodbyes of the workers, which were told how the job has ended.
pub async fn part(job: &RemoteJob, sessions: &mut JoinSet<()>) {
    let all_gone = async {
        while let Some(ended) = sessions.join_next().await {
            look_at(job, ended);
        }
    };
    if tokio::time::timeout(FAREWELL, all_gone).await.is_err() {
        tracing::warn!("some workers did not say goodbye within {FAREWELL:?}");
    }
}

/// Ends the job if a session has panicked: its worker's tiles are lost with it.
pub fn look_at(job: &RemoteJob, ended: Result<(), JoinError>) {
    if let Err(panic) = ended {
        job.fail(Error::Panicked(panic.to_string()));
    }
}

/// Serves the worker process at the other end of `socket`, which must greet within `start_timeout`.
pub async fn serve_process(job: Arc<RemoteJob>, socket: Socket, pool: Pool, start_timeout: Duration) {
    match tokio::time::timeout(start_timeout, socket.greet(pool)).await {
        Ok(Ok(joining)) => serve(job, joining).await,
        Ok(Err(error)) => tracing::info!("a worker process did not greet: {error}"),
        Err(_) => tracing::warn!("a worker process has not greeted within {start_timeout:?}"),
    }
}

/// Serves one worker until it leaves.
pub async fn serve(job: Arc<RemoteJob>, joining: Joining) {
    let about = harmless(joining.about.clone());
    if job.readers.is_none() && !about.reads {
        let reason =
            "the job wants workers that read the inputs themselves (workers.reads = \"worker\"); this one has no GDAL";
        // The worker leaves, whether it hears the reason or not.
        let _gone = joining.refuse(reason).await;
        return;
    }
    let worker = job.next_worker();
    let terms = Terms { heartbeat: job.heartbeat, compression: Compression::for_peer(joining.peer) };
    let (reader, writer) = match joining.welcome(terms, &job.task_bytes, job.limits()).await {
        Ok(halves) => halves,
        Err(error) => {
            tracing::warn!("worker {}: {error}", session::describe(&about));
            return;
        }
    };
    tracing::info!("worker {worker} joined: {} on {} ({} threads)", about.name, about.host, about.threads);
    job.workers.join(worker, about.clone());
    let id = WorkerId(u32::try_from(worker).unwrap_or(u32::MAX));
    let control = job.state.control();
    let (kind, name, host) = (kind_name(about.kind), about.name.clone(), about.host.clone());
    let identity = Identity { kind, name, host, threads: about.threads };
    control.tell(Event::WorkerJoined { worker: id.0, identity: &identity });
    let why = session::hold(&job, id, &about, reader, writer).await;
    let why = text::lines(&why).into_owned();
    job.workers.leave(worker);
    control.tell(Event::WorkerLeft { worker: id.0, why: &why });
    tracing::info!("worker {worker} left: {why}");
}

/// The name of a worker's kind in reports.
fn kind_name(kind: WorkerKind) -> &'static str {
    match kind {
        WorkerKind::Processes => "process",
        kind => kind.name(),
    }
}

/// A worker's description of itself, without characters that a terminal would obey.
fn harmless(about: About) -> About {
    let line = |text: String| text::line(&text).into_owned();
    About { name: line(about.name), host: line(about.host), task_arn: about.task_arn.map(line), ..about }
}
