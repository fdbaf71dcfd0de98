//! Objects in S3, against `s3s-fs`, which checks signatures and conditions.

use crate::sim::{DENY, Rules, When};
use crate::stage::{Stage, fargate, ticket};
use aws::{Store, fetch};
use wire::Ticket;

async fn stage() -> (Stage, Store) {
    let stage = Stage::new(Rules::default()).await;
    let store = Store::new(&stage.session, &fargate(1, "", "").s3.unwrap());
    (stage, store)
}

#[tokio::test]
async fn a_module_is_sent_once_and_read_back() {
    let (stage, store) = stage().await;
    let url = store.put_module(b"\0asm module").await.unwrap();
    // SHA-256 by coreutils: printf '\0asm module' | sha256sum
    let digest = "19b4d0698a505e9dc02f1e53ef7e8ca6bfb1c7fb2905d8737c4023e566dfe8d9";
    assert_eq!(url, format!("s3://bucket/tilefn/modules/{digest}.wasm"));
    assert_eq!(store.put_module(b"\0asm module").await.unwrap(), url);
    assert_eq!(stage.sim.count("s3:PUTObject"), 1);
    assert_eq!(fetch(&stage.session, &url, 12).await.unwrap(), b"\0asm module");
}

#[tokio::test]
async fn an_object_larger_than_the_limit_is_refused() {
    let (stage, store) = stage().await;
    let url = store.put_module(b"\0asm module").await.unwrap();
    let error = fetch(&stage.session, &url, 10).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot read {url}: it has more than 10 bytes"));
    let error = fetch(&stage.session, "s3://bucket/none", 10).await.unwrap_err();
    assert!(
        error.to_string().starts_with("cannot read s3://bucket/none: ") && error.to_string().contains("NoSuchKey"),
        "{error}"
    );
}

#[tokio::test]
async fn a_damaged_module_is_replaced() {
    let (stage, store) = stage().await;
    let url = store.put_module(b"\0asm module").await.unwrap();
    let file = stage.sim.folder.path().join(url.strip_prefix("s3://").unwrap());
    std::fs::write(&file, "half").unwrap();
    store.put_module(b"\0asm module").await.unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), b"\0asm module");
}

#[tokio::test]
async fn no_permission_to_look_is_no_obstacle_to_sending() {
    let (stage, store) = stage().await;
    stage.sim.fault(When::Action("s3:HEADObject", 1), DENY);
    let url = store.put_module(b"\0asm module").await.unwrap();
    assert_eq!(fetch(&stage.session, &url, 12).await.unwrap(), b"\0asm module");
}

#[tokio::test]
async fn a_ticket_comes_and_goes() {
    let (stage, store) = stage().await;
    store.put_ticket(&ticket("job")).await.unwrap();
    let url = store.ticket_url("job");
    let bytes = fetch(&stage.session, &url, 65_536).await.unwrap();
    assert_eq!(Ticket::parse(&url, &bytes).unwrap().job, "job");
    store.delete_ticket("job").await.unwrap();
    store.delete_ticket("job").await.unwrap();
    fetch(&stage.session, &url, 65_536).await.unwrap_err();
    let report = store.put("job", "report.json", b"{}".to_vec()).await.unwrap();
    assert_eq!(report, "s3://bucket/tilefn/jobs/job/report.json");
}
