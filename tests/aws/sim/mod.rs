//! A strict simulator of ECS, EC2 and S3 in this process: one HTTP server on a free port.
//!
//! Its clock is the number of requests, so nothing depends on how fast the machine is: every request moves tasks and
//! instances one step. Its rules are AWS's where emulators are lenient (`RunTask` of 11, tokens, `failures`, memory,
//! what holds a cluster, lists that lag behind). Faults are injected by call number or by action.

mod agent;
mod ec2;
mod ecs;
mod tasks;
mod world;

pub use agent::Agent;
pub use world::{Dead, Event, Rules, World};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::service::{S3Service, S3ServiceBuilder};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

pub const ACCESS_KEY: &str = "AKIDTEST";
pub const SECRET_KEY: &str = "secret";

/// What to do to a call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Refuse it, without effect.
    Say { status: u16, code: &'static str, message: &'static str },
    /// Carry it out, but cut the connection before the answer.
    Lose,
    /// S3's answer where the bucket is in another region, as to GET (and HEAD, without the body).
    Elsewhere(&'static str),
}

pub const DENY: Fault = Fault::Say { status: 400, code: "AccessDeniedException", message: "User is not authorized" };

/// Which call to do it to.
#[derive(Clone, Debug)]
pub enum When {
    /// The call with this number, from 0.
    Call(usize),
    /// The first so many calls of this action.
    Action(&'static str, usize),
    /// The call of this action with this number, from 1.
    Nth(&'static str, usize),
}

/// What a test sees of the simulator.
#[derive(Clone)]
pub struct Sim {
    pub url: String,
    pub world: Arc<Mutex<World>>,
    pub folder: Arc<tempfile::TempDir>,
    faults: Arc<Mutex<Vec<(When, Fault)>>>,
    s3: S3Service,
}

/// An answer before it is HTTP.
pub struct Answer {
    pub status: u16,
    pub kind: &'static str,
    pub body: String,
}

impl Sim {
    /// Starts the server; it ends with the runtime.
    pub async fn start(rules: Rules) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("bucket")).unwrap();
        let mut s3 = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        s3.set_auth(s3s::auth::SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sim = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            world: Arc::new(Mutex::new(World::new(rules))),
            folder: Arc::new(folder),
            faults: Arc::default(),
            s3: s3.build(),
        };
        let server = sim.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let sim = server.clone();
                let service = service_fn(move |request| {
                    let sim = sim.clone();
                    async move { sim.serve(request).await }
                });
                // A fault ends a connection with an error: that is what it is for.
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        sim
    }

    /// From now on tasks are processes of `program`, and time passes by itself: processes don't wait for requests.
    pub fn run_containers(&self, program: &Path) {
        let folder = self.folder.path().join("containers");
        std::fs::create_dir(&folder).unwrap();
        let agent = Agent {
            url: self.url.clone(),
            program: program.to_owned(),
            folder,
            processes: HashMap::new(),
            told: HashSet::new(),
        };
        self.world.lock().unwrap().agent = Some(agent);
        self.let_time_pass();
    }

    /// From now on the world moves without requests as well.
    pub fn let_time_pass(&self) {
        let world = Arc::downgrade(&self.world);
        tokio::spawn(async move {
            while let Some(world) = world.upgrade() {
                world.lock().unwrap().step();
                drop(world);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }

    pub fn fault(&self, when: When, fault: Fault) {
        self.faults.lock().unwrap().push((when, fault));
    }

    pub fn clear_faults(&self) {
        self.faults.lock().unwrap().clear();
    }

    /// The actions called so far, in order.
    pub fn calls(&self) -> Vec<String> {
        self.world.lock().unwrap().calls.clone()
    }

    pub fn count(&self, action: &str) -> usize {
        self.calls().iter().filter(|c| *c == action).count()
    }

    /// Whatever of a job still exists, tickets included.
    pub fn inventory(&self) -> Vec<String> {
        let mut all = self.world.lock().unwrap().inventory();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else if entry.file_name() == "ticket.json" {
                    all.push(format!("object {}", entry.path().display()));
                }
            }
        }
        all
    }

    async fn serve(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
        if let Some(rest) = request.uri().path().strip_prefix("/meta/") {
            return Ok(http(self.metadata(rest.trim_end_matches("/task").parse()?)));
        }
        if let Some(what) = request.uri().path().strip_prefix("/latest/") {
            return Ok(http(instance_metadata(what, &request)));
        }
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let target = head.headers.get("x-amz-target").and_then(|t| t.to_str().ok()).map(str::to_owned);
        let form =
            head.headers.get("content-type").is_some_and(|t| t.as_bytes().starts_with(b"application/x-www-form"));
        let text = String::from_utf8_lossy(&body).into_owned();
        let action = match &target {
            Some(target) => target.rsplit('.').next().unwrap_or_default().to_owned(),
            None if form => ec2::action(&text),
            None => s3_action(&head.method, head.uri.path(), head.uri.query().unwrap_or_default()),
        };
        let fault = self.next_fault(&action);
        if let Some(Fault::Say { status, code, message }) = fault {
            let answer = match (&target, form) {
                (Some(_), _) => ecs::error(status, code, message),
                (None, true) => ec2::error(status, code, message),
                (None, false) => Answer {
                    status: 403,
                    kind: "application/xml",
                    body: format!("<Error><Code>AccessDenied</Code><Message>{message}</Message></Error>"),
                },
            };
            return Ok(http(answer));
        }
        if let Some(Fault::Elsewhere(region)) = fault {
            let body = "<Error><Code>PermanentRedirect</Code><Message>The bucket you are attempting to access must be addressed using \
                        the specified endpoint.</Message></Error>";
            let body = if head.method == hyper::Method::HEAD { "" } else { body };
            let mut answer = http(Answer { status: 301, kind: "application/xml", body: body.to_owned() });
            answer.headers_mut().insert("x-amz-bucket-region", region.parse().unwrap());
            return Ok(answer);
        }
        let response = if target.is_some() {
            http(self.world.lock().unwrap().ecs(&action, &text))
        } else if form {
            http(self.world.lock().unwrap().ec2(&action, &text))
        } else {
            let answer =
                self.s3.call(Request::from_parts(head, s3s::Body::from(body))).await.map_err(|e| format!("{e:?}"))?;
            let (head, body) = answer.into_parts();
            let body = body.collect().await.map_err(|e| e.to_string())?.to_bytes();
            Response::from_parts(head, Full::new(body))
        };
        match fault {
            Some(Fault::Lose) => Err("the answer is lost".into()),
            _ => Ok(response),
        }
    }

    /// What a container learns of its task.
    fn metadata(&self, number: usize) -> Answer {
        let arn = self.world.lock().unwrap().tasks[number].arn.clone();
        Answer { status: 200, kind: "application/json", body: serde_json::json!({ "TaskARN": arn }).to_string() }
    }

    /// Counts the call, moves the world one step, and says what is to go wrong.
    fn next_fault(&self, action: &str) -> Option<Fault> {
        let number = {
            let mut world = self.world.lock().unwrap();
            world.calls.push(action.to_owned());
            world.step();
            world.calls.len() - 1
        };
        let nth = self.count(action);
        let mut faults = self.faults.lock().unwrap();
        let hit = faults.iter().position(|(when, _)| match when {
            When::Call(n) => *n == number,
            When::Action(a, left) => *a == action && *left > 0,
            When::Nth(a, n) => *a == action && *n == nth,
        })?;
        if let When::Action(_, left) = &mut faults[hit].0 {
            *left -= 1;
        }
        Some(faults[hit].1.clone())
    }
}

/// EC2's metadata service, version 2, of an instance whose address leads to this machine as well.
fn instance_metadata(what: &str, request: &Request<Incoming>) -> Answer {
    let token = request.headers().get("x-aws-ec2-metadata-token").is_some_and(|t| t == "token");
    let life = request.headers().contains_key("x-aws-ec2-metadata-token-ttl-seconds");
    let (status, body) = match what {
        "api/token" if request.method() == hyper::Method::PUT && life => (200, "token"),
        "meta-data/local-ipv4" if token => (200, "127.0.0.2"),
        _ if token => (404, "none"),
        _ => (401, "no token"),
    };
    Answer { status, kind: "text/plain", body: body.to_owned() }
}

fn s3_action(method: &hyper::Method, path: &str, query: &str) -> String {
    let what = match query {
        q if q.contains("list-type=2") => "List",
        q if q.contains("uploads") => "Uploads",
        q if q.contains("partNumber=") => "Part",
        q if q.contains("uploadId=") => "Upload",
        _ if path.ends_with(".json") => "Json",
        _ => "Object",
    };
    format!("s3:{method}{what}")
}

fn http(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap();
    response.headers_mut().insert("content-type", answer.kind.parse().unwrap());
    response
}
